"""The list of jobs as an item model, and the filter over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QSortFilterProxyModel, Qt

from core.jobs.accuracy import percent
from core.jobs.records import Job, TuningJob
from core.jobs.status import JobStatus
from core.translation import plural, tr
from gui.shared import formatting

_Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class JobRole(IntEnum):
    """What `JobsModel.data` answers besides the standard roles."""

    JOB = Qt.ItemDataRole.UserRole + 1
    ISSUES = Qt.ItemDataRole.UserRole + 2
    GROUP = Qt.ItemDataRole.UserRole + 3


class JobsModel(QAbstractListModel):
    """Tuning jobs and single training jobs, one row each: pinned ones first, then by the dataset they learned from.

    The dataset that was used last comes first, and within it the newest job.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs: list[Job] = []
        self._issues: dict[str, int] = {}
        self._datasets: Mapping[str, str] = {}
        self._headings: Mapping[str, str] = {}

    def rowCount(self, parent: _Index = _ROOT) -> int:
        """Return the number of jobs."""
        return 0 if parent.isValid() else len(self._jobs)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the name, a sentence for screen readers and tooltips, or the record itself."""
        if not index.isValid() or index.row() >= len(self._jobs):
            return None
        job = self._jobs[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return job.name
        if role == JobRole.JOB:
            return job
        if role == JobRole.ISSUES:
            return self._issues.get(job.name, 0)
        if role == JobRole.GROUP:
            return self._group(job)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return self._sentence(job)
        return None

    def _sentence(self, job: Job) -> str:
        parts = [f"{job.title} ({job.name})" if job.title else job.name, *([tr("pinned")] if job.pinned else [])]
        if dataset := self._datasets.get(job.name):
            parts.append(tr("dataset {folder}").format(folder=dataset))
        parts += [
            tr("tuning job") if isinstance(job, TuningJob) else tr("training job"),
            str(job.status),
            tr("created {moment}").format(moment=formatting.moment(job.created)),
        ]
        if job.accuracy is not None:
            parts.append(job.accuracy.sentence)
        if job.best_objective is not None:
            parts.append(tr("best objective {value}").format(value=formatting.number(job.best_objective)))
        if issues := self._issues.get(job.name):
            parts.append(plural("{count:,} rule issue", "{count:,} rule issues", issues))
        if job.code_version:
            parts.append(tr("code {version}").format(version=job.code_version))
        return "; ".join(parts) + (f"\n{job.note}" if job.note else "")

    def jobs(self) -> Sequence[Job]:
        """Return the records shown."""
        return tuple(self._jobs)

    def row_of(self, name: str) -> int:
        """Return the row of a job, -1 if it is not there."""
        return next((row for row, job in enumerate(self._jobs) if job.name == name), -1)

    def set_issues(self, name: str, count: int) -> None:
        """Remember how many Debugger rules found an issue in a job or its trials."""
        if self._issues.get(name, 0) != count:
            self._issues[name] = count
            row = self.row_of(name)
            if row >= 0:
                self._tell_changed(row, row)

    def _group(self, job: Job) -> str:
        """Return the heading that a job stands under; "" while its dataset is asked for."""
        if job.pinned:
            return tr("Pinned")
        if job.kind == "watched":
            return tr("Watched scripts")
        return self._headings[self._datasets[job.name]] if job.name in self._datasets else ""

    def set_jobs(self, jobs: Sequence[Job], datasets: Mapping[str, str] = {}) -> None:
        """Show these jobs, telling views only what changed, so that selection and scrolling stay.

        `jobs` are newest first, `datasets` says which folder each learned from, as far as that is known.
        """
        if regrouped := datasets != self._datasets:
            self._datasets, self._headings = dict(datasets), _headings(set(datasets.values()))

        def group(job: Job) -> tuple[bool, str]:
            return (job.kind == "watched", datasets.get(job.name, ""))

        newest: dict[tuple[bool, str], int] = {}
        for place, job in enumerate(jobs):
            newest.setdefault(group(job), place)
        jobs = sorted(jobs, key=lambda job: (not job.pinned, 0 if job.pinned else newest[group(job)]))
        self._set_rows(jobs)
        if regrouped and jobs:  # headings take room
            self.layoutAboutToBeChanged.emit()
            self.layoutChanged.emit()

    def _set_rows(self, jobs: Sequence[Job]) -> None:
        wanted = {job.name for job in jobs}
        for row in range(len(self._jobs) - 1, -1, -1):
            if self._jobs[row].name not in wanted:
                self.beginRemoveRows(QModelIndex(), row, row)
                del self._jobs[row]
                self.endRemoveRows()
        present = {job.name for job in self._jobs}
        if [job.name for job in jobs if job.name in present] != [job.name for job in self._jobs]:
            self.beginResetModel()
            self._jobs = list(jobs)
            self.endResetModel()
            return
        self._insert_missing(jobs, present)
        self._replace_changed(jobs)

    def _insert_missing(self, jobs: Sequence[Job], present: set[str]) -> None:
        row = 0
        while row < len(jobs):
            end = row
            while end < len(jobs) and jobs[end].name not in present:
                end += 1
            if end > row:
                self.beginInsertRows(QModelIndex(), row, end - 1)
                self._jobs[row:row] = jobs[row:end]
                self.endInsertRows()
            row = end + 1

    def _replace_changed(self, jobs: Sequence[Job]) -> None:
        changed = [row for row, job in enumerate(jobs) if self._jobs[row] != job]
        for row in changed:
            self._jobs[row] = jobs[row]
        if changed:
            self._tell_changed(changed[0], changed[-1])

    def _tell_changed(self, first: int, last: int) -> None:
        self.dataChanged.emit(self.index(first), self.index(last))


class JobsFilter(QSortFilterProxyModel):
    """Shows the jobs whose name holds a text, or that are in one of some statuses."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._text = ""
        self._statuses: frozenset[JobStatus] = frozenset()
        self._groups: list[str] | None = None
        for changed in (self.rowsInserted, self.rowsRemoved, self.dataChanged, self.layoutChanged, self.modelReset):
            changed.connect(self._forget_groups)

    def heading(self, row: int) -> str:
        """Return the heading above a row; "" where the row before has the same, or all have.

        A view asks for those of all rows whenever one changes, so the groups are kept until then.
        """
        if self._groups is None:
            self._groups = [self.index(at, 0).data(JobRole.GROUP) or "" for at in range(self.rowCount())]
        groups = self._groups
        if groups[0] == groups[-1] or (row and groups[row - 1] == groups[row]):
            return ""
        return groups[row]

    def _forget_groups(self) -> None:
        self._groups = None

    def set_filter(self, text: str, statuses: frozenset[JobStatus] = frozenset()) -> None:
        """Show jobs whose name holds `text` (any case) and whose status is among `statuses` (empty: any)."""
        self.beginFilterChange()
        self._text, self._statuses = text.casefold().strip(), statuses
        self.endFilterChange(QSortFilterProxyModel.Direction.Rows)

    def filterAcceptsRow(self, source_row: int, source_parent: _Index) -> bool:
        """Whether a row is shown."""
        job: Job = self.sourceModel().index(source_row, 0, source_parent).data(JobRole.JOB)
        named = self._text in f"{job.title} {job.name}".casefold()
        return named and (not self._statuses or job.status in self._statuses)


def _headings(datasets: Collection[str]) -> dict[str, str]:
    """Return the heading of each dataset: the folder's name, and where it lies if two are called so.

    They are made once for all, because a view asks for several of each row that it lays out.
    """
    names = {dataset: Path(dataset).name or dataset for dataset in datasets}
    alike = Counter(names.values())
    headings = {
        dataset: name if alike[name] < 2 else f"{name} ({Path(dataset).parent})" for dataset, name in names.items()
    }
    return headings | {"": tr("Dataset not known")}


def leading_figure(job: Job) -> str:
    """Return what a job is worth at a glance: the share it has right, else its objective; "" before either."""
    if job.accuracy is not None:
        return percent(job.accuracy.share)
    best = job.best_objective
    return "" if best is None else formatting.number(best)
