"""The right column of the Tuning tab: what will happen, what to think of before, and Start."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QGridLayout, QLabel, QLineEdit, QScrollArea, QVBoxLayout, QWidget

from core.translation import tr
from gui.shared.basics import ElidedLabel, button, label, rule
from gui.shared.card import Card
from gui.shared.feedback import Banner, IconLabel, InlineError, ProgressRow
from gui.shared.field import Field
from gui.shared.theme import GRID
from gui.tuning.metric_check import MetricCheck

START_KEY = QKeySequence("Ctrl+Return")
"""A shortcut of the page and not of the button: a button forgets its own when its text changes."""

Line = tuple[str, str, str]
"""One line of the forecast: an icon's name, what it is about, and what there is to say."""


class ForecastCard(Card):
    """Stays in sight while the form scrolls.

    Signals:
        start_asked(): start the job.
        dataset_asked(): choose a dataset.
        name_changed(): the job's name is another.
        cancel_asked(): stop the launch that is under way.
    """

    start_asked = Signal()
    dataset_asked = Signal()
    name_changed = Signal()
    cancel_asked = Signal()

    def __init__(self) -> None:
        super().__init__(tr("What this will do"))
        self._make_lines()
        self.metric_check = MetricCheck()
        self.name = QLineEdit()
        self.name.setPlaceholderText(tr("From the dataset and the time"))
        self.name.textEdited.connect(lambda _: self.name_changed.emit())
        self.name_field = Field(
            tr("Name of the job"), self.name, tr("Anything you like; the job's own name is made of it.")
        )
        self.start = button(tr("Start"), icon_name="play", kind="primary")
        self.start.clicked.connect(self.start_asked)
        self.reason = label("", "error", wrap=True)
        self.data = button(tr("Choose a dataset"), icon_name="folder-open")
        self.data.clicked.connect(self.dataset_asked)
        self.progress, self.error = ProgressRow(), InlineError()
        self.progress.cancelled.connect(self.cancel_asked)
        self._lay_out()

    def _make_lines(self) -> None:
        self._lines = QWidget()
        self._grid = QGridLayout(self._lines)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GRID)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(2, 1)
        self._shown: list[tuple[IconLabel, ElidedLabel, QLabel]] = []
        self._warnings: list[Banner] = []

    def _lay_out(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(10)
        self._warning_box = QVBoxLayout()
        self._warning_box.setSpacing(6)
        column.addWidget(self._lines)
        column.addLayout(self._warning_box)
        self._sections = QVBoxLayout()
        column.addLayout(self._sections)
        column.addWidget(rule())
        column.addWidget(self.metric_check)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        content.setAutoFillBackground(False)
        area.viewport().setAutoFillBackground(False)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.add(area, 1)
        # What comes and goes is above what is typed and pressed, so that neither moves.
        for widget in (self.error, self.reason, self.progress, self.name_field, self.data, self.start):
            self.add(widget)

    def add_section(self, widget: QWidget) -> None:
        """Put more to know under the lines and warnings."""
        self._sections.addWidget(widget)

    # What is shown ---------------------------------------------------------------------------------------------

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Show these lines; a line that changes moves nothing."""
        while len(self._shown) < len(lines):
            row = len(self._shown)
            parts = (IconLabel("info", 16), ElidedLabel("", "muted"), label("", "body", wrap=True))
            for at, part in enumerate(parts):
                self._grid.addWidget(part, row, at, Qt.AlignmentFlag.AlignTop)
            parts[1].setFixedWidth(56)
            self._shown.append(parts)
        for at, (mark, title, text) in enumerate(self._shown):
            for part in (mark, title, text):
                part.setVisible(at < len(lines))
            if at < len(lines):
                mark.set_icon(lines[at][0], "muted")
                title.setText(lines[at][1])
                text.setText(lines[at][2])

    def set_warnings(self, warnings: Sequence[str]) -> None:
        """Show what to think of before starting."""
        while len(self._warnings) < len(warnings):
            banner = Banner("", "warning")
            self._warnings.append(banner)
            self._warning_box.addWidget(banner)
        for at, banner in enumerate(self._warnings):
            banner.set_text(warnings[at] if at < len(warnings) else "")

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return the warnings shown."""
        return tuple(banner.accessibleName() for banner in self._warnings if banner.accessibleName())

    def lines(self) -> dict[str, str]:
        """Return the lines shown, by what they are about."""
        return {title.text(): text.text() for _, title, text in self._shown if not title.isHidden()}

    def set_ready(self, text: str, why_not: str, has_dataset: bool) -> None:
        """Name the Start button; disable it with the reason while something is wrong."""
        self.start.setText(text)
        self.start.setEnabled(not why_not and not self.busy)
        self.start.setToolTip(why_not or f"{text} ({START_KEY.toString(QKeySequence.SequenceFormat.NativeText)})")
        self.reason.setText(why_not)
        self.reason.setVisible(bool(why_not) and has_dataset)
        self.data.setVisible(not has_dataset)

    @property
    def busy(self) -> bool:
        """Whether a launch is under way."""
        return not self.progress.isHidden()

    def begin(self) -> None:
        """Note that a launch has begun."""
        self.error.clear()
        self.progress.start(tr("Starting"))
        self.start.setEnabled(False)

    def end(self) -> None:
        """Note that the launch has ended, one way or another."""
        self.progress.finish()
        self.start.setEnabled(True)
