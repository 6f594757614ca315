"""Connecting to AWS: what it means before anything is sent, whose account it is, and where jobs may work there."""

from __future__ import annotations

import configparser
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from core.cloud.account import Account, Connection
from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress
from core.translation import tr
from gui.bridge import Bridge, Handle
from gui.cloud.cloud_session import CloudSession
from gui.cloud.connect_form import ConnectForm
from gui.cloud.policies import PoliciesDialog
from gui.shared.basics import button, label
from gui.shared.card import Card
from gui.shared.feedback import IconLabel, InlineError, ProgressRow
from gui.shared.preflight_list import PreflightList
from gui.shared.theme import GRID

if TYPE_CHECKING:
    pass

_WHAT_IT_DOES = (
    (
        "check-circle",
        tr("Your credentials stay where they are. Sagehound uses the AWS default chain or a named profile."),
    ),
    ("upload", tr("A dataset is uploaded to an S3 bucket of yours when you start a job on it, not before.")),
    (
        "chip",
        tr("Tuning jobs, training jobs and endpoints run on instances in your account, and AWS bills you for them."),
    ),
    ("info", tr("The price is shown before anything that costs money starts, and what still runs is always in sight.")),
)


class AwsDialog(QDialog):
    """Explains, looks around when asked to, and switches the engine. Nothing is sent before Connect is pressed.

    Signals:
        chosen(Connection): use SageMaker with this connection.
        local_chosen(): go back to this computer.
    """

    chosen = Signal(object)
    local_chosen = Signal()

    def __init__(self, parent: QWidget | None, session: CloudSession, bridge: Bridge) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Connect to AWS"))
        self.setModal(True)
        self._session, self._bridge = session, bridge
        self._looking: Handle | None = None
        self.form = ConnectForm(session.connection, aws_profiles())
        self.error, self.progress = InlineError(), ProgressRow()
        self.use = button(tr("Use SageMaker"), icon_name="cloud", kind="primary")
        self.local = button(
            tr("Use this computer"), icon_name="chip", tip=tr("New jobs run here again; those on AWS continue")
        )
        self.local.setVisible(session.active)
        self.policies = button(tr("Policies to copy…"), icon_name="copy", kind="link")
        self.reason = label("", "caption", wrap=True)
        self.checks = PreflightList(bridge)
        self.check = button(
            tr("Check"), icon_name="check-circle", tip=tr("Look whether a job could run; an empty file is written")
        )
        self._checked = Card(tr("Before anything is billed"))
        self._lay_out()
        self._connect()
        self._refresh()

    def _lay_out(self) -> None:
        self._explained = Card(tr("What it does"))
        for icon_name, sentence in _WHAT_IT_DOES:
            line = QHBoxLayout()
            line.setSpacing(12)
            line.addWidget(IconLabel(icon_name, 20, "accent"))
            line.addWidget(label(sentence, "body", wrap=True), 1)
            self._explained.body.addLayout(line)
        account = Card(tr("Account"))
        account.add_action(self.policies)
        account.add(self.form)
        account.add(self.progress)
        self._checked.add_action(self.check)
        self._checked.add(self.checks, 1)
        self._checked.setMinimumHeight(220)
        self.later = button(tr("Not now"), kind="ghost")
        bar = QHBoxLayout()
        bar.setSpacing(GRID)
        bar.addWidget(self.reason, 1)
        for widget in (self.later, self.local, self.use):
            bar.addWidget(widget)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("Run jobs on Amazon SageMaker"), "title"))
        box.addWidget(
            label(tr("The tabs, the words and the files stay the same. Only the computer is a different one."), "muted")
        )
        box.addWidget(self._explained)
        box.addWidget(account)
        box.addWidget(self.error)
        box.addWidget(self._checked, 1)
        box.addLayout(bar)
        self.setMinimumWidth(640)

    def _connect(self) -> None:
        self.form.look_asked.connect(self.look)
        self.form.create_asked.connect(self._on_create)
        self.form.changed.connect(self._refresh)
        self.form.changed.connect(self.checks.clear)
        self.check.clicked.connect(self._on_check)
        self.progress.cancelled.connect(self._stop)
        self.policies.clicked.connect(self._show_policies)
        self.later.clicked.connect(self.reject)
        self.local.clicked.connect(self._on_local)
        self.use.clicked.connect(self._on_use)
        self.finished.connect(lambda _result: self._on_closed())

    # What the user does ----------------------------------------------------------------------------------------

    def look(self) -> None:
        """Ask AWS whose credentials these are, and what there is to choose from."""
        connection = self.form.connection

        def work(on_progress: OnProgress, cancel: CancelToken) -> Account:
            return self._session.provider.account(connection, on_progress, cancel)

        self._begin(tr("Asking AWS who you are"))
        self._looking = self._bridge.run(work, self._on_account, self._on_failed, self.progress.update_progress)

    def _on_create(self, name: str) -> None:
        connection = self.form.connection

        def work(on_progress: OnProgress, cancel: CancelToken) -> Account:
            self._session.provider.create_bucket(connection, name)
            return self._session.provider.account(connection, on_progress, cancel)

        def done(account: Account) -> None:
            self._on_account(account)
            self.form.bucket.setCurrentText(name)

        self._begin(tr("Creating the bucket {name}").format(name=name))
        self._looking = self._bridge.run(work, done, self._on_failed)

    def _begin(self, message: str) -> None:
        self._stop()
        self.error.clear()
        self.progress.start(message)
        self._refresh()

    def _stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        self.progress.finish()
        self._refresh()

    def _on_closed(self) -> None:
        self._stop()
        self.checks.cancel()

    def _on_check(self) -> None:
        self.checks.run(partial(self._session.preflight, self.form.connection))

    def _on_account(self, account: Account) -> None:
        self._looking = None
        self.progress.finish()
        self.form.show_account(account)

    def _on_failed(self, error: UserFacingError) -> None:
        self._stop()
        self.error.show_error(error)

    def _on_use(self) -> None:
        self.chosen.emit(self.form.connection)
        self.accept()

    def _on_local(self) -> None:
        self.local_chosen.emit()
        self.accept()

    def _show_policies(self) -> None:
        account = self.form.account
        if account is None:
            return
        connection = self.form.connection.changed(region=account.identity.region)
        dialog = PoliciesDialog(self, self._session.provider.policies(connection, account.identity.account))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _refresh(self) -> None:
        missing = self.form.missing
        self.use.setEnabled(not missing and self._looking is None)
        self.reason.setText(missing)
        known = self.form.account is not None
        self.policies.setVisible(known)
        self._checked.setVisible(known)
        self._explained.setVisible(not known)
        self.check.setEnabled(not missing)
        self.form.look.setEnabled(self._looking is None)


def aws_profiles() -> list[str]:
    """Return the names of the profiles in the AWS configuration of this user; no secret is read into anything kept."""
    names: set[str] = set()
    for variable, default in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
        file = Path(os.environ.get(variable) or Path.home() / ".aws" / default).expanduser()
        parser = configparser.RawConfigParser(strict=False)
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        names.update(section.removeprefix("profile ").strip() for section in parser.sections())
    return sorted(name for name in names if not name.startswith(("sso-session", "services")))


def show_aws_dialog(parent: QWidget, session: CloudSession, bridge: Bridge) -> AwsDialog:
    """Open the dialog, and let what is chosen hold."""
    dialog = AwsDialog(parent, session, bridge)

    def use(connection: Connection) -> None:
        session.use(connection, bridge.failed.emit)

    dialog.chosen.connect(use)
    dialog.local_chosen.connect(lambda: session.use_local(bridge.failed.emit))
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
    return dialog
