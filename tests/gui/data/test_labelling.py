"""Labels by real keys, drags and fields in the Data tab, kept beside the pictures and undone."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QLineEdit, QMenu

from core.errors import StoreError
from core.features.dataset_features import PictureFeatures
from core.labels.labelling import Labelling
from gui.data import pictures_card
from gui.data.chosen_drag import CHOSEN_MIME
from gui.data.data_tab import DataTab
from gui.data.write_dialog import WriteDialog
from tests.gui.conftest import write_picture
from tests.gui.data.opened import do

CONTROL, SHIFT, NONE = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier(0)


@pytest.fixture
def tab(opened_tab):
    """Return the Data tab with three classes of ten pictures: daisy (1), rose (2), tulip (3)."""
    return opened_tab


def kept(tab):
    """The classes of all pictures as they are on the disk, by file name."""
    labelling = tab._workbench.data.labelling(tab.dataset.scan)
    return {p.path.rpartition("/")[2]: labelling.state.label_of(p) for p in tab.dataset.scan.pictures}


def click(tab, qtbot, name, modifier=NONE):
    gallery = tab.pictures.gallery
    number = next(at for at, picture in enumerate(gallery.pictures) if picture.path.endswith(name))
    index = tab.pictures.index(tab.pictures.row_of(number))
    tab.card.grid.scrollTo(index)
    spot = tab.card.grid.visualRect(index).center()
    qtbot.mouseClick(tab.card.grid.viewport(), Qt.MouseButton.LeftButton, modifier, spot)


def chosen(tab):
    return [p.path.rpartition("/")[2] for p in tab.pictures.chosen_pictures()]


def test_keys_label_one_after_the_other_and_undo_takes_each_back(tab, qtbot):
    grid = tab.card.grid
    click(tab, qtbot, "daisy-00.png")
    heard = []
    tab.card.labels_changed.connect(lambda: heard.append(1))
    qtbot.keyClick(grid, "2")
    assert chosen(tab) == ["daisy-01.png"], "the next one is chosen at once"
    qtbot.keyClick(grid, "3")
    qtbot.waitUntil(lambda: len(heard) == 2)
    assert (kept(tab)["daisy-00.png"], kept(tab)["daisy-01.png"]) == ("rose", "tulip")
    assert tab.card.bar.undo.toolTip() == "Undo: Labelled 1 picture tulip (Ctrl+Z)"
    qtbot.waitUntil(lambda: tab.manifest is not None)
    assert sum(tab.manifest.counts()["rose"].values()) == 11
    do(tab, qtbot, lambda: qtbot.keyClick(grid, Qt.Key.Key_Z, CONTROL))
    assert (kept(tab)["daisy-00.png"], kept(tab)["daisy-01.png"]) == ("rose", "daisy")
    do(tab, qtbot, lambda: qtbot.keyClick(grid, Qt.Key.Key_Z, CONTROL))
    assert kept(tab)["daisy-00.png"] == "daisy"
    do(tab, qtbot, lambda: qtbot.keyClick(grid, Qt.Key.Key_Z, CONTROL | SHIFT))
    assert kept(tab)["daisy-00.png"] == "rose"
    assert sum(tab.classes.model.counts("rose").values()) == 11


def test_keys_go_by_the_classes_not_by_what_the_scan_found_first_and_stay_for_the_dataset(tab, qtbot, dataset_folder):
    keys, folder = tab.card.keys, dataset_folder

    def keys_now():
        return [keys.key_of(name) for name in tab.card.classes()]

    tab.card.set_root(folder)
    tab.pictures.add([replace(tab.dataset.scan.pictures[-1], path="x/1.png", label="tulip")])
    assert keys.key_of("tulip") == "", "nothing can be labelled yet"
    tab.dataset.open_again()
    qtbot.waitUntil(lambda: tab.manifest is not None)
    assert keys_now() == ["1", "2", "3"]
    do(tab, qtbot, lambda: tab.card.labels.add_class("carnation"))
    tab.dataset.open_again()
    qtbot.waitUntil(lambda: tab.manifest is not None)
    assert keys_now() == ["4", "1", "2", "3"]
    tab._close.click()
    tab.open_folder(folder)
    qtbot.waitUntil(lambda: tab.manifest is not None)
    assert keys_now() == ["4", "1", "2", "3"], "closing a dataset is no change of its classes"


def test_undo_works_wherever_the_focus_is_but_in_a_field(tab, qtbot):
    click(tab, qtbot, "daisy-00.png")
    do(tab, qtbot, lambda: qtbot.keyClick(tab.card.grid, Qt.Key.Key_2))
    tab.card.filters.search.setFocus()
    tab.card.filters.search.insert("r")
    qtbot.keyClick(tab.card.filters.search, Qt.Key.Key_Z, CONTROL)
    assert tab.card.filters.search.text() == ""
    assert kept(tab)["daisy-00.png"] == "rose"
    tab.activateWindow()
    qtbot.waitUntil(tab.isActiveWindow)
    tab.classes.view.setFocus()
    do(tab, qtbot, lambda: qtbot.keyClick(tab.classes.view, Qt.Key.Key_Z, CONTROL))
    assert kept(tab)["daisy-00.png"] == "daisy"
    tab.check.start.setFocus()
    do(tab, qtbot, lambda: qtbot.keyClick(tab.check.start, Qt.Key.Key_Z, CONTROL | SHIFT))
    assert kept(tab)["daisy-00.png"] == "rose"


def test_a_new_class_is_typed_and_the_chosen_are_in_it(tab, qtbot):
    click(tab, qtbot, "rose-02.png")
    click(tab, qtbot, "rose-04.png", SHIFT)
    qtbot.keyClick(tab.card.grid, Qt.Key.Key_Return)
    assert tab.window().focusWidget() is tab.card.bar.field
    qtbot.keyClicks(tab.card.bar.field, "peony")
    do(tab, qtbot, lambda: qtbot.keyClick(tab.card.bar.field, Qt.Key.Key_Return))
    assert sorted(name for name, label in kept(tab).items() if label == "peony") == [
        "rose-02.png",
        "rose-03.png",
        "rose-04.png",
    ]
    assert tab.card.keys.key_of("peony") == "4", "the others keep their keys"
    qtbot.waitUntil(lambda: not tab.card.bar.field.text())
    click(tab, qtbot, "tulip-00.png")
    do(tab, qtbot, lambda: qtbot.keyClick(tab.card.grid, "4"))
    assert kept(tab)["tulip-00.png"] == "peony"


def test_chosen_pictures_that_a_filter_hides_are_counted(tab, qtbot):
    click(tab, qtbot, "rose-02.png")
    click(tab, qtbot, "tulip-02.png", CONTROL)
    assert tab.card.bar.said.text() == "2 chosen"
    tab.pictures.ask(label="rose")
    assert tab.card.bar.said.text() == "2 chosen, 1 hidden"


def test_what_is_left_out_goes_and_is_put_back(tab, qtbot):
    click(tab, qtbot, "rose-02.png")
    do(tab, qtbot, lambda: qtbot.keyClick(tab.card.grid, Qt.Key.Key_Delete))
    assert tab.pictures.rowCount() == 29
    assert len(tab.manifest.pictures) == 29
    assert tab.card.filters.chips["left_out"].text() == "Left out 1"
    qtbot.mouseClick(tab.card.filters.chips["left_out"], Qt.MouseButton.LeftButton)
    assert tab.pictures.rowCount() == 1
    click(tab, qtbot, "rose-02.png")
    do(tab, qtbot, lambda: qtbot.mouseClick(tab.card.bar.put_back, Qt.MouseButton.LeftButton))
    qtbot.mouseClick(tab.card.filters.clear, Qt.MouseButton.LeftButton)
    assert tab.pictures.rowCount() == 30
    assert len(tab.manifest.pictures) == 30


def test_a_label_is_taken_away_and_the_unlabelled_are_a_filter_and_a_row(tab, qtbot):
    click(tab, qtbot, "rose-02.png")
    do(tab, qtbot, lambda: qtbot.keyClick(tab.card.grid, Qt.Key.Key_Backspace))
    assert kept(tab)["rose-02.png"] == ""
    assert len(tab.manifest.pictures) == 29
    assert tab.card.filters.chips["unlabelled"].text() == "Unlabelled 1"
    assert tab.classes.model.index(1).data() == "Unlabelled"
    tab.classes.view.setCurrentIndex(tab.classes.model.index(1))
    assert tab.pictures.rowCount() == 1


def drop_chosen(tab, name):
    view = tab.classes.view
    spot = view.visualRect(tab.classes.model.index(tab.classes.model.row_of(name))).center()
    mime = QMimeData()
    mime.setData(CHOSEN_MIME, b"1")
    arguments = (Qt.DropAction.MoveAction, mime, Qt.MouseButton.LeftButton, NONE)
    QApplication.sendEvent(view.viewport(), QDragEnterEvent(spot, *arguments))
    QApplication.sendEvent(view.viewport(), QDragMoveEvent(spot, *arguments))
    event = QDropEvent(QPointF(spot), *arguments)
    QApplication.sendEvent(view.viewport(), event)
    return event.isAccepted()


def test_chosen_pictures_are_dropped_on_a_class(tab, qtbot):
    click(tab, qtbot, "daisy-05.png")
    click(tab, qtbot, "daisy-07.png", CONTROL)
    do(tab, qtbot, lambda: drop_chosen(tab, "tulip"))
    assert {name for name, label in kept(tab).items() if label == "tulip" and "daisy" in name} == {
        "daisy-05.png",
        "daisy-07.png",
    }
    assert tab.classes.view.currentIndex().row() == 0, "a drop is not a choice of that class"
    assert not drop_chosen(tab, None), "all classes are no class"


def test_a_class_is_renamed_and_merged_and_made(tab, qtbot):
    view = tab.classes.view
    view.setFocus()
    view.setCurrentIndex(tab.classes.model.index(tab.classes.model.row_of("rose")))
    qtbot.keyClick(view, Qt.Key.Key_F2)
    editor = view.findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, "Rosa")
    do(tab, qtbot, lambda: qtbot.keyClick(editor, Qt.Key.Key_Return))
    assert tab.manifest.classes == ("Rosa", "daisy", "tulip")
    tab.classes._show_menu(view.visualRect(tab.classes.model.index(tab.classes.model.row_of("tulip"))).center())
    menu = next(m for m in tab.classes.findChildren(QMenu) if m.accessibleName() == "Class tulip")
    merge = next(action for m in menu.findChildren(QMenu) for action in m.actions() if action.text() == "daisy")
    do(tab, qtbot, merge.trigger)
    menu.close()
    assert tab.manifest.classes == ("Rosa", "daisy")
    do(tab, qtbot, lambda: qtbot.mouseClick(tab.card.bar.undo, Qt.MouseButton.LeftButton))
    assert tab.manifest.classes == ("Rosa", "daisy", "tulip")
    qtbot.keyClicks(tab.classes.new, "aster")
    do(tab, qtbot, lambda: qtbot.keyClick(tab.classes.new, Qt.Key.Key_Return))
    assert tab.classes.model.row_of("aster") > 0
    assert tab.card.keys.key_of("aster")


def test_the_menu_moves_copies_and_labels(tab, qtbot):
    click(tab, qtbot, "rose-02.png")

    def entry(text):
        tab.card._show_menu(QPoint(5, 5))
        menu = tab.card.findChildren(QMenu)[0]
        found = next(
            a for m in (menu, *menu.findChildren(QMenu)) for a in m.actions() if a.text().split("\t")[0] == text
        )
        found.trigger()
        menu.close()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    do(tab, qtbot, lambda: entry("valid"))
    splits = {e.path: e.split for e in tab.manifest.pictures}
    assert splits["rose/rose-02.png"] == "valid"
    click(tab, qtbot, "rose-02.png")
    entry("Copy path")
    assert QApplication.clipboard().text().endswith("rose-02.png")
    do(tab, qtbot, lambda: entry("tulip"))
    assert kept(tab)["rose-02.png"] == "tulip"


def test_suggestions_are_accepted_one_by_one_and_by_section(tab, qtbot):
    gallery = tab.pictures.gallery
    gallery.set_suggestions({f"rose/rose-{n:02}.png": ("tulip", 0.9 - n / 100) for n in range(4)})
    tab.card.filters.order.setCurrentIndex(tab.card.filters.order.findData("suggestion"))
    assert tab.pictures.sections[0].title == "tulip"
    click(tab, qtbot, "rose-01.png")
    do(tab, qtbot, lambda: qtbot.keyClick(tab.card.grid, "y"))
    assert kept(tab)["rose-01.png"] == "tulip"
    assert kept(tab)["rose-00.png"] == "rose"
    click(tab, qtbot, "rose-00.png")
    do(tab, qtbot, lambda: qtbot.keyClick(tab.card.grid, Qt.Key.Key_Y, SHIFT))
    assert [kept(tab)[f"rose-{n:02}.png"] for n in range(5)] == ["tulip"] * 4 + ["rose"]
    assert tab._workbench.data.labelling(tab.dataset.scan).events()[-1].source == "suggestion"


def test_undo_twice_at_once_shows_what_is_kept(tab, qtbot):
    click(tab, qtbot, "daisy-00.png")
    do(tab, qtbot, lambda: qtbot.keyClick(tab.card.grid, "2"))
    do(tab, qtbot, lambda: qtbot.keyClick(tab.card.grid, "3"))
    heard = []
    tab.card.labels_changed.connect(lambda: heard.append(1))
    for _ in range(2):
        qtbot.keyClick(tab.card.grid, Qt.Key.Key_Z, CONTROL)
    qtbot.waitUntil(lambda: len(heard) == 2)
    gallery = tab.pictures.gallery
    shown = {p.path.rpartition("/")[2]: gallery.label_of(number) for number, p in enumerate(gallery.pictures)}
    assert shown == kept(tab)
    assert shown["daisy-00.png"] == shown["daisy-01.png"] == "daisy"


def test_what_is_chosen_in_the_map_is_labelled_there(tab, qtbot, monkeypatch):
    monkeypatch.setattr(tab.card.comparison, "ensure", lambda: False)
    tab.card.filters.map.setChecked(True)
    view = tab.card.map.view
    tab.pictures.choose_numbers([tab.pictures.gallery.number("daisy/daisy-04.png")])
    do(tab, qtbot, lambda: qtbot.keyClick(view, "3"))
    assert kept(tab)["daisy-04.png"] == "tulip"
    do(tab, qtbot, lambda: qtbot.keyClick(view, Qt.Key.Key_Z, CONTROL))
    assert kept(tab)["daisy-04.png"] == "daisy"
    assert chosen(tab) == ["daisy-04.png"], "no other point, which may be out of sight"
    tab.pictures.choose_numbers([0, 1])
    qtbot.keyClick(view, Qt.Key.Key_Return)
    assert tab.focusWidget() is tab.card.bar.field
    qtbot.keyClick(tab.card.bar.field, Qt.Key.Key_Escape)
    assert tab.focusWidget() is view


def test_what_a_command_labels_meanwhile_is_seen_and_nothing_moves_away(tab, qtbot, monkeypatch):
    grid, bar = tab.card.grid, tab.card.grid.verticalScrollBar()
    tab.resize(900, 560)
    for _ in range(3):
        grid.zoom(1)
    click(tab, qtbot, "daisy-00.png")
    click(tab, qtbot, "tulip-05.png", CONTROL)
    click(tab, qtbot, "daisy-00.png", CONTROL)
    click(tab, qtbot, "daisy-00.png", CONTROL)  # the current one, and soon out of sight
    bar.setValue(bar.maximum() // 2)
    assert bar.value()
    before = chosen(tab)
    middle = grid.viewport().rect().center() - QPoint(0, grid.cell // 2)
    in_sight = grid.indexAt(middle).data()
    tab.card.labels.looking.setInterval(5)
    other = Labelling(tab._workbench.store, tab.dataset.scan)  # of a process of its own
    told = []
    monkeypatch.setattr(pictures_card, "announce", lambda _widget, sentence: told.append(sentence))
    tab.elsewhere.show()
    with qtbot.waitSignal(tab.card.labels_changed):
        other.label([f"daisy/daisy-{number:02}.png" for number in range(2, 10)], "violet")
    assert tab.classes.model.counts("violet")
    assert tab.card._said == "Changed elsewhere: Labelled 8 pictures violet"
    assert told == [tab.card._said], "not what was chosen before"
    assert not tab.elsewhere.isHidden(), "the offer stays for the user"
    assert chosen(tab) == before
    assert grid.indexAt(middle).data() == in_sight
    assert grid.currentIndex().data() == "daisy-00.png"
    tab.card.hide()
    assert not tab.card.labels.looking.isActive(), "there is nothing to be seen"
    tab.card.labels.looking.setInterval(600_000)
    qtbot.waitUntil(lambda: tab.card.labels._running is None)  # the last look of before
    other.label(["rose/rose-01.png"], "violet")
    with qtbot.waitSignal(tab.card.labels_changed):
        tab.card.show()
    assert tab.card.labels.looking.isActive()


def test_what_cannot_be_kept_is_said_and_shown_as_it_was(tab, qtbot, monkeypatch):
    def full(*arguments):
        raise StoreError("The labels could not be kept.", "The disk is full.", "Make room.")

    monkeypatch.setattr(tab._workbench.store, "add_label_events", full)
    click(tab, qtbot, "rose-02.png")
    qtbot.keyClick(tab.card.grid, "1")
    qtbot.waitUntil(tab._error.isVisible)
    assert "disk is full" in tab._error.text
    number = tab.pictures.gallery.number("rose/rose-02.png")
    assert tab.pictures.gallery.label_of(number) == "rose"


def test_the_large_view_follows_the_arrows_and_labels_by_key(tab, qtbot):
    click(tab, qtbot, "daisy-08.png")
    qtbot.keyClick(tab.card.grid, Qt.Key.Key_Space)
    large = tab.card.large
    assert large.isVisible()
    assert large.accessibleDescription().startswith("daisy/daisy-08.png")
    qtbot.keyClick(tab.card.grid, Qt.Key.Key_Right)
    assert large.accessibleDescription().startswith("daisy/daisy-09.png")
    qtbot.waitUntil(lambda: tab.pictures.picture(9).sha256 in large._kept)
    do(tab, qtbot, lambda: qtbot.keyClick(tab.card.grid, "2"))
    assert kept(tab)["daisy-09.png"] == "rose"
    assert large.isVisible()
    assert "daisy-09.png" not in large.accessibleDescription()
    qtbot.keyClick(tab.card.grid, Qt.Key.Key_Escape)
    assert not large.isVisible()


@pytest.fixture
def loose(qtbot, workbench, bridge, tmp_path):
    """The Data tab with twelve pictures of two colours that nothing says the class of."""
    for number in range(12):
        write_picture(tmp_path / "loose" / f"{'xyzuvw'[number % 6]}{number}.png", (250 * (number % 2), 9 * number, 40))
    made = DataTab(workbench, bridge)
    qtbot.addWidget(made)
    made.resize(1180, 900)
    made.show()
    return made


def compared(scan):
    """Features that are the pictures' colours."""
    rows = np.array([[int(p.path.split("/")[-1][1:-4]) % 2, 1, int(p.path[1:-4]) / 12] for p in scan.pictures], float)
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return PictureFeatures(scan.pictures, rows, "colours")


def test_an_unlabelled_folder_is_labelled_by_look_alikes_until_it_can_be_used(loose, qtbot, workbench, monkeypatch):
    monkeypatch.setattr(workbench.data, "features", lambda scan, on_progress, cancel: compared(scan))
    tab = loose
    tab.open_folder(tab._workbench.paths.home.parent / "loose")
    qtbot.waitUntil(lambda: tab.card.comparison.compared is not None)
    assert "None of these 12 pictures has a label yet" in tab._guide.accessibleName()
    assert tab.pictures.query.order == "similarity"
    assert not tab.use.isEnabled()
    grid, field = tab.card.grid, tab.card.bar.field
    grid.go_to(0)
    tab.card._show_similar(tab.pictures.number(0), choose=True)
    qtbot.waitUntil(lambda: len(tab.pictures.chosen) == 6)
    assert len({name[1:-4] and int(name[1:-4]) % 2 for name in chosen(tab)}) == 1
    qtbot.keyClick(grid, Qt.Key.Key_Return)
    qtbot.keyClicks(field, "red")
    with qtbot.waitSignal(tab.card.labels_changed):
        qtbot.keyClick(field, Qt.Key.Key_Return)
    qtbot.mouseClick(tab.card.filters.clear, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(tab.card.filters.chips["unlabelled"], Qt.MouseButton.LeftButton)
    assert tab.pictures.rowCount() == 6
    qtbot.keyClick(grid, Qt.Key.Key_A, CONTROL)
    qtbot.keyClick(grid, Qt.Key.Key_Return)
    qtbot.keyClicks(field, "blue")
    do(tab, qtbot, lambda: qtbot.keyClick(field, Qt.Key.Key_Return))
    assert tab.manifest.classes == ("blue", "red")
    assert tab.use.isEnabled()
    assert not tab._guide.isVisible()
    with qtbot.waitSignal(tab.dataset_ready):
        qtbot.mouseClick(tab.use, Qt.MouseButton.LeftButton)


def test_labels_so_far_guess_the_rest_and_the_sure_ones_are_accepted_at_once(loose, qtbot, workbench, monkeypatch):
    monkeypatch.setattr(workbench.data, "features", lambda scan, on_progress, cancel: compared(scan))
    tab, card = loose, loose.card
    tab.open_folder(workbench.paths.home.parent / "loose")
    qtbot.waitUntil(lambda: card.comparison.compared is not None)
    assert card.help.isVisible()
    assert not card.help.accept.isVisible()
    qtbot.waitUntil(card.help.next.isEnabled)
    qtbot.mouseClick(card.help.next, Qt.MouseButton.LeftButton)
    assert tab.pictures.sections[0].title == "Label these next"
    assert len(chosen(tab)) == 1
    numbers = {picture.path: int(picture.path[1:-4]) for picture in tab.dataset.scan.pictures}
    card.labels.label_each({path: ("even", "odd")[n % 2] for path, n in numbers.items() if n in (0, 1, 2, 3, 8, 9)})
    qtbot.waitUntil(lambda: len(card.guessing.sure_ones()) == 6)
    assert card.help.accept.text() == "Accept 6"
    do(tab, qtbot, lambda: qtbot.mouseClick(card.help.accept, Qt.MouseButton.LeftButton))
    assert all(label == ("even", "odd")[int(name[1:-4]) % 2] for name, label in kept(tab).items())
    assert not card.help.isVisible()


def test_a_problem_leads_to_its_pictures(tab, qtbot, dataset_folder):
    for name in ("rose-03.png", "copy.png"):
        (dataset_folder / "tulip" / name).write_bytes((dataset_folder / "tulip" / "tulip-03.png").read_bytes())
    tab.open_folder(dataset_folder)
    qtbot.waitUntil(lambda: tab.manifest is not None)
    row = next(row for row in tab.problems.rows if row.problem.kind == "duplicate")
    assert row.pictures.text() == "Show 3 pictures"
    qtbot.mouseClick(row.pictures, Qt.MouseButton.LeftButton)
    assert {tab.pictures.picture(at).path for at in range(3)} == set(row.problem.paths)
    assert tab.window().focusWidget() is tab.card.grid
    qtbot.mouseClick(tab.card.filters.pick, Qt.MouseButton.LeftButton)
    assert tab.pictures.rowCount() == 32


def test_the_dataset_is_written_as_it_is_labelled_and_nothing_of_it_is_touched(tab, qtbot, dataset_folder, tmp_path):
    click(tab, qtbot, "rose-02.png")
    do(tab, qtbot, lambda: qtbot.keyClick(tab.card.grid, "3"))
    click(tab, qtbot, "rose-05.png")
    do(tab, qtbot, lambda: qtbot.keyClick(tab.card.grid, Qt.Key.Key_Delete))
    before = sorted(dataset_folder.rglob("*.png"))
    qtbot.mouseClick(tab.write, Qt.MouseButton.LeftButton)
    dialog = tab.findChild(WriteDialog)
    assert "29 pictures in 3 classes" in dialog.said.text()
    dialog.target.setText(str(dataset_folder))
    qtbot.mouseClick(dialog.write, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(dialog.error.isVisible)
    assert "is there already" in dialog.error.text
    dialog.target.setText(str(tmp_path / "mended"))
    dialog.with_split.setChecked(False)
    qtbot.mouseClick(dialog.write, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dialog.write.isVisible())
    assert (tmp_path / "mended" / "tulip" / "rose-02.png").is_file()
    assert len(list((tmp_path / "mended").rglob("*.png"))) == 29
    assert sorted(dataset_folder.rglob("*.png")) == before
    qtbot.mouseClick(dialog.cancel, Qt.MouseButton.LeftButton)


def test_a_renamed_folder_offers_its_labels_and_takes_them_over(tab, qtbot, dataset_folder):
    click(tab, qtbot, "rose-02.png")
    do(tab, qtbot, lambda: qtbot.keyClick(tab.card.grid, "3"))
    assert not tab.elsewhere.isVisible()
    renamed = dataset_folder.rename(dataset_folder.with_name("renamed"))
    tab.open_folder(renamed)
    qtbot.waitUntil(tab.elsewhere.isVisible)
    assert "Labels of 1 picture in this folder are kept for" in tab.elsewhere.accessibleName()
    assert kept(tab)["rose-02.png"] == "rose"
    with qtbot.waitSignal(tab.elsewhere.taken):
        qtbot.mouseClick(tab.elsewhere.take, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: tab.manifest is not None and kept(tab)["rose-02.png"] == "tulip")
    assert not tab.elsewhere.isVisible()
    do(tab, qtbot, lambda: qtbot.mouseClick(tab.card.bar.undo, Qt.MouseButton.LeftButton))
    assert kept(tab)["rose-02.png"] == "rose"
