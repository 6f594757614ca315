from __future__ import annotations

import http.client
import json
import os
import shutil

import numpy as np
import pytest
import segno

from core.models import ModelAddress
from core.models.export.formats import FORMATS
from core.paths import AppPaths
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.models.save_dialog import SaveModelDialog
from gui.models.serve_dialog import ServeDialog
from gui.models.sort_dialog import SortDialog

WAIT = 120_000


@pytest.fixture
def workbench(tmp_path):
    made = Workbench(AppPaths(tmp_path / "home"))
    yield made
    made.close()


@pytest.fixture
def bridge(qtbot):
    made = Bridge()
    yield made
    made.close()


@pytest.mark.long
def test_a_model_is_saved_from_the_window(qtbot, workbench, bridge, trained_job, tmp_path):
    dialog = SaveModelDialog(None, workbench, bridge, ModelAddress.file(trained_job.model))
    qtbot.addWidget(dialog)
    dialog.show()
    assert not dialog.save.isEnabled()
    dialog.folder.setText(str(tmp_path / "saved"))
    for index, format_ in enumerate(FORMATS.values()):
        dialog.format.setCurrentIndex(index)
        assert dialog.missing.isVisible() == bool(format_.missing)
        assert dialog.save.isEnabled() != bool(format_.missing)
    dialog.format.setCurrentIndex(dialog.format.findData("openvino"))
    with qtbot.waitSignal(dialog.saved, timeout=WAIT) as said:
        dialog.save.click()
    assert "no probability differed" in said.args[0]
    assert {path.name for path in (tmp_path / "saved").iterdir()} >= {"model.xml", "classify.py", "README.md"}
    again = SaveModelDialog(None, workbench, bridge, ModelAddress.file(trained_job.model))
    qtbot.addWidget(again)
    again.show()
    again.format.setCurrentIndex(again.format.findData("openvino"))
    again.folder.setText(str(tmp_path / "saved"))
    again.save.click()
    qtbot.waitUntil(again.error.isVisible, timeout=WAIT)
    assert "is there already" in again.error.text


def test_a_model_is_served_while_its_dialog_is_open(qtbot, workbench, bridge, trained_job):
    dialog = ServeDialog(None, workbench, bridge, ModelAddress.file(trained_job.model))
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.start.click()
    qtbot.waitUntil(lambda: dialog.server is not None, timeout=WAIT)
    assert dialog.address.text() == dialog.server.url
    assert dialog.server.is_private
    connection = http.client.HTTPConnection("127.0.0.1", dialog.server.port, timeout=60)
    connection.request("POST", "/invocations", trained_job.picture("red").read_bytes())
    assert json.loads(connection.getresponse().read())["predictions"][0]["label"] == "red"
    connection.close()
    dialog.close()
    assert dialog.server is None
    qtbot.waitUntil(lambda: bridge.idle, timeout=WAIT)


def test_who_is_let_in_from_other_machines_gets_the_address_as_a_qr_code(qtbot, workbench, bridge, trained_job):
    dialog = ServeDialog(None, workbench, bridge, ModelAddress.file(trained_job.model))
    qtbot.addWidget(dialog)
    dialog.show()
    assert not dialog.code.isVisible()
    dialog.others.setChecked(True)
    dialog.start.click()
    qtbot.waitUntil(lambda: dialog.server is not None, timeout=WAIT)
    assert dialog.code.isVisible()
    assert dialog.code.accessibleName().endswith(dialog.address.text())
    read = np.array(segno.make_qr(dialog.address.text(), error="m").matrix)
    shown = dialog.code.grab().toImage()
    side = shown.width() / (len(read) + 8)
    seen = [
        [shown.pixelColor(int((x + 4.5) * side), int((y + 4.5) * side)).black() > 128 for x in range(len(read))]
        for y in range(len(read))
    ]
    assert np.array_equal(seen, read == 1)
    dialog.stop.click()
    assert not dialog.code.isVisible()
    qtbot.waitUntil(lambda: bridge.idle, timeout=WAIT)


def test_a_folder_is_sorted_and_all_of_it_is_taken_back(qtbot, workbench, bridge, trained_job, tmp_path):
    folder = tmp_path / "camera"
    folder.mkdir()
    for label in trained_job.classes:
        shutil.copy(trained_job.picture(label, "valid"), folder)  # what its threshold was set by
    (folder / "broken.jpg").write_bytes(b"no picture")
    before = sorted(os.listdir(folder))
    dialog = SortDialog(None, workbench, bridge, ModelAddress.file(trained_job.model), folder)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.into.text() == str(tmp_path / "camera-sorted")
    dialog.way.setCurrentIndex(dialog.way.findData("move"))
    dialog.threshold.setValue(34)
    dialog.start.click()
    qtbot.waitUntil(lambda: dialog.outcome.isVisible(), timeout=WAIT)
    assert dialog.outcome.text() == "blue 1  ·  green 1  ·  red 1  ·  1 could not be read or put"
    assert os.listdir(folder) == ["broken.jpg"]
    dialog.undo.click()
    qtbot.waitUntil(lambda: "taken back" in dialog.outcome.text(), timeout=WAIT)
    assert sorted(os.listdir(folder)) == before
    assert not dialog.undo.isVisible()
