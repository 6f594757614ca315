"""The use cases of Sagehound. The window and the command line call this, and nothing deeper."""

from core.workbench.dataset_work import DEFAULT_FRACTIONS
from core.workbench.workbench import Workbench

__all__ = ["DEFAULT_FRACTIONS", "Workbench"]
