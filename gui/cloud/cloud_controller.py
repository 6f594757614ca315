"""What the window does about AWS: the dialogs, the status bar, and what each page hears of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from core.engine import Endpoint
from core.engine_names import LOCAL
from core.errors import UserFacingError
from core.progress import Progress
from core.translation import plural, tr
from gui.cloud import endpoint_text
from gui.cloud.cloud_session import CloudSession
from gui.cloud.endpoint_watch import EndpointWatch
from gui.shared.dialogs import Decision, Option

if TYPE_CHECKING:
    from core.cloud.account import Identity
    from core.workbench import Workbench
    from gui.bridge import Bridge
    from gui.cloud.aws_dialog import AwsDialog
    from gui.shared.toast import Toasts


class CloudController(QObject):
    """Everything of the window that has to do with AWS. `session` is the connection.

    Signals:
        said(str): a short message for the status bar.
        notice_changed(str): a sentence to show until an empty one takes it back.
        engine_known(str): the engine on which new jobs start, when it is first known and at every change.
        switched(): another engine was chosen; what is known of jobs has to be asked again.
        account_known(str, str): account and region in use.
        endpoints_counted(int, str): how many endpoints of ours there are, and what they cost.
        endpoints_changed(tuple[Endpoint, ...]): the endpoints of the account.
        endpoint_chosen(str): classify with this endpoint.
        job_adopted(str): a job of the account is now among ours.
        close_asked(): the window may close now.
    """

    said = Signal(str)
    notice_changed = Signal(str)
    engine_known = Signal(str)
    switched = Signal()
    account_known = Signal(str, str)
    endpoints_counted = Signal(int, str)
    endpoints_changed = Signal(tuple)
    endpoint_chosen = Signal(str)
    job_adopted = Signal(str)
    close_asked = Signal()

    def __init__(self, dialog_parent: QWidget, workbench: Workbench, bridge: Bridge, toasts: Toasts) -> None:
        super().__init__(dialog_parent)
        self._parent, self._workbench, self._bridge, self._toasts = dialog_parent, workbench, bridge, toasts
        self.session = CloudSession(workbench, bridge)
        self.watch = EndpointWatch(workbench, bridge)
        self._decided = False
        self._closing: Decision | None = None
        self.session.engine_changed.connect(self._on_engine)
        self.session.switched.connect(self._on_switched)
        self.session.identified.connect(self._on_identity)
        self.session.notice_changed.connect(self.notice_changed)
        self.watch.changed.connect(self._on_endpoints)
        self.watch.failed.connect(lambda error: self.said.emit(str(error)))
        self.watch.expired.connect(
            lambda name: toasts.show(tr("The endpoint {name} was deleted, as planned.").format(name=name), "info")
        )

    def start(self) -> None:
        """Start jobs where they were started the last time, and find out whose account it is."""
        self.session.start(self._on_start_failed)

    def stop(self) -> None:
        """Note that the window closes."""
        self.session.stop()
        self.watch.stop()

    # Endpoints

    def deploy(self, job: str) -> None:
        """Ask how a job's model is to be served, and deploy it; without a connection to AWS, offer one."""
        from gui.cloud.deploy_dialog import DeployDialog

        connection = self.session.connection
        if not (connection.bucket and connection.role):
            self._toasts.show(tr("Endpoints are in an AWS account: connect to one, then deploy."), "info")
            self.show_dialog()
            return
        dialog = DeployDialog(self._parent, self._workbench, self._bridge, job)
        dialog.deployed.connect(lambda _name: self.watch.look())
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def show_endpoints(self) -> None:
        """Show the endpoints of the account."""
        from gui.cloud.endpoint_list import EndpointsDialog

        dialog = EndpointsDialog(self._parent, self.watch)
        dialog.use_asked.connect(self.endpoint_chosen)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def show_adopt(self) -> None:
        """Take a job of the account into the list."""
        from gui.cloud.adopt_dialog import AdoptDialog

        dialog = AdoptDialog(self._parent, self._workbench, self._bridge)
        dialog.adopted.connect(self.job_adopted)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def may_close(self) -> bool:
        """Whether the window may close now: endpoints that cost money are named first, to be kept or deleted."""
        costly = endpoint_text.costly(self.watch.endpoints)
        if self._decided or not costly:
            return True
        if self._closing is None:
            many = len(costly) > 1
            self._closing = Decision(
                self._parent,
                plural(
                    "{name} keeps costing money",
                    "{count} endpoints keep costing money",
                    len(costly),
                    name=costly[0].name,
                ),
                [*map(endpoint_text.daily_sentence, costly), tr("While Sagehound is closed, nothing deletes it.")],
                [
                    Option("cancel", tr("Cancel")),
                    Option("delete", tr("Delete them now") if many else tr("Delete it now"), "danger"),
                    Option("keep", tr("Keep and close"), "primary"),
                ],
                "cloud",
                "warning",
            )
            self._closing.ask(lambda answer: self._on_closing(answer, tuple(item.name for item in costly)))
        return False

    def decide(self) -> None:
        """Let the window close without a question, also while endpoints cost money."""
        self._decided = True

    def _on_closing(self, answer: str, names: tuple[str, ...]) -> None:
        self._closing = None
        if answer == "delete":
            self.said.emit(tr("Deleting the endpoints…"))
            self.watch.delete(names, self._close, self._bridge.failed.emit, self._on_deleting)
        elif answer == "keep":
            self._close()

    def _on_deleting(self, progress: Progress) -> None:
        self.said.emit(f"{progress.message}…")

    def _close(self) -> None:
        self.decide()
        self.close_asked.emit()

    def _on_endpoints(self, endpoints: tuple[Endpoint, ...]) -> None:
        ours = self.watch.ours
        self.endpoints_counted.emit(len(ours), endpoint_text.bill(ours))
        self.endpoints_changed.emit(endpoints)

    # Connecting

    def show_dialog(self) -> None:
        """Explain what connecting to AWS does, and let the user choose."""
        self.open_dialog()

    def open_dialog(self) -> AwsDialog:
        """Return the same; returns the dialog."""
        from gui.cloud.aws_dialog import show_aws_dialog

        return show_aws_dialog(self._parent, self.session, self._bridge)

    def _on_engine(self, name: str) -> None:
        self.engine_known.emit(name)
        self.watch.look()

    def _on_switched(self, name: str) -> None:
        self.switched.emit()
        local = name == LOCAL
        self.said.emit(tr("New jobs run on this computer.") if local else tr("New jobs run on Amazon SageMaker."))

    def _on_identity(self, identity: Identity | None) -> None:
        if identity is not None:
            self.account_known.emit(identity.account, identity.region)

    def _on_start_failed(self, error: UserFacingError) -> None:
        """Say that jobs run here, for the last connection is incomplete or its profile is gone."""
        text = tr("New jobs run on this computer. {error}").format(error=error)
        self._toasts.show(text, "warning", tr("Connect"), self.show_dialog)
        self.session.use_local(self._bridge.failed.emit)
