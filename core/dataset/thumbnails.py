"""Small versions of pictures, kept by content hash so that a picture is read in full only once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_QUALITY = 85


def thumbnail(path: Path, sha256: str, cache_dir: Path, edge: int = 128) -> Path:
    """A JPEG of the picture at `path`, at most `edge` pixels a side, upright, transparency on white.

    Made at the first call for this content and size; from then on the file in `cache_dir` is returned and `path` is
    not looked at. Safe from several threads and processes at once.

    Raises:
        PictureUnreadable: the picture cannot be read.
        OSError: `cache_dir` cannot be written.
    """
    target = cache_dir / sha256[:2] / f"{sha256}-{edge}.jpg"
    if target.exists():
        return target
    from PIL import Image  # here, because the window imports this module before its first paint

    from training_scripts.pictures import open_picture

    picture = open_picture(path, edge=edge)
    picture.thumbnail((edge, edge), Image.Resampling.BILINEAR, reducing_gap=2.0)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            picture.save(file, "JPEG", quality=_QUALITY)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target
