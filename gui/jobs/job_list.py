"""The list of jobs at the left of the Jobs tab, with its filter."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QPainter
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from core.jobs.records import Job, TuningJob
from core.jobs.status import JobStatus
from core.translation import plural, tr
from gui.jobs.jobs_model import JobRole, JobsFilter, JobsModel, leading_figure
from gui.shared.icons import paint_icon
from gui.shared.job_progress import bar_of, progress_text, trials_done
from gui.shared.pill import status_look
from gui.shared.search_field import SearchField
from gui.shared.theme import RADIUS, font, scaled, tokens

_FILTERS: tuple[tuple[str, frozenset[JobStatus]], ...] = (
    (tr("All"), frozenset()),
    (tr("Running"), frozenset({JobStatus.IN_PROGRESS, JobStatus.STOPPING})),
    (tr("Completed"), frozenset({JobStatus.COMPLETED})),
    (tr("Failed"), frozenset({JobStatus.FAILED})),
    (tr("Stopped"), frozenset({JobStatus.STOPPED})),
)
_ROW_HEIGHT = 70
_HEADING_HEIGHT = 28
_LINE_HEIGHT = 16
_INSET = 10


class JobDelegate(QStyledItemDelegate):
    """Paints a job: status icon, name, what it is and how far, best objective, progress.

    The first of a group has its heading above it, where there are several groups.
    """

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Return three lines and a bar, whatever is known yet, so that no row moves; and room for a heading."""
        return QSize(200, scaled(_ROW_HEIGHT) + (scaled(_HEADING_HEIGHT) if _heading(index) else 0))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint one row."""
        job: Job | None = index.data(JobRole.JOB)
        if job is None:
            return
        rect: QRect = QRect(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if heading := _heading(index):
            rect.setTop(rect.top() + scaled(_HEADING_HEIGHT))
            painter.setFont(font("caption"))
            painter.setPen(QColor(tokens().muted))
            room = QRect(rect.left() + _INSET, option.rect.top() + 6, rect.width() - 2 * _INSET, scaled(16))
            heading = painter.fontMetrics().elidedText(heading, Qt.TextElideMode.ElideMiddle, room.width())
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, heading)
        self._paint_ground(painter, rect, option)
        look, colours = status_look(job.status), tokens()
        paint_icon(painter, QRectF(rect.left() + _INSET, rect.top() + 10, 18, 18), look.icon, _colour(look.colour))
        left, right = rect.left() + _INSET + 28, rect.right() - _INSET
        painter.setPen(QColor(colours.text))
        issues = 24 if index.data(JobRole.ISSUES) else 0
        if issues:
            paint_icon(painter, QRectF(right - 16, rect.top() + 10, 16, 16), "warning", _colour("warning"))
        painter.setFont(font("strong"))
        room = QRect(left, rect.top() + 8, right - issues - left, 20)
        if job.pinned:
            paint_icon(painter, QRectF(room.left(), room.top() + 3, 14, 14), "star", _colour("accent"))
            room.setLeft(room.left() + 18)
        name = painter.fontMetrics().elidedText(job.shown_name, Qt.TextElideMode.ElideMiddle, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, name)
        painter.setPen(QColor(colours.muted))
        painter.setFont(font("caption"))
        bounds = job.accuracy.bounds if job.accuracy is not None else ""
        end = right - _draw_before(painter, right, rect.top() + 28, bounds)
        painter.setPen(QColor(colours.text))
        painter.setFont(font("figures"))
        end -= _draw_before(painter, end, rect.top() + 27, leading_figure(job))
        painter.setFont(font("caption"))
        painter.setPen(QColor(colours.muted))
        below = QRect(left, rect.top() + 28, end - left, 16)
        text = caption_for(job, painter.fontMetrics(), below.width())
        painter.drawText(below, Qt.AlignmentFlag.AlignVCenter, text)
        if weakest := weakest_text(job):
            third = QRect(left, rect.top() + 44, right - left, _LINE_HEIGHT)
            weakest = painter.fontMetrics().elidedText(weakest, Qt.TextElideMode.ElideRight, third.width())
            painter.drawText(third, Qt.AlignmentFlag.AlignVCenter, weakest)
        if not job.status.is_final:
            self._paint_bar(painter, QRectF(left, rect.bottom() - 8, right - left, 3), job)
        painter.restore()

    def _paint_ground(self, painter: QPainter, rect: QRect, option: QStyleOptionViewItem) -> None:
        state: QStyle.StateFlag = option.state
        colours = tokens()
        ground = ""
        if state & QStyle.StateFlag.State_Selected:
            ground = colours.selection
        elif state & QStyle.StateFlag.State_MouseOver:
            ground = colours.hover
        painter.setPen(Qt.PenStyle.NoPen)
        inner = QRectF(rect).adjusted(2, 1, -2, -1)
        if ground:
            painter.setBrush(QColor(ground))
            painter.drawRoundedRect(inner, RADIUS - 2, RADIUS - 2)
        if state & QStyle.StateFlag.State_HasFocus and state & QStyle.StateFlag.State_Selected:
            painter.setPen(QColor(colours.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(inner, RADIUS - 2, RADIUS - 2)

    def _paint_bar(self, painter: QPainter, rect: QRectF, job: Job) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(tokens().line))
        painter.drawRoundedRect(rect, 1.5, 1.5)
        done = bar_of(job)
        if done:
            painter.setBrush(QColor(tokens().running))
            painter.drawRoundedRect(QRectF(rect.left(), rect.top(), rect.width() * done, rect.height()), 1.5, 1.5)


class JobList(QWidget):
    """Filter and list.

    Signals:
        chosen(str): the job that is selected now, "" for none.
        delete_asked(str): the Delete key was pressed on a job.
    """

    chosen = Signal(str)
    delete_asked = Signal(str)

    def __init__(self, model: JobsModel) -> None:
        super().__init__()
        self._model = model
        self._proxy = JobsFilter(self)
        self._proxy.setSourceModel(model)
        self.search = SearchField(tr("Filter jobs by name"), tr("Filter"))
        self.status = QComboBox()
        self.status.setAccessibleName(tr("Filter jobs by status"))
        for text, statuses in _FILTERS:
            self.status.addItem(text, statuses)
        # The field beside it has the room; the list that opens is as wide as its words.
        self.status.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.status.setMinimumContentsLength(5)
        self.search.textChanged.connect(self._on_filter)
        self.status.currentIndexChanged.connect(self._on_filter)
        self.view = _View()
        self.search.results = self.view
        self.view.setModel(self._proxy)
        self.view.selectionModel().currentChanged.connect(self._on_current)
        self.view.delete_pressed.connect(lambda: self.delete_asked.emit(self.current()))
        top = QHBoxLayout()
        top.setSpacing(6)
        top.addWidget(self.search, 1)
        top.addWidget(self.status)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(8)
        box.addLayout(top)
        box.addWidget(self.view, 1)

    def current(self) -> str:
        """Return the selected job's name, "" for none."""
        index = self.view.currentIndex()
        return str(index.data()) if index.isValid() else ""

    def choose(self, name: str) -> bool:
        """Select a job, lifting the filter if it hides it; returns whether there is one of that name."""
        row = self._model.row_of(name)
        if row < 0:
            return False
        if not self._proxy.mapFromSource(self._model.index(row)).isValid():
            self.search.clear()
            self.status.setCurrentIndex(0)
        index = self._proxy.mapFromSource(self._model.index(row))
        self.view.setCurrentIndex(index)
        self.view.scrollTo(index)
        return True

    def choose_first(self) -> None:
        """Select the newest job shown."""
        if self._proxy.rowCount():
            self.view.setCurrentIndex(self._proxy.index(0, 0))

    def _on_filter(self) -> None:
        self._proxy.set_filter(self.search.text(), self.status.currentData() or frozenset())

    def _on_current(self, current: QModelIndex) -> None:
        self.chosen.emit(str(current.data()) if current.isValid() else "")


class _View(QListView):
    delete_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setItemDelegate(JobDelegate(self))
        self.setMouseTracking(True)
        self.setAccessibleName(tr("Jobs"))
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def keyPressEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        """Delete asks to delete the job."""
        if event.key() == Qt.Key.Key_Delete and self.currentIndex().isValid():
            self.delete_pressed.emit()
            return
        super().keyPressEvent(event)


def _heading(index: QModelIndex | QPersistentModelIndex) -> str:
    shown = index.model()
    return shown.heading(index.row()) if isinstance(shown, JobsFilter) else ""


def _draw_before(painter: QPainter, end: int, top: int, text: str) -> int:
    """Draw a text that ends at `end`; returns how much room it takes, with the space before it."""
    if not text:
        return 0
    width = painter.fontMetrics().horizontalAdvance(text)
    painter.drawText(QRect(end - width, top, width, 18), Qt.AlignmentFlag.AlignVCenter, text)
    return width + 6


def weakest_text(job: Job) -> str:
    """Return which class the model recognises least often; "" where that is not known, or none is."""
    if job.accuracy is None or not job.accuracy.weakest:
        return ""
    return tr("weakest: {label}").format(label=job.accuracy.weakest)


def caption_for(job: Job, metrics: QFontMetrics, width: int) -> str:
    """Return what a job is and how far, in so many pixels: only its status or progress where not all fits."""
    if job.status is JobStatus.IN_PROGRESS:
        text, short = progress_text(job), progress_text(job, with_best=False)
    else:
        short = job.status.value if job.status.is_final else job.secondary_status or status_look(job.status).word
        text = _with_kind(job, short)
    fitting = text if metrics.horizontalAdvance(text) <= width else short
    return metrics.elidedText(fitting, Qt.TextElideMode.ElideRight, width)


def _with_kind(job: Job, status: str) -> str:
    if isinstance(job, TuningJob):
        return plural(
            "{done:,} of {count:,} trial · {status}",
            "{done:,} of {count:,} trials · {status}",
            job.max_jobs,
            done=trials_done(job),
            status=status,
        )
    words = tr("Watched script · {status}") if job.watched else tr("Training job · {status}")
    return words.format(status=status)


def _colour(role: str) -> QColor:
    return QColor(getattr(tokens(), role))
