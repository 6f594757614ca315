import dataclasses
import shutil
from pathlib import Path

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QAbstractButton, QFileDialog, QLabel

from core.errors import DatasetError
from core.formats.records import ReadOptions
from core.jobs.declared import to_plain
from core.progress import Progress
from gui.data.data_tab import DataTab
from gui.data.open_dataset import LAST_KEY
from tests.gui.conftest import write_picture
from tests.gui.data.opened import open_and_wait


def test_it_begins_with_three_ways(tab, qtbot):
    tab.start()
    assert tab.first_run.isVisible()
    assert not tab.use.isVisible()
    with qtbot.waitSignal(tab.aws_asked):
        qtbot.mouseClick(tab.first_run.aws, Qt.MouseButton.LeftButton)


def test_a_folder_becomes_a_dataset_version(tab, qtbot, workbench, dataset_folder):
    open_and_wait(tab, qtbot, dataset_folder)
    assert tab.pictures.rowCount() == 30
    assert tab.manifest.classes == ("daisy", "rose", "tulip")
    assert sum(tab.classes.model.total.values()) == 30
    assert set(tab.classes.model.total) == {"train", "valid", "test"}
    assert tab.manifest.version[:8] in tab._header.findChildren(QLabel)[1].text()
    with qtbot.waitSignal(tab.dataset_ready) as ready:
        qtbot.mouseClick(tab.use, Qt.MouseButton.LeftButton)
    manifest = ready.args[0]
    assert workbench.data.manifest(manifest.version) == manifest
    assert workbench.settings.recall(LAST_KEY) == {
        "path": str(dataset_folder),
        "version": manifest.version,
        "read": to_plain(ReadOptions()),
    }


def test_errors_are_named_on_the_way_to_a_job(tab, qtbot, dataset_folder):
    open_and_wait(tab, qtbot, dataset_folder)
    assert tab.use.text() == "Use despite 1 error"
    next(dataset_folder.rglob("broken.png")).unlink()
    open_and_wait(tab, qtbot, dataset_folder)
    assert tab.use.text() == "Use this dataset"


def test_the_inner_folders_become_the_classes(tab, qtbot, workbench, dataset_folder, tmp_path):
    root = tmp_path / "species"
    for outer, inner in (("flower", "daisy"), ("flower", "tulip"), ("shrub", "rose")):
        shutil.copytree(dataset_folder / inner, root / outer / inner)
    open_and_wait(tab, qtbot, root)
    assert tab.manifest.classes == ("flower", "shrub")
    row = next(row for row in tab.problems.rows if row.problem.kind == "which-classes")
    inner = next(made for made in row.findChildren(QAbstractButton) if made.text() == "Take the inner folders")
    qtbot.mouseClick(inner, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: tab.manifest is not None and len(tab.manifest.classes) == 3, timeout=15000)
    assert tab.manifest.classes == ("daisy", "rose", "tulip")
    with qtbot.waitSignal(tab.dataset_ready):
        qtbot.mouseClick(tab.use, Qt.MouseButton.LeftButton)
    assert workbench.settings.recall(LAST_KEY)["read"]["class_folders"] == "inner"


def test_problems_name_their_files_on_demand(tab, qtbot, dataset_folder):
    open_and_wait(tab, qtbot, dataset_folder)
    row = next(row for row in tab.problems.rows if any("broken.png" in path for path in row.problem.paths))
    assert row.problem.severity == "error"
    qtbot.waitUntil(row.isVisible)  # Qt shows what is new in a layout a turn later
    qtbot.mouseClick(row.toggle, Qt.MouseButton.LeftButton)
    assert row.files.isVisible()
    assert "broken.png" in row.files.model().index(0).data()
    qtbot.mouseClick(row.toggle, Qt.MouseButton.LeftButton)
    assert not row.files.isVisible()


def test_thumbnails_of_what_is_in_sight_arrive(tab, qtbot, dataset_folder):
    open_and_wait(tab, qtbot, dataset_folder)
    first = tab.pictures.picture(0)
    tab.card.grid.grab()
    qtbot.waitUntil(lambda: tab.card.thumbnails.pixmap(first) is not None, timeout=10000)
    image = tab.card.grid.viewport().grab().toImage()
    centre = tab.card.grid.visualRect(tab.pictures.index(0)).center() * image.devicePixelRatio()
    found = image.pixelColor(centre)
    # daisy-00 is (0, 0, 60); JPEG and scaling may shift it a little.
    assert (found.red(), found.green()) < (16, 16)
    assert abs(found.blue() - 60) < 16


def test_a_picture_that_vanished_is_marked_not_fatal(tab, qtbot, dataset_folder):
    open_and_wait(tab, qtbot, dataset_folder)
    # By another content: the thumbnail of the picture itself may be made already.
    victim = dataclasses.replace(tab.pictures.picture(29), sha256="0" * 64)
    (dataset_folder / victim.path).unlink()
    tab.card.thumbnails.stop()
    tab.card.thumbnails.pixmap(victim)
    qtbot.waitUntil(lambda: tab.card.thumbnails.broken(victim), timeout=10000)
    tab.card.grid.scrollTo(tab.pictures.index(29))
    assert not tab.card.grid.grab().isNull()


def test_choosing_a_class_filters_the_grid(tab, qtbot, dataset_folder):
    open_and_wait(tab, qtbot, dataset_folder)
    tab.classes.view.setCurrentIndex(tab.classes.model.index(2))
    assert tab.pictures.rowCount() == 10
    assert tab.card.count.text() == "10 of 30"
    qtbot.mouseClick(tab.classes.chips["test"], Qt.MouseButton.LeftButton)
    assert 0 < tab.pictures.rowCount() < 10


def test_the_split_changes_before_it_is_used(tab, qtbot, dataset_folder):
    open_and_wait(tab, qtbot, dataset_folder)
    before = tab.manifest
    tab.split.test.setValue(40)
    qtbot.waitUntil(lambda: tab.manifest is not None and tab.manifest.version != before.version, timeout=5000)
    assert len(tab.manifest.of("test")) == 12
    tab.split.seed.setValue(7)
    qtbot.waitUntil(lambda: tab.manifest is not None and tab.manifest.seed == 7, timeout=5000)
    assert len(tab.manifest.of("test")) == 12


def test_pictures_show_while_the_scan_goes_on_and_cancel_ends_it(tab, qtbot, workbench, dataset_folder, monkeypatch):
    from core.dataset import scan as real_scan

    ended = []

    def slow(folder, on_progress, cancel, on_found, options, *, unlabelled):
        scan = real_scan(folder)
        on_found(scan.pictures[:12])
        on_progress(Progress(12, 30, "Checking pictures", "pictures"))
        cancel.wait(20)
        ended.append(cancel.cancelled)
        cancel.raise_if_cancelled()

    monkeypatch.setattr(workbench.data, "scan", slow)
    tab.open_folder(dataset_folder)
    qtbot.waitUntil(lambda: tab.pictures.rowCount() == 12, timeout=5000)
    assert tab._progress.isVisible()
    assert sum(tab.classes.model.total.values()) == 12
    assert not tab.use.isEnabled()
    qtbot.mouseClick(tab._progress._cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: ended == [True], timeout=5000)
    assert tab.first_run.isVisible()
    assert tab.pictures.rowCount() == 0
    assert not tab._progress.isVisible()


def test_a_second_folder_replaces_the_first_at_once(tab, qtbot, dataset_folder, tmp_path):
    other = tmp_path / "other"
    for label in ("a", "b"):
        (other / label).mkdir(parents=True)
        for number in range(5):
            source = dataset_folder / "rose" / f"rose-{number:02}.png"
            (other / label / f"{label}{number}.png").write_bytes(source.read_bytes() + label.encode())
    tab.open_folder(dataset_folder)
    open_and_wait(tab, qtbot, other)
    assert tab.manifest.classes == ("a", "b")
    assert {tab.pictures.picture(row).label for row in range(tab.pictures.rowCount())} == {"a", "b"}


def test_a_folder_that_is_no_dataset_says_why_and_the_next_one_works(tab, qtbot, tmp_path, dataset_folder):
    empty = tmp_path / "empty"
    empty.mkdir()
    tab.open_folder(empty)
    qtbot.waitUntil(tab._error.isVisible, timeout=5000)
    assert tab._error.text
    assert tab.first_run.isVisible()
    open_and_wait(tab, qtbot, dataset_folder)
    assert not tab._error.isVisible()


def test_the_sample_is_one_click_away_and_offers_a_quick_look(tab, qtbot):
    qtbot.mouseClick(tab.first_run.sample, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: tab.manifest is not None, timeout=20000)
    assert len(tab.manifest.classes) >= 5
    assert tab.quick_look.isVisible()
    assert not tab.split.seed.isEnabled()
    with qtbot.waitSignal(tab.quick_look_asked) as asked:
        qtbot.mouseClick(tab.quick_look, Qt.MouseButton.LeftButton)
    assert asked.args[0] == tab.manifest


def test_a_missing_sample_is_said(tab, monkeypatch):
    def missing():
        raise DatasetError("The sample dataset is missing.")

    monkeypatch.setattr("gui.data.open_dataset.sample_path", missing)
    tab.dataset.open_sample()
    assert "missing" in tab._error.text
    assert tab.first_run.isVisible()


def test_the_last_dataset_is_there_again_and_recent_ones_are_listed(tab, qtbot, workbench, bridge, dataset_folder):
    open_and_wait(tab, qtbot, dataset_folder)
    with qtbot.waitSignal(tab.dataset_ready):
        tab.use_dataset()
    again = DataTab(workbench, bridge)
    qtbot.addWidget(again)
    again.show()
    with qtbot.waitSignal(again.dataset_restored, timeout=15000) as restored:
        again.start()
    assert restored.args[0].version == tab.manifest.version
    again.dataset.close()
    qtbot.waitUntil(lambda: bool(again.first_run.recent_buttons), timeout=5000)
    recent = again.first_run.recent_buttons[0]
    assert recent.path == dataset_folder
    qtbot.mouseClick(recent, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: again.manifest is not None, timeout=15000)


def test_a_folder_can_be_chosen_by_dialog(tab, qtbot, dataset_folder, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *arguments: str(dataset_folder))
    qtbot.mouseClick(tab.first_run.open, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: tab.manifest is not None, timeout=15000)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *arguments: "")
    before = tab.manifest
    tab.choose_folder()
    assert tab.manifest is before


def test_every_control_has_a_name_for_screen_readers(tab, qtbot, dataset_folder):
    from PySide6.QtWidgets import QAbstractButton, QAbstractItemView, QAbstractSpinBox, QLineEdit, QScrollArea

    open_and_wait(tab, qtbot, dataset_folder)
    for kind in (QAbstractButton, QAbstractItemView, QAbstractSpinBox, QScrollArea):
        for child in tab.findChildren(kind):
            if not isinstance(child, QLineEdit) and child.isVisibleTo(tab) and not child.objectName().startswith("qt_"):
                assert child.accessibleName() or getattr(child, "text", str)(), child


def test_tab_goes_from_left_to_right_and_down(tab, qtbot, dataset_folder):
    open_and_wait(tab, qtbot, dataset_folder)
    order, widget = [], tab
    while (widget := widget.nextInFocusChain()) is not tab:
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisibleTo(tab) and tab.isAncestorOf(widget):
            order.append(widget)
    wanted = [
        tab._close,
        tab._rescan,
        tab._open,
        tab.use,
        tab.classes.chips["train"],
        tab.classes.view,
        tab.split.valid,
        tab.split.seed,
        tab.card.grid,
    ]
    names = [(w.accessibleName() or w.text()) if hasattr(w, "text") else w.accessibleName() for w in order]
    assert [widget for widget in order if widget in wanted] == wanted, names


def test_ten_thousand_pictures_scroll_from_end_to_end(tab, qtbot):
    from core.dataset.records import Picture

    pictures = [
        Picture(f"{n % 10}/{n}.jpg", str(n % 10), None, 1000, 64, 64, "JPEG", f"{n:064x}", 0) for n in range(10000)
    ]
    tab.dataset.folder = Path("nowhere")
    tab.pictures.set_pictures(pictures)
    tab._stack.setCurrentWidget(tab._page)
    bar, seen = tab.card.grid.verticalScrollBar(), set()
    for step in range(61):
        bar.setValue(step * bar.maximum() // 60)
        tab.card.grid.viewport().grab()
        places = (tab.card.grid.indexAt(QPoint(50, y)) for y in (200, 250))
        seen |= {index.row() for index in places if index.isValid()}
    assert len(seen) > 40
    assert max(seen) > 9900


def test_a_folder_that_cannot_be_opened_leaves_the_dataset_open(tab, qtbot, tmp_path, dataset_folder):
    open_and_wait(tab, qtbot, dataset_folder)
    before = tab.manifest
    empty = tmp_path / "empty"
    empty.mkdir()
    tab.open_folder(empty)
    qtbot.waitUntil(tab._error.isVisible)
    assert tab.manifest is before
    assert tab.use.isEnabled()
    assert tab.pictures.rowCount() == 30
    assert str(dataset_folder) in tab._header.findChildren(QLabel)[1].toolTip()
    assert sum(tab.classes.model.total.values()) == 30
    qtbot.mouseClick(tab._rescan, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: tab.manifest is not None)
    assert tab.manifest == before


def test_unlabelled_pictures_stay_open_as_well(tab, qtbot, tmp_path, dataset_folder):
    open_and_wait(tab, qtbot, dataset_folder)
    unlabelled = tmp_path / "unlabelled"
    for number in range(4):
        write_picture(unlabelled / f"{number}.png", (20 * number, 9, 9))
    tab.open_folder(unlabelled)
    qtbot.waitUntil(lambda: tab.dataset.scan is not None and tab.pictures.rowCount() == 4)
    empty = tmp_path / "empty"
    empty.mkdir()
    tab.open_folder(empty)
    qtbot.waitUntil(tab._error.isVisible)
    assert tab.dataset.folder == unlabelled
    assert tab.pictures.rowCount() == 4


def test_a_scan_that_is_cancelled_leaves_the_dataset_open(tab, qtbot, workbench, tmp_path, dataset_folder, monkeypatch):
    open_and_wait(tab, qtbot, dataset_folder)
    before = tab.manifest
    monkeypatch.setattr(workbench.data, "scan", lambda folder, on_progress, cancel, found: cancel.wait(60))
    for folder in (tmp_path, dataset_folder):
        tab.open_folder(folder)
        assert tab.manifest is None
        qtbot.mouseClick(tab._progress._cancel, Qt.MouseButton.LeftButton)
        assert tab.manifest is before


def test_what_was_filtered_is_not_filtered_in_the_next_dataset(tab, qtbot, tmp_path, dataset_folder):
    open_and_wait(tab, qtbot, dataset_folder)
    tab.classes.view.setCurrentIndex(tab.classes.model.index(2))
    qtbot.mouseClick(tab.classes.chips["train"], Qt.MouseButton.LeftButton)
    assert tab.pictures.rowCount() < 10
    other = tmp_path / "other"
    for label in ("rose", "sorrel"):
        for number in range(5):
            write_picture(other / label / f"{number}.png", (20 * number, len(label), 9))
    open_and_wait(tab, qtbot, other)
    assert tab.pictures.rowCount() == 10
    assert tab.classes.view.currentIndex().row() == 0
    assert tab.classes.split is None


def test_films_are_taken_apart_or_another_frame_is_chosen_by_a_click(tab, qtbot, tmp_path):
    from tests.core.dataset.test_frames import film

    for number in range(6):
        film(tmp_path / "films" / ("cat" if number % 2 else "dog") / f"{number}.gif", number)
    open_and_wait(tab, qtbot, tmp_path / "films")
    row = next(row for row in tab.problems.rows if row.problem.kind == "several-frames")
    each, change = row.choices
    with qtbot.waitSignal(tab.setting_asked) as asked:
        qtbot.mouseClick(change, Qt.MouseButton.LeftButton)
    assert asked.args == [tab.manifest, "frame"]
    qtbot.mouseClick(each, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: tab.manifest is not None and tab.pictures.rowCount() == 24, timeout=15000)
    assert tab.reading.isVisible()
    assert tab.reading.form is None or tab.reading.form.options.frames == "all"
