"""What a training picture becomes when the network is fine-tuned with augmentation."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QDialog, QGridLayout, QLabel, QVBoxLayout, QWidget

from core.dataset.augmentation import COUNT, EDGE, KINDS, Sheet, augmentation_sheet
from core.errors import PictureError, UserFacingError
from core.progress import CancelToken, OnProgress
from core.translation import tr
from gui.bridge import Bridge
from gui.shared.basics import button, label, row
from training_scripts.backbones import Framing
from training_scripts.pictures.structure import PictureUnreadable

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest

_WORDS = {
    "none": tr("none: as it is evaluated"),
    "light": tr("light: another part each time, perhaps mirrored"),
    "strong": tr("strong: smaller parts, and other light and colours"),
}


class AugmentationDialog(QDialog):
    """Shows one training picture with each kind of augmentation, as several epochs would see it."""

    def __init__(
        self, parent: QWidget | None, bridge: Bridge, manifest: Manifest, backbone: str, framing: Framing
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("What a picture becomes"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._bridge, self._manifest, self._backbone, self._framing = bridge, manifest, backbone, framing
        self._files = [manifest.root / entry.path for entry in manifest.of("train")]
        self.name = label("", "muted")
        self.rows = [QLabel() for _ in KINDS]
        grid = QGridLayout()
        grid.setVerticalSpacing(4)
        for place, (kind, shown) in enumerate(zip(KINDS, self.rows, strict=True)):
            shown.setFixedSize(COUNT * (EDGE + 8) - 8, EDGE)
            shown.setAccessibleName(tr("The picture with augmentation {kind}").format(kind=_WORDS[kind]))
            grid.addWidget(label(_WORDS[kind], "caption"), 2 * place, 0)
            grid.addWidget(shown, 2 * place + 1, 0)
        self.another = button(tr("Another picture"), icon_name="refresh")
        self.another.clicked.connect(self.show_another)
        close = button(tr("Close"), kind="primary")
        close.clicked.connect(self.accept)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(8)
        box.addWidget(self.name)
        box.addLayout(grid)
        box.addLayout(row(self.another, None, close))
        self.show_another()

    def show_another(self) -> None:
        """Take another training picture."""
        if not self._files:
            return
        path, seed = random.choice(self._files), random.randrange(2**31)
        backbone, framing, levels = self._backbone, self._framing, self._manifest.levels

        def work(on_progress: OnProgress, cancel: CancelToken) -> Sheet:
            try:
                return augmentation_sheet(path, backbone, framing, levels, seed)
            except PictureUnreadable as error:
                sentence = tr("{name} cannot be read: {reason}.").format(name=path.name, reason=error)
                raise PictureError(sentence, fix=tr("Take another picture.")) from error

        self._bridge.run(work, self._show, self._on_error)

    def _show(self, sheet: Sheet) -> None:
        self.name.setText(str(_within(sheet.path, self._manifest.root)))
        whole = QPixmap()
        whole.loadFromData(sheet.png)
        step = EDGE + 8
        for place, shown in enumerate(self.rows):
            shown.setPixmap(whole.copy(0, place * step, whole.width(), EDGE))

    def _on_error(self, error: UserFacingError) -> None:
        self.name.setText(str(error))


def _within(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
