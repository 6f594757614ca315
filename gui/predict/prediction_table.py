"""The answers of many pictures: filter, table with thumbnails, a summary and the export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from core.predict.intake import NamedPicture
from core.predict.records import Answer, Prediction, Unreadable
from core.translation import plural, tr
from gui.predict.prediction_model import ANSWER_ROLE, THUMBNAIL_ROLE, Column, PredictionModel
from gui.shared.basics import ElidedLabel, button, row
from gui.shared.icons import paint_icon
from gui.shared.search_field import SearchField
from gui.shared.theme import GRID, scaled, tokens

ROW_HEIGHT = 52
THUMBNAIL = 40
THUMBNAIL_PIXELS = 2 * THUMBNAIL
"""What to ask the predictor for, so that thumbnails are sharp at 200 %."""
UNSORTED = -1
_WIDTHS = {
    Column.TRUTH: 130,
    Column.CLASS: 230,
    Column.PROBABILITY: 130,
    Column.SECOND: 190,
    Column.SIZE: 110,
    Column.TIME: 90,
}


class PredictionTable(QWidget):
    """A table of pictures and their classes.

    Signals:
        opened(int): the picture in this row is to be seen large.
        export_asked(): the user wants the table as a CSV file.
        sort_asked(): the user wants the pictures in a folder for each class.
    """

    opened = Signal(int)
    export_asked = Signal()
    sort_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.model = PredictionModel()
        self.filter = SearchField(tr("Filter by name or class"))
        self.filter.setFixedWidth(260)
        self.filter.textChanged.connect(self.model.set_words)
        self.summary = ElidedLabel("", "muted", Qt.TextElideMode.ElideRight)
        self.export_button = button(tr("Export CSV…"), icon_name="save")
        self.export_button.clicked.connect(self.export_asked)
        self.sort_button = button(
            tr("Sort into folders…"), icon_name="folder-open", tip=tr("Copy or move them by their class")
        )
        self.sort_button.clicked.connect(self.sort_asked)
        self.sort_button.hide()
        self.view = _make_view(self.model)
        self.filter.results = self.view
        self.view.activated.connect(self._on_activated)
        top = row(self.filter, self.summary, self.sort_button, self.export_button, spacing=GRID * 2)
        top.setStretch(1, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        box.addLayout(top)
        box.addWidget(self.view, 1)
        self._milliseconds = 0.0
        self._counts: Counter[str] = Counter()
        self._unreadable = 0

    def start(self, pictures: Sequence[NamedPicture]) -> None:
        """Show pictures that have no answers yet, in the order they were found."""
        self._milliseconds, self._unreadable = 0.0, 0
        self._counts.clear()
        self.filter.clear()
        self.view.setSortingEnabled(False)
        self.view.setColumnHidden(Column.TRUTH, True)
        self.model.set_pictures(pictures)
        self.view.scrollToTop()
        self._summarise()

    def add(self, answers: Mapping[int, Answer]) -> None:
        """Fill in answers by row."""
        self.model.set_answers(answers)
        for answer in answers.values():
            if isinstance(answer, Unreadable):
                self._unreadable += 1
            else:
                self._counts[answer.answer] += 1
                self._milliseconds += answer.milliseconds
        self._summarise()

    def finish(self) -> None:
        """Note that all answers are there: the table can be sorted now."""
        self.view.horizontalHeader().setSortIndicator(UNSORTED, Qt.SortOrder.AscendingOrder)
        self.view.setSortingEnabled(True)
        if self.filter.text():
            self.model.arrange()

    def show_truth(self, labels: Mapping[Path, str]) -> None:
        """Show beside the answers what the pictures are, by their files; wrong ones first if it is not sorted."""
        self.model.set_truth(labels)
        self.view.setColumnHidden(Column.TRUTH, False)
        if self.view.horizontalHeader().sortIndicatorSection() == UNSORTED:
            self.view.sortByColumn(Column.TRUTH, Qt.SortOrder.AscendingOrder)
            self.view.scrollToTop()

    def _summarise(self) -> None:
        done = self._counts.total()
        total = self.model.rowCount()
        words = [
            plural(
                "{done:,} of {count:,} picture", "{done:,} of {count:,} pictures", total, done=done + self._unreadable
            )
        ]
        words += [f"{label} {count:,}" for label, count in self._counts.most_common(4)]
        if self._unreadable:
            words.append(tr("{count:,} could not be read").format(count=self._unreadable))
        if done:
            words.append(tr("{milliseconds:.1f} ms each").format(milliseconds=self._milliseconds / done))
        self.summary.setText("  ·  ".join(words))
        self.export_button.setEnabled(done + self._unreadable > 0)

    def step(self, by: int) -> None:
        """Open the next picture that has an answer, or (-1) the one before; none past either end."""
        row = self.view.currentIndex().row() + by
        while 0 <= row < self.model.rowCount():
            if isinstance(self.model.answer(row), Prediction):
                self.view.setCurrentIndex(self.model.index(row, 0))
                self.opened.emit(row)
                return
            row += by

    def _on_activated(self, index: QModelIndex) -> None:
        self.opened.emit(index.row())


class _Delegate(QStyledItemDelegate):
    """Paints the thumbnail beside the name, a bar under the probability, and a mark at what could not be read."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        shown = QStyleOptionViewItem(option)
        self.initStyleOption(shown, index)
        text, shown.text = shown.text, ""
        style = shown.widget.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, shown, painter, shown.widget)
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        area = QRectF(shown.rect).adjusted(GRID, 0, -GRID, 0)
        answer = index.data(ANSWER_ROLE)
        column = Column(index.column())
        colour = tokens().text
        if column is Column.PICTURE:
            self._paint_thumbnail(painter, area, index.data(THUMBNAIL_ROLE), answer)
            area.adjust(THUMBNAIL + 10, 0, 0, 0)
        elif column is Column.TRUTH and isinstance(answer, Prediction) and text:
            right = text == answer.label
            mark = QRectF(area.left(), area.center().y() - 8, 16, 16)
            icon, role = ("check", tokens().done) if right else ("x", tokens().failed)
            paint_icon(painter, mark, icon, QColor(role))
            area.adjust(22, 0, 0, 0)
        elif column is Column.CLASS and isinstance(answer, Unreadable):
            mark = QRectF(area.left(), area.center().y() - 8, 16, 16)
            paint_icon(painter, mark, "warning", QColor(tokens().warning))
            area.adjust(22, 0, 0, 0)
            colour = tokens().warning
        elif column is Column.PROBABILITY and isinstance(answer, Prediction):
            self._paint_bar(painter, area, answer.probability)
        elif column not in (Column.CLASS, Column.PROBABILITY):
            colour = tokens().muted
        painter.setPen(QColor(colour))
        painter.setFont(shown.font)
        elide = Qt.TextElideMode.ElideRight if isinstance(answer, Unreadable) else Qt.TextElideMode.ElideMiddle
        words = painter.fontMetrics().elidedText(text, elide, int(area.width()))
        painter.drawText(area, int(shown.displayAlignment), words)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(super().sizeHint(option, index).width(), scaled(ROW_HEIGHT))

    def _paint_thumbnail(self, painter: QPainter, area: QRectF, pixmap: QPixmap | None, answer: Answer | None) -> None:
        box = QRectF(area.left(), area.center().y() - THUMBNAIL / 2, THUMBNAIL, THUMBNAIL)
        path = QPainterPath()
        path.addRoundedRect(box, 4, 4)
        painter.fillPath(path, QColor(tokens().raised))
        if pixmap is not None and not pixmap.isNull():
            painter.save()
            painter.setClipPath(path)
            edge = min(pixmap.width(), pixmap.height())
            square = QRectF((pixmap.width() - edge) / 2, (pixmap.height() - edge) / 2, edge, edge)
            painter.drawPixmap(box, pixmap, square)
            painter.restore()
        elif answer is not None:
            paint_icon(painter, box.adjusted(10, 10, -10, -10), "picture", QColor(tokens().muted))

    def _paint_bar(self, painter: QPainter, area: QRectF, probability: float) -> None:
        track = QRectF(area.left(), area.bottom() - 10, area.width(), 3)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens().line))
        painter.drawRoundedRect(track, 1.5, 1.5)
        track.setWidth(track.width() * probability)
        painter.setBrush(QColor(tokens().accent))
        painter.drawRoundedRect(track, 1.5, 1.5)


def _make_view(model: PredictionModel) -> QTableView:
    view = QTableView()
    view.setModel(model)
    view.setItemDelegate(_Delegate(view))
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    view.setShowGrid(False)
    view.setWordWrap(False)
    view.setAcceptDrops(False)
    view.viewport().setAcceptDrops(False)
    view.setAccessibleName(tr("Classified pictures"))
    view.verticalHeader().hide()
    # A fixed height: measuring 10,000 rows one by one would take seconds.
    view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    view.verticalHeader().setDefaultSectionSize(scaled(ROW_HEIGHT))
    header = view.horizontalHeader()
    header.setHighlightSections(False)
    header.setSectionResizeMode(Column.PICTURE, QHeaderView.ResizeMode.Stretch)
    for column, width in _WIDTHS.items():
        view.setColumnWidth(column, width)
    return view
