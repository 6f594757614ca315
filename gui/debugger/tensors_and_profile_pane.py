"""The lower half of the Debugger tab: the tensors themselves, and the profile. Importing this imports pyqtgraph."""

from __future__ import annotations

import dataclasses

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from core.errors import UserFacingError
from core.profiler.results import ProfilerAnalysis
from core.progress import CancelToken, OnProgress
from core.translation import tr
from gui.bridge import Bridge, Handle
from gui.debugger.debug_view import DebugView, read_histograms
from gui.debugger.profiler_timeline import ProfilerTimeline
from gui.debugger.rule_detail import see_through
from gui.debugger.step_marks import marks_of
from gui.debugger.tensor_histograms import TensorHistograms
from gui.shared.basics import label
from gui.shared.card import Card
from gui.shared.feedback import EmptyState, IconLabel, ProgressRow
from gui.shared.theme import GRID

_TENSORS, _PROFILE = range(2)


class TensorsAndProfilePane(Card):
    """Two views of the job that is shown.

    Signals:
        finding_chosen(str): the mark of a rule's finding was clicked on the time axis.
    """

    finding_chosen = Signal(str)

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge
        self._view = DebugView("", "", ())
        self._reading: Handle | None = None
        self._analysing: Handle | None = None
        self._analysed = ""
        self.tabs = QTabBar()
        self.tabs.setAccessibleName(tr("Tensors or profile"))
        self.tabs.setExpanding(False)
        for title in (tr("Tensors"), tr("Profile")):
            self.tabs.addTab(title)
        self.histograms = TensorHistograms()
        self.histograms.tensor_asked.connect(self._read)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.histograms)
        self._pages.addWidget(self._make_profile())
        self.tabs.currentChanged.connect(self._on_tab)
        self.progress = ProgressRow()
        self.progress.cancelled.connect(self._cancel)
        self.add(self.tabs)
        self.add(self.progress)
        self.add(self._pages, 1)

    def _make_profile(self) -> QWidget:
        self.timeline = ProfilerTimeline()
        self.timeline.finding_chosen.connect(self.finding_chosen)
        self._findings = QHBoxLayout()
        self._findings.setSpacing(GRID * 2)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, GRID, 0)
        column.setSpacing(12)
        column.addLayout(self._findings)
        column.addWidget(self.timeline)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        see_through(scroll, inside)
        self._no_profile = EmptyState("chart", "")
        self._profile_pages = QStackedWidget()
        self._profile_pages.addWidget(self._no_profile)
        self._profile_pages.addWidget(scroll)
        return self._profile_pages

    def show_view(self, view: DebugView) -> None:
        """Show another job, or the same one with more saved."""
        other = (view.name, view.source) != (self._view.name, self._view.source)
        ended = self._view.running and not view.running
        if view.groups is None and not other:
            view = dataclasses.replace(view, groups=self._view.groups, saved=self._view.saved)
        self._view = view
        if other:
            self._cancel()
            self._analysed = ""
            self.histograms.forget()
        self._say_why_no_tensors()
        if view.groups or other:
            self.histograms.set_groups(view.groups or {})
        if view.running and not other and self.tabs.currentIndex() == _TENSORS and self._reading is None:
            self.histograms.refresh()
        self.timeline.set_marks(marks_of(view.outcomes), view.saved)
        if other or ended:
            self._analyse()

    def show_profile(self) -> None:
        """Turn to the profile."""
        self.tabs.setCurrentIndex(_PROFILE)

    def _on_tab(self, at: int) -> None:
        self._pages.setCurrentIndex(at)

    def _read(self, tensor: str) -> None:
        if not self._view.source:
            return
        if self._reading is not None:
            self._reading.cancel()
        source = self._view.source

        def work(on_progress: OnProgress, cancel: CancelToken) -> object:
            return read_histograms(source, tensor, on_progress, cancel)

        self._reading = self._bridge.run(work, self._on_read, self._on_not_read)

    def _on_read(self, histograms: object) -> None:
        self._reading = None
        self.histograms.show_histograms(histograms)  # type: ignore[arg-type]

    def _on_not_read(self, error: UserFacingError) -> None:
        self._reading = None
        self.histograms.show_histograms(None)
        self.histograms.say(str(error))

    def _say_why_no_tensors(self) -> None:
        """Say that there are none only where it was looked and no more are to come."""
        if self._view.groups is None or self._view.groups:
            self.histograms.say(tr("Reading the saved tensors…"))
        elif self._view.running:
            self.histograms.say(tr("No tensors are saved yet. They come with the first steps."))
        else:
            self.histograms.say(tr("No tensors were saved for this job."))

    def _analyse(self) -> None:
        source, job, outcomes = self._view.source, self._view.job, self._view.outcomes
        none = (
            tr("The profile comes when the job has ended.")
            if self._view.running
            else tr("No profile was saved for this job.")
        )
        self._show_profile(None, tr("Reading the profile…") if source else none)
        if not source:
            return

        def work(on_progress: OnProgress, cancel: CancelToken) -> ProfilerAnalysis:
            from core.profiler import analyse

            return analyse(source, job=job, outcomes=outcomes, on_progress=on_progress, cancel=cancel)

        if self._analysing is not None:
            self._analysing.cancel()
        self._analysing = self._bridge.run(
            work,
            lambda analysis: self._show_profile(analysis, ""),
            lambda error: self._show_profile(None, none),
            self.progress.update_progress,
        )

    def _show_profile(self, analysis: ProfilerAnalysis | None, sentence: str) -> None:
        self.progress.finish()
        self._analysing = None
        self._no_profile.set_texts(sentence)
        self.timeline.set_analysis(analysis)
        self._profile_pages.setCurrentIndex(0 if analysis is None else 1)
        while (item := self._findings.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        for finding in analysis.findings[:3] if analysis is not None else ():
            self._findings.addWidget(_finding(finding.title, f"{finding.change} {finding.gain}".strip()))

    def _cancel(self) -> None:
        for handle in (self._reading, self._analysing):
            if handle is not None:
                handle.cancel()
        self._reading = self._analysing = None
        self.progress.finish()


def _finding(title: str, text: str) -> QWidget:
    row = QWidget()
    box = QHBoxLayout(row)
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(GRID)
    box.addWidget(IconLabel("lightbulb", 18, "accent"), 0, Qt.AlignmentFlag.AlignTop)
    column = QVBoxLayout()
    column.setSpacing(0)
    column.addWidget(label(title, "strong", wrap=True))
    column.addWidget(label(text, "muted", wrap=True))
    column.addStretch(1)
    box.addLayout(column, 1)
    return row
