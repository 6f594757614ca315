"""The order of classes is known again where a model is served: by another script, from another file."""

import io

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.training_scripts.watch.harness import Strict
from training_scripts.watch.checks import all_checks
from training_scripts.watch.patches import install
from training_scripts.watch.saved_classes import ModelClasses, class_order, fingerprint
from training_scripts.watch.session import Session


class Pictures(TensorDataset):
    def __init__(self, classes):
        super().__init__(torch.randn(24, 6), torch.arange(24) % 3)
        self.classes = list(classes)


@pytest.fixture
def watched(tmp_path):
    """Return what runs a script's function as a process of its own would, and returns what was found."""

    def run(script):
        session = Session(Strict("job", None))
        session.model_classes = ModelClasses(tmp_path / "models.jsonl")
        session.add(all_checks)
        patches = install(session)
        try:
            script()
        finally:
            patches.close()
            session.close()
        assert not session.findings.failures
        return [(finding.rule, finding.details) for finding in session.findings.all]

    return run


def train(file):
    model = nn.Linear(6, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for rows, labels in DataLoader(Pictures("abc"), batch_size=8, shuffle=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(rows), labels).backward()
        optimizer.step()
    torch.save({"state_dict": {f"module.{key}": value for key, value in model.state_dict().items()}}, file)


def serve(file, classes):
    model = nn.Linear(6, 3)
    weights = torch.load(io.BytesIO(file.getvalue()))["state_dict"]
    model.load_state_dict({key.removeprefix("module."): value for key, value in weights.items()})
    with torch.no_grad():
        for rows, _ in DataLoader(Pictures(classes), batch_size=8):
            model(rows)


@pytest.mark.parametrize(("classes", "found"), [("abc", 0), ("acb", 1), ("xyz", 0)])
def test_a_script_that_serves_is_held_against_the_one_that_trained(watched, classes, found):
    file = io.BytesIO()
    assert watched(lambda: train(file)) == []
    findings = watched(lambda: serve(file, classes))
    assert [rule for rule, _ in findings] == ["ClassOrderShifts"] * found
    assert all("Class 1 is b in training and c in the data" in details for _, details in findings)


@pytest.mark.parametrize(
    ("value", "order"),
    [
        (["b", "a"], ["b", "a"]),
        ({"b": 0, "a": 1}, ["b", "a"]),
        ({"0": "b", "1": "a"}, ["b", "a"]),
        ({1: "a", 0: "b"}, ["b", "a"]),
        ({"weights": {}, "class_to_idx": {"b": 0, "a": 1}}, ["b", "a"]),
        ({"b": 12, "a": 30}, []),  # how many there are of each
        ({"b": True, "a": False}, []),
        ({"0": "b", "2": "a"}, []),
        (["a", "a"], []),
        (["a", 3], []),
        ("ab", []),
        (None, []),
    ],
)
def test_what_names_classes_in_order(value, order):
    assert class_order(value) == order


def test_a_model_is_known_by_its_numbers_not_by_its_optimizers():
    model = nn.Linear(6, 3)
    momentum = {"optimizer": {"a": torch.ones(3), "b": torch.ones(2)}, "model": model.state_dict()}
    assert fingerprint(model) == fingerprint(momentum) == fingerprint({"state_dict": model.state_dict()}) != ""
    assert fingerprint(nn.Linear(6, 3)) != fingerprint(model)
    assert fingerprint({"epoch": 3}) == fingerprint([1, 2]) == ""


def test_the_file_keeps_the_last_ones_and_survives_damage(tmp_path):
    known = ModelClasses(tmp_path / "models.jsonl")
    for number in range(250):
        known.add(f"model{number}", ["a", "b"])
    known.add("model249", ["b", "a"])
    assert known.of("model249") == ["b", "a"]
    assert known.of("model0") == []
    assert len((tmp_path / "models.jsonl").read_text(encoding="utf-8").splitlines()) == 200
    (tmp_path / "models.jsonl").write_text("no JSON", encoding="utf-8")
    assert known.of("model249") == []
