from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from core.errors import Cancelled, ModelError, UserFacingError
from core.models import ModelAddress
from core.models.export import FORMATS, Agreement, ModelFacts, export, formats
from core.models.export.model_card import model_card
from core.models.facts import facts_of
from core.models.files import unpacked
from core.models.info import read_info
from core.models.local import LocalModel
from core.progress import CancelToken
from training_scripts.durable import sha256_of


@pytest.fixture
def model(trained_job, predictor) -> LocalModel:
    return LocalModel(predictor, trained_job.model, ModelAddress.job("colours"), "colours")


def pictures(job) -> list[Path]:
    return [job.picture(label, number=number) for label in job.classes for number in range(2)]


@pytest.mark.long
@pytest.mark.parametrize("name", ["onnx", "openvino", "torchscript", "torch"])
def test_an_exported_model_answers_as_the_one_it_was_made_of(name, model, trained_job, predictor, tmp_path):
    asked = pictures(trained_job)
    facts = facts_of(trained_job.folder, None, "colours")
    made = export(model, FORMATS[name], tmp_path / "out", asked, facts)
    # classify.py was run in a process of its own: the format's library, numpy and Pillow alone.
    assert made.agreement.count == len(asked)
    assert made.agreement.largest <= 1e-4
    assert made.agreement.sentence() in (made.path / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in made.path.iterdir()} == {
        *FORMATS[name].files,
        "classify.py",
        "training_scripts",
        "model.json",
        "README.md",
    }
    expected = model.classify(asked, None)
    # The folder, and the file alone, which says by itself what it is, are models like any other.
    alone = tmp_path / "alone"
    alone.mkdir()
    for file in FORMATS[name].files:
        shutil.copy(made.path / file, alone / file)
    for folder in (made.path, unpacked(alone / FORMATS[name].file, tmp_path / "kept")):
        again = LocalModel(predictor, folder, ModelAddress.file(folder))
        assert again.classes == model.classes
        assert again.info.preprocessing == model.info.preprocessing
        assert again.runtime.startswith(FORMATS[name].title)
        for before, after in zip(expected, again.classify(asked, None), strict=True):
            assert dict(after.classes) == pytest.approx(dict(before.classes), abs=1e-4)
            assert after.strangeness == pytest.approx(before.strangeness, abs=1e-3)
            assert after.unknown == before.unknown


def test_the_nearest_training_pictures_are_known_by_their_content(model, trained_job):
    learned = trained_job.picture(trained_job.classes[1], "train")
    found = model.nearest(learned, 3)
    assert len(found) == 3
    assert found[0] == (sha256_of(learned), pytest.approx(0, abs=5e-3))
    assert found[0][1] <= found[1][1] <= found[2][1]


def test_what_would_differ_or_cannot_be_written_leaves_nothing(model, trained_job, tmp_path):
    with pytest.raises(ModelError, match="answers would differ"):
        export(model, FORMATS["openvino"], tmp_path / "out", pictures(trained_job)[:1], ModelFacts(), tolerance=-1.0)
    stop = CancelToken()
    stop.cancel()
    with pytest.raises(Cancelled):
        export(model, FORMATS["openvino"], tmp_path / "out", [], ModelFacts(), cancel=stop)
    assert not any(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_not_touched(model, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserFacingError, match="is there already"):
        export(model, FORMATS["openvino"], tmp_path, [], ModelFacts())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(
        ModelError, match=r"needs onnxscript, which is not installed\. Install with: pip install onnxscript"
    ):
        FORMATS["onnx"].check_installed()
    FORMATS["openvino"].check_installed()


def test_the_card_says_how_good_and_how_sure(trained_job):
    info = read_info(trained_job.model, "colours | pipes")
    facts = facts_of(trained_job.folder, None, "colours")
    text = model_card(info, facts, FORMATS["onnx"], Agreement(6, 2e-6))
    head = dict(line.split(": ", 1) for line in text.split("---\n")[1].strip().splitlines())
    (result, _) = json.loads(head["model-index"])[0]["results"]
    assert result["metrics"][0] == {"type": "accuracy", "value": 1.0}
    assert json.loads(head["pipeline_tag"]) == "image-classification"
    assert "| test | 9 | 100.0% | 70.1% to 100.0% |" in text  # Wilson, 9 of 9
    assert "colours \\| pipes" in text
    assert "\n0. blue\n1. green\n2. red" in text
    assert "no probability differed from Sagehound's own by more than 2.0e-06" in text
    assert "None are known" in model_card(info, ModelFacts(), FORMATS["onnx"], Agreement(0, None, "It is new."))


def test_a_file_that_is_no_exported_model_is_refused(tmp_path):
    file = tmp_path / "other.torchscript"
    file.write_bytes(b"PK not really")
    with pytest.raises(ModelError, match=r"other.torchscript is not a model that Sagehound exported"):
        unpacked(file, tmp_path / "kept")
