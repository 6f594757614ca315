"""Which rules new jobs run: chosen in a dialog, or taken from parameters that were tried on a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from core.debugger.choice import keep_config, project_config
from core.errors import UserFacingError
from core.jobs.specs import DebuggerConfig
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.debugger.debug_view import DebugView
from gui.debugger.rules_dialog import RulesDialog
from gui.shared.toast import Toasts

Found = tuple[str, DebuggerConfig]
"""The project (the path of its dataset), and what new jobs of it run."""


class RuleChoice(QObject):
    """Keeps the choice of the project that the job in sight belongs to."""

    def __init__(self, page: QWidget, workbench: Workbench, bridge: Bridge, toasts: Toasts) -> None:
        super().__init__(page)
        self._page, self._workbench, self._bridge, self._toasts = page, workbench, bridge, toasts
        self._view = DebugView("", "", ())
        self._hyperparameters: Mapping[str, str] = {}

    def show_view(self, view: DebugView) -> None:
        """Take over which job is shown."""
        self._view = view
        if view.job is not None:
            self._hyperparameters = dict(view.hyperparameters)

    def show_dialog(self) -> None:
        """Choose the rules that new jobs run."""
        self._find(self._show)

    def keep(self, rule: str, parameters: Mapping[str, str]) -> None:
        """Run a rule with these parameters in new jobs of the project."""

        def keep(found: Found) -> None:
            project, config = found
            changed = replace(config, rules={**config.rules, rule: dict(parameters)})
            keep_config(self._workbench.settings, project, changed)
            self._toasts.show(tr("New jobs run {rule} with these parameters.").format(rule=rule), "info")

        self._find(keep)

    def _find(self, done: Callable[[Found], None]) -> None:
        engine, job, memory = self._workbench.engine, self._view.job, self._workbench.settings

        def work(on_progress: OnProgress, cancel: CancelToken) -> Found:
            project = "" if job is None else engine.spec(job.name).training.dataset_path
            return project, project_config(memory, project)

        def unknown(_error: UserFacingError) -> None:
            done(("", project_config(memory, "")))

        self._bridge.run(work, done, unknown)

    def _show(self, found: Found) -> None:
        project, config = found

        def keep(chosen: DebuggerConfig) -> None:
            keep_config(self._workbench.settings, project, chosen)
            self._toasts.show(tr("New jobs run these rules."), "info")

        dialog = RulesDialog(self._page, config, self._hyperparameters or {"mode": "head"}, keep)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()
