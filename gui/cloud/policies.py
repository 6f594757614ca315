"""The policies that let Sagehound work with no right too many, filled in, to copy."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox, QDialog, QPlainTextEdit, QTabBar, QVBoxLayout, QWidget

from core.cloud.account import Policies
from core.translation import tr
from gui.shared.basics import button, label, row
from gui.shared.theme import font

_WHAT = (
    (tr("For you"), tr("Attach this to the user or role that you log in with.")),
    (tr("For the jobs"), tr("Attach this to the execution role.")),
    (tr("Trust"), tr("The trust policy of the execution role: SageMaker may take it on, for your account only.")),
)


class PoliciesDialog(QDialog):
    """Three policies of an account, a bucket and a role."""

    def __init__(self, parent: QWidget | None, policies: Policies) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Policies"))
        self.setModal(True)
        self.resize(640, 520)
        self._policies = policies
        self.vpc = QCheckBox(tr("Jobs run in my VPC"))
        self.choice = QTabBar()
        self.vpc.toggled.connect(lambda: self._show(self.choice.currentIndex()))
        self.choice.setDrawBase(False)
        self.choice.setAccessibleName(tr("Policy"))
        for title, _ in _WHAT:
            self.choice.addTab(title)
        self.choice.currentChanged.connect(self._show)
        self._what = label("", "muted", wrap=True)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setFont(font("mono"))
        self.text.setAccessibleName(tr("Policy as JSON"))
        copy = button(tr("Copy"), icon_name="copy", kind="primary")
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self.text.toPlainText()))
        close = button(tr("Close"), kind="ghost")
        close.clicked.connect(self.accept)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("The rights that are needed, and no more"), "card"))
        box.addWidget(self.choice)
        box.addWidget(self._what)
        box.addWidget(self.text, 1)
        box.addLayout(row(self.vpc, None, close, copy))
        self._show(0)

    def _show(self, at: int) -> None:
        self._what.setText(_WHAT[at][1])
        self.vpc.setVisible(at == 1)
        made = self._policies
        role = made.role_in_vpc if self.vpc.isChecked() else made.role
        self.text.setPlainText((made.user, role, made.trust)[at])
