"""One machine's share of the features: what it takes from its channels and from earlier jobs, and what it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from training_scripts import feature_part
from training_scripts.data import cores
from training_scripts.durable import sha256_of
from training_scripts.extraction import Row
from training_scripts.feature_store import FeatureStore, read_index
from training_scripts.job import EXIT_INTERRUPTED
from training_scripts.parts import PART_FILE, Part

DIM = 1280


def sha(number: int) -> str:
    return f"{number:064x}"


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job's folders: five train pictures are listed, of which this share has three."""
    for name in ("train/a", "manifest", "checkpoints", "model"):
        (tmp_path / name).mkdir(parents=True)
    pictures = [{"path": f"a/{number}.jpg", "label": number % 2, "sha256": sha(number)} for number in range(5)]
    listed = {"format": 1, "root": ".", "classes": ["a", "b"], "levels": None, "pictures": pictures}
    (tmp_path / "manifest/train.json").write_text(json.dumps(listed))
    (tmp_path / "manifest/known.json").write_text(json.dumps({"sha256": [sha(number) for number in (0, 2, 4)]}))
    for number in (0, 1, 2):
        (tmp_path / f"train/a/{number}.jpg").write_bytes(b"")
    variables = {
        "SM_CHANNEL_TRAIN": tmp_path / "train",
        "SM_CHANNEL_MANIFEST": tmp_path / "manifest",
        "SM_CHECKPOINT_DIR": tmp_path / "checkpoints",
        "SM_MODEL_DIR": tmp_path / "model",
        "SM_OUTPUT_DIR": tmp_path / "output",
        "SM_HOSTS": '["algo-1", "algo-2"]',
        "SM_CURRENT_HOST": "algo-2",
        "SAGEHOUND_SYNCED": "job",
        "TRAINING_JOB_NAME": "second",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    return tmp_path


def test_a_share_is_computed_but_for_what_other_machines_and_jobs_have_kept(
    container: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = container / "checkpoints/first/algo-1/key"
    earlier.mkdir(parents=True)
    kept = FeatureStore(earlier, DIM)
    kept.append([sha(1), sha(2), sha(3)], np.full((3, DIM), 7, np.float32))
    content = bytearray(kept.matrix_file.read_bytes())
    content[2 * DIM * 4 - 1] ^= 1  # of the picture 2
    kept.matrix_file.write_bytes(content)
    otherwise = container / "checkpoints/first/algo-1/another-key"
    otherwise.mkdir()
    FeatureStore(otherwise, DIM).append([sha(0)], np.zeros((1, DIM), np.float32))
    asked: list[str] = []

    def fill(args: Any, preprocessing: Any, weights: Any, stores: Path, splits: Any, stop: Any, recover: Any) -> Any:
        assert args.num_workers == 4 * cores(), "most of them wait for S3"
        store = FeatureStore(stores / "key", DIM)
        store.repair()
        recover(store)
        asked.extend(value for value in splits["train"].hashes if store.row(value) is None)
        store.append([sha(0), sha(9)], np.zeros((2, DIM), np.float32))
        return store, "torch", {sha(0): Row(sha(0), None), sha(2): Row(sha(9), None)}

    monkeypatch.setattr(feature_part, "fill_store", fill)
    assert feature_part.main(["--backbone", "efficientnet_lite0", "--weights", "none"]) == 0
    assert asked == [sha(0), sha(2)], "the share without what is kept and sound"
    assert "1 picture was computed before and not again." in capsys.readouterr().out
    assert not (container / "checkpoints/second/algo-2/another-key").exists(), "numbers of another runtime"
    folder = container / "model/algo-2"
    part = Part.from_json((folder / PART_FILE).read_bytes())
    assert (part.host, part.rows, part.dim, part.about["backbone"]) == ("algo-2", 3, DIM, "efficientnet_lite0")
    assert set(read_index((folder / "rows.index").read_bytes())[0]) == {sha(0), sha(1), sha(9)}
    assert part.changed == {sha(2): sha(9)}
    assert part.known == (sha(0),)
    assert set(part.files) == {"features.f32", "rows.index", "known.f32"}, "the first machine alone leaves the network"
    assert all((folder / name).stat().st_size == told.bytes for name, told in part.files.items())


def test_a_share_without_a_list_says_so(container: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SM_CHANNEL_MANIFEST")
    (container / "output").mkdir()
    assert feature_part.main([]) == 1
    assert "There is no list of pictures" in (container / "output/failure").read_text()


def test_a_share_whose_pictures_went_away_leaves_no_part(container: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(args: Any, preprocessing: Any, weights: Any, stores: Path, splits: Any, stop: Any, recover: Any) -> Any:
        (container / "train").rename(container / "elsewhere")
        store = FeatureStore(stores / "key", DIM)
        store.repair()
        return store, "torch", {value: Row("", None, "It is not there.") for value in splits["train"].hashes}

    monkeypatch.setattr(feature_part, "fill_store", fill)
    (container / "output").mkdir()
    assert feature_part.main(["--backbone", "efficientnet_lite0", "--weights", "none"]) == EXIT_INTERRUPTED
    assert "is not there any more" in (container / "output/failure").read_text()
    assert not (container / "model/algo-2" / PART_FILE).exists()


def test_a_split_of_which_a_machine_has_nothing_may_have_no_folder(
    container: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = (container / "manifest/train.json").read_text()
    (container / "manifest/valid.json").write_text(listed.replace("a/", "b/"))
    monkeypatch.setenv("SM_CHANNEL_VALID", str(container / "valid"))
    monkeypatch.setenv("SAGEHOUND_RUNTIME", "torch")
    arguments = ["--backbone", "efficientnet_lite0", "--weights", "none"]
    assert feature_part.main(arguments) == 0
    part = Part.from_json((container / "model/algo-2" / PART_FILE).read_bytes())
    assert set(part.failures) == {sha(0), sha(1), sha(2)}, "empty files"
    monkeypatch.setenv("SM_HOSTS", '["algo-2"]')
    (container / "output").mkdir()
    assert feature_part.main(arguments) == EXIT_INTERRUPTED, "a machine that is alone has all pictures"
    assert "is not there any more" in (container / "output/failure").read_text()


def test_rows_of_an_earlier_job_are_known_before_anything_is_computed(
    container: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (0, 1, 2):
        Image.new("RGB", (8, 8), (90 * number, 0, 0)).save(container / f"train/a/{number}.jpg")
    file = container / "manifest/train.json"
    listed = json.loads(file.read_text())
    for picture in listed["pictures"][:3]:
        picture["sha256"] = sha256_of(container / "train" / picture["path"])
    file.write_text(json.dumps(listed))
    monkeypatch.setenv("SAGEHOUND_RUNTIME", "torch")
    for job, said in (("first", "features 3/3"), ("second", "features: all of them are known already")):
        monkeypatch.setenv("TRAINING_JOB_NAME", job)
        assert feature_part.main(["--backbone", "efficientnet_lite0", "--weights", "none"]) == 0
        assert said in capsys.readouterr().out
    part = Part.from_json((container / "model/algo-2" / PART_FILE).read_bytes())
    assert (part.rows, part.changed, part.failures) == (3, {}, {})
