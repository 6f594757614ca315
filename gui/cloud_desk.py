"""What the window does about AWS: the dialogs, the status bar, and what each page hears of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from core.engines.sagemaker.connect import Identity
from core.errors import UserFacingError
from gui.cloud import CloudSession

if TYPE_CHECKING:
    from gui.aws_dialog import AwsDialog
    from gui.bridge import Bridge
    from gui.main_window import MainWindow


class CloudDesk(QObject):
    """Everything of the window that has to do with AWS. `session` is the connection."""

    def __init__(self, window: MainWindow, bridge: Bridge) -> None:
        super().__init__(window)
        self._window, self._bridge = window, bridge
        self.session = CloudSession(window.workbench, bridge)
        self._pages: list[Any] = []
        self.session.engine_changed.connect(self._on_engine)
        self.session.switched.connect(self._on_switched)
        self.session.identified.connect(self._on_identity)
        self.session.notice_changed.connect(window.status.show_notice)
        window.status.engine_asked.connect(self.show_dialog)

    def start(self) -> None:
        """Start jobs where they were started the last time, and find out whose account it is."""
        self.session.start(self._on_start_failed)

    def stop(self) -> None:
        """The window closes."""
        self.session.stop()

    def wire(self, page: Any) -> None:
        """Tell a page about the engine from now on: `show_engine()` is called when it is known, and at every change."""
        self._pages.append(page)
        if self.session.engine:
            page.show_engine()

    def show_dialog(self) -> None:
        """Explain what connecting to AWS does, and let the user choose."""
        self.open_dialog()

    def open_dialog(self) -> AwsDialog:
        """The same; returns the dialog."""
        from gui.aws_dialog import show_aws_dialog

        return show_aws_dialog(self._window, self.session, self._bridge)

    def _on_engine(self, name: str) -> None:
        self._window.status.show_engine(name)
        for page in self._pages:
            page.show_engine()

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
