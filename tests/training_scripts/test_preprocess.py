"""What a network sees of a picture."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from training_scripts.backbones import BACKBONES, FRAMINGS, Preprocessing
from training_scripts.preprocess import augmented, field_of_view, framed, pixels, views_of


def picture(width: int = 300, height: int = 200, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(
        0, 256, (max(height // 40, 2), max(width // 40, 2), 3), dtype=np.uint8
    )
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (640, 480), (256, 256), (100, 80)])
@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])
def test_one_step_equals_resize_then_crop(size: tuple[int, int], name: str) -> None:
    """torchvision's transforms, which round the middle to whole pixels, differ by that half pixel only."""
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    preprocessing = BACKBONES[name].preprocessing
    image = picture(*size)
    mode = InterpolationMode(preprocessing.interpolation)
    reference = CenterCrop(preprocessing.size)(Resize(preprocessing.resize, mode)(image))
    difference = np.abs(framed(image, preprocessing).astype(int) - np.asarray(reference, int))
    assert difference.mean() < 3


def test_central_takes_the_middle() -> None:
    image = Image.new("RGB", (300, 100), "red")
    image.paste((0, 0, 255), (100, 0, 200, 100))
    seen = framed(image, Preprocessing(size=64, resize=64))
    assert seen.shape == (64, 64, 3)
    assert (seen[:, 4:-4] == (0, 0, 255)).all()


def test_augmentation_follows_from_its_seed_alone() -> None:
    data, preprocessing = png(picture()), Preprocessing(size=64, resize=72)

    def view(kind: str, seed: int) -> np.ndarray:
        return augmented(data, preprocessing, kind, np.random.default_rng(seed))  # type: ignore[arg-type]

    for kind in ("light", "strong"):
        assert np.array_equal(view(kind, 1), view(kind, 1))
        assert not np.array_equal(view(kind, 1), view(kind, 2))
        assert view(kind, 1).shape == (64, 64, 3)
        assert view(kind, 1).dtype == np.uint8
        torch.from_numpy(view(kind, 1))  # contiguous, positive strides
    assert np.array_equal(view("none", 1), pixels(data, preprocessing))


def test_light_augmentation_keeps_colours_and_mirrors_half() -> None:
    image = Image.new("RGB", (100, 100), "red")
    image.paste((0, 0, 255), (50, 0, 100, 100))
    data, preprocessing = png(image), Preprocessing(size=32, resize=32)
    mirrored = 0
    for seed in range(60):
        seen = augmented(data, preprocessing, "light", np.random.default_rng(seed))
        mirrored += seen[16, 0, 2] > 128
        assert set(np.unique(seen[:, [0, -1], 1])) == {0}
    assert 15 < mirrored < 45


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 5)])
def test_extreme_shapes(size: tuple[int, int]) -> None:
    data, preprocessing = png(Image.new("RGB", size, "green")), Preprocessing(size=32, resize=36)
    for seed in range(5):
        for kind in ("none", "light", "strong"):
            seen = augmented(data, preprocessing, kind, np.random.default_rng(seed))  # type: ignore[arg-type]
            assert seen.shape == (32, 32, 3)


def ends(width: int = 480, height: int = 160) -> Image.Image:
    """A grey picture with a red left end and a blue right end."""
    image = Image.new("RGB", (width, height), (120, 120, 120))
    image.paste((255, 0, 0), (0, 0, 60, height))
    image.paste((0, 0, 255), (width - 60, 0, width, height))
    return image


@pytest.mark.parametrize("turned", [False, True])
def test_squash_and_pad_show_the_ends_that_crop_cuts_off(turned: bool) -> None:
    image = ends().transpose(Image.Transpose.ROTATE_270) if turned else ends()

    def seen(framing: str) -> np.ndarray:
        found = pixels(png(image), replace(Preprocessing(size=96, resize=110), framing=framing))
        assert found.shape == (96, 96, 3)
        return found.transpose(1, 0, 2) if turned else found

    assert not ((seen("crop")[..., 0] > 200) | (seen("crop")[..., 2] > 200)).any()
    squashed = seen("squash")
    assert squashed[:, 2, 0].min() > 200
    assert squashed[:, -3, 2].min() > 200
    padded = seen("pad")
    assert padded[48, 2, 0] > 200
    assert padded[48, -3, 2] > 200
    mean = [round(255 * value) for value in Preprocessing().mean]
    assert np.abs(padded[:30].astype(int) - mean).max() <= 1
    assert np.abs(padded[-30:].astype(int) - mean).max() <= 1


@pytest.mark.parametrize("framing", ["squash", "pad"])
def test_augmentation_keeps_the_framing(framing: str) -> None:
    """Random parts of what the network sees: here nearly always with at least one of the two ends."""
    data, preprocessing = png(ends()), replace(Preprocessing(size=64, resize=72), framing=framing)
    with_ends = 0
    for seed in range(40):
        seen = augmented(data, preprocessing, "light", np.random.default_rng(seed))
        assert seen.shape == (64, 64, 3)
        with_ends += bool(
            ((seen[..., 0] > 200) & (seen[..., 1] < 60)).any() or ((seen[..., 2] > 200) & (seen[..., 1] < 60)).any()
        )
    assert with_ends > 30


def test_the_field_of_view_is_what_is_seen() -> None:
    preprocessing = Preprocessing(size=224, resize=256)
    assert field_of_view((512, 256), preprocessing) == (144, 16, 368, 240)
    assert field_of_view((512, 256), replace(preprocessing, framing="squash")) == (0, 0, 512, 256)
    assert field_of_view((512, 256), replace(preprocessing, framing="pad")) == (0, -128, 512, 384)


def test_preprocessing_survives_json_and_earlier_models() -> None:
    whole = replace(Preprocessing(), framing="pad", levels=(300.0, 550.0))
    assert Preprocessing.from_json(whole.to_json()) == whole
    earlier = Preprocessing().to_json()
    del earlier["framing"], earlier["levels"]
    assert Preprocessing.from_json(earlier) == Preprocessing()
    with pytest.raises(ValueError, match="stretch"):
        Preprocessing.from_json(earlier | {"framing": "stretch"})


@pytest.mark.parametrize("framing", ["squash", "pad"])
@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (3, 5)])
def test_extreme_shapes_in_every_framing(size: tuple[int, int], framing: str) -> None:
    data, preprocessing = png(Image.new("RGB", size, "green")), Preprocessing(size=32, resize=36)
    preprocessing = replace(preprocessing, framing=framing)
    for kind in ("none", "light", "strong"):
        assert augmented(data, preprocessing, kind, np.random.default_rng(0)).shape == (32, 32, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (240, 240)])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_several_views_begin_with_the_framings_own_and_show_the_whole(size: tuple[int, int], framing: str) -> None:
    image, one = picture(*size), Preprocessing(size=64, resize=72, framing=framing)  # type: ignore[arg-type]
    six = replace(one, views=6)
    seen = framed(image, six)
    assert seen.shape == six.shape == (6, 64, 64, 3)
    assert np.array_equal(seen[0], framed(image, one))
    assert np.array_equal(seen[1], seen[0][:, ::-1])
    assert np.array_equal(framed(image, replace(one, views=3)), seen[:3])
    squashed = seen[0 if framing == "squash" else 2]
    # A padded square is reduced in two steps.
    assert np.abs(squashed.astype(int) - framed(image, replace(one, framing="squash"))).mean() < 2
    boxes = [view.box for view in views_of(size, six)]
    assert boxes[4][:2] == (0, 0)
    assert boxes[5][2:] == size
    left, top, right, bottom = field_of_view(size, six)
    assert (left, top) <= (0, 0)
    assert (right, bottom) >= size


def test_the_number_of_views_survives_json_and_keeps_the_keys_of_one() -> None:
    assert "views" not in Preprocessing().to_json(), "features of one view stay where they are"
    three = Preprocessing(views=3)
    assert Preprocessing.from_json(three.to_json()) == three
    with pytest.raises(ValueError, match="4 views"):
        Preprocessing.from_json({**three.to_json(), "views": 4})
