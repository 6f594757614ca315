"""Copies are told from pictures that are alike because the data is simple."""

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate
from torch.utils.data import TensorDataset

from tests.training_scripts.watch.harness import train_with_new_loaders
from training_scripts.watch.checks import near_duplicates
from training_scripts.watch.checks.near_duplicates import SIDE, _copies, _grid

DOWN, RIGHT = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")


def copies(trained, evaluated):
    return _copies(_grid(trained, SIDE), _grid(evaluated, 2 * SIDE))


def scenes(count, generator):
    return interpolate(torch.randn(count, 3, 7, 7, generator=generator), size=32, mode="bicubic")


@pytest.mark.parametrize(
    "changed",
    [
        lambda pictures: interpolate(interpolate(pictures, size=20, mode="area"), size=32, mode="bilinear"),
        lambda pictures: 0.6 * pictures.flip(3) + 0.3,
        lambda pictures: torch.roll(pictures, (4, -2), dims=(2, 3)),
        lambda pictures: pictures + 0.1 * torch.randn(pictures.shape, generator=torch.Generator().manual_seed(5)),
    ],
)
def test_copies_are_found(changed):
    generator = torch.Generator().manual_seed(0)
    trained, others = scenes(64, generator), scenes(44, generator)
    found = copies(trained, torch.cat([changed(trained[:16]), others]))
    assert 12 <= found <= 16
    assert copies(trained, others) == 0


def discs(count, generator):
    places = 8 + 16 * torch.rand(count, 2, 1, 1, generator=generator)
    return torch.sigmoid(20 - (DOWN - places[:, 0]) ** 2 - (RIGHT - places[:, 1]) ** 2)[:, None]


def prototypes(count, generator):
    kinds = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(9))
    return kinds[torch.arange(count) % 4] + 0.02 * torch.randn(count, 1, 32, 32, generator=generator)


@pytest.mark.parametrize("draw", [discs, prototypes])
@pytest.mark.parametrize("count", [64, 16])
def test_simple_pictures_are_alike_by_chance(draw, count):
    generator = torch.Generator().manual_seed(1)
    assert copies(draw(64, generator), draw(count, generator)) == 0


def test_what_is_no_picture_or_a_plain_one_is_not_compared():
    assert _grid(torch.randn(8, 20), SIDE) is None
    assert _grid(torch.randn(8, 12, 32, 32), SIDE) is None
    assert len(_grid(torch.ones(8, 3, 32, 32), SIDE)) == 0


def test_another_device_by_default_changes_nothing():
    pictures = scenes(40, torch.Generator().manual_seed(0))
    trained, evaluated = _grid(pictures, SIDE), _grid(pictures, 2 * SIDE)
    with torch.device("meta"):
        assert _copies(trained, evaluated) > 30


def test_a_loader_for_each_evaluation_is_judged_as_one(session, monkeypatch):
    session.recorder = None
    sizes = []
    monkeypatch.setattr(near_duplicates, "_copies", lambda trained, evaluated: sizes.append(len(evaluated)) or 30)
    generator = torch.Generator().manual_seed(0)
    train, valid = (TensorDataset(scenes(40, generator), torch.arange(40) % 2) for _ in range(2))
    model = nn.Sequential(nn.Flatten(), nn.Linear(3072, 2))
    train_with_new_loaders(model, train, valid, 20)
    assert "NearDuplicates" in [item.rule for item in session.findings.all]  # after the third, not at the end
    assert sizes == [40]
    assert session.findings.failures == []
