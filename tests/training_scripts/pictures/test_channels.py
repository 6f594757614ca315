"""Which frame and which channels of a picture are read: exactly the chosen ones, or plain words where there is none."""

from __future__ import annotations

import io
import sys
from argparse import Namespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from training_scripts.arguments import get_args_parser
from training_scripts.backbones import Preprocessing
from training_scripts.data import Samples
from training_scripts.features import preprocessing_for
from training_scripts.job import JobError
from training_scripts.pictures.reading import levels_in, open_picture, parts_of, size_of
from training_scripts.pictures.structure import PictureUnreadable

RANDOM = np.random.default_rng(3)


def many(dtype: type, planar: bool = False, compression: str | None = None, count: int = 6) -> tuple[bytes, np.ndarray]:
    """Return a TIFF of six channels as bytes, and its values."""
    values = RANDOM.random((40, 60, count)) * (1 if dtype is np.float32 else np.iinfo(dtype).max / 16)
    values = values.astype(dtype)
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        np.moveaxis(values, -1, 0) if planar else values,
        photometric="minisblack",
        planarconfig="separate" if planar else "contig",
        compression=compression,
        metadata=None,
    )
    return buffer.getvalue(), values


def saved(images: list[Image.Image], format_: str) -> bytes:
    buffer = io.BytesIO()
    images[0].save(buffer, format_, save_all=True, append_images=images[1:])
    return buffer.getvalue()


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_three_of_six_channels(dtype: type, planar: bool, compression: str | None) -> None:
    data, values = many(dtype, planar, compression)
    white = 1.0 if dtype is np.float32 else 4095.0
    picture = np.asarray(open_picture(data, channels=(6, 1, 4), scale=(0.0, white)))
    wanted = values[..., [5, 0, 3]].astype(np.float64)
    assert np.abs(picture - (wanted if dtype is np.uint8 else wanted * 255 / white)).max() <= 0.51
    assert np.array_equal(open_picture(data), open_picture(data, channels=(1, 2, 3), scale=levels_of(data)))
    assert size_of(data) == (60, 40)
    assert parts_of(data) == (1, 6)


def levels_of(data: bytes) -> tuple[float, float] | None:
    """What a picture that stands alone is shown between."""
    from training_scripts.pictures.levels import common

    found = levels_in(data)
    return None if found is None else common([found])


@pytest.mark.parametrize("format_", ["GIF", "TIFF", "WEBP", "PNG"])
def test_the_first_the_middle_and_the_last_frame(format_: str) -> None:
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (9, 9, 9), (90, 90, 90)]
    data = saved([Image.new("RGB", (30, 20), colour) for colour in colours], format_)
    for frame, at in {"first": 0, "middle": 2, "last": 4}.items():
        seen = np.asarray(open_picture(data, frame=frame))[5, 5].astype(int)  # type: ignore[arg-type]
        assert np.abs(seen - colours[at]).max() < 8, (format_, frame)
    assert open_picture(saved([Image.new("RGB", (30, 20), "red")], "PNG"), frame="last").getpixel((1, 1)) == (255, 0, 0)


def test_pages_of_a_tiff_are_channels_where_each_has_one() -> None:
    data = saved([Image.fromarray(np.full((20, 30), value, np.uint8)) for value in (10, 20, 30, 40)], "TIFF")
    assert open_picture(data, channels=(4, 2, 1)).getpixel((3, 3)) == (40, 20, 10)
    mixed = [Image.new("L", (30, 20)), Image.new("L", (30, 20)), Image.new("RGB", (30, 20)), Image.new("L", (30, 20))]
    with pytest.raises(PictureUnreadable, match="Page 3 of the picture is no channel"):
        open_picture(saved(mixed, "TIFF"), channels=(1, 2, 3))


def test_the_fourth_channel_is_no_transparency_when_it_is_chosen() -> None:
    assert open_picture(saved([Image.new("RGBA", (9, 9), (1, 2, 3, 4))], "PNG"), channels=(4, 3, 2)).getpixel(
        (0, 0)
    ) == (
        4,
        3,
        2,
    )
    with pytest.raises(PictureUnreadable, match="The picture has 3 channels, and channel 4 was chosen"):
        open_picture(saved([Image.new("RGB", (9, 9))], "PNG"), channels=(4, 3, 2))


def test_what_is_missing_damaged_or_too_large_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = many(np.uint8)
    with pytest.raises(PictureUnreadable, match=r"cut off|damaged"):
        open_picture(data[: len(data) // 2], channels=(6, 5, 4))
    says_more = io.BytesIO(data)
    with tifffile.TiffFile(says_more) as file:
        for name, value in (("ImageWidth", 19_000), ("ImageLength", 6_000)):
            file.pages[0].tags[name].overwrite(value)
    with pytest.raises(PictureUnreadable, match="6 channels of 19,000 x 6,000 pixels"):
        open_picture(says_more.getvalue())
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(PictureUnreadable):
        open_picture(data)


def test_what_is_chosen_is_recorded_with_the_preprocessing() -> None:
    args = get_args_parser().parse_args(["--channels", "4,3,2", "--frame", "last"])
    train = Samples.__new__(Samples)
    object.__setattr__(train, "levels", None)
    object.__setattr__(train, "levels_known", True)
    found = preprocessing_for(args, train)
    assert (found.channels, found.frame) == ((4, 3, 2), "last")
    assert Preprocessing.from_json(found.to_json()) == found
    assert {"channels", "frame"} & Preprocessing().to_json().keys() == set()
    assert isinstance(args, Namespace)
    for wrong in ("4,3", "0,1,2", "a,b,c", "RGB"):
        with pytest.raises(JobError, match=r"channels is .*, but must be rgb, or three numbers"):
            get_args_parser().parse_args(["--channels", wrong])
    with pytest.raises(ValueError, match="the frame second is not known"):
        Preprocessing.from_json({**Preprocessing().to_json(), "frame": "second"})
