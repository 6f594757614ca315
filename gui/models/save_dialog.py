"""Save a model in a format that others run."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QLineEdit, QVBoxLayout, QWidget

from core.errors import UserFacingError
from core.models import ModelAddress
from core.models.export.exporting import Exported
from core.models.export.formats import FORMATS
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared.basics import button, label, row
from gui.shared.dialogs import GrowingDialog
from gui.shared.feedback import InlineError, ProgressRow
from gui.shared.field import Field


class SaveModelDialog(GrowingDialog):
    """Asks for a format and a folder, and writes the model with a script that asks it and a model card.

    Signals:
        saved(str): what was written, and how its answers compare.
    """

    saved = Signal(str)

    def __init__(self, parent: QWidget | None, workbench: Workbench, bridge: Bridge, address: ModelAddress) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Save model"))
        self.setModal(True)
        self.setMinimumWidth(560)
        self._workbench, self._bridge, self._address = workbench, bridge, address
        self._working: Handle | None = None
        self.format = QComboBox()
        self.format.setAccessibleName(tr("Format"))
        for format_ in FORMATS.values():
            self.format.addItem(format_.title, format_.name)
        self.good_for = label("", "muted", wrap=True)
        self.missing = label("", "warning", wrap=True)
        self.folder = QLineEdit()
        self.folder.setPlaceholderText(tr("A new folder"))
        choose = button(tr("Choose…"), icon_name="folder-open")
        self.progress, self.error = ProgressRow(), InlineError()
        self.save = button(tr("Save"), icon_name="save", kind="primary")
        cancel = button(tr("Close"), kind="ghost")
        place = row(self.folder, choose)
        place.setStretch(0, 1)
        holder = QWidget()
        place.setContentsMargins(0, 0, 0, 0)
        holder.setLayout(place)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("Save the model of {name}").format(name=address.name), "card", wrap=True))
        box.addWidget(
            label(
                tr(
                    "The folder gets the model, a script that asks it without Sagehound, and a model card. Its answers"
                    " are compared with those given here before it is put there."
                ),
                "muted",
                wrap=True,
            )
        )
        box.addWidget(Field(tr("Format"), self.format))
        box.addWidget(self.good_for)
        box.addWidget(self.missing)
        box.addWidget(Field(tr("Folder"), holder))
        box.addWidget(self.progress)
        box.addWidget(self.error)
        box.addLayout(row(None, cancel, self.save))
        cancel.clicked.connect(self.reject)
        choose.clicked.connect(self._choose)
        self.save.clicked.connect(self._on_save)
        self.progress.cancelled.connect(self.cancel)
        self.format.currentIndexChanged.connect(lambda _index: self._show_format())
        self.folder.textChanged.connect(lambda _text: self._show_format())
        self.finished.connect(lambda _result: self.cancel())
        self._show_format()

    def cancel(self) -> None:
        """Stop writing; nothing is left of it."""
        if self._working is not None:
            self._working.cancel()
            self._working = None
        self.progress.finish()
        self._show_format()

    def _show_format(self) -> None:
        chosen = FORMATS[self.format.currentData()]
        self.good_for.setText(chosen.good_for)
        lacking = chosen.missing
        self.missing.setText(
            tr("Not installed: pip install {lacking}").format(lacking=" ".join(lacking)) if lacking else ""
        )
        self.missing.setVisible(bool(lacking))
        self.save.setEnabled(not lacking and bool(self.folder.text().strip()) and self._working is None)

    def _choose(self) -> None:
        dialog = QFileDialog(
            self, tr("Save the model as a folder"), self.folder.text() or f"{self._address.name}-model"
        )
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)
        dialog.fileSelected.connect(self.folder.setText)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _on_save(self) -> None:
        self.error.clear()
        name, folder = self.format.currentData(), Path(self.folder.text().strip())
        self.progress.start(tr("Writing the model"))
        self._working = self._bridge.run(
            lambda on_progress, cancel: self._workbench.models.export(self._address, name, folder, on_progress, cancel),
            self._on_saved,
            self._on_failed,
            self.progress.update_progress,
        )
        self._show_format()

    def _on_saved(self, exported: Exported) -> None:
        self.saved.emit(
            tr("{name} is written. {sentence}").format(name=exported.path.name, sentence=exported.agreement.sentence())
        )
        self.accept()

    def _on_failed(self, error: UserFacingError) -> None:
        self.cancel()
        self.error.show_error(error)
