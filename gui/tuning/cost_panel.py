"""What a job on SageMaker will cost: asked for in a thread, shown under the forecast, named before the start."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from core.errors import UserFacingError, WeightsUnavailable
from core.jobs.specs import CloudResources, Spec
from core.progress import CancelToken, OnProgress
from core.translation import plural, tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared.basics import ElidedLabel, button, label, rule
from gui.shared.cost_text import confirmation, cost_rows, dollars, machines_offer, packed_offer, source_text
from gui.shared.dialogs import Decision, Option
from gui.shared.preflight_list import PreflightDialog
from gui.tuning.tuning_draft import TuningDraft

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.cloud.money import CloudForecast
    from core.dataset.manifest import Manifest


class CostPanel(QWidget):
    """Rows of figures; hidden while jobs run on this computer.

    Signals:
        changed(): another forecast is known, or none any more.
        packed_asked(): run the search as one job.
        machines_asked(machines): compute the features on these `Machines`.
    """

    changed = Signal()
    packed_asked = Signal()
    machines_asked = Signal(object)

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__()
        self._workbench, self._bridge = workbench, bridge
        self._asking: Handle | None = None
        self.forecast: CloudForecast | None = None
        self._rows: list[tuple[ElidedLabel, QLabel]] = []
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self._source = label("", "caption", wrap=True)
        self.offer = button("", icon_name="cloud")
        self.offer.clicked.connect(self.packed_asked)
        self.offer.hide()
        self.more_machines = button("", icon_name="cloud")
        self.more_machines.clicked.connect(self._ask_for_machines)
        self.more_machines.hide()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(6)
        box.addWidget(rule())
        box.addWidget(label(tr("What it costs"), "strong"))
        box.addLayout(self._grid)
        box.addWidget(self.more_machines)
        box.addWidget(self.offer)
        box.addWidget(self._source)
        self.hide()

    def ask(self, spec: Spec, manifest: Manifest | None) -> None:
        """Find out what `spec` costs; an answer that is still on its way is dropped."""
        self.cancel()

        def failed(error: UserFacingError) -> None:
            self._source.setText(str(error))

        self._asking = self._bridge.run(self._work(spec, manifest), self._show, failed)

    def confirm(
        self,
        spec: Spec,
        manifest: Manifest,
        on_answer: Callable[[bool], None],
        on_error: Callable[[UserFacingError], None],
    ) -> Handle:
        """Name the price of exactly this `spec`; `on_answer` hears whether to start."""

        def done(forecast: CloudForecast | None) -> None:
            if forecast is None:
                on_error(WeightsUnavailable(tr("The weights are not on this computer."), fix=tr("Fetch them first.")))
                return
            made = Decision(
                self.window(),
                tr("Start {name} on AWS?").format(name=spec.name),
                confirmation(spec, forecast),
                [Option("cancel", tr("Cancel")), Option("start", _start_words(forecast), "primary")],
                "cloud",
            )
            made.ask(lambda answer: on_answer(answer == "start"))

        return self._bridge.run(self._work(spec, manifest), done, on_error)

    def check(self, resources: CloudResources, draft: TuningDraft) -> None:
        """Check the account for jobs that run on `resources`, and show how it is."""
        cloud = self._workbench.cloud
        if cloud is None:
            return
        apart = draft.is_tuning and not draft.packed
        at_once = min(draft.max_parallel_jobs, draft.max_jobs) if apart else 1

        what = plural(
            "For {count:,} job on {instance_type}.",
            "For {count:,} jobs at once on {instance_type}.",
            at_once,
            instance_type=resources.instance_type,
        )
        dialog = PreflightDialog(self.window(), self._bridge, what, partial(cloud.preflight, resources, at_once))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def cancel(self) -> None:
        """Drop the question: no answer is wanted any more."""
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def rows(self) -> dict[str, str]:
        """Return what is shown."""
        return {title.text(): text.text() for title, text in self._rows if not title.isHidden()}

    def _work(self, spec: Spec, manifest: Manifest | None) -> Callable[[OnProgress, CancelToken], CloudForecast | None]:
        workbench = self._workbench

        def work(on_progress: OnProgress, cancel: CancelToken) -> CloudForecast | None:
            cloud = workbench.cloud
            try:
                return cloud.forecast(spec, manifest) if cloud is not None else None
            except WeightsUnavailable:
                return None  # the form says so, and offers to fetch them

        return work

    def _show(self, forecast: CloudForecast | None) -> None:
        self.forecast = forecast
        rows = cost_rows(forecast) if forecast is not None else []
        while len(self._rows) < len(rows):
            title, text = ElidedLabel("", "muted"), label("", "figures", wrap=True)
            title.setFixedWidth(94)
            self._grid.addWidget(title, len(self._rows), 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(text, len(self._rows), 1)
            self._rows.append((title, text))
        for at, (title, text) in enumerate(self._rows):
            for part in (title, text):
                part.setVisible(at < len(rows))
            if at < len(rows):
                title.setText(rows[at][0])
                text.setText(rows[at][1])
        offer = packed_offer(forecast) if forecast is not None else ""
        self.offer.setText(offer)
        self.offer.setVisible(bool(offer))
        machines = machines_offer(forecast) if forecast is not None else ""
        self.more_machines.setText(machines)
        self.more_machines.setVisible(bool(machines))
        missing = tr("Known once the weights are on this computer: they are sent along.")
        self._source.setText(source_text(forecast) if forecast is not None else missing)
        self.changed.emit()

    def _ask_for_machines(self) -> None:
        if self.forecast is not None and self.forecast.proposed is not None:
            self.machines_asked.emit(self.forecast.proposed)


def _start_words(forecast: CloudForecast) -> str:
    worst = forecast.cost.worst
    sentence = tr("Start at an unknown price") if worst is None else tr("Start, at most {dollars}")
    return sentence.format(dollars=dollars(worst))
