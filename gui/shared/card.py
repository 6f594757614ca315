"""The surfaces: cards on a page, and the header above them."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gui.shared.basics import ElidedLabel, label
from gui.shared.theme import CARD_PADDING, GRID, MARGIN, scaled


class Card(QFrame):
    """A card with an optional title; put contents into `body`, small controls beside the title with `add_action`."""

    def __init__(self, title: str = "", *, padding: int = CARD_PADDING) -> None:
        super().__init__()
        self.setObjectName("card")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(padding, padding, padding, padding)
        outer.setSpacing(GRID)
        self._bar = QHBoxLayout()
        self._bar.setSpacing(GRID)
        self.title: QLabel = label(title, "card")
        self._bar.addWidget(self.title)
        self._bar.addStretch(1)
        outer.addLayout(self._bar)
        self.title.setVisible(bool(title))
        self.body = QVBoxLayout()
        self.body.setSpacing(GRID)
        outer.addLayout(self.body, 1)
        if title:
            self.setAccessibleName(title)

    def add(self, widget: QWidget, stretch: int = 0) -> None:
        """Put a widget at the end of the body."""
        self.body.addWidget(widget, stretch)

    def add_action(self, widget: QWidget) -> None:
        """Put a small control at the right of the title."""
        self._bar.addWidget(widget)

    def set_title(self, text: str) -> None:
        """Change the title."""
        self.title.setText(text)
        self.title.setVisible(bool(text))
        self.setAccessibleName(text)


CONTEXT_LETTERS = 24
"""So many letters of a header's context are worth more than the words on its buttons with icons."""


class PageHeader(QFrame):
    """The slim header of a tab: title, context in muted words, its one primary action at the right.

    Where it is too narrow for both, secondary actions show their icons without words, the first ones first.
    """

    def __init__(self, title: str, context: str = "", primary: QPushButton | None = None) -> None:
        super().__init__()
        self.setObjectName("header")
        bar = self._bar = QHBoxLayout(self)
        bar.setContentsMargins(0, 0, 0, 0)
        bar.setSpacing(GRID * 2)
        bar.addWidget(label(title, "title"))
        self._context = ElidedLabel(context, "muted", Qt.TextElideMode.ElideRight, fewest=12)
        self._context.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        bar.addWidget(self._context, 1)
        self._actions = QHBoxLayout()
        self._actions.setSpacing(GRID)
        bar.addLayout(self._actions)
        self._primary = primary
        self._words: dict[QPushButton, str] = {}
        self._room: dict[QPushButton, int] = {}
        if primary is not None:
            primary.setProperty("kind", "primary")
            bar.addWidget(primary)
        self.setFixedHeight(scaled(36))

    def set_context(self, text: str, tip: str = "") -> None:
        """Change the muted words beside the title; `tip` says more than they do."""
        self._context.set_tip(tip)
        self._context.setText(text)
        self._fit()

    def add_action(self, widget: QWidget) -> None:
        """Put a secondary control left of the primary action."""
        self._actions.addWidget(widget)
        if isinstance(widget, QPushButton) and not widget.icon().isNull():
            self._words[widget] = widget.text()
            widget.setAccessibleName(widget.text())
        if self._primary is not None:
            # Tab follows the order in which widgets were given to their parent, and should go from left to right.
            self._primary.setParent(None)
            self._bar.addWidget(self._primary)

    def event(self, event: QEvent) -> bool:
        """Make room for the context when the header or one of its actions has another size."""
        done = super().event(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._room.clear()
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            self._fit()
        return done

    def _fit(self) -> None:
        metrics, text = self._context.fontMetrics(), self._context.text()
        wanted = min(metrics.horizontalAdvance(text), CONTEXT_LETTERS * metrics.averageCharWidth())
        taken = self._bar.minimumSize().width() - self._context.minimumSizeHint().width()
        shown = {action: words for action, words in self._words.items() if not action.isHidden()}
        # What words take is measured when they go: one pixel off, they would come and go for ever.
        room = {
            action: self._room.get(action, action.fontMetrics().horizontalAdvance(words))
            for action, words in shown.items()
        }
        missing = taken + wanted - self.width() + sum(room[action] for action in shown if not action.text())
        for action, words in shown.items():
            if missing <= 0:
                action.setText(words)
                continue
            if action.text():
                before = action.sizeHint().width()
                action.setText("")
                self._room[action] = before - action.sizeHint().width()
            missing -= room[action]


def page_layout(page: QWidget) -> QVBoxLayout:
    """Return the layout of a tab's page: 16 px margins, 12 px between its rows."""
    page.setObjectName("page")
    made = QVBoxLayout(page)
    made.setContentsMargins(MARGIN, MARGIN - 4, MARGIN, MARGIN)
    made.setSpacing(12)
    return made
