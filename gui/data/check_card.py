"""Checks the open dataset: copies, wrong labels, odd and bad pictures, torn groups; each kind with its remedy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QComboBox, QSizePolicy, QVBoxLayout, QWidget

from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress
from core.translation import plural, tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared.basics import button, kept_from_wheel, label, row
from gui.shared.card import Card
from gui.shared.feedback import InlineError, ProgressRow

if TYPE_CHECKING:
    from core.check.findings import Finding
    from core.dataset.records import Scan
    from core.models.choices import ModelChoice

TRAIT_OF = {
    "near_duplicate": "duplicate",
    "label_suspect": "suspect",
    "odd": "odd",
    "quality": "quality",
    "group": "group",
}
"""By kind of finding, the filter that shows its pictures."""

_BEST, _NONE = "", "none"
"""What stands for a job: the best that learned from these pictures, and no model, as on the command line."""

_REMEDIES = {"label": tr("Relabel"), "exclude": tr("Leave out"), "split": tr("Keep together")}


class CheckCard(Card):
    """Offers a check, and shows what it found.

    Signals:
        found(list): findings, for the filters of the grid.
        trait_asked(str): show the pictures of a filter.
        remedy_asked(list): do what solves these findings.
    """

    found = Signal(object)
    trait_asked = Signal(str)
    remedy_asked = Signal(object)

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__(tr("Check"))
        self._workbench, self._bridge = workbench, bridge
        self._scan: Scan | None = None
        self._root: Path | None = None
        self._wanted = _BEST
        self._running: Handle | None = None
        self._shown: list[QWidget] = []
        self.start = button(
            tr("Check the pictures"), icon_name="search", tip=tr("Look for copies, wrong labels and odd ones")
        )
        self.start.clicked.connect(self._on_start)
        self.said = label("", "muted", wrap=True)
        self.progress, self.error = ProgressRow(), InlineError()
        self.progress.cancelled.connect(self.cancel)
        self.model = kept_from_wheel(QComboBox())
        self.model.setAccessibleName(tr("Model that the check asks"))
        self.model.setToolTip(tr("The check asks this model what it takes the pictures for that it did not learn from"))
        self.model.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.model.activated.connect(self._on_model)
        self._show_models(())
        self._rows = QVBoxLayout()
        self.add(self.said)
        self.body.addLayout(self._rows)
        self.add(self.progress)
        self.add(self.error)
        self.add(self.model)
        self.body.addLayout(row(None, self.start))
        self.open(None)

    def open(self, scan: Scan | None) -> None:
        """Offer to check this dataset."""
        self.cancel()
        self._scan = scan
        if scan is not None and scan.root != self._root:
            self._root, self._wanted = scan.root, _BEST
            self._show_models(())
        if self.isVisible():
            self._ask_models()
        self._clear()
        self.said.setText(tr("Copies, labels that look wrong, odd and poor pictures, torn groups."))
        self.error.clear()
        self.start.setEnabled(scan is not None)

    def showEvent(self, event: QShowEvent) -> None:
        """Offer the models of now: one may have been trained meanwhile."""
        super().showEvent(event)
        self._ask_models()

    def cancel(self) -> None:
        """Check no more."""
        if self._running is not None:
            self._running.cancel()
        self._running = None
        self.start.setEnabled(self._scan is not None)
        if self.progress.has_focus:
            self.start.setFocus()
        self.progress.finish()

    def show_findings(self, findings: Sequence[Finding], used: str = "") -> None:
        """Show a row for each kind of finding, with what solves all of it, and what model was `used`."""
        self._clear()
        by_kind: dict[str, list[Finding]] = defaultdict(list)
        for finding in findings:
            by_kind[str(finding.kind)].append(finding)
        said = "\n".join(filter(None, ("" if by_kind else tr("Nothing was found."), used)))
        self.said.setText(said)
        self.said.setVisible(bool(said))
        for kind, of_kind in by_kind.items():
            show = button(_counted(kind, len(of_kind)), kind="link", tip=of_kind[0].why)
            show.clicked.connect(partial(self.trait_asked.emit, TRAIT_OF[kind]))
            line: list[QWidget | None] = [show, None]
            remedies = [finding for finding in of_kind if finding.remedy is not None]
            if remedies and remedies[0].remedy is not None:
                solve = button(_REMEDIES[remedies[0].remedy.action], kind="link")
                tip = plural(
                    "{remedy}: {count:,} finding, undone like any other label",
                    "{remedy}: {count:,} findings, undone like any other label",
                    len(remedies),
                    remedy=solve.text(),
                )
                solve.setToolTip(tip)
                solve.setAccessibleName(f"{solve.text()}: {_counted(kind, len(remedies))}")
                solve.clicked.connect(partial(self.remedy_asked.emit, remedies))
                line.append(solve)
            holder = QWidget()
            holder.setLayout(row(*line))
            self._rows.addWidget(holder)
            self._shown.append(holder)

    def _clear(self) -> None:
        for widget in self._shown:
            widget.hide()
            widget.deleteLater()
        self._shown.clear()
        self.said.show()

    def _ask_models(self) -> None:
        scan, workbench = self._scan, self._workbench
        if scan is None:
            return

        def show(found: Sequence[ModelChoice]) -> None:
            if scan is self._scan:
                self._show_models(found)

        self._bridge.run(lambda on_progress, cancel: workbench.models.trained_on(scan), show)

    def _show_models(self, found: Sequence[ModelChoice]) -> None:
        """Offer these models; what was chosen for this folder stays so. Without any there is no choice to be seen."""
        self.model.clear()
        self.model.addItem(tr("Ask the best model"), _BEST)
        for choice in found:
            self.model.addItem(choice.title, choice.job)
        self.model.addItem(tr("Ask no model"), _NONE)
        self.model.setCurrentIndex(max(0, self.model.findData(self._wanted)) if found else 0)
        self.model.setVisible(bool(found))

    def _on_model(self) -> None:
        self._wanted = self.model.currentData()

    def _on_start(self) -> None:
        scan, workbench, job = self._scan, self._workbench, self.model.currentData()
        if scan is None or self._running is not None:
            return

        def work(on_progress: OnProgress, cancel: CancelToken) -> tuple[list[Finding], str]:
            trained = None if job == _NONE else workbench.models.answers_for_check(scan, job)
            said = trained.sentence([picture.sha256 for picture in scan.pictures]) if trained is not None else ""
            return workbench.data.check(scan, on_progress, cancel, trained), said

        self.error.clear()
        self.progress.start(tr("Checking the pictures"))
        if self.start.hasFocus():  # one that is disabled would give it to some field
            self.progress.focus()
        self.start.setEnabled(False)
        self._running = self._bridge.run(work, self._on_done, self._on_failed, self.progress.update_progress)

    def _on_done(self, answer: tuple[list[Finding], str]) -> None:
        findings, used = answer
        self.cancel()
        self.show_findings(findings, used)
        self.found.emit(findings)

    def _on_failed(self, error: UserFacingError) -> None:
        self.cancel()
        self.error.show_error(error)


def _counted(kind: str, count: int) -> str:
    """Return how many findings of a kind there are, in its words."""
    match kind:
        case "near_duplicate":
            return plural("{count:,} copy", "{count:,} copies", count)
        case "label_suspect":
            return plural("{count:,} label that looks wrong", "{count:,} labels that look wrong", count)
        case "odd":
            return plural("{count:,} odd one out", "{count:,} odd ones out", count)
        case "quality":
            return plural("{count:,} poor picture", "{count:,} poor pictures", count)
        case _:
            return plural("{count:,} group that belongs together", "{count:,} groups that belong together", count)
