"""One answered picture: the picture at the left, its classes at the right."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QToolButton, QVBoxLayout, QWidget

from core.jobs.accuracy import percent
from core.models import Model
from core.predict.intake import NamedPicture
from core.predict.records import Explanation, Prediction, Rendered
from core.translation import tr
from gui.predict.class_bars import ClassBars
from gui.predict.picture_view import PictureView
from gui.shared.basics import ElidedLabel, button, icon_button, label
from gui.shared.card import Card
from gui.shared.nearest_strip import NearestStrip
from gui.shared.theme import GRID

_STEPS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}


class AnswerView(QWidget):
    """The picture with zoom and explanation, the classes as bars, why, and who answered in what time.

    Signals:
        explanation_asked(str): where did the model look for this class? "" when the answer is not wanted any more.
        back_asked(): back to the table this picture was opened from.
        step_asked(int): the next picture of that table, or the one before (-1).
    """

    explanation_asked = Signal(str)
    back_asked = Signal()
    step_asked = Signal(int)

    def __init__(self, nearest: NearestStrip) -> None:
        super().__init__()
        self.nearest = nearest
        self.picture = PictureView()
        self.bars = ClassBars()
        self.why_button = button(
            tr("Why?"), icon_name="lightbulb", tip=tr("Show where the model looked"), shortcut="Ctrl+Y"
        )
        self.why_button.setCheckable(True)
        self.why_button.setShortcut("Ctrl+Y")
        self.why_button.toggled.connect(self._on_why)
        self.bars.chosen.connect(self._on_class_chosen)
        self.back_button = button(
            tr("Back to the table"),
            icon_name="chevron-left",
            kind="link",
            tip=tr("Left and Right show its other pictures"),
        )
        self.back_button.clicked.connect(self.back_asked)
        self._steps: list[QShortcut] = []
        for key, step in _STEPS.items():
            keys = QShortcut(key, self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
            keys.activated.connect(lambda step=step: self.step_asked.emit(step))
            self._steps.append(keys)
        for taker in (self.nearest.list, self.picture):
            taker.installEventFilter(self)
        self.set_from_table(False)
        self._name = ElidedLabel("", "strong")
        self._headline = ElidedLabel("", "large", Qt.TextElideMode.ElideRight)
        self._sureness = label("", "muted", wrap=True)
        self._model = ElidedLabel("", "caption")
        self._figures = label("", "caption", wrap=True)
        self._note = label("", "muted", wrap=True)
        self._zoom = label("", "caption")
        self.picture.zoomed.connect(lambda scale: self._zoom.setText(f"{100 * scale:.0f} %"))
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self._picture_card())
        splitter.addWidget(self._answer_card())
        splitter.setStretchFactor(0, 3)
        splitter.setStretchFactor(1, 2)
        splitter.setSizes([620, 400])
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(splitter)

    @property
    def name(self) -> str:
        """Return the name of the picture shown."""
        return self._name.text()

    def set_from_table(self, is_from_table: bool) -> None:
        """Offer the way back to a table, and the keys through it, or neither."""
        self.back_button.setVisible(is_from_table)
        for keys in self._steps:
            keys.setEnabled(is_from_table)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Leave Left and Right to what goes through something of its own by them."""
        is_step = isinstance(event, QKeyEvent) and event.key() in _STEPS
        if (
            is_step
            and event.type() == QEvent.Type.ShortcutOverride
            and (watched is not self.picture or self.picture.pans)
        ):
            event.accept()
            return True
        return super().eventFilter(watched, event)

    def set_answer(self, picture: NamedPicture, answer: Prediction, model: Model | None) -> None:
        """Show the answer; the picture itself comes with `set_picture`."""
        self.picture.set_picture(QImage())
        self._name.setText(picture.name)
        sentence = tr("{probability} sure")
        if answer.unknown:
            sentence = tr("Unlike what the model learned. It would say {label}, {probability} sure")
        said = sentence.format(label=answer.label, probability=percent(answer.probability))
        self._headline.setText(answer.answer.capitalize() if answer.unknown else answer.label)
        self._sureness.setText(said)
        self.bars.set_classes(answer.classes)
        self._model.setText(f"{answer.model}  ·  {model.caption}" if model is not None else answer.model)
        self._figures.setText(
            tr("{milliseconds:.1f} ms  ·  {width:,} × {height:,} pixels").format(
                milliseconds=answer.milliseconds, width=answer.width, height=answer.height
            )
        )
        self.setAccessibleDescription(
            tr("{name} is {label}, {sureness}").format(name=picture.name, label=self._headline.text(), sureness=said)
        )
        self._set_why(False)

    def set_picture(self, rendered: Rendered) -> None:
        """Show the picture itself."""
        bytes_per_line = 3 * rendered.width
        image = QImage(rendered.pixels, rendered.width, rendered.height, bytes_per_line, QImage.Format.Format_RGB888)
        self.picture.set_picture(image.copy(), self._name.text())

    def set_explanation(self, explanation: Explanation) -> None:
        """Lay an explanation over the picture."""
        image = QImage.fromData(explanation.png)
        self.picture.set_overlay(image)
        self._note.setText(
            tr(
                "Warm colours: covering this spot makes the model less sure of {label}. Click another class "
                "to ask about that one."
            ).format(label=explanation.label)
        )

    def clear_explanation(self) -> None:
        """Take the explanation away and release the button."""
        self._set_why(False)

    def _picture_card(self) -> Card:
        card = Card()
        tools = QHBoxLayout()
        tools.setSpacing(GRID // 2)
        tools.addWidget(self.back_button)
        tools.addWidget(self._name, 1)
        tools.addWidget(self._zoom)
        for tool in self._tools():
            tools.addWidget(tool)
        tools.addSpacing(GRID)
        tools.addWidget(self.why_button)
        card.body.addLayout(tools)
        card.add(self.picture, 1)
        return card

    def _tools(self) -> list[QToolButton]:
        wanted = (
            ("minus", tr("Zoom out"), "-", self.picture.zoom_out),
            ("plus", tr("Zoom in"), "+", self.picture.zoom_in),
            ("fit", tr("Fit"), "0", self.picture.fit),
        )
        made = []
        for icon_name, name, key, act in wanted:
            tool = icon_button(icon_name, name, shortcut=key)
            tool.clicked.connect(act)
            made.append(tool)
        return made

    def _answer_card(self) -> Card:
        card = Card()
        card.add(self._headline)
        card.add(self._sureness)
        card.body.addSpacing(GRID)
        card.add(self.bars)
        card.add(self._note)
        self._note.hide()
        card.body.addStretch(1)
        card.add(self.nearest)
        card.add(self._model)
        card.add(self._figures)
        card.setMinimumWidth(260)
        return card

    def _on_why(self, checked: bool) -> None:
        if not checked:
            self.picture.set_overlay(None)
        self._note.setText(tr("Covering parts of the picture, one after another…") if checked else "")
        self._note.setVisible(checked)
        self.explanation_asked.emit(self.bars.current if checked else "")

    def _on_class_chosen(self, name: str) -> None:
        if self.why_button.isChecked():
            self.explanation_asked.emit(name)

    def _set_why(self, on: bool) -> None:
        self.why_button.setChecked(on)
        if not on:
            self.picture.set_overlay(None)
