"""The table of trials under the plot: sortable, filterable, linked with the plot, exportable."""

from __future__ import annotations

from PySide6.QtCore import (
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QRectF,
    Qt,
    Signal,
    SignalInstance,
)
from PySide6.QtGui import QAction, QColor, QFont, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from core.jobs.records import TrainingJob
from core.jobs.status import JobStatus
from core.translation import plural, tr
from gui.jobs.curve_colours import curve_colour
from gui.jobs.trial_columns import Mark
from gui.jobs.trials_model import TrialRole, TrialsModel
from gui.shared.basics import button, label
from gui.shared.icons import icon, paint_icon
from gui.shared.pill import status_look
from gui.shared.search_field import SearchField
from gui.shared.theme import font, scaled, tokens

_NARROWEST, _WIDEST = 128, 180
"""Pixels of a hyperparameter's column; they share the room there is."""
_LEAST_ROWS = 2
"""Rows that are shown in the lowest window."""


class TrialDelegate(QStyledItemDelegate):
    """Adds the curve's colour, the star of the best trial and the status icon; digits have one width."""

    lit = -1
    """The row that the plot points at."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        """Use tabular figures, and no dotted focus frame."""
        super().initStyleOption(option, index)
        weight = option.font.weight()
        figures = font("figures")
        figures.setWeight(QFont.Weight(weight))
        option.font = figures
        if _mark(index) is Mark.STATUS:
            option.text = "      " + option.text

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint the cell and its mark."""
        if index.row() == self.lit:
            painter.fillRect(option.rect, QColor(tokens().accent_tint))
        super().paint(painter, option, index)
        mark = _mark(index)
        if mark is Mark.NONE:
            return
        rect = option.rect
        trial: TrainingJob = index.data(TrialRole.TRIAL)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = rect.top() + rect.height() / 2
        if mark is Mark.STATUS:
            look = status_look(trial.status)
            name, colour = ("warning", "warning") if index.data(TrialRole.ISSUES) else (look.icon, look.colour)
            paint_icon(painter, QRectF(rect.left() + 8, middle - 7, 14, 14), name, QColor(getattr(tokens(), colour)))
        elif index.data(TrialRole.IS_BEST):
            paint_icon(painter, QRectF(rect.left() + 8, middle - 8, 16, 16), "star", QColor(tokens().accent))
        else:
            number = int(index.data() or 1) - 1
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(curve_colour(number))
            painter.drawEllipse(QRectF(rect.left() + 12, middle - 4, 8, 8))
        painter.restore()


def _mark(index: QModelIndex | QPersistentModelIndex) -> Mark:
    model = index.model()
    assert isinstance(model, TrialsModel)
    return model.columns[index.column()].mark


class TrialTable(QWidget):
    """Filter, table, export.

    Signals:
        hovered(str): the trial under the pointer, "" for none.
        chosen(str): the selected trial, "" for none.
        export_asked(): the user wants the rows as CSV.
        stop_asked(str), predict_asked(str), train_asked(str), command_asked(str): what is to be done with a trial.
    """

    hovered = Signal(str)
    chosen = Signal(str)
    export_asked = Signal()
    stop_asked = Signal(str)
    predict_asked = Signal(str)
    train_asked = Signal(str)
    command_asked = Signal(str)

    def __init__(self, model: TrialsModel) -> None:
        super().__init__()
        self._model = model
        self._telling = True
        self._laid_out: tuple[str, ...] | None = None
        self._make_view()
        self._make_actions()
        self.search = SearchField(tr("Filter trials"), tr("Filter trials, e.g. failed or optimizer=adam"))
        self.search.results = self.view
        self.search.setMaximumWidth(340)
        self.search.textChanged.connect(self._on_filter)
        self.export = button(tr("Export CSV"), icon_name="download", kind="ghost", tip=tr("Save the rows as shown"))
        self.export.clicked.connect(self.export_asked)
        self._count = label(role="caption")
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.search, 1)
        top.addWidget(self._count)
        top.addStretch(1)
        top.addWidget(self.export)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(6)
        box.addLayout(top)
        box.addWidget(self.view, 1)
        box.addStretch(0)
        self.view.setMinimumHeight(self._height_of(_LEAST_ROWS))
        self.view.horizontalScrollBar().rangeChanged.connect(self._fit_rows)
        for signal in (model.rowsInserted, model.modelReset):
            signal.connect(self._show_count)

    def _make_view(self) -> None:
        self.view = QTableView()
        self.view.setObjectName("trials")
        self.view.setModel(self._model)
        self.view.setItemDelegate(TrialDelegate(self.view))
        self.view.setAccessibleName(tr("Trials"))
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setSortingEnabled(True)
        self.view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.view.setShowGrid(False)
        self.view.setMouseTracking(True)
        self.view.setWordWrap(False)
        self.view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(scaled(30))
        self.view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.view.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultSectionSize(118)
        header.setMinimumSectionSize(56)
        self.view.entered.connect(self._on_entered)
        self.view.viewport().installEventFilter(self)
        self.view.selectionModel().currentRowChanged.connect(self._on_current)
        self._model.modelReset.connect(self._on_reset)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show whole rows, no part of one."""
        super().resizeEvent(event)
        self._fit_rows()

    def _fit_rows(self) -> None:
        room = self.height() - self.view.y()
        rows = (room - self._height_of(0)) // self.view.verticalHeader().defaultSectionSize()
        self.view.setMinimumHeight(self._height_of(_LEAST_ROWS))
        self.view.setMaximumHeight(self._height_of(max(_LEAST_ROWS, rows)))

    def _height_of(self, rows: int) -> int:
        """Return how high the view is that shows so many rows."""
        bar = self.view.horizontalScrollBar()
        around = self.view.horizontalHeader().sizeHint().height() + 2 * self.view.frameWidth()
        around += bar.sizeHint().height() if bar.maximum() > bar.minimum() else 0
        return around + rows * self.view.verticalHeader().defaultSectionSize()

    def _make_actions(self) -> None:
        """Make what the menu of a row offers; the shortcuts work on the selected row."""
        self.menu = QMenu(self.view)
        self.menu.setAccessibleName(tr("Trial"))
        self.stop = self._action(tr("Stop this trial"), "stop", self.stop_asked, "Ctrl+.")
        self.predict = self._action(tr("Use for predictions"), "predict", self.predict_asked)
        self.train = self._action(tr("Take to Tuning"), "tuning", self.train_asked)
        self.command = self._action(tr("Copy as command line"), "terminal", self.command_asked, "Ctrl+Shift+C")
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._on_menu)

    def _action(self, text: str, icon_name: str, signal: SignalInstance, shortcut: str = "") -> QAction:
        action = self.menu.addAction(icon(icon_name), text)
        if shortcut:
            action.setShortcut(shortcut)
            action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            action.setShortcutVisibleInContextMenu(True)
            self.view.addAction(action)
        action.triggered.connect(lambda: self._tell(action, signal))
        return action

    def _current(self) -> TrainingJob | None:
        return self._model.trial(self._model.name_at(self.view.currentIndex().row()) or "")

    def _tell(self, action: QAction, signal: SignalInstance) -> None:
        trial = self._current()
        if trial is not None and (action is not self.stop or not trial.status.is_final):
            signal.emit(trial.name)

    def _on_menu(self, at: QPoint) -> None:
        """Open the menu of the row under the pointer, or of the selected one when the keyboard asked."""
        trial = self._current()
        if trial is None:
            return
        self.stop.setEnabled(trial.status is JobStatus.IN_PROGRESS)
        self.predict.setEnabled(trial.artifact is not None)
        self.menu.popup(self.view.viewport().mapToGlobal(at))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Light no trial up when the pointer leaves; keep the selected row in sight in a table that gets lower."""
        if event.type() == QEvent.Type.Leave:
            self.light(-1)
            self.hovered.emit("")
        elif event.type() == QEvent.Type.Resize and self.view.currentIndex().isValid():
            self.view.scrollTo(self.view.currentIndex())
        return super().eventFilter(watched, event)

    def _on_entered(self, index: QModelIndex) -> None:
        """Light up the row, not the cell: it is the trial that is pointed at."""
        self.light(index.row())
        self.hovered.emit(self._model.name_at(index.row()) or "")

    def select(self, name: str) -> None:
        """Select a trial's row without telling anyone; "" selects none."""
        self._telling = False
        row = self._model.row_of(name) if name else -1
        if row < 0:
            self.view.clearSelection()
            self.view.setCurrentIndex(QModelIndex())
        else:
            self.view.selectRow(row)
            self.view.scrollTo(self._model.index(row, 0))
        self._telling = True

    def light(self, row: int) -> None:
        """Tint a row, as when the plot's curve of that trial is under the pointer; -1 tints none."""
        delegate = self.view.itemDelegate()
        assert isinstance(delegate, TrialDelegate)
        if delegate.lit != row:
            before, delegate.lit = delegate.lit, row
            for changed in (before, row):
                if changed >= 0:
                    first = self.view.visualRect(self._model.index(changed, 0))
                    self.view.viewport().update(0, first.top(), self.view.viewport().width(), first.height())

    def _on_reset(self) -> None:
        if self._laid_out == self._model.parameters:
            return  # only the filter changed: the widths are the user's
        self._laid_out = self._model.parameters
        widths = [column.width for column in self._model.columns]
        room = (self.view.viewport().width() - sum(width or 0 for width in widths)) // max(1, widths.count(None))
        for at, width in enumerate(widths):
            self.view.setColumnWidth(at, width or min(_WIDEST, max(_NARROWEST, room)))

    def _on_current(self, current: QModelIndex) -> None:
        if self._telling:
            self.chosen.emit(self._model.name_at(current.row()) or "" if current.isValid() else "")

    def _on_filter(self, text: str) -> None:
        selected = self._model.name_at(self.view.currentIndex().row())
        self._telling = False
        self._model.set_filter(text)
        self._telling = True
        self.select(selected or "")

    def _show_count(self) -> None:
        shown, total = self._model.rowCount(), len(self._model.trials())
        if shown == total:
            text = plural("{count:,} trial", "{count:,} trials", total)
        else:
            text = plural("{shown:,} of {count:,} trial", "{shown:,} of {count:,} trials", total, shown=shown)
        self._count.setText(text)
