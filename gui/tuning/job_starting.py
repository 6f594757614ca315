"""Starting a job from the window: its price first where it has one, and again without what AWS refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.cloud.managed import ManagedRefused
from core.errors import UserFacingError
from core.jobs.managed_rules import without_managed
from core.jobs.specs import Spec
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.shared.dialogs import Decision, Option
from gui.tuning.cost_panel import CostPanel
from gui.tuning.forecast_card import ForecastCard

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest


class JobStarter(QObject):
    """Starts one job at a time; `card` shows how far it is and `cost` names the price.

    `title` is what the user calls the job that is started, where a job cannot be called so.

    Signals:
        started(str): a job of that name was started.
        failed(object): the UserFacingError that says why none was.
        ended(): starting is over, whether or not a job was started.
        refusal_known(str): what AWS said when it refused its Debugger to the account; "" where it has not.
    """

    started = Signal(str)
    failed = Signal(object)
    ended = Signal()
    refusal_known = Signal(str)

    def __init__(self, workbench: Workbench, bridge: Bridge, card: ForecastCard, cost: CostPanel) -> None:
        super().__init__(card)
        self._workbench, self._bridge, self._card, self._cost = workbench, bridge, card, cost
        self._handle: Handle | None = None
        self.title = ""

    @property
    def busy(self) -> bool:
        """Whether a job is being started."""
        return self._handle is not None

    def start(self, spec: Spec, manifest: Manifest) -> None:
        """Start a job here."""
        workbench, title = self._workbench, self.title

        def work(on_progress: OnProgress, cancel: CancelToken) -> str:
            return workbench.jobs.launch(spec, manifest, on_progress, cancel, title)

        def failed(error: UserFacingError) -> None:
            self._end()
            if isinstance(error, ManagedRefused):
                self._offer_without(error, spec, manifest)
            else:
                self.failed.emit(error)

        self._card.begin()
        self._handle = self._bridge.run(work, self._on_started, failed, self._card.progress.update_progress)

    def ask_and_start(self, spec: Spec, manifest: Manifest) -> None:
        """Name the price of a job in the cloud, and start it if that is accepted."""

        def answered(yes: bool) -> None:
            self._end()
            if yes:
                self.start(spec, manifest)

        def failed(error: UserFacingError) -> None:
            self._end()
            self.failed.emit(error)

        self._card.begin()
        self._handle = self._cost.confirm(spec, manifest, answered, failed)

    def cancel(self) -> None:
        """Start nothing after all."""
        if self._handle is not None:
            self._handle.cancel()
        self._end()

    def look_at_refusal(self, forget: bool = False) -> None:
        """Find out what AWS said of its Debugger in the account in use; `forget`: let the next job ask again."""
        workbench = self._workbench

        def work(on_progress: OnProgress, cancel: CancelToken) -> str:
            cloud = workbench.cloud
            if cloud is None:
                return ""
            if forget:
                cloud.forget_managed_answer()
            answer = cloud.managed_answer()
            return "" if answer is None or answer.taken else answer.sentence

        # While AWS cannot be asked whose account it is, nothing is known to be refused.
        self._bridge.run(work, self.refusal_known.emit, lambda _error: self.refusal_known.emit(""))

    def _offer_without(self, error: UserFacingError, spec: Spec, manifest: Manifest) -> None:
        self.look_at_refusal()
        question = Decision(
            self._card.window(),
            tr("Start {name} without AWS's Debugger?").format(name=spec.name),
            [
                error.why,
                tr("Sagehound's own rules and profiler need nothing of it. The choice is kept for this account."),
            ],
            [Option("cancel", tr("Cancel")), Option("without", tr("Start without it"), "primary")],
            "cloud",
            "warning",
        )

        def answered(answer: str) -> None:
            if answer == "without":
                self.start(without_managed(spec), manifest)

        question.ask(answered)

    def _on_started(self, name: str) -> None:
        self._end()
        self.started.emit(name)

    def _end(self) -> None:
        self._handle = None
        self._card.end()
        self.ended.emit()
