"""The questions what to open: a folder, an archive or a file of labels, or a prefix in S3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QInputDialog, QWidget

from core.formats.opened_source import ARCHIVES, LABEL_FILES
from core.translation import tr


def choose_folder(parent: QWidget, title: str, start: Path) -> Path | None:
    """Return the folder that the user chooses; None where they choose none."""
    chosen = QFileDialog.getExistingDirectory(parent, title, str(start))
    return Path(chosen) if chosen else None


def choose_file(parent: QWidget, start: Path) -> Path | None:
    """Return the archive or file of labels that the user chooses; None where they choose none."""
    patterns = " ".join(f"*{suffix}" for suffix in (*ARCHIVES, *LABEL_FILES))
    kinds = tr("Archives and files of labels ({patterns})").format(patterns=patterns)
    chosen, _ = QFileDialog.getOpenFileName(parent, tr("Open an archive or a file of labels"), str(start), kinds)
    return Path(chosen) if chosen else None


def ask_address(parent: QWidget, on_answer: Callable[[Path], None]) -> QInputDialog:
    """Ask for a prefix in S3."""
    dialog = QInputDialog(parent)
    dialog.setWindowTitle(tr("Open from S3"))
    dialog.setLabelText(tr("s3://BUCKET/PREFIX; its pictures and labels are fetched into Sagehound's own folder."))
    dialog.setTextValue("s3://")
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.textValueSelected.connect(lambda text: on_answer(Path(text.strip())))
    dialog.open()
    return dialog
