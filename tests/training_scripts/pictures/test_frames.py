"""Each frame of a file becomes the file of a picture that looks as the frame does."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from training_scripts.pictures.frames import frames_of
from training_scripts.pictures.reading import levels_in, open_picture
from training_scripts.pictures.structure import PictureUnreadable

_RANDOM = np.random.default_rng(5)


def _animated(kind: str, mode: str, count: int = 3, **more: object) -> bytes:
    shape = {"RGB": (20, 30, 3), "RGBA": (20, 30, 4), "L": (20, 30), "CMYK": (20, 30, 4)}[mode]
    frames = [Image.fromarray(_RANDOM.integers(0, 255, shape, np.uint8), mode) for _ in range(count)]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], **more)
    return file.getvalue()


def _pages(*arrays: np.ndarray, **more: object) -> bytes:  # type: ignore[type-arg]
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for array in arrays:
            writer.write(array, contiguous=False, metadata=None, **more)  # type: ignore[arg-type]
    return file.getvalue()


def _of(dtype: type[np.generic], *shape: int) -> list[np.ndarray]:  # type: ignore[type-arg]
    return [(_RANDOM.random(shape) * (at + 1) * 900).astype(dtype) for at in range(3)]


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: _animated("GIF", "RGB"), id="gif"),
        pytest.param(lambda: _animated("WEBP", "RGBA", lossless=True), id="webp"),
        pytest.param(lambda: _animated("PNG", "RGB"), id="apng"),
        pytest.param(lambda: _animated("TIFF", "CMYK"), id="tiff-cmyk"),
        pytest.param(lambda: _animated("TIFF", "L", tiffinfo={274: 6}), id="tiff-sideways"),
        pytest.param(lambda: _pages(*_of(np.uint16, 20, 30)), id="tiff-16-bit"),
        pytest.param(lambda: _pages(*_of(np.float32, 20, 30)), id="tiff-float"),
        pytest.param(lambda: _pages(*_of(np.uint16, 20, 30, 3), photometric="rgb"), id="tiff-16-bit-colours"),
    ],
)
def test_a_frame_of_its_own_looks_as_the_frame_does(data: object) -> None:
    content: bytes = data()  # type: ignore[operator]
    found = [part for _, part in frames_of(content)]
    assert len(found) == 3
    for frame, number in (("first", 0), ("middle", 1), ("last", 2)):
        scale = levels_in(found[number])
        expected = open_picture(content, frame=frame, scale=scale)  # type: ignore[arg-type]
        seen = open_picture(found[number], scale=scale)
        assert seen.size == expected.size
        np.testing.assert_array_equal(np.asarray(seen), np.asarray(expected))


def test_the_slices_of_a_dicom_scan_are_measurements_as_the_whole_is() -> None:
    from tests.training_scripts.pictures.test_dicom import dicom

    content = dicom(np.stack(_of(np.uint16, 12, 16)))
    found = [part for _, part in frames_of(content)]
    np.testing.assert_array_equal(
        np.asarray(open_picture(found[2], scale=(0, 3000))),
        np.asarray(open_picture(content, frame="last", scale=(0, 3000))),
    )


def test_a_damaged_frame_is_said_in_plain_words(tmp_path: Path) -> None:
    whole = _animated("GIF", "RGB")
    with pytest.raises(PictureUnreadable, match=r"cut off|damaged"):
        list(frames_of(whole[: len(whole) // 2]))
