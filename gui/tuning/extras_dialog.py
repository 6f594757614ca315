"""What a company's network and its keys ask of a job on SageMaker: VPC, isolation, encryption, tags."""

from __future__ import annotations

import dataclasses

from PySide6.QtWidgets import QCheckBox, QDialog, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from core.errors import UserFacingError
from core.jobs.specs import CloudResources
from core.translation import tr
from gui.shared.basics import button, label, row
from gui.shared.field import Field


class ExtrasDialog(QDialog):
    """Subnets and security groups, network isolation, encryption and its keys, tags; `extras` is what was accepted."""

    def __init__(self, parent: QWidget | None, extras: CloudResources) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Network, keys, tags"))
        self.setModal(True)
        self.extras = extras
        self.subnets = QLineEdit(", ".join(extras.subnets))
        self.subnets.setPlaceholderText("subnet-…, subnet-…")
        self.groups = QLineEdit(", ".join(extras.security_groups))
        self.groups.setPlaceholderText("sg-…")
        self.isolation = QCheckBox(tr("Network isolation: the container reaches no network"))
        self.isolation.setChecked(extras.network_isolation)
        self.traffic = QCheckBox(tr("Encrypt what the machines of one job exchange (slower)"))
        self.traffic.setChecked(extras.encrypt_traffic)
        self.output_key, self.volume_key = QLineEdit(extras.output_kms_key), QLineEdit(extras.volume_kms_key)
        for line in (self.output_key, self.volume_key):
            line.setPlaceholderText(tr("The connection's key, if it has one"))
        self.tags = QPlainTextEdit("\n".join(f"{key}={value}" for key, value in extras.tags.items()))
        self.tags.setPlaceholderText("project=pets")
        self.tags.setTabChangesFocus(True)
        self.tags.setFixedHeight(72)
        self.groups_field = Field(tr("Security groups of your VPC"), self.groups)
        self.tags_field = Field(tr("Tags, one KEY=VALUE a line"), self.tags)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("Network, keys, tags"), "card"))
        box.addWidget(Field(tr("Subnets of your VPC"), self.subnets, tr("Empty: SageMaker's own network.")))
        box.addWidget(self.groups_field)
        box.addWidget(self.isolation)
        box.addWidget(self.traffic)
        box.addWidget(Field(tr("KMS key for a job's output"), self.output_key, tr("A key's id, alias or ARN.")))
        disk = tr("Machines with disks of their own (g4dn, g5, p4d…) encrypt them by hardware and take no key.")
        box.addWidget(Field(tr("KMS key for a job's disk"), self.volume_key, disk))
        box.addWidget(self.tags_field)
        cancel, done = button(tr("Cancel"), kind="ghost"), button(tr("Done"), kind="primary")
        cancel.clicked.connect(self.reject)
        done.clicked.connect(self._on_done)
        done.setDefault(True)
        box.addLayout(row(None, cancel, done))
        self.setMinimumWidth(460)

    def _on_done(self) -> None:
        pairs = [line.partition("=") for line in self.tags.toPlainText().splitlines() if line.strip()]
        wrong = next((key for key, equals, _ in pairs if not equals or not key.strip()), None)
        subnets, groups = _items(self.subnets.text()), _items(self.groups.text())
        lone = bool(subnets) != bool(groups)
        self.tags_field.show_error(
            None
            if wrong is None
            else UserFacingError(tr("{wrong} is not a tag.").format(wrong=wrong), fix=tr("Write KEY=VALUE."))
        )
        self.groups_field.show_error(
            UserFacingError(tr("A VPC needs both, subnets and security groups."), fix=tr("Give the other too."))
            if lone
            else None
        )
        if wrong is not None or lone:
            return
        self.extras = dataclasses.replace(
            self.extras,
            subnets=subnets,
            security_groups=groups,
            network_isolation=self.isolation.isChecked(),
            encrypt_traffic=self.traffic.isChecked(),
            output_kms_key=self.output_key.text().strip(),
            volume_kms_key=self.volume_key.text().strip(),
            tags={key.strip(): value.strip() for key, _, value in pairs},
        )
        self.accept()


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())
