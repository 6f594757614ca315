"""Profile and region, then bucket and execution role of the account that they lead to."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from core.cloud.account import Account, Connection
from core.translation import tr
from gui.shared.basics import ElidedLabel, button, label
from gui.shared.feedback import IconLabel
from gui.shared.field import Field
from gui.shared.theme import GRID

REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1"),
    *("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1", "eu-south-1"),
    *("ap-south-1", "ap-northeast-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-2"),
)
"""Regions to choose from; any other can be typed."""


class ConnectForm(QWidget):
    """What a connection is made of. Bucket and role can be chosen once the account is known.

    Signals:
        look_asked(): ask AWS whose credentials these are, and what there is.
        create_asked(str): create the bucket of that name.
        changed(): something was chosen or typed.
    """

    look_asked = Signal()
    create_asked = Signal(str)
    changed = Signal()

    def __init__(self, connection: Connection, profiles: list[str]) -> None:
        super().__init__()
        self._before = connection
        self.account: Account | None = None
        self.profile = _combo(tr("AWS profile"), ["", *profiles], tr("Default credentials"))
        self.region = _combo(tr("AWS region"), ["", *REGIONS], tr("Region of the profile"))
        self.bucket = _combo(tr("Bucket"), [], tr("Choose or type a bucket"))
        self.role = _combo(tr("Execution role"), [], tr("Choose a role, or type its name or ARN"))
        self.prefix = QLineEdit(connection.prefix)
        self.key = QLineEdit(connection.kms_key)
        self.key.setPlaceholderText(tr("The bucket's own encryption"))
        self.profile.setCurrentText(connection.profile)
        self.region.setCurrentText(connection.region)
        self.look = button(
            tr("Connect"), icon_name="cloud", tip=tr("Ask AWS whose credentials these are; nothing is changed")
        )
        self.make_bucket = button(
            tr("Create"), icon_name="plus", tip=tr("A private, encrypted bucket; public access is blocked")
        )
        self._who_icon = IconLabel("info", 18)
        self._who = ElidedLabel(tr("No key is typed here: Sagehound uses the credentials of this computer."), "muted")
        self._notes = label("", "caption", wrap=True)
        self._place = QWidget()
        self._lay_out()
        self._connect()
        self.show_account(None)

    def _lay_out(self) -> None:
        top = QGridLayout()
        top.setHorizontalSpacing(GRID)
        top.addWidget(Field(tr("Profile"), self.profile), 0, 0)
        top.addWidget(Field(tr("Region"), self.region), 0, 1)
        held = QVBoxLayout()
        held.addStretch(1)
        held.addWidget(self.look)
        top.addLayout(held, 0, 2)
        top.setColumnStretch(0, 1)
        top.setColumnStretch(1, 1)
        who = QHBoxLayout()
        who.setSpacing(GRID)
        who.addWidget(self._who_icon)
        who.addWidget(self._who, 1)
        below = QGridLayout(self._place)
        below.setContentsMargins(0, 0, 0, 0)
        below.setHorizontalSpacing(GRID)
        below.setVerticalSpacing(GRID)
        creating = QVBoxLayout()
        creating.addStretch(1)
        creating.addWidget(self.make_bucket)
        below.addWidget(Field(tr("Bucket for data, models and logs"), self.bucket), 0, 0)
        below.addLayout(creating, 0, 1)
        prefix = Field(tr("Folder in it"), self.prefix, tr("Everything that Sagehound writes is below this prefix."))
        prefix.setFixedWidth(140)
        below.addWidget(prefix, 0, 2)
        below.addWidget(Field(tr("Execution role: the rights of your jobs"), self.role), 1, 0, 1, 3)
        hint = tr("Id, alias or ARN. It encrypts uploads, and the output and disk of jobs that name no other key.")
        below.addWidget(Field(tr("KMS key (optional)"), self.key, hint), 2, 0, 1, 3)
        below.setColumnStretch(0, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(10)
        box.addLayout(top)
        box.addLayout(who)
        box.addWidget(self._place)
        box.addWidget(self._notes)

    def _connect(self) -> None:
        self.look.clicked.connect(self.look_asked)
        self.make_bucket.clicked.connect(lambda: self.create_asked.emit(self.bucket.currentText().strip()))
        for combo in (self.profile, self.region):
            combo.currentTextChanged.connect(lambda _text: self.show_account(None))
        for combo in (self.bucket, self.role):
            combo.currentTextChanged.connect(lambda _text: self._on_changed())
        for line in (self.prefix, self.key):
            line.textChanged.connect(lambda _text: self._on_changed())

    # What it holds ---------------------------------------------------------------------------------------------

    @property
    def connection(self) -> Connection:
        """Return what is chosen, complete or not."""
        chosen = replace(
            self._before,
            profile=self.profile.currentText().strip(),
            region=self.account.identity.region if self.account else self.region.currentText().strip(),
        )
        if self.account is None:
            return chosen
        row = self.role.findText(self.role.currentText())
        role = self.role.itemData(row) if row >= 0 else self.role.currentText().strip()
        prefix = self.prefix.text().strip().strip("/")
        bucket, key = self.bucket.currentText().strip(), self.key.text().strip()
        return replace(chosen, bucket=bucket, role=str(role), prefix=prefix, kms_key=key)

    @property
    def missing(self) -> str:
        """Return what has to be chosen yet, as a sentence; "" when it is complete."""
        if self.account is None:
            return tr("Connect first: then bucket and role can be chosen.")
        connection = self.connection
        if not connection.bucket:
            return tr("Choose a bucket, or create one.")
        if self.can_create and not self.account.notes:
            return tr("There is no bucket {bucket} in {region} yet: create it.").format(
                bucket=connection.bucket, region=self.account.identity.region
            )
        return "" if connection.role else tr("Choose an execution role.")

    @property
    def can_create(self) -> bool:
        """Whether a bucket is named that is not among those of the account."""
        name = self.bucket.currentText().strip()
        return self.account is not None and bool(name) and name not in {item.name for item in self.account.buckets}

    def show_account(self, account: Account | None) -> None:
        """Show an account and what there is in it; None: it is not known yet."""
        self.account = account
        self._place.setVisible(account is not None)
        self._notes.setVisible(account is not None and bool(account.notes))
        self._who_icon.set_icon("check-circle" if account else "info", "done" if account else "muted")
        if account is None:
            self._who.setText(tr("No key is typed here: Sagehound uses the credentials of this computer."))
        else:
            who = account.identity
            self._who.setText(
                tr("Account {account} · {region} · {user}").format(
                    account=who.account, region=who.region, user=who.arn.rpartition(":")[2]
                )
            )
            self._notes.setText("\n".join(account.notes))
            self._fill(account)
        self._on_changed()

    def _fill(self, account: Account) -> None:
        names = [bucket.name for bucket in account.buckets]
        chosen = self.role.currentText()  # kept: a bucket was created after the role was chosen
        _refill(self.bucket, [(name, name) for name in names])
        usual = account.suggested if account.suggested in names or not names else ""
        self.bucket.setCurrentText(self._before.bucket if self._before.bucket in names else usual)
        _refill(self.role, [(role.name, role.arn) for role in account.roles])
        arns = [role.arn for role in account.roles]
        if chosen in [role.name for role in account.roles]:
            self.role.setCurrentText(chosen)
        elif self._before.role in arns:
            self.role.setCurrentIndex(arns.index(self._before.role))
        elif len(arns) == 1:
            self.role.setCurrentIndex(0)
        else:
            self.role.setCurrentText("" if arns else self._before.role)

    def _on_changed(self) -> None:
        self.make_bucket.setEnabled(self.can_create)
        self.changed.emit()


def _combo(name: str, items: list[str], hint: str) -> QComboBox:
    made = QComboBox()
    made.setEditable(True)
    made.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
    made.addItems(items)
    made.setAccessibleName(name)
    made.setMinimumContentsLength(14)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    line = made.lineEdit()
    assert line is not None
    line.setPlaceholderText(hint)
    return made


def _refill(combo: QComboBox, items: list[tuple[str, str]]) -> None:
    blocked = combo.blockSignals(True)
    combo.clear()
    for text, value in items:
        combo.addItem(text, value)
    combo.setCurrentIndex(-1)
    combo.blockSignals(blocked)
