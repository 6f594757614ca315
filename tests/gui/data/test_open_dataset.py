"""Several folders opened as one dataset: added, put together at the start, refused."""

import threading

from PySide6.QtWidgets import QFileDialog, QLabel

from gui.data.open_dataset import LAST_KEY
from tests.gui.conftest import write_picture
from tests.gui.data.opened import open_and_wait


def test_a_folder_is_added_to_the_dataset(tab, qtbot, workbench, dataset_folder, tmp_path, monkeypatch):
    more = tmp_path / "more"
    for number, name in enumerate(("rose", "lily")):
        write_picture(more / name / "one.png", (0, 0, number))
    open_and_wait(tab, qtbot, dataset_folder)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *arguments: str(more))
    with qtbot.waitSignal(tab.dataset.split, timeout=15000):
        tab._add.click()
    assert tab.manifest.classes == ("daisy", "lily", "rose", "tulip")
    assert tab.pictures.rowCount() == 32
    assert f"{dataset_folder} + {more}" in tab._header.findChildren(QLabel)[1].text()
    assert tab.dataset.place == dataset_folder.parent
    with qtbot.waitSignal(tab.dataset_ready):
        tab.use.click()
    tab.dataset.close()
    with qtbot.waitSignal(tab.dataset.restored, timeout=15000):
        tab.start()
    assert tab.pictures.rowCount() == 32


def two_folders(tmp_path):
    """Two small datasets that can be one."""
    made = [tmp_path / "one", tmp_path / "two"]
    for at, folder in enumerate(made):
        for number in range(4):
            write_picture(folder / f"kind-{number % 2}" / f"{number}.png", (90 * at, 20 * number, 9))
    return made


def test_folders_that_the_program_was_started_with_open_instead_of_the_last_dataset(
    tab, qtbot, workbench, bridge, dataset_folder, tmp_path
):
    folders = two_folders(tmp_path)
    workbench.settings.remember(LAST_KEY, {"path": str(dataset_folder), "version": "0", "read": {}})
    scanned = []
    tab.dataset.scanning.connect(scanned.append)
    tab.start()
    tab.open_together(folders)
    qtbot.waitUntil(lambda: tab.manifest is not None and bridge.idle)
    assert tab.pictures.rowCount() == 8
    assert scanned == [tab.dataset.folder]


def test_folders_that_do_not_fit_together_leave_the_scan_under_way(tab, qtbot, workbench, dataset_folder, monkeypatch):
    scan, refused = workbench.data.scan, threading.Event()

    def late(*arguments, **options):
        refused.wait(30)
        return scan(*arguments, **options)

    monkeypatch.setattr(workbench.data, "scan", late)
    tab.open_folder(dataset_folder)
    with qtbot.waitSignal(tab.dataset.failed):
        tab.open_together([dataset_folder, dataset_folder / "rose"])
    assert tab._error.isVisible()
    refused.set()
    qtbot.waitUntil(lambda: tab.manifest is not None)
    assert tab.pictures.rowCount() == 30


def test_a_scan_that_fails_leaves_the_folders_that_are_put_together(tab, qtbot, workbench, tmp_path, monkeypatch):
    join, failed = workbench.data.join, threading.Event()

    def late(*arguments):
        failed.wait(30)
        return join(*arguments)

    monkeypatch.setattr(workbench.data, "join", late)
    (tmp_path / "empty").mkdir()
    with qtbot.waitSignal(tab.dataset.failed):
        tab.open_folder(tmp_path / "empty")
        tab.open_together(two_folders(tmp_path))
    failed.set()
    qtbot.waitUntil(lambda: tab.manifest is not None)
    assert tab.pictures.rowCount() == 8
