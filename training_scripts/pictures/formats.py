"""The picture formats: one object for each, which carries all that is known of it. To add a format, add its object."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import BinaryIO

# Imported here, not on demand, so that threads that open their first picture do not race to register the formats.
from PIL import features
from PIL.BmpImagePlugin import BmpImageFile, DibImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from training_scripts.pictures import jpeg, png
from training_scripts.pictures.structure import UNSETTLED, Structure
from training_scripts.pictures.tiff import kind_of_tiff

HEAD_BYTES = 132
"""So many bytes from the beginning of a file tell its format."""


def _unsettled(_data: bytes) -> Structure:
    return UNSETTLED


def _unchanged(data: bytes) -> bytes:
    return data


def _unnamed(_data: bytes) -> str:
    return ""


def _bitmap(file: BinaryIO) -> ImageFile:
    """Return a BMP file, or the bare bitmap that Windows programs copy."""
    start = file.read(2)
    file.seek(0)
    return BmpImageFile(file) if start == b"BM" else DibImageFile(file)


def _dicom(file: BinaryIO) -> ImageFile:
    """Return a DICOM file; its package is imported with the first."""
    from training_scripts.pictures.dicom import DicomImageFile

    return DicomImageFile(file)


def _jxl(file: BinaryIO) -> ImageFile:
    """Return a JPEG XL file; its package is imported with the first."""
    from training_scripts.pictures.jxl import JxlPicture

    return JxlPicture(file)


def _tiff(file: BinaryIO) -> ImageFile:
    """Return a TIFF; one of more channels than Pillow takes through the package tifffile, where that is there."""
    from training_scripts.pictures.channels import ManyChannels, takes

    if takes(file):
        return ManyChannels(file)
    return TiffImageFile(file)


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """A format that is read.

    `suffixes` are file name endings in lower case, the usual one first; `magic` matches the beginning of a file's
    content. `decoder` opens a file as Pillow does; `inspect` tells what the structure says without decoding (see
    `structure.Structure`), `cleaned` takes away what could keep the decoder from good pixels, and `kind` says in words
    what a file is that the decoder does not take. `deep`: it may hold more than 8 bits a channel. `good_for` is shown
    where a format is chosen.
    """

    name: str
    suffixes: tuple[str, ...]
    magic: re.Pattern[bytes]
    decoder: Callable[[BinaryIO], ImageFile]
    good_for: str
    inspect: Callable[[bytes], Structure] = field(default=_unsettled)
    cleaned: Callable[[bytes], bytes] = field(default=_unchanged)
    kind: Callable[[bytes], str] = field(default=_unnamed)
    deep: bool = False


@dataclass(frozen=True, slots=True)
class ForeignFormat:
    """A picture format that is not read, so that it can be named; `magic` is None where only the ending tells it.

    `without` is what it takes to read it, "" where nothing helps but to convert it; `package` is its name on the index.
    """

    name: str
    suffixes: tuple[str, ...]
    magic: re.Pattern[bytes] | None = None
    without: str = ""

    @property
    def package(self) -> str:
        """Return the package that reads it, "" where there is none."""
        return self.without.removeprefix(_THE_PACKAGE) if self.without.startswith(_THE_PACKAGE) else ""


_THE_PACKAGE = "the package "


def _starts(*patterns: bytes) -> re.Pattern[bytes]:
    return re.compile(b"|".join(patterns), re.DOTALL)


# By its brand, or by one of those that it says to be compatible with.
_AVIF = ((".avif", ".avifs"), _starts(rb".{4}ftyp(?:avif|avis|mif1.{4}(?:.{4})*?avif)"))
_DICOM = ((".dcm", ".dicom"), _starts(rb".{128}DICM"))
_JXL = ((".jxl",), _starts(rb"\0\0\0\x0cJXL ", rb"\xff\x0a"))
_HEIC = ((".heic", ".heif", ".hif"), _starts(rb".{4}ftyp(?:hei|hev|mif1|msf1)"))


def _by_chance() -> Iterator[PictureFormat]:
    """Yield AVIF where Pillow was built with its decoder, DICOM, JPEG XL and HEIC where their packages are there."""
    if features.check("avif"):
        from PIL.AvifImagePlugin import AvifImageFile

        yield PictureFormat("AVIF", *_AVIF, AvifImageFile, "Pictures of the web: the smallest files, slow to decode.")
    if find_spec("pydicom") is not None:
        good_for = "Pictures of medicine, through their window where they name one; needs the package pydicom."
        yield PictureFormat("DICOM", *_DICOM, _dicom, good_for, deep=True)
    if find_spec("pylibjxl") is not None:
        good_for = "Photographs smaller than as JPEG, or exactly as they are; needs the package pylibjxl."
        yield PictureFormat("JPEG XL", *_JXL, _jxl, good_for)
    try:
        from pi_heif import HeifImageFile
    except ImportError:
        return
    yield PictureFormat("HEIC", *_HEIC, HeifImageFile, "Photographs of phones; needs the package pi-heif.")


FORMATS = (
    PictureFormat(
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
        _starts(re.escape(jpeg.START)),
        JpegImageFile,
        "Photographs: small files that decode fastest, as they can be read at a part of their size.",
        jpeg.inspect,
    ),
    PictureFormat(
        "PNG",
        (".png", ".apng"),
        _starts(re.escape(png.START)),
        PngImageFile,
        "Drawings, screens and measurements: nothing is lost, up to 16 bits a channel, damage shows by checksums.",
        png.inspect,
        png.cleaned,
        deep=True,
    ),
    PictureFormat(
        "WebP",
        (".webp",),
        _starts(rb"RIFF.{4}WEBP"),
        WebPImageFile,
        "Pictures of the web: smaller than JPEG, slower to decode.",
    ),
    PictureFormat(
        "GIF",
        (".gif",),
        _starts(rb"GIF8[79]a"),
        GifImageFile,
        "Drawings of up to 256 colours; of an animation the first picture counts, or the one that is chosen.",
    ),
    PictureFormat(
        "BMP",
        (".bmp", ".dib"),
        # After "BM" and 12 bytes the size of the header; without them the header itself: its size, one plane, bits.
        _starts(
            rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
            rb"\x0c\0\0\0.{4}\x01\0[\1\4\x08\x18]\0",
            rb"[\x28\x34\x38\x40\x6c\x7c]\0\0\0.{8}\x01\0[\1\4\x08\x10\x18\x20]\0",
        ),
        _bitmap,
        "Pictures of old Windows programs: large files, nothing is lost.",
    ),
    PictureFormat(
        "TIFF",
        (".tif", ".tiff"),
        _starts(rb"II\x2a\0(?!.{4}CR)", rb"MM\0\x2a", rb"II\x2b\0\x08\0\0\0", rb"MM\0\x2b\0\x08\0\0"),
        _tiff,
        "Measurements: 8 and 16 bits a channel, or floating-point numbers of one channel; more than four channels with "
        "the package tifffile.",
        kind=kind_of_tiff,
        deep=True,
    ),
    PictureFormat(
        "PPM",
        (".ppm", ".pgm", ".pbm", ".pnm"),
        _starts(rb"P[1-6]\s*[\d#]"),
        PpmImageFile,
        "Research data sets of the plainest kind: up to 16 bits a channel, nothing is lost.",
        deep=True,
    ),
    *_by_chance(),
)
"""Every format that is read, the most usual first."""

_READ = frozenset(found.name for found in FORMATS)
_NOT_READ = (
    ForeignFormat("AVIF", *_AVIF, "a Pillow that has its decoder"),
    ForeignFormat("HEIC", *_HEIC, "the package pi-heif"),
    ForeignFormat("JPEG 2000", (".jp2", ".j2k", ".jpx", ".jpf"), _starts(rb"\0\0\0\x0cjP  ", rb"\xff\x4f\xff\x51")),
    ForeignFormat("JPEG XL", *_JXL, "the package pylibjxl"),
    ForeignFormat("JPEG XR", (".jxr", ".wdp", ".hdp"), _starts(rb"II\xbc")),
    ForeignFormat("DNG", (".dng",)),
    ForeignFormat(
        "camera raw",
        (".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"),
        _starts(rb"II\x2a\0.{4}CR"),
    ),
    ForeignFormat("Photoshop", (".psd", ".psb"), _starts(rb"8BPS")),
    ForeignFormat("SVG", (".svg", ".svgz"), _starts(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<svg")),
    ForeignFormat("OpenEXR", (".exr",), _starts(rb"\x76\x2f\x31\x01")),
    ForeignFormat("Radiance HDR", (".hdr",), _starts(rb"#\?RADIANCE")),
    ForeignFormat("float map", (".pfm",), _starts(rb"P[Ff]\s")),
    ForeignFormat("DICOM", *_DICOM, "the package pydicom"),
    ForeignFormat("NIfTI", (".nii",)),
    ForeignFormat("FITS", (".fits", ".fit"), _starts(rb"SIMPLE  =")),
    ForeignFormat("TGA", (".tga",)),
    ForeignFormat("ICO", (".ico", ".cur"), _starts(rb"\0\0[\1\2]\0[\1-\x40]\0")),
    ForeignFormat("PCX", (".pcx",)),
    ForeignFormat("DDS", (".dds",), _starts(rb"DDS ")),
    ForeignFormat("QOI", (".qoi",), _starts(rb"qoif")),
    ForeignFormat("SGI", (".sgi", ".rgb", ".rgba", ".bw"), _starts(rb"\x01\xda[\0\1][\1\2]")),
    ForeignFormat("XPM", (".xpm",), _starts(rb"/\* XPM \*/")),
    ForeignFormat("Sun raster", (".ras", ".sun"), _starts(rb"\x59\xa6\x6a\x95")),
    ForeignFormat("ICNS", (".icns",), _starts(rb"icns")),
    ForeignFormat("JPEG-LS", (".jls",)),
    ForeignFormat("PDF", (".pdf",), _starts(rb"%PDF-")),
    ForeignFormat("EPS", (".eps",), _starts(rb"%!PS")),
)
FOREIGN = tuple(found for found in _NOT_READ if found.name not in _READ)
"""Picture formats, to their owners, that are not read."""

SUFFIXES = frozenset(suffix for format_ in FORMATS for suffix in format_.suffixes)
"""File name endings (lower case) of the formats that are read."""
FORMAT_NAMES = " or ".join((", ".join(format_.name for format_ in FORMATS[:-1]), FORMATS[-1].name))
"""In the words of a sentence."""

_FOREIGN_BY_SUFFIX = {suffix: format_ for format_ in FOREIGN for suffix in format_.suffixes}


def recognise(head: bytes) -> PictureFormat | ForeignFormat | None:
    """Return the format of a file that begins with `head` (`HEAD_BYTES` are enough); None if it is not a picture."""
    for format_ in FORMATS:
        if format_.magic.match(head):
            return format_
    return next((foreign for foreign in FOREIGN if foreign.magic is not None and foreign.magic.match(head)), None)


def foreign_by_suffix(suffix: str) -> ForeignFormat | None:
    """Return the format that is not read but has this file name ending (lower case)."""
    return _FOREIGN_BY_SUFFIX.get(suffix)
