"""The order of classes is known again where a model is served: by another script, from another file."""

import io
import json

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.training_scripts.watch.harness import Strict
from training_scripts.watch.checks import all_checks
from training_scripts.watch.patches import install
from training_scripts.watch.saved_classes import ModelClasses, class_order, fingerprint, holds_classes
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
    assert class_order(value, "classes.json") == order


@pytest.mark.parametrize(
    ("path", "holds"),
    [
        ("/a/labels.json", True),
        ("class_to_idx.json", True),
        ("idx2label.json", True),
        ("classNames.pt", True),
        ("/classes/worst.json", False),
        ("class_errors.json", False),
        ("worst_classes.json", False),
        ("index.json", False),
        ("", False),
    ],
)
def test_a_file_that_holds_classes_says_so(path, holds):
    assert holds_classes(path) == holds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("worst_first.json", ["c", "a", "b"]),
        ("class_errors.json", {"a": 2, "b": 0, "c": 1}),
        ("run.json", {"labels": ["b", "a", "c"]}),
        ("run.json", {"classes": ["c", "a", "b"]}),
        ("class_errors.json", {"classes": ["c", "a", "b"], "wrong": [3, 2, 0]}),
        ("model_report.json", {"class_names": ["c", "a", "b"]}),
    ],
)
def test_results_by_class_are_no_list_of_classes(watched, tmp_path, name, value):
    def script():
        train(io.BytesIO())
        with open(tmp_path / name, "w") as file:
            json.dump(value, file)

    assert watched(script) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("best_model.json", {"classes": ["c", "a", "b"]}),
        ("run.json", {"classes": {"c": 0, "a": 1, "b": 2}}),
        ("run.pt", {"classes": ["c", "a", "b"], "net": nn.Linear(6, 3).state_dict()}),
    ],
)
def test_a_list_of_classes_is_known_by_its_numbers_its_model_or_its_files_name(watched, tmp_path, name, value):
    def script():
        train(io.BytesIO())
        if name.endswith(".pt"):
            torch.save(value, tmp_path / name)
            return
        with open(tmp_path / name, "w") as file:
            json.dump(value, file)

    assert [rule for rule, _ in watched(script)] == ["ClassOrderShifts"]


class Annotated(Pictures):
    """Reads the labels of each picture from its file."""

    def __init__(self, folder):
        super().__init__("abc")
        self.folder = folder

    def __getitem__(self, at):
        with open(self.folder / "labels.json") as file:
            assert json.load(file)
        torch.load(io.BytesIO(self.picture))
        return super().__getitem__(at)


def test_what_a_dataset_reads_of_each_item_is_not_the_models(watched, tmp_path, monkeypatch):
    file, picture = io.BytesIO(), io.BytesIO()
    torch.save({"x": torch.ones(3), "y": torch.ones(2)}, picture)
    (tmp_path / "labels.json").write_text('["c", "b", "a"]')
    Annotated.picture = picture.getvalue()
    asked = []
    monkeypatch.setattr(ModelClasses, "of", lambda self, model: asked.append(model) or list("abc"))

    def script():
        model = nn.Linear(6, 3)
        model.load_state_dict(
            {k.removeprefix("module."): v for k, v in torch.load(io.BytesIO(file.getvalue()))["state_dict"].items()}
        )
        for rows, _ in DataLoader(Annotated(tmp_path), batch_size=8):
            model(rows)
        with open(tmp_path / "labels.json") as opened:
            json.load(opened)

    train(file)
    findings = watched(script)
    assert len(asked) == 1
    assert [details for _, details in findings] == [
        "Class 0 is a in training and c in the list that is loaded, of 3 classes."
    ]


def test_labels_that_are_read_one_after_the_other_are_not_the_models(watched, tmp_path):
    def script():
        file = io.BytesIO()
        train(file)
        torch.load(io.BytesIO(file.getvalue()))
        for order in ("cab", "bca"):
            (tmp_path / "labels.json").write_text(json.dumps(list(order)))
            with open(tmp_path / "labels.json") as opened:
                json.load(opened)

    assert watched(script) == []


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


def test_a_job_takes_few_places_and_a_file_that_is_saved_again_one(tmp_path, monkeypatch):
    file = tmp_path / "models.jsonl"
    known = ModelClasses(file)
    known.add("another", ["a", "b"], "/other/last.pt", "other")
    known.add("best", ["a", "b"], "/best.pt", "job")
    for number in range(250):
        known.add(f"last{number}", ["a", "b"], "/last.pt", "job")
    assert [known.of(name) for name in ("another", "best", "last249", "last248")] == [["a", "b"]] * 3 + [[]]
    for number in range(250):
        known.add(f"epoch{number}", ["a", "b"], f"/{number}.pt", "job")
    assert len(file.read_text(encoding="utf-8").splitlines()) == 41
    assert [known.of(name) for name in ("another", "epoch249", "epoch200")] == [["a", "b"]] * 2 + [[]]
    beside = ModelClasses(file)
    assert beside.of("another") == ["a", "b"]
    known.add("newer", ["b", "a"], "/newer.pt", "job")
    assert beside.of("newer") == ["b", "a"]
    with monkeypatch.context() as patched:
        patched.setattr("json.loads", None)  # nothing is read again
        assert beside.of("newer") == ["b", "a"]
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    known.add("full", ["a", "b"])
    assert [item.name for item in tmp_path.iterdir()] == ["models.jsonl"]
