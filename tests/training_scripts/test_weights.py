"""Weights come from where they were asked for, or the job says what to do; never silently from elsewhere."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from training_scripts.backbones import BACKBONES
from training_scripts.dinov2 import DinoV2Small, rename
from training_scripts.job import JobError
from training_scripts.network import build_backbone
from training_scripts.weights import Weights, find, read_state, sha256_of


def test_none_is_random_by_explicit_choice() -> None:
    weights = find("resnet18", "none", seed=3)
    assert (weights.file, weights.identity) == (None, "untrained-seed-3")


def test_missing_weights_name_the_ways_out() -> None:
    with pytest.raises(JobError) as caught:
        find("resnet18", "default")
    for way in ("efficientnet_lite0", "of your own", "weights none", "resnet18-f37072fd.pth"):
        assert way in str(caught.value)


def test_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / BACKBONES["resnet18"].weights_file).write_bytes(b"not those")
    monkeypatch.setenv("SAGEHOUND_WEIGHTS_DIR", str(tmp_path))
    with pytest.raises(JobError, match="damaged"):
        find("resnet18", "default")
    with pytest.raises(JobError, match="damaged"):
        find("resnet18", "default", channels={"weights": tmp_path})


def test_own_file_also_by_the_channel(tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    torch.save(build_backbone("resnet18", Weights(None, "")).state_dict(), file)
    assert find("resnet18", str(file)) == Weights(file, sha256_of(file))
    assert find("resnet18", "/elsewhere/mine.pth", channels={"weights": tmp_path}).file == file
    with pytest.raises(JobError, match="not there"):
        find("resnet18", str(tmp_path / "gone.pth"))


_OF_TORCHVISION = [name for name, backbone in BACKBONES.items() if "download.pytorch.org" in backbone.url]


@pytest.mark.parametrize("name", _OF_TORCHVISION)
def test_a_published_file_loads(name: str, tmp_path: Path) -> None:
    """A torchvision state_dict, classifier included, in single precision or half, old format or new."""
    from torchvision import models

    torch.manual_seed(1)
    published = models.get_model(name, weights=None).eval()
    picture = torch.rand(1, 3, 64, 64)
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        file = tmp_path / f"{len(options)}.pth"
        torch.save(published.state_dict(), file, **options)
        backbone = build_backbone(name, find(name, str(file))).eval()
        classifier = published.fc if hasattr(published, "fc") else published.classifier
        if name == "convnext_tiny":
            classifier = classifier[2]
        with torch.no_grad():
            torch.testing.assert_close(classifier(backbone(picture)), published(picture))


def test_dinov2_is_that_of_its_published_state_dict(tmp_path: Path) -> None:
    """timm has the same network; at the size of the training both take the positions as they are."""
    from timm import create_model

    torch.manual_seed(1)
    other = create_model("vit_small_patch14_dinov2", pretrained=False, num_classes=0).eval()
    for name, value in other.named_parameters():  # scales of 1e-5 would hide the branches
        if name.endswith("gamma"):
            torch.nn.init.uniform_(value, 0.5, 1.0)
    published = other.state_dict() | {"mask_token": torch.zeros(1, 384)}
    whole = DinoV2Small(518)
    whole.load_state_dict(rename(published, 518))
    picture = torch.rand(1, 3, 518, 518)
    with torch.no_grad():
        torch.testing.assert_close(whole.eval()(picture), other(picture), rtol=1e-3, atol=1e-4)
    torch.save(published, tmp_path / "dinov2.pth")
    ours = build_backbone("dinov2_vits14", find("dinov2_vits14", str(tmp_path / "dinov2.pth"))).eval()
    assert ours.pos_embed.shape == (1, 1 + 16 * 16, 384)
    torch.testing.assert_close(ours.pos_embed[0, 1:].mean(), published["pos_embed"][0, 1:].mean(), rtol=0, atol=1e-3)
    assert ours(torch.rand(2, 3, 224, 224)).shape == (2, BACKBONES["dinov2_vits14"].dim)


def test_wrapped_and_half_precision(tmp_path: Path) -> None:
    backbone = build_backbone("resnet18", Weights(None, ""))
    state = {f"module.{key}": value.half() for key, value in backbone.state_dict().items() if "num_batches" not in key}
    state |= {f"module.{key}": value for key, value in backbone.state_dict().items() if "num_batches" in key}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "wrapped.pth")
    read = read_state("resnet18", tmp_path / "wrapped.pth")
    assert set(read) == set(backbone.state_dict())
    assert read["conv1.weight"].dtype == torch.float32


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code in a weights file ran",))


def test_no_code_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"conv1.weight": Evil()}))
    torch.save({"conv1.weight": Evil()}, tmp_path / "evil2.pth")
    for name in ("evil.pth", "evil2.pth"):
        with pytest.raises(JobError, match="cannot be read"):
            read_state("resnet18", tmp_path / name)
    assert "ran" not in capsys.readouterr().out


def test_another_networks_weights(tmp_path: Path) -> None:
    torch.save(build_backbone("resnet18", Weights(None, "")).state_dict(), tmp_path / "r18.pth")
    with pytest.raises(JobError, match="not of mobilenet_v3_large"):
        build_backbone("mobilenet_v3_large", Weights(tmp_path / "r18.pth", "x"))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(JobError, match="no state_dict"):
        read_state("resnet18", tmp_path / "list.pth")
