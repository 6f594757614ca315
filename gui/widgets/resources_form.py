"""What a job on SageMaker runs on: instance, spot, longest run, and what a company's network asks for."""

from __future__ import annotations

import dataclasses
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from core.engines.sagemaker.pricing import snapshot
from core.errors import SpecError, UserFacingError
from core.jobs.specs import CloudResources, Spec, TuningSpec
from core.settings import SettingsFile
from gui.widgets.basics import button, label, padded, row
from gui.widgets.card import Card
from gui.widgets.field import Field

_STATE = "tuning_resources"
DEFAULT_HOURS = 1.0
"""The longest run of one training job that is proposed: it bounds what a job can cost."""


class ResourcesForm(Card):
    """The instance of each training job. What is set is remembered.

    Signals:
        changed(): something was chosen or typed.
        check_asked(): check the account for what is chosen.
    """

    changed = Signal()
    check_asked = Signal()

    def __init__(self, settings: SettingsFile) -> None:
        super().__init__("Instances")
        self._settings = settings
        self._extras = CloudResources()
        self.instance = QComboBox()
        self.instance.setEditable(True)
        self.instance.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.instance.addItems(list(snapshot()["training_usd_per_hour"]))
        self.instance.setMinimumContentsLength(8)
        self.instance.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.hours = padded(QDoubleSpinBox())
        self.hours.setRange(0.1, 120.0)
        self.hours.setDecimals(1)
        self.hours.setSuffix(" h")
        self.limit = padded(QDoubleSpinBox())
        self.limit.setRange(0.0, 100_000.0)
        self.limit.setPrefix("$")
        self.limit.setSpecialValueText("None")
        self.volume = padded(QSpinBox())
        self.volume.setRange(1, 16384)
        self.volume.setSuffix(" GB")
        for spin in (self.hours, self.volume, self.limit):
            spin.setFixedHeight(self.instance.sizeHint().height())
        self.spot = QCheckBox("Spot instances")
        self.spot.setToolTip("Spare machines: cheaper, but AWS may take them away for a while; the job then goes on")
        self.more = button("Network, keys, tags…", kind="link", tip="VPC, network isolation, encryption key and tags")
        self.check = button("Check the account…", kind="link", tip="Rights, bucket, role and quota; nothing is billed")
        self.check.clicked.connect(self.check_asked)
        self.add_action(self.check)
        self.fields = {
            "instance_type": Field("Instance type", self.instance, "Any type that SageMaker trains on can be typed."),
            "max_runtime_s": Field("Longest run", self.hours, "A training job that takes longer is ended."),
            "cap_usd": Field(
                "Cost limit", self.limit, "The job is stopped once its training has cost this much, about."
            ),
            "volume_gb": Field("Disk", self.volume, "For pictures, features and the model of one training job."),
        }
        line = row(*self.fields.values())
        line.setStretch(0, 1)
        for at, name in enumerate(self.fields):
            line.setAlignment(self.fields[name], Qt.AlignmentFlag.AlignTop)
            self.fields[name].setMinimumWidth(180 if at == 0 else 88)
        self.body.addLayout(line)
        self.body.addLayout(row(self.spot, None, self.more))
        self._recall()
        self.instance.currentTextChanged.connect(self._on_changed)
        self.hours.valueChanged.connect(self._on_changed)
        self.volume.valueChanged.connect(self._on_changed)
        self.limit.valueChanged.connect(self._on_changed)
        self.spot.toggled.connect(self._on_changed)
        self.more.clicked.connect(self._show_more)

    # What it holds ---------------------------------------------------------------------------------------------

    @property
    def max_runtime_s(self) -> int:
        """The longest run of one training job in seconds."""
        return round(self.hours.value() * 3600)

    @property
    def cap_usd(self) -> float | None:
        """Dollars at which the job is stopped; None: never."""
        return self.limit.value() or None

    @property
    def resources(self) -> CloudResources:
        """What is set."""
        return dataclasses.replace(
            self._extras,
            instance_type=self.instance.currentText().strip(),
            volume_gb=self.volume.value(),
            spot=self.spot.isChecked(),
        )

    def apply(self, spec: Spec) -> Spec:
        """A spec that runs on what is set here.

        Raises:
            SpecError: SageMaker cannot do what it asks for; `field` is the one at fault.
        """
        from core.engines.sagemaker.definition import check

        resources = self.resources
        if not resources.instance_type.startswith("ml."):
            raise SpecError(
                f"{resources.instance_type or 'Nothing'} is no instance type of SageMaker.",
                fix="Choose one, for instance ml.m5.xlarge.",
                field="instance_type",
            )
        training = spec.training if isinstance(spec, TuningSpec) else spec
        training = dataclasses.replace(training, cloud=resources, max_runtime_s=self.max_runtime_s)
        made: Spec = dataclasses.replace(spec, training=training) if isinstance(spec, TuningSpec) else training
        check(made)
        return made

    def show_resources(self, resources: CloudResources, max_runtime_s: int) -> None:
        """Show these."""
        blocked = self.blockSignals(True)
        self._extras = resources
        self.instance.setCurrentText(resources.instance_type)
        self.volume.setValue(resources.volume_gb)
        self.spot.setChecked(resources.spot)
        self.hours.setValue(max_runtime_s / 3600)
        self.blockSignals(blocked)
        self.changed.emit()

    def show_spec(self, spec: Spec) -> None:
        """Show what a job was asked for; one of this computer changes nothing."""
        training = spec.training if isinstance(spec, TuningSpec) else spec
        if training.cloud is not None:
            self.show_resources(training.cloud, training.max_runtime_s)

    def show_error(self, error: SpecError | None) -> None:
        """Mark the field at fault, if it is one of these."""
        for name, field in self.fields.items():
            field.show_error(error if error is not None and error.field == name else None)

    # Memory ----------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Keep what is set for the next time.

        Raises:
            UserFacingError: the settings cannot be written.
        """
        data = dataclasses.asdict(self.resources) | {"max_runtime_s": self.max_runtime_s, "cap": self.limit.value()}
        self._settings.remember(_STATE, {key: _plain(value) for key, value in data.items()})

    def _recall(self) -> None:
        data = self._settings.recall(_STATE)
        try:
            resources, runtime, cap = _from_json(data) if data else _DEFAULTS
        except (TypeError, ValueError, KeyError, AttributeError):
            resources, runtime, cap = _DEFAULTS  # written by another version
        self.limit.setValue(cap)
        self.show_resources(resources, runtime)

    def _on_changed(self) -> None:
        self.changed.emit()

    def _show_more(self) -> None:
        dialog = ExtrasDialog(self.window(), self._extras)
        dialog.accepted.connect(lambda: self._take(dialog.extras))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _take(self, extras: CloudResources) -> None:
        self._extras = extras
        self.changed.emit()


class ExtrasDialog(QDialog):
    """Subnets and security groups, network isolation, an encryption key, tags; `extras` is what was accepted."""

    def __init__(self, parent: QWidget | None, extras: CloudResources) -> None:
        super().__init__(parent)
        self.setWindowTitle("Network, keys, tags")
        self.setModal(True)
        self.extras = extras
        self.subnets = QLineEdit(", ".join(extras.subnets))
        self.subnets.setPlaceholderText("subnet-…, subnet-…")
        self.groups = QLineEdit(", ".join(extras.security_groups))
        self.groups.setPlaceholderText("sg-…")
        self.isolation = QCheckBox("Network isolation: the container reaches no network")
        self.isolation.setChecked(extras.network_isolation)
        self.key = QLineEdit(extras.kms_key)
        self.key.setPlaceholderText("AWS's own keys")
        self.tags = QPlainTextEdit("\n".join(f"{key}={value}" for key, value in extras.tags.items()))
        self.tags.setPlaceholderText("project=pets")
        self.tags.setTabChangesFocus(True)
        self.tags.setFixedHeight(72)
        self.groups_field = Field("Security groups of your VPC", self.groups)
        self.tags_field = Field("Tags, one KEY=VALUE a line", self.tags)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label("Network, keys, tags", "card"))
        box.addWidget(Field("Subnets of your VPC", self.subnets, "Empty: SageMaker's own network."))
        box.addWidget(self.groups_field)
        box.addWidget(self.isolation)
        box.addWidget(Field("KMS key for disk and output", self.key, "A key's id or ARN."))
        box.addWidget(self.tags_field)
        cancel, done = button("Cancel", kind="ghost"), button("Done", kind="primary")
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
            None if wrong is None else UserFacingError(f"{wrong} is no tag.", fix="Write KEY=VALUE.")
        )
        self.groups_field.show_error(
            UserFacingError("A VPC needs both, subnets and security groups.", fix="Give the other too.")
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
            kms_key=self.key.text().strip(),
            tags={key.strip(): value.strip() for key, _, value in pairs},
        )
        self.accept()


def _items(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


_DEFAULTS = (CloudResources(), round(DEFAULT_HOURS * 3600), 0.0)


def _from_json(data: dict[str, Any]) -> tuple[CloudResources, int, float]:
    known = {field.name for field in dataclasses.fields(CloudResources)}
    values: dict[str, Any] = {key: value for key, value in data.items() if key in known}
    for key in ("subnets", "security_groups"):
        values[key] = tuple(values[key])
    return CloudResources(**values), int(data["max_runtime_s"]), float(data.get("cap", 0.0))
