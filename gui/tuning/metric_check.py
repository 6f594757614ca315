"""The objective's regex, tried while it is typed on real lines of the training script; the match is highlighted."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QLabel, QLineEdit, QVBoxLayout, QWidget

from core.errors import SpecError
from core.jobs.contract import sample_output
from core.jobs.scraping import test_regex
from core.jobs.specs import MetricDefinition
from core.translation import tr
from gui.shared import formatting
from gui.shared.basics import label
from gui.shared.field import Field
from gui.shared.theme import font, tokens

_AROUND = 34
"""Characters of the line that are shown on either side of the match; the tooltip has all of it."""


class MetricCheck(QWidget):
    """Edits one regex.

    Signals:
        changed(): the regex is another.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.regex = QLineEdit()
        self.regex.setFont(font("mono"))
        self.regex.setPlaceholderText(r"Average loss: ([0-9\.]+)")
        self.field = Field(tr("Matched by"), self.regex, tr("A regular expression; its first group is the value."))
        self.regex.textEdited.connect(lambda _: self._on_edited())
        self.line = QLabel()
        self.line.setObjectName("markup")  # its own, escaped: the style sheet makes every other label plain
        self.line.setFont(font("mono"))
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.RichText)
        self.line.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.result = label("", "caption", wrap=True)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        for widget in (self.field, label(tr("In a line that the script prints"), "caption"), self.line, self.result):
            box.addWidget(widget)
        self._metric = ""
        self._span: tuple[str, tuple[int, int] | None] = ("", None)

    def show_metric(self, metric: str, regex: str) -> None:
        """Show a metric's regex, without telling anyone."""
        self._metric = metric
        if self.regex.text() != regex:
            self.regex.setText(regex)
            self.regex.setCursorPosition(0)  # else its beginning is out of sight
        self.check()

    def _on_edited(self) -> None:
        self.check()
        self.changed.emit()

    def check(self) -> SpecError | None:
        """Try the regex, show what it finds, and return what is wrong."""
        error, lines = None, sample_output()
        self._span = (lines[0], None)
        value: float | None = None
        try:
            definition = MetricDefinition(self._metric, self.regex.text())
        except SpecError as problem:
            error = problem
        else:
            tests = [(line, test_regex(definition, line)) for line in lines]
            line, best = next(((line, test) for line, test in tests if test.matched), tests[0])
            value, self._span = best.value, (line, best.span)
            if not best.matched:
                fix = tr("Correct the regex, or choose another metric.")
                error = SpecError(
                    tr("The regex finds no {metric}.").format(metric=self._metric), best.problem, fix, field="regex"
                )
        self.field.show_error(error)
        self.result.setText(
            tr("Value found: {number}").format(number=formatting.number(value, 6)) if error is None else ""
        )
        self.result.setVisible(error is None)
        self._paint_line()
        return error

    def _paint_line(self) -> None:
        line, span = self._span
        self.line.setToolTip(line)
        if span is None:
            self.line.setText(f'<span style="color:{tokens().muted}">{escape(_near(line, 2 * _AROUND))}</span>')
            return
        before, match, after = (
            _near(line[: span[0]], -_AROUND),
            line[span[0] : span[1]],
            _near(line[span[1] :], _AROUND),
        )
        colours = tokens()
        self.line.setText(
            f'<span style="color:{colours.muted}">{escape(before)}</span>'
            f'<b style="background:{colours.accent_tint};color:{colours.accent}">{escape(match)}</b>'
            f'<span style="color:{colours.muted}">{escape(after)}</span>'
        )

    def changeEvent(self, event: QEvent) -> None:
        """Write the line in the colours of another scheme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_span"):
            self._paint_line()


def _near(text: str, most: int) -> str:
    """Return the first `most` characters of a text, or the last ones where `most` is negative."""
    if len(text) <= abs(most):
        return text
    return f"{text[:most]}…" if most > 0 else f"…{text[most:]}"
