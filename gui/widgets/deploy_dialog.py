"""Deploy a job's model: how it is served, for how long, at what price, rehearsed here before anything is created."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QDialog, QFileDialog, QLineEdit, QVBoxLayout, QWidget

from core.engines.sagemaker.endpoints import DEFAULT_LIFETIME_S, SERVERLESS_MEMORY_MB, Hosting
from core.engines.sagemaker.pricing import Price, snapshot
from core.errors import EngineError, UserFacingError
from core.jobs.names import unique_name
from core.jobs.records import TrainingJob
from core.predict.records import percent
from core.progress import CancelToken, Report
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.models import words
from gui.models.cost_lines import dollars
from gui.widgets.basics import button, label, row
from gui.widgets.card import Card
from gui.widgets.feedback import Banner, InlineError, ProgressRow
from gui.widgets.field import Field

if TYPE_CHECKING:
    from core.engines.sagemaker.rehearsal import Rehearsal

_LIFETIMES = ((1, "1 hour"), (2, "2 hours"), (8, "8 hours"), (24, "1 day"), (0, "Until I delete it"))
_MEMORY_GB = (2, 3, 4, 5, 6)


@dataclass(frozen=True, slots=True)
class _Model:
    """What is deployed: the training job behind the choice, and a picture that its dataset has here."""

    job: str
    picture: Path | None


class DeployDialog(QDialog):
    """Serverless first: it costs nothing while nobody asks.

    Signals:
        deployed(str): the endpoint of that name is being created.
    """

    deployed = Signal(str)

    def __init__(self, parent: QWidget | None, workbench: Workbench, bridge: Bridge, job: str) -> None:
        super().__init__(parent)
        self.setWindowTitle("Deploy")
        self.setModal(True)
        self.setMinimumWidth(560)
        self._workbench, self._bridge, self._job = workbench, bridge, job
        self._deploying: Handle | None = None
        self._pricing: Handle | None = None
        self._price: Price | None = None
        self._done = False
        self._make_controls()
        self._lay_out()
        self._connect()
        self._find_model()
        self._ask_price()

    def _make_controls(self) -> None:
        self.name = QLineEdit(unique_name(self._job[:20]))
        self.kind, self.memory, self.lifetime = QComboBox(), QComboBox(), QComboBox()
        self.kind.addItem("Serverless (proposed)", "")
        for name, price in snapshot()["hosting_usd_per_hour"].items():
            usd = price["usd"]
            self.kind.addItem(name, name)
            self.kind.setItemData(self.kind.count() - 1, f"about {dollars(usd)} an hour", 3)
        for gigabytes in _MEMORY_GB:
            self.memory.addItem(f"{gigabytes} GB", 1024 * gigabytes)
        self.memory.setCurrentIndex(self.memory.findData(SERVERLESS_MEMORY_MB))
        for hours, text in _LIFETIMES:
            self.lifetime.addItem(text, hours * 3600.0 or None)
        self.lifetime.setCurrentIndex(self.lifetime.findData(float(DEFAULT_LIFETIME_S)))
        self.picture = QLineEdit()
        self.picture.setPlaceholderText("A picture that the model should know")
        self.browse = button("Choose…", icon_name="picture")
        self.price = label("", "muted", wrap=True)
        self.progress, self.error = ProgressRow(), InlineError()
        self.outcome = Banner("", "done", "check-circle")
        self.outcome.set_text("")
        self.deploy = button("Rehearse and deploy", icon_name="rocket", kind="primary")
        self.close_button = button("Cancel", kind="ghost")

    def _lay_out(self) -> None:
        card = Card()
        self.name_field = Field("Name of the endpoint", self.name)
        self.memory_field = Field("Memory", self.memory, "The model and the container have to fit.")
        kind = Field(
            "Served by", self.kind, "A serverless endpoint sleeps while nobody asks; the first answer is slow."
        )
        life = Field("Lifetime", self.lifetime, "Deleted then while Sagehound runs; a closed laptop deletes nothing.")
        choices = row(kind, self.memory_field, life)
        choices.setStretch(0, 1)
        card.add(self.name_field)
        card.body.addLayout(choices)
        card.add(self.price)
        rehearsal = Card("Rehearsal on this computer")
        rehearsal.add(label(_REHEARSAL, "muted", wrap=True))
        line = row(self.picture, self.browse)
        line.setStretch(0, 1)
        self.picture.setAccessibleName("Picture for the rehearsal")
        rehearsal.body.addLayout(line)
        rehearsal.add(self.progress)
        rehearsal.add(self.outcome)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label(f"Deploy {self._job}", "card", wrap=True))
        box.addWidget(card)
        box.addWidget(rehearsal)
        box.addWidget(self.error)
        box.addStretch(1)
        box.addLayout(row(None, self.close_button, self.deploy))

    def _connect(self) -> None:
        self.kind.currentIndexChanged.connect(self._ask_price)
        self.lifetime.currentIndexChanged.connect(self._show_price)
        self.memory.currentIndexChanged.connect(self._show_price)
        self.picture.textChanged.connect(self._refresh)
        self.browse.clicked.connect(self._on_browse)
        self.deploy.clicked.connect(self._on_deploy)
        self.close_button.clicked.connect(self.reject)
        self.progress.cancelled.connect(self.cancel)
        self.finished.connect(lambda _result: self.cancel())

    # What is chosen --------------------------------------------------------------------------------------------

    @property
    def hosting(self) -> Hosting:
        """How the model is to be served."""
        return Hosting(str(self.kind.currentData()), int(self.memory.currentData()), self.lifetime.currentData())

    def _find_model(self) -> None:
        """The training job behind the choice, and the first test picture of its dataset that is here."""
        workbench, job = self._workbench, self._job

        def work(report: Report, cancel: CancelToken) -> _Model:
            found = workbench.find_job(job)
            if not isinstance(found, TrainingJob):
                if found.best_trial is None:
                    raise EngineError(f"{job} has no model yet.", fix="Wait until one of its trials has finished.")
                found = workbench.find_job(found.best_trial)
            version = getattr(found, "dataset_version", "")
            manifest = workbench.manifest(version) if version else None
            if manifest is None:
                return _Model(found.name, None)
            entries = manifest.of("test") or manifest.of("valid")
            files = (manifest.root / entry.path for entry in entries[:50])
            return _Model(found.name, next((file for file in files if file.is_file()), None))

        def done(model: _Model) -> None:
            self._job = model.job
            if model.picture is not None and not self.picture.text():
                self.picture.setText(str(model.picture))
            self._refresh()

        self._bridge.run(work, done, self.error.show_error)

    def _ask_price(self) -> None:
        """What the chosen instance costs an hour."""
        instance, workbench = str(self.kind.currentData()), self._workbench
        self.memory_field.setVisible(not instance)
        self._price = None
        if self._pricing is not None:
            self._pricing.cancel()
        self._show_price()
        if not instance:
            return

        def work(report: Report, cancel: CancelToken) -> Price | None:
            cloud = workbench.cloud
            return cloud.prices.price(instance, "Hosting") if cloud is not None else None

        def done(price: Price | None) -> None:
            self._price = price
            self._show_price()

        self._pricing = self._bridge.run(work, done, self.error.show_error)

    def _show_price(self) -> None:
        hosting = self.hosting
        if not hosting.instance_type:
            second = snapshot()["serverless_usd_per_gb_second"] * hosting.memory_mb / 1024
            self.price.setText(
                f"It costs nothing while nobody asks, and about ${second:.5f} for each second of answering "
                f"(dated snapshot of {snapshot()['dated']}, an estimate). The first answer after a while takes longer."
            )
        elif self._price is None:
            self.price.setText("Asking for the price…")
        else:
            self.price.setText(_instance_price(self._price, hosting.lifetime_s))
        self._refresh()

    def _refresh(self) -> None:
        known = not self.hosting.instance_type or self._price is not None
        self.deploy.setEnabled(bool(self.picture.text().strip()) and known and self._deploying is None)
        usd = self._price.usd_per_hour if self._price is not None else None
        price = f", {dollars(usd)} an hour" if usd is not None else ""
        self.deploy.setText("Done" if self._done else f"Rehearse and deploy{price}")

    def _on_browse(self) -> None:
        dialog = QFileDialog(self, "A picture for the rehearsal", str(Path(self.picture.text()).parent))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.picture.setText)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    # Deploying -------------------------------------------------------------------------------------------------

    def _on_deploy(self) -> None:
        if self._done:
            self.accept()
            return
        try:
            hosting = self.hosting
        except UserFacingError as error:
            self.error.show_error(error)
            return
        workbench, job = self._workbench, self._job
        name, picture = self.name.text().strip(), Path(self.picture.text().strip())

        def work(report: Report, cancel: CancelToken) -> Rehearsal:
            cloud = workbench.cloud
            if cloud is None:
                raise EngineError("There is no connection to AWS.", fix="Connect first.")
            return cloud.deploy(job, name, hosting, picture, report, cancel)

        self.error.clear()
        self.progress.start("Fetching the archive")
        self._deploying = self._bridge.run(
            work, lambda rehearsal: self._on_deployed(name, rehearsal), self._on_failed, self.progress.update_progress
        )
        self._refresh()

    def cancel(self) -> None:
        """Stop before anything is created."""
        if self._deploying is not None:
            self._deploying.cancel()
            self._deploying = None
        self.progress.finish()
        self._refresh()

    def _on_deployed(self, name: str, rehearsal: Rehearsal) -> None:
        self._deploying = None
        self.progress.finish()
        self._done = True
        self.outcome.set_text(
            f"Rehearsed: the archive says {rehearsal.label}, {percent(rehearsal.classes[0][1])} sure, as the model "
            f"does here, in {words.duration(rehearsal.answer_s)}. {name} is being created; it takes some minutes."
        )
        self.close_button.hide()
        for control in (self.name, self.kind, self.memory, self.lifetime, self.picture, self.browse):
            control.setEnabled(False)
        self._refresh()
        self.deployed.emit(name)

    def _on_failed(self, error: UserFacingError) -> None:
        self._deploying = None
        self.progress.finish()
        self._refresh()
        self.error.show_error(error)


_REHEARSAL = (
    "The exact archive is unpacked, loaded and asked about this picture here, with the functions that serve it on AWS. "
    "Only if it answers as the model does here is anything created."
)


def _instance_price(price: Price, lifetime_s: float | None) -> str:
    if price.usd_per_hour is None:
        return f"Its price is not known: {price.source}."
    day = f"{dollars(24 * price.usd_per_hour)} a day"
    life = "" if lifetime_s is None else f"{dollars(price.usd_per_hour * lifetime_s / 3600)} for its lifetime, "
    return f"{dollars(price.usd_per_hour)} an hour, asked or not: {life}{day} if it is left ({price.source})."
