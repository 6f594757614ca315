"""Pictures of every usual kind as 8-bit RGB, the same way for scan, training, prediction and thumbnails.

`formats` has one object per format, `reading` the one way in, `levels` the grey scale of deep pictures, `colour` the
colour profiles. Pillow and numpy only: a deployed model carries this folder.
"""

from training_scripts.pictures.formats import SUFFIXES
from training_scripts.pictures.levels import Levels
from training_scripts.pictures.reading import (
    DRAFT_MARGIN,
    MAX_PIXELS,
    MAX_SIDE,
    PictureUnreadable,
    is_picture,
    levels_in,
    open_picture,
    read_file,
    size_of,
)

__all__ = [
    "DRAFT_MARGIN",
    "MAX_PIXELS",
    "MAX_SIDE",
    "SUFFIXES",
    "Levels",
    "PictureUnreadable",
    "is_picture",
    "levels_in",
    "open_picture",
    "read_file",
    "size_of",
]
