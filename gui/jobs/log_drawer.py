"""The log of a training job as a drawer: search, level filter, follow the tail."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFontMetrics, QGuiApplication, QKeyEvent, QKeySequence, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
)

from core.errors import UserFacingError
from core.jobs.records import LogChunk
from core.progress import CancelToken, OnProgress
from core.translation import tr
from gui.bridge import Bridge, Handle
from gui.jobs.log_model import LogLevel, LogLevels, LogModel, LogRole
from gui.shared.basics import ElidedLabel, button, icon_button, label
from gui.shared.search_field import SearchField
from gui.shared.theme import font, scaled, tokens

READ_MS = 500
_LEVELS = (
    (tr("All lines"), LogLevel.INFO),
    (tr("Metrics and worse"), LogLevel.METRIC),
    (tr("Warnings and errors"), LogLevel.WARNING),
    (tr("Errors"), LogLevel.ERROR),
)
_COLOURS = {LogLevel.INFO: "text", LogLevel.METRIC: "muted", LogLevel.WARNING: "warning", LogLevel.ERROR: "failed"}
_MARKS = {LogLevel.WARNING: "!", LogLevel.ERROR: "✕"}

_LINE_HEIGHT = 18
_MOST_SHOWN = 4000
"""Characters of a line that are painted; the rest is there to be copied and found."""

ReadLog = Callable[[str, int], LogChunk]


class LineDelegate(QStyledItemDelegate):
    """Paints a numbered line in the colour and with the mark of its level."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Return one line of text."""
        return QSize(90 + option.fontMetrics.horizontalAdvance(str(index.data())[:_MOST_SHOWN]), scaled(_LINE_HEIGHT))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint one line."""
        colours, level = tokens(), index.data(LogRole.LEVEL)
        rect: QRect = option.rect
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(rect, QColor(colours.selection))
        painter.setFont(font("mono"))
        painter.setPen(QColor(colours.muted))
        number = f"{index.data(LogRole.NUMBER)} {_MARKS.get(level, ' ')}"
        painter.drawText(QRect(rect.left(), rect.top(), 72, rect.height()), _RIGHT, number)
        painter.setPen(QColor(getattr(colours, _COLOURS.get(level, "text"))))
        painter.drawText(rect.adjusted(82, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, str(index.data())[:_MOST_SHOWN])
        painter.restore()


_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class LogDrawer(QFrame):
    """A bar with the last line; opened, the whole log. It reads only while it is open or has shown nothing yet.

    Signals:
        toggled(bool): it was opened or closed.
    """

    toggled = Signal(bool)

    def __init__(self, bridge: Bridge, read_log: ReadLog) -> None:
        super().__init__()
        self.setObjectName("card")
        self._bridge, self._read_log = bridge, read_log
        self._name, self._offset, self._final, self._levels = "", 0, False, LogLevels()
        self._reading: Handle | None = None
        self.model = LogModel(self)
        self._make_bar()
        self._make_body()
        box = QVBoxLayout(self)
        box.setContentsMargins(8, 4, 8, 4)
        box.setSpacing(6)
        box.addLayout(self._bar)
        box.addWidget(self._body, 1)
        self._timer = QTimer(self)
        self._timer.setInterval(READ_MS)
        self._timer.timeout.connect(self.read)
        self.set_open(False)

    def _make_bar(self) -> None:
        self.switch = button(
            tr("Log"), icon_name="terminal", kind="ghost", shortcut="Ctrl+L", tip=tr("Open or close the log")
        )
        self.switch.setShortcut(QKeySequence("Ctrl+L"))
        self.switch.setCheckable(True)
        self.switch.toggled.connect(self.set_open)
        self._whose = ElidedLabel("", "muted")
        self.search = SearchField(tr("Search the log"))
        self.search.setMaximumWidth(260)
        self.level = QComboBox()
        self.level.setAccessibleName(tr("Level"))
        for text, level in _LEVELS:
            self.level.addItem(text, level)
        self.follow = button(tr("Follow"), kind="ghost", tip=tr("Keep the newest line in sight"))
        self.follow.setCheckable(True)
        self.follow.setChecked(True)
        self.copy = icon_button("copy", tr("Copy the lines shown"))
        self._filter = QTimer(self)
        self._filter.setSingleShot(True)
        self._filter.setInterval(120)
        self._filter.timeout.connect(self._on_filter)
        self.search.textChanged.connect(lambda: self._filter.start())
        self.level.currentIndexChanged.connect(self._on_filter)
        self.follow.toggled.connect(self._on_follow)
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.model.text()))
        self._bar = QHBoxLayout()
        self._bar.setSpacing(8)
        self._bar.addWidget(self.switch)
        self._bar.addWidget(self._whose, 1)
        for widget in (self.search, self.level, self.follow, self.copy):
            self._bar.addWidget(widget)

    def _make_body(self) -> None:
        self._body = QFrame()
        self.view = _LogView()
        self.search.results = self.view
        self.view.setModel(self.model)
        self.view.setItemDelegate(LineDelegate(self.view))
        self._nothing = label(tr("Nothing is logged yet."), "muted")
        box = QVBoxLayout(self._body)
        box.setContentsMargins(0, 0, 0, 4)
        box.addWidget(self._nothing)
        box.addWidget(self.view, 1)
        self.view.copy_pressed.connect(self._copy_selected)
        bar = self.view.verticalScrollBar()
        bar.sliderMoved.connect(lambda value: self.follow.setChecked(value >= bar.maximum()))

    # What is shown ---------------------------------------------------------------------------------------------

    def show_log(self, name: str, title: str, final: bool) -> None:
        """Show the log of a training job; `final` when nothing more will be written."""
        self._final = final
        self._whose.setText(title)
        if name == self._name:
            return
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        self._name, self._offset, self._levels = name, 0, LogLevels()
        self.model.clear()
        self._show_nothing()
        if self.is_open:
            self.read()
            self._timer.start()

    @property
    def is_open(self) -> bool:
        """Whether the lines are in sight."""
        return self.switch.isChecked()

    def set_open(self, opened: bool) -> None:
        """Open or close the drawer."""
        self.switch.setChecked(opened)
        self._body.setVisible(opened)
        for widget in (self.search, self.level, self.follow, self.copy):
            widget.setVisible(opened)
        if opened:
            self.read()
            self._timer.start()
        else:
            self._timer.stop()
        self.toggled.emit(opened)

    def read(self) -> None:
        """Read on from where the log was last read."""
        if not self._name or self._reading is not None:
            return
        read_log, levels, name, offset = self._read_log, self._levels, self._name, self._offset

        def work(on_progress: OnProgress, cancel: CancelToken) -> tuple[LogChunk, list[LogLevel]]:
            chunk = read_log(name, offset)
            return chunk, [levels.of(line) for line in chunk.lines]

        self._reading = self._bridge.run(work, self._on_chunk, self._on_error)

    def _on_chunk(self, read: tuple[LogChunk, list[LogLevel]]) -> None:
        self._reading = None
        chunk, levels = read
        self._offset = chunk.next_offset
        if chunk.lines:
            self.model.append(chunk.lines, levels)
            self.view.fit(self.model.longest)
            self._show_nothing()
            if self.follow.isChecked():
                self.view.scrollToBottom()
            self.read()
        elif self._final:
            self._timer.stop()

    def _on_error(self, error: UserFacingError) -> None:
        self._reading = None
        self._timer.stop()
        self._nothing.setText(str(error))
        self._nothing.setVisible(True)

    def _show_nothing(self) -> None:
        self._nothing.setText(tr("No line holds that.") if self.model.total else tr("Nothing is logged yet."))
        self._nothing.setVisible(self.model.rowCount() == 0)

    def _on_filter(self) -> None:
        self.model.set_filter(self.search.text(), LogLevel(self.level.currentData()))
        self._show_nothing()
        if self.follow.isChecked():
            self.view.scrollToBottom()

    def _on_follow(self, checked: bool) -> None:
        if checked:
            self.view.scrollToBottom()

    def _copy_selected(self) -> None:
        rows = sorted(index.row() for index in self.view.selectionModel().selectedIndexes())
        QGuiApplication.clipboard().setText("\n".join(str(self.model.index(row).data()) for row in rows))

    def changeEvent(self, event: QEvent) -> None:
        """Repaint lines in the colours of another scheme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "view"):
            self.view.viewport().update()


class _LogView(QTableView):
    """A table of one column: a QListView would ask the model for every line whenever one is added."""

    copy_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setAccessibleName(tr("Log lines"))
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.horizontalHeader().hide()
        self.horizontalHeader().setStretchLastSection(True)
        rows = self.verticalHeader()
        rows.hide()
        rows.setMinimumSectionSize(scaled(_LINE_HEIGHT))
        rows.setDefaultSectionSize(scaled(_LINE_HEIGHT))
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)

    def fit(self, longest: int) -> None:
        """Make room for a line of so many characters."""
        letter = QFontMetrics(font("mono")).averageCharWidth()
        self.horizontalHeader().setMinimumSectionSize(90 + letter * min(longest, _MOST_SHOWN))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy takes the selected lines."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_pressed.emit()
            return
        super().keyPressEvent(event)
