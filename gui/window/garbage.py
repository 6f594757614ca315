"""When Python looks for garbage in the window's process: in the UI thread, in pieces too short to be felt.

Left to itself, Python looks in whichever thread happens to allocate, through everything there is (some 50 ms once the
plots are loaded, and nothing else runs meanwhile), and may end a widget in a thread that is not Qt's.
"""

from __future__ import annotations

import gc
import sys

from PySide6.QtCore import QObject, QTimer

LOOK_MS = 250
_YOUNG, _MIDDLE, _OLD = 2_000, 10, 20
"""New objects, and collections of the generation below, that make it worth the while to look through a generation."""


class Garbage(QObject):
    """Collects garbage in its thread until `stop`; what was there when modules were loaded is not looked through again.

    Modules, classes and the pages made of them are nearly all there is, and live as long as the window.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._modules = 0
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.collect_due)

    def start(self) -> None:
        """Keep Python from collecting by itself."""
        gc.disable()
        self._timer.start()

    def stop(self) -> None:
        """Leave it to Python again."""
        self._timer.stop()
        gc.unfreeze()
        gc.enable()

    def collect_due(self) -> None:
        """Collect what is due."""
        if len(sys.modules) != self._modules:
            self._modules = len(sys.modules)
            gc.collect(1)
            gc.freeze()
            return
        young, middle, old = gc.get_count()
        if old > _OLD:
            gc.collect(2)
        elif middle > _MIDDLE:
            gc.collect(1)
        elif young > _YOUNG:
            gc.collect(0)
