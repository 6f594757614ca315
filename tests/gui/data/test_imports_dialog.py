"""The window's offer to remove what archives left and nothing uses."""

from __future__ import annotations

import os

from PySide6.QtWidgets import QWidget

from core.paths import AppPaths
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.data.imports_dialog import ask_about_imports
from gui.shared.dialogs import Decision


def test_unused_imports_are_told_and_removed(qtbot, tmp_path):
    workbench, bridge, parent, said = Workbench(AppPaths(tmp_path)), Bridge(), QWidget(), []
    qtbot.addWidget(parent)
    folder = workbench.paths.imports / "pets-0123"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(bytes(2_000_000))
    os.utime(folder, (1_600_000_000, 1_600_000_000))
    ask_about_imports(parent, workbench, bridge, said.append)
    qtbot.waitUntil(lambda: parent.findChild(Decision) is not None, timeout=10_000)
    parent.findChild(Decision).buttons["remove"].click()
    qtbot.waitUntil(lambda: bool(said), timeout=10_000)
    assert said == ["2.0 MB that nothing used are removed."]
    assert not folder.exists()
    ask_about_imports(parent, workbench, bridge, said.append)
    qtbot.waitUntil(lambda: len(said) == 2, timeout=10_000)
    assert said[1] == "Nothing that was unpacked or fetched is unused."
    bridge.close()
    workbench.close()
