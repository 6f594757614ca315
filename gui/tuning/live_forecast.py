"""What a form will do, kept up to date: at once what it says itself, soon after it what a forecast says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from core.debugger.choice import project_config
from core.progress import CancelToken, OnProgress
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.tuning.cost_panel import CostPanel
from gui.tuning.forecast_card import ForecastCard
from gui.tuning.forecast_text import Facts, forecast_lines, warning_texts
from gui.tuning.tuning_draft import TuningDraft
from gui.tuning.weights_panel import WeightsPanel

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest
    from core.jobs.specs import Spec
    from core.tuning.forecast import Forecast

SETTLE_MS = 150
"""A forecast is asked for this long after the last of several edits."""


class LiveForecast(QObject):
    """Shows on a card what the form will do, and asks for time, warnings and cost."""

    def __init__(
        self, workbench: Workbench, bridge: Bridge, card: ForecastCard, cost: CostPanel, weights: WeightsPanel
    ) -> None:
        super().__init__()
        self._workbench, self._bridge = workbench, bridge
        self._card, self._cost, self._weights = card, cost, weights
        self._draft: TuningDraft | None = None
        self._manifest: Manifest | None = None
        self._spec: Spec | None = None
        self._on_cloud = False
        self._forecast: Forecast | None = None
        self._asking: Handle | None = None
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._ask)
        cost.changed.connect(self._show_lines)

    def follow(self, draft: TuningDraft, manifest: Manifest | None, spec: Spec | None, on_cloud: bool) -> None:
        """Show what a form says; `spec` is what it asks for, None while something is wrong with it."""
        self._draft, self._manifest, self._spec, self._on_cloud = draft, manifest, spec, on_cloud
        self._forecast = None
        self._show_lines()
        if spec is not None:
            self._settle.start()
        else:
            self._settle.stop()
            self._card.set_warnings(())

    def _show_lines(self) -> None:
        if self._draft is None:
            return
        manifest = self._manifest
        facts = Facts(
            self._weights.missing_megabytes,
            self._on_cloud,
            self._cost.forecast,
            project_config(self._workbench.settings, str(manifest.root) if manifest is not None else ""),
        )
        self._card.set_lines(forecast_lines(self._draft, manifest, self._forecast, facts))

    def _ask(self) -> None:
        spec, manifest, workbench = self._spec, self._manifest, self._workbench
        if self._asking is not None:
            self._asking.cancel()
        if spec is None:
            return

        def work(on_progress: OnProgress, cancel: CancelToken) -> Forecast:
            return workbench.jobs.forecast(spec, manifest)

        self._asking = self._bridge.run(work, self._on_answer, self._card.error.show_error)
        if self._on_cloud:
            self._cost.ask(spec, manifest)

    def _on_answer(self, forecast: Forecast) -> None:
        self._asking, self._forecast = None, forecast
        self._show_lines()
        self._card.set_warnings(warning_texts(forecast))
