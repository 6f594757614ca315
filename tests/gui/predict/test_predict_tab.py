"""The Predict tab on the real workbench: a trained model, the real predictor process, real drop events."""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from PIL import Image
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QLabel

from core.dataset.manifest import Entry, Manifest
from core.jobs.records import TrainingJob
from core.jobs.specs import MetricDefinition, TrainingSpec
from core.jobs.status import JobStatus
from core.models import BEST, ModelAddress
from core.predict.predictor import Predictor
from gui.feed import JobsFeed
from gui.predict.predict_tab import PredictTab
from gui.predict.prediction_model import Column
from gui.shared.picture_mime import picture_items
from training_scripts.artifact import package

WAIT = 90_000


@pytest.fixture(scope="session")
def converted(trained_job, tmp_path_factory) -> Path:
    """The trained model converted, which takes seconds the first time."""
    cache = tmp_path_factory.mktemp("converted")
    predictor = Predictor(cache)
    predictor.load(trained_job.model)
    predictor.close()
    return cache


@pytest.fixture
def finish_job(workbench, trained_job, converted) -> Callable[[str], None]:
    """Put a finished training job with the trained model into the store."""
    shutil.copytree(converted, workbench.paths.home / "converted", dirs_exist_ok=True)

    def finish(name: str, dataset_path: str = "") -> None:
        metrics = (MetricDefinition("Average loss", "Average loss: ([0-9.]+)"),)
        spec = TrainingSpec(name, {}, {}, metrics, dataset_path=dataset_path)
        parameters = {"backbone": "efficientnet_lite0"}
        workbench.store.add_job(TrainingJob(name, JobStatus.IN_PROGRESS, time.time(), hyperparameters=parameters), spec)
        artifact = package(trained_job.model, workbench.paths.jobs / name / "model.tar.gz")
        workbench.store.update_job(name, status=JobStatus.COMPLETED, artifact=str(artifact))

    return finish


@pytest.fixture
def feed(workbench, bridge):
    made = JobsFeed(lambda: workbench.engine, bridge)
    yield made
    made.stop()


@pytest.fixture
def tab(qtbot, workbench, bridge, feed, finish_job) -> PredictTab:
    """The tab with one model, loaded."""
    finish_job("colours")
    made = _shown(qtbot, PredictTab(workbench, bridge, feed))
    qtbot.waitUntil(lambda: made.session.model is not None, timeout=WAIT)
    return made


def _shown(qtbot, tab: PredictTab) -> PredictTab:
    qtbot.addWidget(tab)
    tab.resize(1100, 720)
    tab.show()
    qtbot.waitExposed(tab)
    return tab


def _urls(*paths: Path) -> QMimeData:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return mime


def _drop(tab: PredictTab, mime: QMimeData) -> None:
    """Give the tab what the window does with a drop."""
    tab.take(picture_items(mime))


def _wait_for_answer(qtbot, tab: PredictTab, name: str, label: str) -> None:
    def answered() -> None:
        assert tab.pages.currentWidget() is tab.answer
        assert tab.answer.name == name
        assert tab.answer.bars.current == label
        assert tab.answer.picture.has_picture

    qtbot.waitUntil(answered, timeout=WAIT)


def test_without_a_model_it_says_what_to_do(qtbot, workbench, bridge, feed, trained_job):
    tab = _shown(qtbot, PredictTab(workbench, bridge, feed))
    qtbot.waitUntil(lambda: tab.pages.currentWidget() is tab.nothing, timeout=WAIT)
    with qtbot.waitSignal(tab.tuning_asked):
        qtbot.mouseClick(tab.nothing.button, Qt.MouseButton.LeftButton)
    _drop(tab, _urls(trained_job.picture("red")))
    qtbot.waitUntil(tab.error.isVisible, timeout=WAIT)
    assert tab.error.text.startswith("There is no model to ask yet.")
    assert not tab.chooser.isEnabled()


def test_while_the_first_job_runs_it_says_that_a_model_will_come(qtbot, workbench, bridge, feed, monkeypatch):
    busy = TrainingJob("busy", JobStatus.IN_PROGRESS, time.time())
    monkeypatch.setattr(JobsFeed, "running", property(lambda self: (busy,)))
    tab = _shown(qtbot, PredictTab(workbench, bridge, feed))
    qtbot.waitUntil(lambda: tab.pages.currentWidget() is tab.nothing, timeout=WAIT)
    assert [text.text() for text in tab.nothing.findChildren(QLabel) if "A job is running" in text.text()]
    assert not tab.nothing.button.isVisible()
    busy = replace(busy, watched=True)  # a script of the user's keeps its model to itself
    tab._show_page()
    assert not [text.text() for text in tab.nothing.findChildren(QLabel) if "A job is running" in text.text()]


def test_the_best_model_of_another_dataset_is_named_so(qtbot, workbench, bridge, feed, finish_job, tmp_path):
    finish_job("colours")
    tab = _shown(qtbot, PredictTab(workbench, bridge, feed))
    qtbot.waitUntil(lambda: tab.chooser.itemText(0) == "Best: colours", timeout=WAIT)
    learned_from = workbench.models.dataset_of("colours")
    entries = [Entry("a/1.jpg", 0, "train", "00")]
    tab.set_dataset(Manifest.build(tmp_path / "birds", ("a",), entries))
    elsewhere = f"Best on {Path(learned_from).name or 'another dataset'}: colours"
    qtbot.waitUntil(lambda: tab.chooser.itemText(0) == elsewhere, timeout=WAIT)


@pytest.mark.parametrize("loaded", [False, True])
def test_a_model_of_another_dataset_says_which_names_it_knows(
    loaded, qtbot, workbench, bridge, feed, finish_job, tmp_path
):
    finish_job("colours", dataset_path="/data/colours")
    tab = _shown(qtbot, PredictTab(workbench, bridge, feed))
    if loaded:
        qtbot.waitUntil(lambda: tab.session.model is not None, timeout=WAIT)
    tab.set_dataset(Manifest.build(tmp_path / "birds", ("a",), [Entry("a/1.jpg", 0, "train", "00")]))
    qtbot.waitUntil(tab.foreign.isVisible, timeout=WAIT)
    said = "This model learned from colours: it names the classes of that, not those of birds, which is open."
    assert tab.foreign.accessibleName() == said


def test_the_model_is_loaded_once_with_a_word_about_it(qtbot, workbench, bridge, feed, finish_job):
    finish_job("colours")
    tab = PredictTab(workbench, bridge, feed)
    states: list[str] = []
    tab.session.state_changed.connect(states.append)
    _shown(qtbot, tab)
    qtbot.waitUntil(lambda: tab.session.model is not None, timeout=WAIT)
    assert states[0] == "Loading model…"
    assert (tab.chooser.chosen, tab.chooser.resolved) == (BEST, ModelAddress.job("colours"))
    pid = workbench.models.predictor().pid
    tab.hide()
    tab.show()
    qtbot.waitUntil(lambda: bridge.idle, timeout=WAIT)
    assert workbench.models.predictor().pid == pid
    assert states.count("Loading model…") == states.count(states[0])
    assert len([state for state in states if state == "Loading model…"]) <= 2


def test_a_dropped_picture_is_answered(qtbot, tab, trained_job):
    mime = _urls(trained_job.picture("green"))
    _drop(tab, mime)
    _wait_for_answer(qtbot, tab, "green 0.jpg", "green")
    assert len(tab.answer.bars.classes) == 3
    assert tab.recent.count() == 1
    assert not tab.error.isVisible()


def test_a_picture_out_of_a_browser_and_out_of_the_clipboard(qtbot, tab, trained_job):
    mime = QMimeData()
    mime.setUrls([QUrl("https://example.org/red.jpg")])
    mime.setImageData(QImage(str(trained_job.picture("red"))))
    _drop(tab, mime)
    _wait_for_answer(qtbot, tab, "Pasted picture", "red")
    QGuiApplication.clipboard().setImage(QImage(str(trained_job.picture("blue"))))
    tab.paste()
    _wait_for_answer(qtbot, tab, "Pasted picture", "blue")
    assert tab.recent.count() == 2
    QGuiApplication.clipboard().clear()
    tab.paste()
    assert tab.error.text.startswith("There is no picture in that.")


def _bad(folder: Path, name: str) -> Path:
    path = folder / name
    match name:
        case "notes.txt":
            path.write_text("no picture", encoding="utf-8")
        case "empty.jpg":
            path.write_bytes(b"")
        case "wide.png":
            Image.new("1", (30_000, 2)).save(path)
        case "bomb.png":
            Image.new("1", (15_000, 15_000)).save(path)
        case "nothing":
            path.mkdir()
    return path


@pytest.mark.parametrize("name", ["notes.txt", "empty.jpg", "wide.png", "bomb.png", "nothing", "gone.jpg"])
def test_each_bad_drop_has_one_sentence_and_the_next_drop_works(qtbot, tab, trained_job, tmp_path, name):
    _drop(tab, _urls(_bad(tmp_path, name)))
    qtbot.waitUntil(tab.error.isVisible, timeout=WAIT)
    assert name in tab.error.text
    assert tab.error.text.endswith(".")
    assert tab.pages.currentWidget() is tab.drop
    _drop(tab, _urls(trained_job.picture("red")))
    _wait_for_answer(qtbot, tab, "red 0.jpg", "red")
    assert not tab.error.isVisible()


def test_an_address_alone_is_not_fetched(qtbot, tab):
    mime = QMimeData()
    mime.setUrls([QUrl("https://example.org/cat.jpg")])
    _drop(tab, mime)
    qtbot.waitUntil(tab.error.isVisible, timeout=WAIT)
    assert "Only the address of a picture on example.org arrived" in tab.error.text


def test_a_folder_becomes_a_table_that_sorts_opens_and_exports(qtbot, tab, trained_job, tmp_path):
    folder = shutil.copytree(trained_job.dataset / "test", tmp_path / "many")
    (folder / "broken.jpg").write_bytes(b"broken")
    (folder / "readme.txt").write_text("ignored", encoding="utf-8")
    _drop(tab, _urls(folder))
    qtbot.waitUntil(lambda: "10 of 10" in tab.table.summary.text(), timeout=WAIT)
    assert tab.pages.currentWidget() is tab.table
    qtbot.waitUntil(tab.table.view.isSortingEnabled, timeout=WAIT)
    rows = tab.table.model.rows()
    labels = {picture.name: getattr(answer, "label", None) for picture, answer in rows}
    assert labels.pop("broken.jpg") is None
    assert all(name.startswith(f"{label}/") for name, label in labels.items())
    assert "1 could not be read" in tab.table.summary.text()
    target = tmp_path / "out.csv"
    with qtbot.waitSignal(tab.notified, timeout=WAIT) as said:
        tab.export_to(target)
    assert said.args == ["10 predictions written to out.csv."]
    with target.open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert [Path(line["picture"]).parent.name for line in written if line["label"]] == [
        line["label"] for line in written if line["label"]
    ]
    row = next(number for number, (picture, _) in enumerate(rows) if picture.name == "green/green 1.jpg")
    index = tab.table.model.index(tab.table.model.row_of(row), 0)
    tab.table.view.setCurrentIndex(index)
    qtbot.keyClick(tab.table.view, Qt.Key.Key_Return)
    _wait_for_answer(qtbot, tab, "green/green 1.jpg", "green")
    assert tab.answer.back_button.isVisible()
    qtbot.mouseClick(tab.answer.back_button, Qt.MouseButton.LeftButton)
    assert tab.pages.currentWidget() is tab.table
    shown = tab.table.view.currentIndex().row()
    tab.table.view.activated.emit(tab.table.view.currentIndex())
    by = -1 if shown > 4 else 1
    for _ in range(2):  # faster than the pictures are decoded
        tab.answer.step_asked.emit(by)
    assert tab.table.view.currentIndex().row() == shown + 2 * by
    assert tab.answer.name == tab.table.model.picture(shown + 2 * by).name, "the picture that is chosen in the table"
    qtbot.waitUntil(lambda: tab.answer.picture.has_picture, timeout=WAIT)


def test_many_can_be_cancelled_and_the_answers_stay(qtbot, tab, trained_job):
    tab.take([trained_job.picture("red")] * 1200)
    qtbot.waitUntil(tab.progress.isVisible, timeout=WAIT)
    qtbot.waitUntil(lambda: tab.table.model.answer(20) is not None, timeout=WAIT)
    tab.progress.cancelled.emit()
    assert not tab.progress.isVisible()
    done = sum(answer is not None for _, answer in tab.table.model.rows())
    assert 20 < done < 1200
    qtbot.waitUntil(lambda: tab._bridge.idle, timeout=WAIT)
    assert sum(answer is not None for _, answer in tab.table.model.rows()) == done
    _drop(tab, _urls(trained_job.picture("blue")))
    _wait_for_answer(qtbot, tab, "blue 0.jpg", "blue")


def test_why_lays_the_explanation_over_the_picture(qtbot, tab, trained_job):
    _drop(tab, _urls(trained_job.picture("red")))
    _wait_for_answer(qtbot, tab, "red 0.jpg", "red")
    qtbot.mouseClick(tab.answer.why_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: tab.answer.picture.has_overlay, timeout=WAIT)
    qtbot.mouseClick(tab.answer.why_button, Qt.MouseButton.LeftButton)
    assert not tab.answer.picture.has_overlay


def test_a_recent_picture_is_asked_again(qtbot, tab, trained_job):
    for label in ("red", "blue"):
        _drop(tab, _urls(trained_job.picture(label)))
        _wait_for_answer(qtbot, tab, f"{label} 0.jpg", label)
    place = tab.recent.visualItemRect(tab.recent.item(1)).center()
    qtbot.mouseClick(tab.recent.viewport(), Qt.MouseButton.LeftButton, pos=place)
    _wait_for_answer(qtbot, tab, "red 0.jpg", "red")
    assert tab.recent.count() == 2


def test_a_process_that_was_killed_does_not_show(qtbot, tab, workbench, trained_job):
    process = psutil.Process(workbench.models.predictor().pid)
    process.kill()
    psutil.wait_procs([process], timeout=10)
    _drop(tab, _urls(trained_job.picture("green")))
    _wait_for_answer(qtbot, tab, "green 0.jpg", "green")


def test_a_job_that_finishes_is_offered_and_can_be_chosen(qtbot, tab, feed, finish_job, trained_job):
    _drop(tab, _urls(trained_job.picture("red")))
    _wait_for_answer(qtbot, tab, "red 0.jpg", "red")
    feed.start()
    finish_job("newer")
    feed.refresh()
    # The best of two single jobs is the latest one, and the tab follows it.
    qtbot.waitUntil(lambda: tab.session.model.name == "newer", timeout=WAIT)
    assert tab.chooser.resolved == ModelAddress.job("newer")
    tab.use_model("colours")
    qtbot.waitUntil(lambda: tab.session.model.name == "colours", timeout=WAIT)
    assert tab.chooser.chosen == ModelAddress.job("colours")
    tab.use_model("gone")
    qtbot.waitUntil(tab.error.isVisible, timeout=WAIT)
    assert tab.error.text.startswith("gone has no model.")


def test_pictures_of_a_job_are_shown_by_its_model_and_the_best_stays_followed_where_it_is_that(qtbot, tab, finish_job):
    told = []
    tab.use_model("colours", told.append)
    qtbot.waitUntil(lambda: told == [True], timeout=WAIT)
    assert tab.chooser.chosen == BEST
    finish_job("newer")
    tab.use_model("colours", told.append)  # the newer is the best now
    qtbot.waitUntil(lambda: told == [True, True], timeout=WAIT)
    assert tab.chooser.chosen == ModelAddress.job("colours")
    tab.use_model("gone", told.append)
    qtbot.waitUntil(lambda: told == [True, True, False], timeout=WAIT)
    assert tab.error.text.startswith("gone has no model.")
    assert tab.chooser.chosen == ModelAddress.job("colours")


def test_a_model_whose_files_are_gone_says_so(qtbot, tab, workbench, trained_job, finish_job):
    finish_job("lost")
    shutil.rmtree(workbench.paths.jobs / "lost")
    tab.use_model("lost")
    qtbot.waitUntil(tab.error.isVisible, timeout=WAIT)
    assert "lost has no model." in tab.error.text
    tab.error.clear()
    _drop(tab, _urls(trained_job.picture("red")))
    qtbot.waitUntil(tab.error.isVisible, timeout=WAIT)
    assert "lost has no model." in tab.error.text
    # The picture waits for a model that can answer.
    tab.use_model("colours")
    _wait_for_answer(qtbot, tab, "red 0.jpg", "red")
    assert not tab.error.isVisible()


def test_a_table_is_asked_again_when_another_model_is_chosen(qtbot, tab, finish_job, trained_job):
    finish_job("newer")
    _drop(tab, _urls(trained_job.picture("red"), trained_job.picture("blue")))
    models: set[str] = set()

    def answered() -> None:
        rows = [answer for _, answer in tab.table.model.rows()]
        assert [answer is not None and answer.label for answer in rows] == ["red", "blue"]
        assert not tab.session.busy
        models.add(tab.session.model.name)

    for name in ("newer", "colours"):
        tab.use_model(name)
        qtbot.waitUntil(lambda name=name: tab.chooser.chosen.name == name, timeout=WAIT)
        qtbot.waitUntil(answered, timeout=WAIT)
    assert models == {"newer", "colours"}


def test_a_labelled_folder_says_how_right_it_was_and_can_be_locked(qtbot, tab, workbench, trained_job, tmp_path):
    for number, (label, shown) in enumerate((("red", "red"), ("blue", "blue"), ("blue", "red"))):
        (tmp_path / "held" / label).mkdir(parents=True, exist_ok=True)
        picture = trained_job.picture(shown, number=number)
        shutil.copy(picture, tmp_path / "held" / label / f"{label}-{shown}.jpg")
    _drop(tab, _urls(tmp_path / "held"))
    qtbot.waitUntil(tab.judged.isVisible, timeout=WAIT)
    assert tab.judged.accessibleName().startswith("Gets 2 of 3 right on held")
    assert tab.table.model.picture(0).name == "blue/blue-red.jpg"  # the mistake comes first
    assert tab.table.model.index(0, Column.TRUTH).data() == "blue"
    qtbot.mouseClick(tab.judged.locked, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "looked at 1 time, for 1 model" in tab.judged.accessibleName(), timeout=WAIT)
    _drop(tab, _urls(tmp_path / "held"))
    qtbot.waitUntil(lambda: "looked at 2 times, for 1 model" in tab.judged.accessibleName(), timeout=WAIT)
    _drop(tab, _urls(trained_job.picture("red")))
    _wait_for_answer(qtbot, tab, "red 0.jpg", "red")
    assert not tab.judged.isVisible()
    assert workbench.store.held_out.find(tmp_path / "held") is not None
