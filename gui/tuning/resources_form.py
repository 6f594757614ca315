"""What a job on SageMaker runs on: machines, spot, longest run and wait, cost limit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox

from core.cloud.money import Machines, snapshot
from core.errors import SpecError
from core.jobs.spec_parts import CLOUD_RUNTIME_S
from core.jobs.specs import CloudResources, ManagedDebugger, Spec, TrainingSpec, TuningSpec
from core.settings import SettingsFile
from core.translation import tr
from gui.shared.basics import button, padded, row
from gui.shared.card import Card
from gui.shared.field import declared_box, declared_field, first_excess
from gui.tuning.extras_dialog import ExtrasDialog
from gui.tuning.managed_form import ManagedForm

_STATE = "tuning_resources"


class ResourcesForm(Card):
    """The instance of each training job. What is set is remembered.

    Args:
        check: raises `SpecError` where the cloud cannot do what a spec asks for.

    Signals:
        changed(): something was chosen or typed.
        check_asked(): check the account for what is chosen.
    """

    changed = Signal()
    check_asked = Signal()

    def __init__(self, settings: SettingsFile, check: Callable[[Spec], None]) -> None:
        super().__init__(tr("Instances"))
        self._check = check
        self._settings = settings
        self._extras = CloudResources()
        self.instance = QComboBox()
        self.instance.setEditable(True)
        self.instance.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.instance.addItems(list(snapshot()["training_usd_per_hour"]))
        self.instance.setMinimumContentsLength(8)
        self.instance.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.hours = padded(QDoubleSpinBox())
        self.hours.setDecimals(1)
        self.hours.setSuffix(" h")
        self.limit = padded(QDoubleSpinBox())
        self.limit.setPrefix("$")
        self.limit.setSpecialValueText(tr("None"))
        self.volume = padded(QSpinBox())
        self.volume.setSuffix(" GB")
        self.volume.setSpecialValueText(tr("By the data"))
        self.count = padded(QSpinBox())
        self.feature_machines = padded(QSpinBox())
        self.feature_instance = QComboBox()
        self.feature_instance.setEditable(True)
        self.feature_instance.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.feature_instance.addItems(["", *snapshot()["training_usd_per_hour"]])
        self.feature_instance.setMinimumContentsLength(8)
        line_edit = self.feature_instance.lineEdit()
        assert line_edit is not None
        line_edit.setPlaceholderText(tr("As above"))
        self.wait = padded(QDoubleSpinBox())
        self.wait.setDecimals(1)
        self.wait.setSuffix(" h")
        self.wait.setSpecialValueText(tr("Twice the run"))
        for spin in (self.hours, self.volume, self.limit, self.count, self.wait, self.feature_machines):
            spin.setFixedHeight(self.instance.sizeHint().height())
        self.spot = declared_box(CloudResources, "spot")
        self.more = button(
            tr("Network, keys, tags…"), kind="link", tip=tr("VPC, network isolation, encryption key and tags")
        )
        self.check = button(
            tr("Check the account…"), kind="link", tip=tr("Rights, bucket, role and quota; nothing is billed")
        )
        self.check.clicked.connect(self.check_asked)
        self.add_action(self.check)
        self.fields = {
            "instance_type": declared_field(CloudResources, "instance_type", self.instance),
            "instance_count": declared_field(CloudResources, "instance_count", self.count),
            "max_runtime_s": declared_field(TrainingSpec, "max_runtime_s", self.hours, per=3600),
            "cap_usd": declared_field(CloudResources, "cap_usd", self.limit),
            "volume_gb": declared_field(CloudResources, "volume_gb", self.volume),
        }
        self.hours.setMinimum(0.1)
        line = row(*self.fields.values())
        self.fields["feature_machines"] = declared_field(CloudResources, "feature_machines", self.feature_machines)
        kind = declared_field(CloudResources, "feature_instance_type", self.feature_instance)
        self.fields["feature_instance_type"] = kind
        self.fields["max_wait_s"] = declared_field(CloudResources, "max_wait_s", self.wait, per=3600)
        line.setStretch(0, 1)
        for at, field in enumerate(self.fields.values()):
            line.setAlignment(field, Qt.AlignmentFlag.AlignTop)
            field.setMinimumWidth(140 if at == 0 else 70)
        self.body.addLayout(line)
        self.body.addLayout(row(self.fields["feature_machines"], kind, None))
        self.body.addLayout(row(self.spot, self.fields["max_wait_s"], None, self.more))
        self.managed = ManagedForm()
        self.managed.changed.connect(self._on_changed)
        self.body.addWidget(self.managed)
        self.fields["max_wait_s"].hide()
        self.spot.toggled.connect(self.fields["max_wait_s"].setVisible)
        self._recall()
        for kinds in (self.instance, self.feature_instance):
            kinds.currentTextChanged.connect(self._on_changed)
        for spin in (self.count, self.hours, self.volume, self.limit, self.wait, self.feature_machines):
            spin.valueChanged.connect(self._on_changed)
        self.spot.toggled.connect(self._on_changed)
        self.more.clicked.connect(self._show_more)

    # What it holds ---------------------------------------------------------------------------------------------

    @property
    def max_runtime_s(self) -> int:
        """Return the longest run of one training job in seconds."""
        return round(self.hours.value() * 3600)

    @property
    def resources(self) -> CloudResources:
        """Return what is set."""
        return dataclasses.replace(
            self._extras,
            instance_type=self.instance.currentText().strip(),
            instance_count=self.count.value(),
            feature_machines=self.feature_machines.value(),
            feature_instance_type=self.feature_instance.currentText().strip(),
            volume_gb=self.volume.value() or None,
            spot=self.spot.isChecked(),
            max_wait_s=(round(self.wait.value() * 3600) or None) if self.spot.isChecked() else None,
            cap_usd=self.limit.value() or None,
            managed=self.managed.value,
        )

    def apply(self, spec: Spec) -> Spec:
        """Return a spec that runs on what is set here.

        Raises:
            SpecError: SageMaker cannot do what it asks for; `field` is the one at fault.
        """
        if (excess := first_excess(self.fields)) is not None:
            raise excess
        resources = self.resources
        for field in ("instance_type", "feature_instance_type"):
            kind = getattr(resources, field) or (resources.instance_type if field != "instance_type" else "")
            if not kind.startswith("ml."):
                raise SpecError(
                    tr("{name!r} is not an instance type of SageMaker.").format(name=kind),
                    fix=tr("Choose one, for instance ml.m5.xlarge."),
                    field=field,
                )
        if isinstance(spec, TuningSpec):
            resources = dataclasses.replace(resources, managed=None)  # AWS has none for trials
        made = spec.with_training(cloud=resources, max_runtime_s=self.max_runtime_s)
        self._check(made)
        return made

    def show_resources(self, resources: CloudResources, max_runtime_s: int) -> None:
        """Show these."""
        blocked = self.blockSignals(True)
        self._extras = resources
        self.instance.setCurrentText(resources.instance_type)
        self.count.setValue(resources.instance_count)
        self.feature_machines.setValue(resources.feature_machines)
        self.feature_instance.setCurrentText(resources.feature_instance_type)
        self.volume.setValue(resources.volume_gb or 0)
        self.limit.setValue(resources.cap_usd or 0.0)
        self.wait.setValue((resources.max_wait_s or 0) / 3600)
        self.spot.setChecked(resources.spot)
        self.hours.setValue(max_runtime_s / 3600)
        self.managed.show_managed(resources.managed)
        self.blockSignals(blocked)
        self.changed.emit()

    def take_machines(self, machines: Machines) -> None:
        """Compute features on these."""
        self.feature_machines.setValue(machines.count)
        kind = machines.instance_type
        self.feature_instance.setCurrentText("" if kind == self.instance.currentText().strip() else kind)

    def show_spec(self, spec: Spec) -> None:
        """Show what a job was asked for; one of this computer changes nothing."""
        training = spec.training
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
        resources = dataclasses.replace(self.resources, managed=self.managed.chosen)
        data = dataclasses.asdict(resources) | {"max_runtime_s": self.max_runtime_s}
        self._settings.remember(_STATE, {key: _plain(value) for key, value in data.items()})

    def _recall(self) -> None:
        data = self._settings.recall(_STATE)
        try:
            resources, runtime = _from_json(data) if data else _DEFAULTS
        except (TypeError, ValueError, KeyError, AttributeError):
            resources, runtime = _DEFAULTS  # written by another version
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


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


_DEFAULTS = (CloudResources(), CLOUD_RUNTIME_S)


def _from_json(data: dict[str, Any]) -> tuple[CloudResources, int]:
    known = {field.name for field in dataclasses.fields(CloudResources)}
    values: dict[str, Any] = {key: value for key, value in data.items() if key in known}
    for key in ("subnets", "security_groups"):
        values[key] = tuple(values[key])
    if values.get("managed") is not None:
        values["managed"] = ManagedDebugger(**values["managed"])
    return CloudResources(**values), int(data["max_runtime_s"])
