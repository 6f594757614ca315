"""The registry agrees with the libraries it describes."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from training_scripts import lite
from training_scripts.backbones import BACKBONES, DEFAULT_BACKBONE, Preprocessing
from training_scripts.heads import HEADS, Head
from training_scripts.job import JobError
from training_scripts.network import Classifier, build, build_backbone, build_head, freeze, normalise, set_training_mode
from training_scripts.weights import Weights, find

TORCHVISION = [name for name, backbone in BACKBONES.items() if "pytorch.org" in backbone.url]
LITE = [name for name, backbone in BACKBONES.items() if backbone.bundled and not backbone.parts]
WEIGHTS = {"resnet50": "V2", "mobilenet_v3_large": "V2"}


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_says_the_same(name: str) -> None:
    from torchvision import models

    spec = BACKBONES[name]
    published = models.get_model_weights(name)[f"IMAGENET1K_{WEIGHTS.get(name, 'V1')}"]
    transforms = published.transforms()
    assert spec.url == published.url
    assert spec.url.endswith(spec.weights_file)
    assert f"-{spec.sha256_prefix}." in spec.weights_file
    assert spec.megabytes == pytest.approx(published.meta["_file_size"], abs=0.1)
    assert ([spec.preprocessing.resize], [spec.preprocessing.size]) == (transforms.resize_size, transforms.crop_size)
    assert list(spec.preprocessing.mean) == transforms.mean
    assert list(spec.preprocessing.std) == transforms.std
    assert spec.preprocessing.interpolation == transforms.interpolation.value


@pytest.mark.parametrize("name", BACKBONES)
def test_features_and_last_block(name: str) -> None:
    spec = BACKBONES[name]
    model = build(name, "linear", 3, Weights(None, ""))
    with torch.no_grad():
        edge = spec.preprocessing.size if name.startswith("dino") else 64  # a transformer's is fixed
        assert model.eval().backbone(torch.zeros(2, 3, edge, edge)).shape == (2, spec.dim)
    trained = freeze(model, name, "last_block", pretrained=True)
    parameters = {key for key, value in model.backbone.named_parameters() if value.requires_grad}
    assert parameters
    assert all(key.startswith(tuple(f"{part}." for part in spec.last_block)) for key in parameters)
    last = list(model.backbone.named_parameters())[-1][0]
    assert last in parameters, "the block nearest the head is trained"
    set_training_mode(model, trained)
    training = {key for key, module in model.backbone.named_modules() if module.training}
    assert training == set(trained)
    norms = (nn.BatchNorm2d,)
    assert not any(isinstance(model.backbone.get_submodule(key), norms) for key in training)


def test_untrained_batch_norm_learns_its_statistics() -> None:
    model = build("resnet18", "linear", 3, Weights(None, ""))
    trained = freeze(model, "resnet18", "all", pretrained=False)
    set_training_mode(model, trained)
    assert all(module.training for module in model.backbone.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_frozen_backbone() -> None:
    model = build("resnet18", "linear", 3, Weights(None, ""))
    set_training_mode(model, freeze(model, "resnet18", None, pretrained=True))
    assert not any(module.training for module in model.backbone.modules())
    assert model.head.training
    assert [name for name, parameter in model.named_parameters() if parameter.requires_grad] == [
        "head.weight",
        "head.bias",
    ]


@pytest.mark.parametrize("name", LITE)
def test_lite_is_timms(name: str) -> None:
    timm = pytest.importorskip("timm")
    weights = find(name, "default")
    assert weights.file is not None
    ours = build_backbone(name, weights).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = timm.create_model(f"tf_{name}", num_classes=0).eval()
    state = torch.load(weights.file, weights_only=True)
    values = [value for key, value in state.items() if not key.startswith("_fc")]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), values, strict=True)))
    pictures = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(pictures), theirs(pictures))
        odd = pictures[:, :, :97, :161]
        torch.testing.assert_close(ours(odd), theirs(odd))


@pytest.mark.parametrize("name", LITE)
def test_lite_renames_every_key(name: str) -> None:
    weights = find(name, "default")
    assert weights.file is not None
    renamed = lite.rename(torch.load(weights.file, weights_only=True))
    assert set(renamed) == set(BACKBONES[name].network().state_dict())


def test_heads() -> None:
    linear, full = build_head("linear", 8, 3), build_head("linear_dropout_batchnorm", 8, 3)
    assert isinstance(linear, nn.Linear)
    assert isinstance(full, nn.Sequential)
    assert [type(part) for part in full] == [nn.Linear, nn.Dropout, nn.BatchNorm1d]
    assert full[1].p == 0.5
    assert Classifier(nn.Identity(), full)(torch.zeros(4, 8)).shape == (4, 3)
    with pytest.raises(JobError, match="There is no head attention: choose one of linear, linear_dropout_batchnorm"):
        build_head("attention", 8, 3)


def test_backbones_side_by_side_say_what_each_says_alone() -> None:
    name = next(name for name, backbone in BACKBONES.items() if backbone.parts)
    spec, weights = BACKBONES[name], find(name, "default")
    assert weights.is_pretrained
    together = build_backbone(name, weights).eval()
    assert set(together.state_dict()) == set(spec.network().state_dict())
    pictures = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        alone = [build_backbone(part, find(part, "default")).eval()(pictures) for part in spec.parts]
        torch.testing.assert_close(together(pictures), torch.cat(alone, dim=1))
    assert weights.identity == "+".join(find(part, "default").identity for part in spec.parts)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_heads_take_the_least_batch_that_they_name(head: Head) -> None:
    made = head.make(8, 3).train()
    assert made(torch.zeros(head.least_batch, 8)).shape == (head.least_batch, 3)
    if head.least_batch > 1:
        with pytest.raises(ValueError, match="more than 1"):
            made(torch.zeros(head.least_batch - 1, 8))


def test_untrained_weights_follow_from_the_seed() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (
        build_backbone("resnet18", Weights(None, "", seed)).state_dict()["conv1.weight"] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_normalise() -> None:
    preprocessing = Preprocessing(mean=(0.5, 0.4, 0.3), std=(0.5, 0.25, 0.1))
    pictures = torch.randint(0, 256, (2, 4, 5, 3), dtype=torch.uint8)
    expected = (pictures.double() / 255 - torch.tensor([0.5, 0.4, 0.3])) / torch.tensor([0.5, 0.25, 0.1])
    found = normalise(pictures, preprocessing)
    torch.testing.assert_close(found.double(), expected.permute(0, 3, 1, 2), atol=1e-5, rtol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_preprocessing_survives_json() -> None:
    for spec in BACKBONES.values():
        assert Preprocessing.from_json(spec.preprocessing.to_json()) == spec.preprocessing


def test_default_needs_no_network() -> None:
    assert BACKBONES[DEFAULT_BACKBONE].bundled
    file = find(DEFAULT_BACKBONE, "default").file
    assert isinstance(file, Path)
    assert file.is_file()
