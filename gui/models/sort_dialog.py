"""Sort a folder of pictures by what a model says, and take it back."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QLineEdit, QVBoxLayout, QWidget

from core.errors import UserFacingError
from core.models import ModelAddress
from core.models.sort import Sorted, Undone, Way, sort_folder, undo
from core.progress import CancelToken, OnProgress
from core.translation import plural, tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared.basics import button, label, padded, row
from gui.shared.dialogs import GrowingDialog
from gui.shared.feedback import InlineError, ProgressRow
from gui.shared.field import Field

_WAYS = {Way.COPY: tr("Copy the pictures"), Way.MOVE: tr("Move the pictures"), Way.CSV: tr("Only write a table")}


class SortDialog(GrowingDialog):
    """Asks where the class folders go, and how; afterwards all of it can be undone here."""

    def __init__(
        self, parent: QWidget | None, workbench: Workbench, bridge: Bridge, address: ModelAddress, folder: Path
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Sort into folders"))
        self.setModal(True)
        self.setMinimumWidth(560)
        self._workbench, self._bridge, self._address, self._folder = workbench, bridge, address, folder
        self._working: Handle | None = None
        self._done: Path | None = None
        self.into = QLineEdit(str(folder.with_name(f"{folder.name}-sorted")))
        self.way = QComboBox()
        self.way.setAccessibleName(tr("What is done"))
        for way, words in _WAYS.items():
            self.way.addItem(words, way.value)
        self.threshold = padded(QDoubleSpinBox())
        self.threshold.setRange(0, 100)
        self.threshold.setDecimals(1)
        self.threshold.setValue(80)
        self.threshold.setSuffix(" %")
        self.threshold.setAccessibleName(tr("Unsure below"))
        self.outcome = label("", "body", wrap=True)
        self.outcome.hide()
        self.progress, self.error = ProgressRow(), InlineError()
        self.start = button(tr("Sort"), icon_name="folder-open", kind="primary")
        self.undo = button(tr("Undo all of it"))
        self.undo.hide()
        close = button(tr("Close"), kind="ghost")
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("Sort the pictures of {name}").format(name=folder.name), "card", wrap=True))
        box.addWidget(
            label(
                tr("Each goes into the folder of its class. A journal is kept there, so all can be undone."),
                "muted",
                wrap=True,
            )
        )
        box.addWidget(Field(tr("Into the folder"), self.into))
        box.addWidget(Field(tr("What is done"), self.way))
        box.addWidget(Field(tr("Unsure below"), self.threshold, tr("Pictures of a lower probability go into _unsure.")))
        for widget in (self.progress, self.error, self.outcome):
            box.addWidget(widget)
        box.addLayout(row(None, close, self.undo, self.start))
        self.start.clicked.connect(self._on_start)
        self.undo.clicked.connect(self._on_undo)
        close.clicked.connect(self.reject)
        self.progress.cancelled.connect(self.cancel)
        self.finished.connect(lambda _result: self.cancel())

    def cancel(self) -> None:
        """Stop; what was sorted stays, and starting again carries on."""
        if self._working is not None:
            self._working.cancel()
        self._end()

    def _end(self) -> None:
        self._working = None
        self.progress.finish()
        self.start.setEnabled(True)
        self.undo.setVisible(self._done is not None)

    def _begin(self, words: str) -> None:
        self.error.clear()
        self.outcome.hide()
        self.start.setEnabled(False)
        self.undo.hide()
        self.progress.start(words)

    def _on_start(self) -> None:
        into, way = Path(self.into.text().strip()), Way(self.way.currentData())
        threshold, folder = self.threshold.value() / 100, self._folder
        workbench, address = self._workbench, self._address

        def work(on_progress: OnProgress, cancel: CancelToken) -> Sorted:
            model = workbench.models.open(address, on_progress, cancel)
            return sort_folder(model, folder, into, way, threshold, on_progress=on_progress, cancel=cancel)

        self._begin(tr("Sorting"))
        self._done = into
        self._working = self._bridge.run(work, self._on_sorted, self._on_failed, self.progress.update_progress)

    def _on_sorted(self, done: Sorted) -> None:
        self._end()
        parts = [f"{group} {count:,}" for group, count in sorted(done.counts.items())]
        parts += [tr("{refused:,} could not be read or put").format(refused=len(done.refused))] if done.refused else []
        self._say("  ·  ".join(parts))

    def _on_undo(self) -> None:
        into = self._done
        assert into is not None  # the button is hidden before
        self._begin(tr("Taking back"))
        self._working = self._bridge.run(
            lambda on_progress, cancel: undo(into, on_progress, cancel),
            self._on_undone,
            self._on_failed,
            self.progress.update_progress,
        )

    def _on_undone(self, undone: Undone) -> None:
        self._done = self._done if undone.left else None
        self._end()
        sentences = [plural("{count:,} picture is taken back.", "{count:,} pictures are taken back.", undone.count)]
        if undone.left:
            sentences.append(tr("Left as they are: {files}.").format(files="; ".join(undone.left[:3])))
        self._say(" ".join(sentences))

    def _on_failed(self, error: UserFacingError) -> None:
        self._end()
        self.error.show_error(error)

    def _say(self, words: str) -> None:
        self.outcome.setText(words)
        self.outcome.show()
