"""DICOM files as pydicom reads them: windows, units, films whose low values are white, colours, frames, refusals."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLosslessSV1, RLELossless

from training_scripts.pictures.formats import PictureFormat, recognise
from training_scripts.pictures.reading import levels_in, open_picture, size_of
from training_scripts.pictures.structure import PictureUnreadable

RAMP = np.tile(np.arange(0, 4000, 50, dtype=np.uint16), (60, 1))  # 60 x 80, 0 … 3950


def dicom(values: np.ndarray, syntax: UID = ExplicitVRLittleEndian, **tags: object) -> bytes:
    """Return a file of one picture, or of several where the values have a frame axis."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    meta.TransferSyntaxUID = syntax
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    colours = values.ndim >= 3 and values.shape[-1] == 3
    shape = values.shape[:-1] if colours else values.shape
    data.Rows, data.Columns = shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = (3, "RGB") if colours else (1, "MONOCHROME2")
    if colours:
        data.PlanarConfiguration = 0
    if len(shape) == 3:
        data.NumberOfFrames = shape[0]
    data.BitsAllocated = data.BitsStored = values.dtype.itemsize * 8
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(values.dtype.kind == "i")
    data.PixelData = values.tobytes()
    data["PixelData"].VR = "OB" if values.dtype.itemsize == 1 else "OW"
    for name, value in tags.items():
        setattr(data, name, value)
    if "PixelData" not in tags and syntax == RLELossless:
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.compress(RLELossless)
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def grey(data: bytes, **options: object) -> np.ndarray:
    return np.asarray(open_picture(data, **options))[..., 0].astype(int)  # type: ignore[arg-type]


def test_it_is_known_by_its_content_and_measured() -> None:
    data = dicom(RAMP, RescaleSlope=1, RescaleIntercept=-1024)
    found = recognise(data[:132])
    assert isinstance(found, PictureFormat)
    assert found.name == "DICOM"
    assert size_of(data) == (80, 60)
    assert levels_in(data) == pytest.approx((-1024, 2926), abs=5)
    shown = grey(data, scale=(-1024.0, 2976.0))
    assert np.abs(shown - RAMP * 255.0 / 4000).max() <= 0.51


def test_a_window_is_what_is_seen() -> None:
    data = dicom(RAMP, WindowCenter=1000, WindowWidth=400)
    assert levels_in(data) is None
    shown = grey(data)
    wanted = np.clip((RAMP.astype(float) - 999.5) / 399 + 0.5, 0, 1) * 255
    assert np.abs(shown - wanted).max() <= 0.51
    assert (shown.min(), shown.max()) == (0, 255)
    film = dicom(RAMP, WindowCenter=1000, WindowWidth=400, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(grey(film), 255 - shown)
    units = dicom(RAMP, WindowCenter=500, WindowWidth=200, RescaleSlope=0.5, RescaleIntercept=0)
    assert np.abs(grey(units) - np.clip((RAMP * 0.5 - 499.5) / 199 + 0.5, 0, 1) * 255).max() <= 0.51
    assert levels_in(dicom(RAMP, PhotometricInterpretation="MONOCHROME1")) == pytest.approx((-3950, 0), abs=5)


def test_frames_and_colours() -> None:
    film = np.stack([np.full((20, 30), value, np.uint8) for value in (10, 20, 30)])
    data = dicom(film, WindowCenter=128, WindowWidth=256)
    assert [grey(data, frame=frame)[0, 0] for frame in ("first", "middle", "last")] == [10, 20, 30]
    colours = np.tile(np.array([200, 30, 90], np.uint8), (20, 30, 1))
    assert open_picture(dicom(colours)).getpixel((3, 3)) == (200, 30, 90)
    assert open_picture(dicom(colours), channels=(3, 2, 1)).getpixel((3, 3)) == (90, 30, 200)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGBaseline8Bit, JPEG2000Lossless])
def test_compressed_files(syntax: UID) -> None:
    small = (RAMP >> 4).astype(np.uint8)
    tags: dict[str, object] = {"WindowCenter": 128, "WindowWidth": 256}
    if syntax != RLELossless:
        buffer = io.BytesIO()
        Image.fromarray(small).save(buffer, "JPEG2000" if syntax == JPEG2000Lossless else "JPEG", quality=95)
        if syntax == JPEG2000Lossless:
            Image.fromarray(small).save(buffer := io.BytesIO(), "JPEG2000", no_jp2=True)
        tags["PixelData"] = encapsulate([buffer.getvalue()])
    data = dicom(small, syntax, **tags)
    assert np.abs(grey(data) - small).max() <= 4


def test_what_is_not_read_is_named() -> None:
    with pytest.raises(PictureUnreadable, match=r"compression \(JPEG Lossless.*\) is not read: uncompressed, RLE"):
        open_picture(dicom(RAMP, JPEGLosslessSV1, PixelData=encapsulate([b"\xff\xd8\xff\xd9"])))
    text, buffer = pydicom.dcmread(io.BytesIO(dicom(RAMP))), io.BytesIO()
    del text.PixelData
    text.save_as(buffer, enforce_file_format=True)
    with pytest.raises(PictureUnreadable, match="holds no picture"):
        open_picture(buffer.getvalue())
    with pytest.raises(PictureUnreadable, match=r"damaged|cut off|lacks"):
        open_picture(dicom(RAMP)[:3000])
