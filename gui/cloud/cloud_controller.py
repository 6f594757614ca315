"""What the window does about AWS: the dialogs, the status bar, and what each page hears of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from core.engine import Endpoint
from core.engines.sagemaker.connection.connect import Identity
from core.errors import UserFacingError
from core.progress import Progress
from gui.cloud import endpoint_text
from gui.cloud.cloud_session import CloudSession
from gui.cloud.endpoint_watch import EndpointWatch
from gui.shared.dialogs import Decision, Option

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.cloud.aws_dialog import AwsDialog
    from gui.window.main_window import MainWindow


class CloudDesk(QObject):
    """Everything of the window that has to do with AWS. `session` is the connection.

    Signals:
        job_adopted(str): a job of the account is followed from now on.
    """

    job_adopted = Signal(str)

    def __init__(self, window: MainWindow, bridge: Bridge) -> None:
        super().__init__(window)
        self._window, self._bridge = window, bridge
        self.session = CloudSession(window.workbench, bridge)
        self._pages: list[Any] = []
        self.watch = EndpointWatch(window.workbench, bridge)
        self._decided = False
        self._closing: Decision | None = None
        self.session.engine_changed.connect(self._on_engine)
        self.session.switched.connect(self._on_switched)
        self.session.identified.connect(self._on_identity)
        self.session.notice_changed.connect(window.status.show_notice)
        window.status.engine_asked.connect(self.show_dialog)
        window.status.endpoints_asked.connect(self.show_endpoints)
        self.watch.changed.connect(self._on_endpoints)
        self.watch.failed.connect(lambda error: window.status.say(str(error)))
        self.watch.expired.connect(
            lambda name: window.toasts.show(f"The endpoint {name} was deleted, as it was to be.", "info")
        )

    def start(self) -> None:
        """Start jobs where they were started the last time, and find out whose account it is."""
        self.session.start(self._on_start_failed)

    def stop(self) -> None:
        """The window closes."""
        self.session.stop()
        self.watch.stop()

    def wire(self, page: Any) -> None:
        """Tell a page about the engine from now on: `show_engine()` is called when it is known, and at every change."""
        self._pages.append(page)
        if self.session.engine:
            page.show_engine()

    # Endpoints

    def deploy(self, job: str) -> None:
        """Ask how a job's model is to be served, and deploy it; without a connection to AWS, offer one."""
        from gui.cloud.deploy_dialog import DeployDialog

        connection = self.session.connection
        if not (connection.bucket and connection.role):
            self._window.toasts.show("Endpoints are in an AWS account: connect to one, then deploy.", "info")
            self.show_dialog()
            return
        dialog = DeployDialog(self._window, self._window.workbench, self._bridge, job)
        dialog.deployed.connect(lambda _name: self.watch.look())
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def show_endpoints(self) -> None:
        """Show the endpoints of the account."""
        from gui.cloud.endpoint_list import EndpointsDialog

        dialog = EndpointsDialog(self._window, self.watch)
        dialog.use_asked.connect(self._on_use_endpoint)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def show_adopt(self) -> None:
        """Take a job of the account into the list."""
        from gui.cloud.adopt_dialog import AdoptDialog

        dialog = AdoptDialog(self._window, self._window.workbench, self._bridge)
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
                self._window,
                f"{len(costly)} endpoints go on costing money" if many else f"{costly[0].name} goes on costing money",
                [*map(endpoint_text.daily_sentence, costly), "While Sagehound is closed, nothing deletes it."],
                [
                    Option("cancel", "Cancel"),
                    Option("delete", "Delete them now" if many else "Delete it now", "danger"),
                    Option("keep", "Keep and close", "primary"),
                ],
                "cloud",
                "warning",
            )
            self._closing.ask(lambda answer: self._on_closing(answer, tuple(item.name for item in costly)))
        return False

    def decide(self) -> None:
        """From now on the window may close, whatever is deployed."""
        self._decided = True

    def _on_closing(self, answer: str, names: tuple[str, ...]) -> None:
        self._closing = None
        if answer == "delete":
            self._window.statusBar().showMessage("Deleting the endpoints…")
            self.watch.delete(names, self._close, self._window.show_error, self._on_deleting)
        elif answer == "keep":
            self._close()

    def _on_deleting(self, progress: Progress) -> None:
        self._window.statusBar().showMessage(f"{progress.message}…")

    def _close(self) -> None:
        self.decide()
        self._window.close()

    def _on_endpoints(self, endpoints: tuple[Endpoint, ...]) -> None:
        ours = self.watch.ours
        self._window.status.show_endpoints(len(ours), endpoint_text.bill(ours))
        self._window.page("predict").set_endpoints(endpoints)

    def _on_use_endpoint(self, name: str) -> None:
        self._window.page("predict").use_endpoint(name)
        self._window.show_page("predict")

    # Connecting

    def show_dialog(self) -> None:
        """Explain what connecting to AWS does, and let the user choose."""
        self.open_dialog()

    def open_dialog(self) -> AwsDialog:
        """The same; returns the dialog."""
        from gui.cloud.aws_dialog import show_aws_dialog

        return show_aws_dialog(self._window, self.session, self._bridge)

    def _on_engine(self, name: str) -> None:
        self._window.status.show_engine(name)
        for page in self._pages:
            page.show_engine()
        self.watch.look()

    def _on_switched(self, name: str) -> None:
        self._window.feed.restart()
        where = "this computer" if name == "local" else "Amazon SageMaker"
        self._window.status.say(f"New jobs run on {where}.")

    def _on_identity(self, identity: Identity | None) -> None:
        if identity is not None:
            self._window.status.show_account(identity.account, identity.region)

    def _on_start_failed(self, error: UserFacingError) -> None:
        """The last connection is incomplete or its profile is gone: jobs run here, and that is said."""
        text = f"New jobs run on this computer. {error}"
        self._window.toasts.show(text, "warning", "Connect", self.show_dialog)
        self.session.use_local(self._bridge.failed.emit)
