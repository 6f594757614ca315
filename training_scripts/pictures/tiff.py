"""What kind of TIFF a file is, in words, for those kinds that are not read."""

from __future__ import annotations

import importlib.util
import io
from collections import Counter

from PIL.TiffImagePlugin import COMPRESSION_INFO, ImageFileDirectory_v2

MOST_OF_PILLOW = 4
"""So many channels does Pillow read."""

_WIDTH, _BITS, _COMPRESSION, _SAMPLES, _SAMPLE_FORMAT = 256, 258, 259, 277, 339
_NUMBERS = {1: "whole numbers", 2: "signed whole numbers", 3: "floating-point numbers", 5: "complex numbers"}


def kind_of_tiff(data: bytes) -> str:
    """Return channels, numbers and compression of a TIFF file; "" where its tags cannot be read."""
    try:
        directory = ImageFileDirectory_v2(data[:8])
        file = io.BytesIO(data)
        file.seek(directory.next)
        directory.load(file)
        if _WIDTH not in directory:
            return ""
        samples = int(directory.get(_SAMPLES, 1))
        bits, formats = directory.get(_BITS, (1,)), directory.get(_SAMPLE_FORMAT, (1,))
        (bit, _), *_ = Counter(bits if isinstance(bits, tuple) else (bits,)).most_common(1)
        number = _NUMBERS.get((formats if isinstance(formats, tuple) else (formats,))[0], "numbers")
        compression = COMPRESSION_INFO.get(directory.get(_COMPRESSION, 1))
    except Exception:
        return ""
    if samples > MOST_OF_PILLOW and importlib.util.find_spec("tifffile") is None:
        return f"{samples} channels need the package tifffile"
    if compression is None:
        return f"its compression {directory[_COMPRESSION]} is not known"
    return f"{samples} {'channel' if samples == 1 else 'channels'} of {bit}-bit {number}"
