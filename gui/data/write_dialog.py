"""Writes the dataset as it is labelled: copied as a new folder, or moved into class folders and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QFileDialog, QLineEdit, QVBoxLayout, QWidget

from core.dataset.manifest import Manifest
from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress
from core.translation import plural, tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared.basics import button, label, row
from gui.shared.dialogs import GrowingDialog
from gui.shared.feedback import Banner, InlineError, ProgressRow

if TYPE_CHECKING:
    from core.dataset.records import Scan
    from core.formats.writing import WrittenDataset
    from core.labels.disk import EarlierWrite, Written

MOVE = "move"
"""Chosen in place of a format: pictures are moved into class folders."""


class WriteDialog(GrowingDialog):
    """Asks where to and how, and writes the pictures there.

    Signals:
        moved(Path): pictures were moved, there or back; that folder is the dataset now.
    """

    moved = Signal(object)

    def __init__(
        self,
        parent: QWidget | None,
        workbench: Workbench,
        bridge: Bridge,
        manifest: Manifest,
        scan: Scan,
        opened: Path | None,
    ) -> None:
        from core.formats.registry import FORMATS

        super().__init__(parent)
        self.setWindowTitle(tr("Write to disk"))
        self.setModal(True)
        self.setMinimumWidth(560)
        self._workbench, self._bridge, self._manifest, self._scan = workbench, bridge, manifest, scan
        self._opened = opened
        self._running: Handle | None = None
        self._earlier: EarlierWrite | None = None
        self._moved_to: Path | None = None
        self.format = QComboBox()
        self.format.setAccessibleName(tr("How it is written"))
        for found in FORMATS:
            if found.writer is not None:
                self.format.addItem(tr("Copy: {title}").format(title=found.title), found.name)
        self.format.addItem(tr("Move into class folders"), MOVE)
        self.format.currentIndexChanged.connect(self._on_format)
        self.target = QLineEdit()
        self.target.setAccessibleName(tr("Folder"))
        self.choose = button(tr("Choose…"), tip=tr("Choose the folder that the new one is made in"))
        self.choose.clicked.connect(self._on_choose)
        self.with_split = QCheckBox(tr("With its split: train, valid and test"))
        self.said = label("", "muted", wrap=True)
        self.earlier = Banner("", "warning", "info")
        self.back = button(tr("Move back"), tip=tr("Every picture goes back to where it was"))
        self.back.clicked.connect(self.move_back)
        self.earlier.add_action(self.back)
        self.earlier.hide()
        self.error, self.progress = InlineError(), ProgressRow()
        self.progress.cancelled.connect(self._on_cancel)
        self.cancel = button(tr("Cancel"))
        self.cancel.clicked.connect(self.reject)
        self.write = button(tr("Write"), icon_name="save", kind="primary")
        self.write.clicked.connect(self.start)
        self.write.setDefault(True)
        self.target.textChanged.connect(lambda text: self.write.setEnabled(bool(text.strip())))
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("Write the dataset to disk"), "card"))
        box.addWidget(self.earlier)
        box.addLayout(row(label(tr("How"), "muted"), self.format, None))
        box.addLayout(row(label(tr("Folder"), "muted"), self.target, self.choose))
        box.addWidget(self.with_split)
        box.addWidget(self.said)
        box.addWidget(self.error)
        box.addWidget(self.progress)
        box.addLayout(row(None, self.cancel, self.write))
        self._on_format()
        self._look(manifest.root)

    @property
    def moves(self) -> bool:
        """Whether pictures are to be moved, not copied."""
        return bool(self.format.currentData() == MOVE)

    def start(self) -> None:
        """Write."""
        target, with_split = Path(self.target.text().strip()).expanduser(), self.with_split.isChecked()
        data, manifest, scan, name = self._workbench.data, self._manifest, self._scan, str(self.format.currentData())

        def copy(on_progress: OnProgress, cancel: CancelToken) -> WrittenDataset:
            return data.write(manifest, name, target, with_split, on_progress, cancel)

        def move(on_progress: OnProgress, cancel: CancelToken) -> Written:
            splits = {entry.path: entry.split for entry in manifest.pictures} if with_split else {}
            return data.write_labels(scan, target, True, on_progress, cancel, splits)

        self._begin(tr("Moving the pictures") if self.moves else tr("Copying the pictures"))
        if self.moves:
            self._running = self._bridge.run(
                move, self._on_moved, lambda error: self._on_failed(error, target), self.progress.update_progress
            )
        else:
            self._running = self._bridge.run(copy, self._on_copied, self._on_failed, self.progress.update_progress)

    def move_back(self) -> None:
        """Move the pictures of the earlier move back to where they were."""
        earlier = self._earlier
        if earlier is None:
            return

        def work(on_progress: OnProgress, cancel: CancelToken) -> int:
            from core.labels.disk import take_back

            return take_back(earlier.folder, on_progress, cancel)

        def done(count: int) -> None:
            self._moved_to = earlier.root
            self._end()
            self._finish(
                plural(
                    "Moved {count:,} picture back to {folder}.",
                    "Moved {count:,} pictures back to {folder}.",
                    count,
                    folder=earlier.root,
                )
            )

        self._begin(tr("Moving the pictures back"))
        self._running = self._bridge.run(
            work, done, lambda error: self._on_failed(error, earlier.folder), self.progress.update_progress
        )

    def reject(self) -> None:
        """Write no more, and close."""
        self._on_cancel()
        super().reject()
        if self._moved_to is not None:
            self.moved.emit(self._moved_to)

    def _on_format(self) -> None:
        root = self._manifest.root
        named = self._workbench.data.named_after(root, self._opened)
        apart = str(named.with_name(f"{named.name}-labelled"))
        what = _pictures_in_classes(len(self._manifest.pictures), len(self._manifest.classes))
        self.with_split.setChecked(not self.moves or self._scan.layout == "splits")
        if self.moves:
            self.target.setText(str(root) if named == root else apart)
            said = tr(
                "Moves {what} into class folders there. What goes where is written down first, and “Move "
                "back” undoes it; what has no class or is left out stays where it is."
            ).format(what=what)
        else:
            self.target.setText(apart)
            said = tr(
                "Copies {what} into a new folder. Your own files stay where and as they are; what has no "
                "class or is left out is not copied."
            ).format(what=what)
        self.said.setText(said)
        self.write.setText(tr("Move") if self.moves else tr("Write"))

    def _on_choose(self) -> None:
        start = Path(self.target.text()).expanduser()
        chosen = QFileDialog.getExistingDirectory(self, tr("Make the new folder in"), str(start.parent))
        if chosen:
            self.target.setText(str(Path(chosen) / start.name))

    def _look(self, folder: Path) -> None:
        """Say what was moved into a folder before, and offer to move it back."""

        def work(on_progress: OnProgress, cancel: CancelToken) -> EarlierWrite | None:
            from core.labels.disk import earlier_write

            return earlier_write(folder)

        self._bridge.run(work, self._on_looked, self.error.show_error)

    def _on_looked(self, found: EarlierWrite | None) -> None:
        self._earlier = found if found is not None and found.moved else None
        self.earlier.set_text(self._earlier.sentence if self._earlier is not None else "")
        if self._earlier is not None and not self._earlier.finished:
            self._moved_to = self._manifest.root  # some of it is elsewhere by now
            self.format.setCurrentIndex(self.format.findData(MOVE))
            self.target.setText(str(self._earlier.folder))
            self.write.setText(tr("Finish the move"))

    def _begin(self, what: str) -> None:
        self.error.clear()
        for widget in (self.write, self.back):
            widget.setEnabled(False)
        self.progress.start(what)

    def _on_cancel(self) -> None:
        if self._running is not None:
            self._running.cancel()
            self._end()
            self._look(self._earlier.folder if self._earlier else Path(self.target.text().strip()).expanduser())

    def _end(self) -> None:
        self._running = None
        self.progress.finish()
        for widget in (self.write, self.back):
            widget.setEnabled(True)

    def _on_copied(self, written: WrittenDataset) -> None:
        self._end()
        what = _pictures_in_classes(written.pictures, written.classes)
        self._finish(tr("Copied {what} to {folder}.").format(what=what, folder=written.path))

    def _on_moved(self, written: Written) -> None:
        self._end()
        self._moved_to = written.folder
        said = [
            plural(
                "Moved {count:,} picture into class folders in {folder}.",
                "Moved {count:,} pictures into class folders in {folder}.",
                written.count,
                folder=written.folder,
            )
        ]
        if written.left:
            left = tr("Not moved: {count:,}, which have no class, are left out or are in place.")
            said.append(left.format(count=written.left))
        self._finish(" ".join(said))
        self._look(written.folder)

    def _finish(self, said: str) -> None:
        self.said.setText(said)
        self.earlier.hide()
        for widget in (self.write, self.format, self.target, self.choose, self.with_split):
            widget.setEnabled(False)
        self.write.hide()
        self.cancel.setText(tr("Close"))
        self.cancel.setFocus()

    def _on_failed(self, error: UserFacingError, moved_to: Path | None = None) -> None:
        self._end()
        self.error.show_error(error)
        if moved_to is not None:
            self._look(moved_to)


def _pictures_in_classes(pictures: int, classes: int) -> str:
    return tr("{pictures} in {classes}").format(
        pictures=plural("{count:,} picture", "{count:,} pictures", pictures),
        classes=plural("{count:,} class", "{count:,} classes", classes),
    )
