"""Sort a folder of pictures by what a model says, with a journal that undoes all of it."""

from core.models.sort.journal import Placed
from core.models.sort.sorting import Sorted, Way, sort_folder
from core.models.sort.undo import Undone, undo

__all__ = ["Placed", "Sorted", "Undone", "Way", "sort_folder", "undo"]
