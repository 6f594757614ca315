"""What is kept of a job in a file: its report, all findings, or two jobs side by side. Asks where, and writes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QFileDialog, QInputDialog, QWidget

from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared.feedback import ProgressRow
from gui.shared.toast import Toasts

Write = Callable[[Path, OnProgress, CancelToken], Path]
"""Writes one file, in the format that its name asks for, and returns it."""
_FINDINGS = ("html", "pdf", "json", "findings")
"""The formats that fit what rules say."""


def last_part(job_or_place: str) -> str:
    """Return what a job or the folder or s3:// address of an earlier one is called: its name, or the last part."""
    return job_or_place.replace("\\", "/").rstrip("/").rpartition("/")[2]


class ReportExport(QObject):
    """Asks for a file and writes it off the UI thread, with progress that can be cancelled, and a toast at the end."""

    def __init__(
        self,
        page: QWidget,
        workbench: Workbench,
        bridge: Bridge,
        toasts: Toasts,
        on_error: Callable[[UserFacingError], None],
    ) -> None:
        super().__init__(page)
        self._page, self._workbench, self._bridge = page, workbench, bridge
        self._toasts, self._on_error = toasts, on_error
        self._writing: Handle | None = None
        self.progress = ProgressRow()
        self.progress.cancelled.connect(self.cancel)

    def save_report(self, job: str) -> QFileDialog:
        """Ask where the report of a job goes: of a tuning job, over its trials."""
        return self.ask(tr("Save report"), f"{last_part(job)}-report.html", self._report_of(job))

    def save_findings(self, job: str) -> QFileDialog:
        """Ask where all goes that rules say of a job and of each of its trials."""
        reports = self._workbench.reports

        def write(path: Path, on_progress: OnProgress, cancel: CancelToken) -> Path:
            return reports.write_findings(reports.rule_outcomes(job, on_progress, cancel), path)

        return self.ask(tr("Save all findings"), f"{last_part(job)}-findings.html", write, _FINDINGS)

    def save_comparison(self, first: str, second: str) -> QFileDialog:
        """Ask where the report goes that compares two jobs."""
        reports = self._workbench.reports

        def write(path: Path, on_progress: OnProgress, cancel: CancelToken) -> Path:
            return reports.write_comparison(first, second, path, on_progress, cancel)

        return self.ask(tr("Save comparison"), f"{last_part(first)}-{last_part(second)}.html", write)

    def ask_other(self, job: str, others: Sequence[tuple[str, str]]) -> QInputDialog:
        """Ask which of `others`, (what it is called, its name), a job is compared with; then where the report goes."""
        called = Counter(shown for shown, _ in others)  # two may be called the same
        named = {shown if called[shown] == 1 else f"{shown} ({name})": name for shown, name in others if name != job}
        dialog = self._question(tr("Compare reports"))
        dialog.setLabelText(tr("Compare {job} with:").format(job=job) if named else tr("There is no other job yet."))
        dialog.setComboBoxItems(list(named))
        dialog.textValueSelected.connect(lambda shown: self.save_comparison(job, named[shown]) if named else None)
        dialog.open()
        return dialog

    def ask_server(self, job: str) -> QInputDialog:
        """Ask for the address of an MLflow server and send it a job."""
        dialog = self._question(tr("Send to an MLflow server"))
        dialog.setLabelText(tr("The server's address; a run that Sagehound sent before is replaced."))
        dialog.setTextValue(os.environ.get("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000"))
        dialog.textValueSelected.connect(lambda text: self.write(Path(text.strip()), self._report_of(job)))
        dialog.open()
        return dialog

    def ask(self, title: str, name: str, write: Write, formats: Sequence[str] = ()) -> QFileDialog:
        """Ask for a file; another format that is chosen changes the name that is proposed."""
        from core.report.formats import FORMATS

        offered = [form for form in FORMATS if not form.server and (not formats or form.name in formats)]
        filters = {f"{form.title} ({' '.join(form.patterns)})": form for form in offered}
        dialog = QFileDialog(self._page, title, str(Path.home() / name))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(list(filters))
        dialog.selectFile(name)

        def rename(chosen: str) -> None:
            typed = next(iter(dialog.selectedFiles()), name)
            dialog.selectFile(filters[chosen].named(Path(typed)).name)

        dialog.filterSelected.connect(rename)
        dialog.fileSelected.connect(lambda path: self.write(Path(path), write))
        dialog.open()
        return dialog

    def write(self, path: Path, write: Write | str) -> None:
        """Write a file now, by a function, or the report of a job."""
        make = self._report_of(write) if isinstance(write, str) else write
        self.cancel()

        def work(on_progress: OnProgress, cancel: CancelToken) -> Path:
            return make(path, on_progress, cancel)

        def done(written: Path) -> None:
            self._writing = None
            self.progress.finish()
            self._toasts.show(tr("Saved {name}.").format(name=written.name), "Completed")

        self.progress.start(tr("Writing {name}").format(name=path.name))
        self._writing = self._bridge.run(work, done, self._failed, self.progress.update_progress)

    def cancel(self) -> None:
        """Leave what is being written as it was."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        self.progress.finish()

    def _failed(self, error: UserFacingError) -> None:
        self._writing = None
        self.progress.finish()
        self._on_error(error)

    def _report_of(self, job: str) -> Write:
        reports = self._workbench.reports

        def write(path: Path, on_progress: OnProgress, cancel: CancelToken) -> Path:
            return reports.write(job, path, on_progress, cancel)

        return write

    def _question(self, title: str) -> QInputDialog:
        dialog = QInputDialog(self._page)
        dialog.setWindowTitle(title)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        return dialog
