"""Two models put side by side from the Jobs tab: the sentence, the settings, the curves, and the pictures."""

from __future__ import annotations

from threading import Event

from core.models.choices import ModelChoice
from core.predict.compare import compare
from core.predict.evaluate import EvaluatedPicture, summarise
from tests.gui.fakes import add_search, press, start_jobs


def judged(job: str, right: set[int]):
    pictures = [EvaluatedPicture(f"cat/{n}.jpg", "cat", "cat" if n in right else "dog", 0.9) for n in range(12)]
    return summarise(pictures, ("cat", "dog"), "test", job, 0.2)


def test_two_models_are_compared_and_their_pictures_open(tab, engine, feed, qtbot, monkeypatch):
    first, second = judged("pets-001", set(range(2, 12))), judged("pets-002", {0, 2, 3, 4})
    models, evaluations = tab._workbench.models, tab._workbench.evaluations
    choices = [ModelChoice("pets-001", "Best trial of pets", 1.0), ModelChoice("pets-002", "pets-002", 2.0)]
    asked = []

    def compared(one, other, split, on_progress, cancel):
        asked.append((one, other, split))
        return compare(first, second, settings={"head": "linear"}, other_settings={"head": "linear", "folds": "5"})

    monkeypatch.setattr(models, "choices", lambda: choices)
    monkeypatch.setattr(evaluations, "compare", compared)
    monkeypatch.setattr(evaluations, "of_job", lambda job, split, on_progress, cancel: first)
    add_search(engine, "pets", trials=2)
    detail = start_jobs(tab, feed, qtbot)
    detail.views.tabs.setCurrentIndex(4)
    detail.views.evaluation.compare_asked.disconnect()
    with qtbot.waitSignal(detail.views.evaluation.compare_asked):
        press(qtbot, detail.views.evaluation.compare)
    dialog = tab.compare("pets-002")
    qtbot.waitUntil(lambda: dialog.sentence.text().startswith("pets-001 gets 6 more of 12 test pictures right"))
    assert "which may be luck (p = 0.07)" in dialog.sentence.text()
    assert asked[-1] == ("pets-002", "pets-001", "test")
    assert [dialog.settings.item(0, column).text() for column in range(3)] == ["folds", "–", "5"]
    assert dialog.which.currentText() == "7 that only the first gets right"
    assert dialog.pictures.count() == 7
    assert dialog.pictures.item(0).text() == "cat\ncat | dog"
    dialog.which.setCurrentIndex(1)
    with qtbot.waitSignal(tab.pictures_asked) as opened:
        dialog.pictures.itemActivated.emit(dialog.pictures.item(0))
    assert [path.replace("\\", "/") for path in opened.args[0]] == ["cat/0.jpg"]
    assert opened.args[1] == "pets-001", "which is wrong about them: the one that is asked why"


def test_pictures_open_with_the_model_that_is_wrong_about_them_while_another_is_compared(
    engine, feed, tab, qtbot, monkeypatch
):
    names, gate = ("a", "b", "c"), Event()
    judgements = {name: judged(name, set(range(at, at + 4))) for at, name in enumerate(names)}

    def compared(one, other, split, on_progress, cancel):
        if "c" in (one, other):
            gate.wait(60)
        return compare(judgements[one], judgements[other], settings={}, other_settings={})

    evaluations = tab._workbench.evaluations
    monkeypatch.setattr(tab._workbench.models, "choices", lambda: [ModelChoice(name, name, 1.0) for name in names])
    monkeypatch.setattr(evaluations, "compare", compared)
    monkeypatch.setattr(evaluations, "of_job", lambda job, split, on_progress, cancel: judgements[job])
    add_search(engine, "pets", trials=2)
    start_jobs(tab, feed, qtbot)
    dialog = tab.compare("a")
    qtbot.waitUntil(lambda: dialog.pictures.count() == 1)
    dialog.second.setCurrentIndex(2)
    try:
        with qtbot.waitSignal(dialog.pictures_asked) as opened:
            dialog.pictures.itemActivated.emit(dialog.pictures.item(0))
    finally:
        gate.set()
    assert opened.args[1] in ("a", "b")
    assert opened.args[1] == ("b" if dialog.which.currentData() else "a")
