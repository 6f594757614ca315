"""A list of classes that is written in a script counts where answers are looked up in it."""

import textwrap

import pytest
import torch

from tests.training_scripts.watch.harness import Strict
from training_scripts.watch.checks import all_checks
from training_scripts.watch.patches import install
from training_scripts.watch.saved_classes import ModelClasses, fingerprint
from training_scripts.watch.session import Session
from training_scripts.watch.written_classes import written_classes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("NAMES = ['c', 'a', 'b']\nprint(NAMES[output.argmax()])", ["c", "a", "b"]),
        ("names: tuple = ('c', 'a', 'b')\nfor i in predictions.tolist():\n    print(names[i])", ["c", "a", "b"]),
        ("NAMES = {1: 'a', 0: 'c', 2: 'b'}\nx = [NAMES[p] for p in model(x).argmax(1)]", ["c", "a", "b"]),
        (
            "class A:\n    def f(self):\n        self.n = ['c', 'a', 'b']\n        return self.n[self.pred]",
            ["c", "a", "b"],
        ),
        ("NAMES = ['c', 'a', 'b']\nfor row in range(3):\n    print(NAMES[row])", []),  # the order of a table
        ("NAMES = ['c', 'a', 'b']\nfor idx, ax in enumerate(axes):\n    ax.set_title(NAMES[idx])", []),
        ("NAMES = ['c', 'a', 'b']\nx = [NAMES[top] for top in range(3)]\nidx = output.argmax()", []),
        ("NAMES = ['c', 'a', 'b']\nfor idx, p in enumerate(probs):\n    print(NAMES[idx], p)", ["c", "a", "b"]),
        (
            "NAMES = ['c', 'a', 'b']\nfor idx in range(3):\n    idx\nidx = output.argmax()\nprint(NAMES[idx])",
            ["c", "a", "b"],
        ),
        ("NAMES = ['c', 'a', 'b']\nprint(NAMES[0], sorted(NAMES))", []),
        ("NAMES = ['x', 'a', 'b']\nprint(NAMES[pred])", []),
        ("NAMES = sorted('cab')\nprint(NAMES[pred])", []),
        ("NAMES = {'c': 0, 'a': 1, 'b': 2}\nprint(NAMES[label])", []),
        ("NAMES = ['c', 'a'", []),
        ("", []),
    ],
)
def test_what_answers_are_looked_up_in(tmp_path, text, found):
    file = tmp_path / "script.py"
    file.write_text(text, encoding="utf-8")
    assert [item.classes for item in written_classes(str(file), "abc")] == ([found] if found else [])


def test_a_file_that_is_gone_has_none(tmp_path):
    assert written_classes(str(tmp_path / "script.py"), "abc") == []


SERVE = """
import torch
from torch import nn

NAMES = {names}

model = nn.Linear(6, 3)
model.load_state_dict(torch.load({file!r}))
with torch.no_grad():
    print(NAMES[model(torch.ones(1, 6)).argmax()])
"""


@pytest.mark.parametrize(("names", "found"), [("['a', 'b', 'c']", 0), ("['a', 'c', 'b']", 1)])
def test_a_script_that_serves_by_a_list_of_its_own_is_held_against_the_model(tmp_path, names, found):
    trained, script = torch.nn.Linear(6, 3), tmp_path / "serve.py"
    torch.save(trained.state_dict(), tmp_path / "model.pt")
    script.write_text(textwrap.dedent(SERVE.format(names=names, file=str(tmp_path / "model.pt"))), encoding="utf-8")
    session = Session(Strict("job", None))
    session.model_classes = ModelClasses(tmp_path / "models.jsonl")
    session.model_classes.add(fingerprint(trained), list("abc"))
    session.add(all_checks)
    patches = install(session)
    try:
        exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), {"__name__": "__main__"})
    finally:
        patches.close()
        session.close()
    assert session.findings.failures == []
    assert [(item.rule, item.at.line) for item in session.findings.all] == [("ClassOrderShifts", 5)] * found
    assert all("Class 1 is b in training and c in the list NAMES" in item.details for item in session.findings.all)
