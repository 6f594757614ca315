"""Opens the dialogs of this folder, each for one model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QDialog, QWidget

from core.models import ModelAddress
from core.workbench import Workbench
from gui.bridge import Bridge


class ModelActions:
    """What pages ask for about a model.

    Args:
        parent: the window that dialogs stand before.
        say: shows a sentence for a while.
    """

    def __init__(
        self, parent: Callable[[], QWidget], workbench: Workbench, bridge: Bridge, say: Callable[[str], None]
    ) -> None:
        self._parent, self._workbench, self._bridge, self._say = parent, workbench, bridge, say

    def save(self, address: ModelAddress) -> QDialog:
        """Ask for a format and a place, and write the model there."""
        from gui.models.save_dialog import SaveModelDialog

        dialog = SaveModelDialog(self._parent(), self._workbench, self._bridge, address)
        dialog.saved.connect(self._say)
        return _shown(dialog)

    def serve(self, address: ModelAddress) -> QDialog:
        """Serve the model while a dialog is open."""
        from gui.models.serve_dialog import ServeDialog

        return _shown(ServeDialog(self._parent(), self._workbench, self._bridge, address))

    def sort(self, address: ModelAddress, folder: Path) -> QDialog:
        """Sort the pictures of a folder by what the model says."""
        from gui.models.sort_dialog import SortDialog

        return _shown(SortDialog(self._parent(), self._workbench, self._bridge, address, folder))


def _shown(dialog: QDialog) -> QDialog:
    dialog.finished.connect(dialog.deleteLater)
    dialog.show()
    return dialog
