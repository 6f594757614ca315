"""The window's menu: commands with their shortcuts, which are heard whether the menu is open or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from core.translation import tr


class WindowMenu(QMenu):
    """A menu whose commands belong to `window` too."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self.setAccessibleName(tr("Menu"))

    def add(self, text: str, shortcut: str, call: Callable[[], object]) -> QAction:
        """Add a command."""
        action = self.addAction(text)
        if shortcut:
            action.setShortcut(shortcut)
            action.setShortcutVisibleInContextMenu(True)
        action.triggered.connect(lambda _checked=False: call())
        # Qt hears no shortcut of a menu that is in no menu bar.
        self._window.addAction(action)
        return action

    def add_choices(
        self, title: str, choices: Sequence[tuple[str, str]], chosen: Callable[[str], object]
    ) -> dict[str, QAction]:
        """Add a submenu of (choice, its name for people), of which one is on; returns the commands by choice."""
        submenu, group = self.addMenu(title), QActionGroup(self)
        made: dict[str, QAction] = {}
        for choice, words in choices:
            action = submenu.addAction(words)
            action.setCheckable(True)
            action.triggered.connect(lambda _checked=False, choice=choice: chosen(choice))
            group.addAction(action)
            made[choice] = action
        return made
