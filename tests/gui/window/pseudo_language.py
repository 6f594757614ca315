"""Build the window in a language that puts every sentence into marks, and print what has none."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from gettext import NullTranslations

from core import translation


class Marked(NullTranslations):
    """A catalogue of every sentence."""

    def gettext(self, message: str) -> str:
        return f"‹{message}›"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


# Before any module of the window is imported: some keep their sentences in constants.
translation._catalogue = Marked()

_READ = ("text", "toolTip", "accessibleName", "accessibleDescription", "placeholderText", "title", "windowTitle")


def texts(window: object) -> Iterator[str]:
    """Yield all that people read, or hear, of a window."""
    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QComboBox, QTabBar, QWidget

    assert isinstance(window, QWidget)
    for item in (*window.findChildren(QWidget), *window.findChildren(QAction)):
        yield from (getattr(item, read)() for read in _READ if callable(getattr(item, read, None)))
        if isinstance(item, QComboBox):
            yield from (item.itemText(at) for at in range(item.count()))
        if isinstance(item, QTabBar):
            yield from (item.tabText(at) for at in range(item.count()))


def main() -> int:
    """Print the unmarked texts with words of every page, as JSON."""
    from PySide6.QtWidgets import QApplication

    from core.paths import AppPaths
    from core.workbench import Workbench
    from gui.bridge import Bridge
    from gui.shared.theme import Theme
    from gui.window.main_window import MainWindow
    from gui.window.pages import PAGES

    app = QApplication([])
    workbench, bridge = Workbench(AppPaths.default()), Bridge()
    window = MainWindow(workbench, bridge, Theme(app, "light"))
    window.show()
    found: set[str] = set()
    for page in PAGES:
        window.show_page(page.key)
        app.processEvents()
    window.show_settings()
    app.processEvents()
    found.update(text for text in texts(window) if "‹" not in text and re.search("[A-Za-z]{2,}", text))
    print(json.dumps(sorted(found)))
    sys.stdout.flush()
    window.close()
    bridge.close(5)
    workbench.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
