"""Small versions of pictures, kept by content hash so that a picture is read in full only once."""

from __future__ import annotations

import os
from pathlib import Path

from training_scripts.durable import replacing

_QUALITY = 85


def thumbnail(path: Path, sha256: str, cache_dir: Path, edge: int = 128) -> Path:
    """Return a JPEG of the picture at `path`, at most `edge` pixels a side, upright, transparency on white.

    Made at the first call for this content and size; from then on the file in `cache_dir` is returned and `path` is
    not looked at. Safe from several threads and processes at once.

    Raises:
        PictureUnreadable: the picture cannot be read.
        OSError: `cache_dir` cannot be written.
    """
    target = cache_dir / sha256[:2] / f"{sha256}-{edge}.jpg"
    if _is_whole(target):
        return target
    from PIL import Image  # here, because the window imports this module before its first paint

    from training_scripts.pictures.reading import open_picture

    picture = open_picture(path, edge=edge)
    picture.thumbnail((edge, edge), Image.Resampling.BILINEAR, reducing_gap=2.0)
    with replacing(target, flushed=False) as partial:
        picture.save(partial, "JPEG", quality=_QUALITY)
    return target


def _is_whole(file: Path) -> bool:
    """Whether a thumbnail is there to its end; one that was not flushed may be empty after a power cut."""
    try:
        with file.open("rb") as opened:
            opened.seek(-2, os.SEEK_END)
            return opened.read() == b"\xff\xd9"
    except OSError:
        return False
