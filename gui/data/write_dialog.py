"""Writes the dataset as it is labelled into a new folder; until then labels are kept beside the pictures only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QCheckBox, QComboBox, QDialog, QFileDialog, QLineEdit, QVBoxLayout, QWidget

from core.dataset.manifest import Manifest
from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared.basics import button, label, row
from gui.shared.feedback import InlineError, ProgressRow
from gui.shared.formatting import counted

if TYPE_CHECKING:
    from core.formats.writing import WrittenDataset


class WriteDialog(QDialog):
    """Asks where to and in which format, and copies the pictures there."""

    def __init__(self, parent: QWidget | None, workbench: Workbench, bridge: Bridge, manifest: Manifest) -> None:
        from core.formats.registry import FORMATS

        super().__init__(parent)
        self.setWindowTitle("Write to disk")
        self.setModal(True)
        self.setMinimumWidth(520)
        self._workbench, self._bridge, self._manifest = workbench, bridge, manifest
        self._writing: Handle | None = None
        self.format = QComboBox()
        self.format.setAccessibleName("Format")
        for found in FORMATS:
            if found.writer is not None:
                self.format.addItem(found.title, found.name)
        self.target = QLineEdit(str(manifest.root.with_name(f"{manifest.root.name}-labelled")))
        self.target.setAccessibleName("New folder")
        self.choose = button("Choose…", tip="Choose the folder that the new one is made in")
        self.choose.clicked.connect(self._on_choose)
        self.with_split = QCheckBox("With its split: train, valid and test")
        self.with_split.setChecked(True)
        self.said = label("", "muted", wrap=True)
        pictures = counted(len(manifest.pictures), "picture")
        self.said.setText(
            f"Copies {pictures} in {counted(len(manifest.classes), 'class', 'classes')} into a new folder. Your own "
            "files stay where and as they are; what has no class or is left out is not copied."
        )
        self.error, self.progress = InlineError(), ProgressRow()
        self.progress.cancelled.connect(self._on_cancel)
        self.cancel = button("Cancel")
        self.cancel.clicked.connect(self.reject)
        self.write = button("Write", icon_name="save", kind="primary")
        self.write.clicked.connect(self.start)
        self.write.setDefault(True)
        self.target.textChanged.connect(lambda text: self.write.setEnabled(bool(text.strip())))
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label("Write the dataset to disk", "card"))
        box.addWidget(self.said)
        box.addLayout(row(label("Format", "muted"), self.format, None))
        box.addLayout(row(label("New folder", "muted"), self.target, self.choose))
        box.addWidget(self.with_split)
        box.addWidget(self.error)
        box.addWidget(self.progress)
        box.addLayout(row(None, self.cancel, self.write))

    def start(self) -> None:
        """Write."""
        workbench, manifest = self._workbench, self._manifest
        target, name = Path(self.target.text().strip()).expanduser(), str(self.format.currentData())
        with_split = self.with_split.isChecked()

        def work(on_progress: OnProgress, cancel: CancelToken) -> WrittenDataset:
            return workbench.data.write(manifest, name, target, with_split, on_progress, cancel)

        self.error.clear()
        self.write.setEnabled(False)
        self.progress.start("Copying the pictures")
        self._writing = self._bridge.run(work, self._on_done, self._on_failed, self.progress.update_progress)

    def reject(self) -> None:
        """Write no more, and close."""
        self._on_cancel()
        super().reject()

    def _on_choose(self) -> None:
        start = Path(self.target.text()).expanduser()
        chosen = QFileDialog.getExistingDirectory(self, "Make the new folder in", str(start.parent))
        if chosen:
            self.target.setText(str(Path(chosen) / start.name))

    def _on_cancel(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._end()

    def _end(self) -> None:
        self._writing = None
        self.progress.finish()
        self.write.setEnabled(True)

    def _on_done(self, written: WrittenDataset) -> None:
        self._end()
        pictures, classes = counted(written.pictures, "picture"), counted(written.classes, "class", "classes")
        self.said.setText(f"{pictures} in {classes} are in {written.path}.")
        self.write.hide()
        self.cancel.setText("Close")
        self.cancel.setFocus()

    def _on_failed(self, error: UserFacingError) -> None:
        self._end()
        self.error.show_error(error)
