"""What Sagehound is and how one begins, for those who ask in the menu."""

from __future__ import annotations

import platform
from pathlib import Path

from PySide6 import __version__ as qt_version
from PySide6.QtWidgets import QWidget

from gui.shared.dialogs import Decision, Option
from training_scripts.version import VERSION

_STEPS = (
    "1. Data: try the sample or open a folder, with one folder per class. Nothing is moved or copied.",
    "2. Tuning: take a preset, read on the right what it will do, and start.",
    "3. Jobs: every trial as it learns. Close the window if you like: jobs go on.",
    "4. Debugger: which rules found an issue, since which step, and what to do. Export the report.",
    "5. Predict: drop a picture anywhere on the window.",
    "F1 lists the keys. On a command line, `sagehound --help` lists the same things as commands.",
)


def help_dialog(parent: QWidget | None) -> Decision:
    """Say in five steps how one gets from a folder to a prediction."""
    return Decision(parent, "From a folder to a prediction", _STEPS, [Option("ok", "Close", "primary")], "lightbulb")


def about_dialog(parent: QWidget | None, home: Path) -> Decision:
    """Say which version this is, what it runs on, and where it keeps its files."""
    sentences = [
        f"Version {VERSION}, with Qt {qt_version} and Python {platform.python_version()} on {platform.system()}.",
        "A desktop workbench for image classification. Free software under the Apache License 2.0.",
        f"It keeps its files in {home}.",
    ]
    return Decision(parent, "Sagehound", sentences, [Option("ok", "Close", "primary")], "sagehound")
