"""What a page says while it has nothing, while it works, and when something went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from core.errors import DatasetError, Offer, UserFacingError
from core.progress import Progress
from core.translation import tr
from gui.shared.basics import ElidedLabel, button, icon_button, label
from gui.shared.icons import paint_icon
from gui.shared.theme import CARD_PADDING, GRID, tokens


class IconLabel(QWidget):
    """An icon of any size in the colour of a token, which follows the theme."""

    def __init__(self, name: str, edge: int, role: str = "muted") -> None:
        super().__init__()
        self._name, self._role = name, role
        self.setFixedSize(edge, edge)

    def set_icon(self, name: str, role: str) -> None:
        """Show another icon."""
        self._name, self._role = name, role
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the icon."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_icon(painter, QRectF(self.rect()), self._name, QColor(getattr(tokens(), self._role)))


class EmptyState(QWidget):
    """One icon, one sentence, one button.

    Signals:
        activated(): the button was pressed.
    """

    activated = Signal()

    def __init__(self, icon_name: str, sentence: str, action: str = "", detail: str = "") -> None:
        super().__init__()
        self._icon = IconLabel(icon_name, 48)
        self._sentence = label(sentence, "card", wrap=True)
        self._detail = label(detail, "muted", wrap=True)
        self.button: QPushButton = button(action, kind="primary")
        self.button.clicked.connect(self.activated)
        box = QVBoxLayout(self)
        box.setSpacing(12)
        box.addStretch(2)
        box.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignHCenter)
        for text in (self._sentence, self._detail):
            text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            text.setMaximumWidth(520)
            text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
            centred = QHBoxLayout()
            centred.addStretch(1)
            centred.addWidget(text, 100)
            centred.addStretch(1)
            box.addLayout(centred)
        box.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        box.addStretch(3)
        self.set_texts(sentence, action, detail)

    def set_texts(self, sentence: str, action: str = "", detail: str = "") -> None:
        """Say something else; without `action` there is no button."""
        self._sentence.setText(sentence)
        self._detail.setText(detail)
        self._detail.setVisible(bool(detail))
        self.button.setText(action)
        self.button.setVisible(bool(action))
        self.setAccessibleName(sentence)


class ProgressRow(QWidget):
    """What is being done, how far it is, and a way to stop it. Hidden until it is started.

    Signals:
        cancelled(): the user asked to stop.
    """

    cancelled = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._message = ElidedLabel("", "body")
        self._count = label("", "figures")
        self._count.setProperty("role", "muted")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(tr("Progress"))
        self._cancel = icon_button("x", tr("Cancel"))
        self._cancel.clicked.connect(self.cancelled)
        texts = QHBoxLayout()
        texts.addWidget(self._message, 1)
        texts.addWidget(self._count)
        left = QVBoxLayout()
        left.setSpacing(4)
        left.addLayout(texts)
        left.addWidget(self._bar)
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        box.addLayout(left, 1)
        box.addWidget(self._cancel)
        self.hide()

    def start(self, message: str) -> None:
        """Show that work has begun, its length unknown yet."""
        self._message.setText(message)
        self._count.setText("")
        self._bar.setRange(0, 0)
        self.show()

    @property
    def has_focus(self) -> bool:
        """Whether the keyboard would cancel the work."""
        return self._cancel.hasFocus()

    def focus(self) -> None:
        """Let the keyboard cancel the work."""
        self._cancel.setFocus()

    def update_progress(self, progress: Progress) -> None:
        """Show how far the work is."""
        self._message.setText(progress.message)
        if progress.total:
            # Qt's range is 32 bits wide; bytes are not.
            self._bar.setRange(0, 1000)
            self._bar.setValue(min(1000, 1000 * progress.done // progress.total))
            self._count.setText(_count_text(progress.done, progress.total, progress.unit))
        else:
            self._bar.setRange(0, 0)
            self._count.setText(_count_text(progress.done, None, progress.unit) if progress.done else "")

    def finish(self) -> None:
        """Hide again."""
        self.hide()


class InlineError(QFrame):
    """An error beside its cause: what happened, why, what to do next. Hidden until there is one.

    Signals:
        dismissed(): the user closed it.
        offer_chosen(object): the user chose one of the error's offers; it has the offer's options.
    """

    dismissed = Signal()
    offer_chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self.setProperty("tone", "failed")
        self._what = label("", "strong", wrap=True)
        self._why = label("", "body", wrap=True)
        self._fix = label("", "body", wrap=True)
        texts = QVBoxLayout()
        texts.setSpacing(2)
        for text in (self._what, self._why, self._fix):
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            texts.addWidget(text)
        self._offers = QVBoxLayout()
        self._offers.setSpacing(2)
        texts.addLayout(self._offers)
        self.offer_buttons: list[QPushButton] = []
        close = icon_button("x", tr("Dismiss"))
        close.clicked.connect(self.clear)
        close.clicked.connect(self.dismissed)
        box = QHBoxLayout(self)
        box.setContentsMargins(CARD_PADDING, GRID, GRID, GRID)
        box.setSpacing(GRID)
        box.addWidget(IconLabel("x-circle", 20, "failed"), 0, Qt.AlignmentFlag.AlignTop)
        box.addLayout(texts, 1)
        box.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    @property
    def text(self) -> str:
        """Return all that is said."""
        return " ".join(part.text() for part in (self._what, self._why, self._fix) if part.text())

    def show_error(self, error: UserFacingError) -> None:
        """Show an error."""
        for text, part in ((self._what, error.what), (self._why, error.why), (self._fix, error.fix)):
            text.setText(part)
            text.setVisible(bool(part))
        self._show_offers(error.offers if isinstance(error, DatasetError) else ())
        self.setAccessibleName(tr("Error: {error}").format(error=error))
        self.show()

    def _show_offers(self, offers: Sequence[Offer]) -> None:
        for old in self.offer_buttons:
            old.hide()
            old.deleteLater()
        self.offer_buttons = [button(offer.title, kind="link") for offer in offers]
        for made, offer in zip(self.offer_buttons, offers, strict=True):
            made.clicked.connect(partial(self.offer_chosen.emit, offer.options))
            self._offers.addWidget(made, 0, Qt.AlignmentFlag.AlignLeft)

    def clear(self) -> None:
        """Hide it."""
        self.hide()


class Banner(QFrame):
    """One sentence with an icon in a tinted box; `tone` is running, done, warning or failed."""

    def __init__(self, text: str = "", tone: str = "warning", icon_name: str = "warning") -> None:
        super().__init__()
        self.setObjectName("banner")
        self.setProperty("tone", tone)
        self._text: QLabel = label(text, "body", wrap=True)
        box = QHBoxLayout(self)
        box.setContentsMargins(CARD_PADDING, GRID, CARD_PADDING, GRID)
        box.setSpacing(GRID)
        box.addWidget(IconLabel(icon_name, 18, tone))
        box.addWidget(self._text, 1)
        self._box = box
        self.setAccessibleName(text)

    def set_text(self, text: str) -> None:
        """Say something else; nothing hides the banner."""
        self._text.setText(text)
        self.setAccessibleName(text)
        self.setVisible(bool(text))

    def add_action(self, widget: QWidget) -> None:
        """Put a control at the right."""
        self._box.addWidget(widget)


def format_bytes(count: float) -> str:
    """Return a size for people: "0 B", "1.4 MB"; powers of 1,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _count_text(done: int, total: int | None, unit: str) -> str:
    if unit == "bytes":
        sentence = tr("{done} of {total}") if total else "{done}"
        return sentence.format(done=format_bytes(done), total=format_bytes(total or 0))
    sentence = tr("{done:,} of {total:,} {unit}") if total else tr("{done:,} {unit}")
    return sentence.format(done=done, total=total, unit=unit)
