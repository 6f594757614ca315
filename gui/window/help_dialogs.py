"""What Sagehound is and how one begins, for those who ask in the menu."""

from __future__ import annotations

import platform
from pathlib import Path

from PySide6 import __version__ as qt_version
from PySide6.QtWidgets import QWidget

from core.translation import tr
from gui.shared.dialogs import Decision, Option
from training_scripts.version import VERSION

_STEPS = (
    tr("1. Data: try the sample or open a folder, with one folder per class. Nothing is moved or copied."),
    tr("2. Tuning: take a preset, read on the right what it will do, and start."),
    tr("3. Jobs: every trial as it learns. Close the window if you like: jobs continue."),
    tr("4. Debugger: which rules found an issue, since which step, and what to do. Export the report."),
    tr("5. Predict: drop a picture anywhere on the window."),
    tr("F1 lists the keys. On a command line, `sagehound --help` lists the same things as commands."),
)


def help_dialog(parent: QWidget | None) -> Decision:
    """Say in five steps how one gets from a folder to a prediction."""
    return Decision(
        parent, tr("From a folder to a prediction"), _STEPS, [Option("ok", tr("Close"), "primary")], "lightbulb"
    )


def about_dialog(parent: QWidget | None, home: Path) -> Decision:
    """Say which version this is, what it runs on, and where it keeps its files."""
    sentences = [
        tr("Version {version}, with Qt {qt_version} and Python {python_version} on {system}.").format(
            version=VERSION, qt_version=qt_version, python_version=platform.python_version(), system=platform.system()
        ),
        tr("A desktop workbench for image classification. Free software under the Apache License 2.0."),
        tr("It keeps its files in {home}.").format(home=home),
    ]
    return Decision(parent, tr("Sagehound"), sentences, [Option("ok", tr("Close"), "primary")], "sagehound")
