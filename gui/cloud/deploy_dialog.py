"""Deploy a job's model: how it is served, for how long, at what price, rehearsed here before anything is created."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QLineEdit, QVBoxLayout, QWidget

from core.cloud.hosting import Hosting, StrangersCode
from core.errors import EngineError, UserFacingError
from core.jobs.accuracy import percent
from core.jobs.job_names import unique_name
from core.jobs.records import TrainingJob
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.cloud.hosting_form import HostingForm
from gui.shared import formatting
from gui.shared.basics import button, label, row
from gui.shared.card import Card
from gui.shared.cost_text import dollars
from gui.shared.dialogs import Decision, GrowingDialog, Option
from gui.shared.feedback import Banner, InlineError, ProgressRow
from gui.shared.preflight_list import PreflightDialog

if TYPE_CHECKING:
    from core.cloud.hosting import Rehearsal


@dataclass(frozen=True, slots=True)
class _Model:
    """What is deployed: the training job behind the choice, and a picture that its dataset has here."""

    job: str
    picture: Path | None


class DeployDialog(GrowingDialog):
    """Deploys to a new endpoint, or puts the model behind one that is there.

    Signals:
        deployed(str): the endpoint of that name is being created or updated.
    """

    deployed = Signal(str)

    def __init__(self, parent: QWidget | None, workbench: Workbench, bridge: Bridge, job: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Deploy"))
        self.setModal(True)
        self.setMinimumWidth(640)
        self._workbench, self._bridge, self._job = workbench, bridge, job
        self._deploying: Handle | None = None
        self._done = False
        self._make_controls()
        self._lay_out()
        self._connect()
        self._find_model()
        self._refresh()

    def _make_controls(self) -> None:
        self.form = HostingForm(self._workbench, self._bridge, unique_name(self._job[:20]))
        self.picture = QLineEdit()
        self.picture.setPlaceholderText(tr("A picture that the model should know"))
        self.browse = button(tr("Choose…"), icon_name="picture")
        self.progress, self.error = ProgressRow(), InlineError()
        self.outcome = Banner("", "done", "check-circle")
        self.outcome.set_text("")
        self.check = button(tr("Check the account…"), kind="link", tip=tr("Rights, role and quota; nothing is created"))
        self.deploy = button(tr("Rehearse and deploy"), icon_name="rocket", kind="primary")
        self.close_button = button(tr("Cancel"), kind="ghost")

    def _lay_out(self) -> None:
        rehearsal = Card(tr("Rehearsal on this computer"))
        rehearsal.add(label(_REHEARSAL, "muted", wrap=True))
        line = row(self.picture, self.browse)
        line.setStretch(0, 1)
        self.picture.setAccessibleName(tr("Picture for the rehearsal"))
        rehearsal.body.addLayout(line)
        rehearsal.add(self.progress)
        rehearsal.add(self.outcome)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("Deploy {job}").format(job=self._job), "card", wrap=True))
        box.addWidget(self.form)
        box.addWidget(rehearsal)
        box.addWidget(self.error)
        box.addStretch(1)
        box.addLayout(row(self.check, None, self.close_button, self.deploy))

    def _connect(self) -> None:
        self.form.changed.connect(self._refresh)
        self.form.failed.connect(self.error.show_error)
        self.picture.textChanged.connect(self._refresh)
        self.browse.clicked.connect(self._on_browse)
        self.check.clicked.connect(self._on_check)
        self.deploy.clicked.connect(self._on_deploy)
        self.close_button.clicked.connect(self.reject)
        self.progress.cancelled.connect(self.cancel)
        self.finished.connect(lambda _result: self.cancel())

    # What is chosen --------------------------------------------------------------------------------------------

    @property
    def hosting(self) -> Hosting:
        """Return how the model is to be served."""
        return self.form.hosting

    def _find_model(self) -> None:
        """Find the training job behind the choice, and the first test picture of its dataset that is here."""
        workbench, job = self._workbench, self._job

        def work(on_progress: OnProgress, cancel: CancelToken) -> _Model:
            found = workbench.jobs.find(job)
            if not isinstance(found, TrainingJob):
                if found.best_trial is None:
                    raise EngineError(
                        tr("{job} has no model yet.").format(job=job),
                        fix=tr("Wait until one of its trials has finished."),
                    )
                found = workbench.jobs.find(found.best_trial)
            version = found.dataset_version
            manifest = workbench.data.manifest(version) if version else None
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

    def _refresh(self) -> None:
        known = self.form.is_known
        self.deploy.setEnabled(bool(self.picture.text().strip()) and known and self._deploying is None)
        found = self.form.price_found
        usd = found.usd_per_hour if found is not None else None
        if self._done:
            text = tr("Done")
        elif usd is None:
            text = tr("Rehearse and update") if self.form.updates else tr("Rehearse and deploy")
        elif self.form.updates:
            text = tr("Rehearse and update, {price} an hour").format(price=dollars(usd))
        else:
            text = tr("Rehearse and deploy, {price} an hour").format(price=dollars(usd))
        self.deploy.setText(text)

    def _on_browse(self) -> None:
        dialog = QFileDialog(self, tr("A picture for the rehearsal"), str(Path(self.picture.text()).parent))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.picture.setText)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _on_check(self) -> None:
        cloud = self._workbench.cloud
        try:
            instance = self.hosting.instance_type
        except UserFacingError as error:
            self.error.show_error(error)
            return
        if cloud is None:
            self.error.show_error(EngineError(tr("There is no connection to AWS."), fix=tr("Connect first.")))
            return
        what = (
            tr("For an endpoint on {instance}.").format(instance=instance)
            if instance
            else tr("For a serverless endpoint, which has no such quota.")
        )
        checks = partial(cloud.preflight, endpoint_type=instance, jobs=False)
        dialog = PreflightDialog(self, self._bridge, what, checks)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    # Deploying -------------------------------------------------------------------------------------------------

    def _on_deploy(self) -> None:
        if self._done:
            self.accept()
        else:
            self._start(trusted=False)

    def _start(self, trusted: bool) -> None:
        try:
            hosting = self.hosting
        except UserFacingError as error:
            self.error.show_error(error)
            return
        workbench, job = self._workbench, self._job
        name, picture, updates = self.form.endpoint, Path(self.picture.text().strip()), self.form.updates

        def work(on_progress: OnProgress, cancel: CancelToken) -> Rehearsal:
            cloud = workbench.cloud
            if cloud is None:
                raise EngineError(tr("There is no connection to AWS."), fix=tr("Connect first."))
            bring = cloud.update_endpoint if updates else cloud.deploy
            return bring(job, name, hosting, picture, on_progress, cancel, trusted)

        self.error.clear()
        self.progress.start(tr("Fetching the archive"))
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
        sentence = (
            tr(
                "Rehearsed: the archive says {label}, {percent} sure, as the model does here, in {time}. {name} is"
                " being updated, and answers as before meanwhile; it takes some minutes."
            )
            if self.form.updates
            else tr(
                "Rehearsed: the archive says {label}, {percent} sure, as the model does here, in {time}. {name} is"
                " being created; it takes some minutes."
            )
        )
        sure, time = percent(rehearsal.classes[0][1]), formatting.duration(rehearsal.answer_s)
        self.outcome.set_text(sentence.format(label=rehearsal.label, percent=sure, time=time, name=name))
        self.close_button.hide()
        self.form.freeze()
        for control in (self.picture, self.browse):
            control.setEnabled(False)
        self._refresh()
        self.deployed.emit(name)

    def _on_failed(self, error: UserFacingError) -> None:
        self._deploying = None
        self.progress.finish()
        self._refresh()
        if isinstance(error, StrangersCode):
            self._ask_for_trust(error)
        else:
            self.error.show_error(error)

    def _ask_for_trust(self, error: UserFacingError) -> None:
        """Ask whether code that is not Sagehound's may run here and at the endpoint."""
        question = Decision(
            self,
            error.what,
            [
                error.why,
                tr("Without your keys in its environment, but with the rights of your user, it would run here."),
            ],
            [Option("cancel", tr("Cancel"), "primary"), Option("run", tr("I know it: run it"), "danger")],
            "warning",
            "warning",
        )
        question.ask(lambda answer: self._start(trusted=True) if answer == "run" else None)


_REHEARSAL = tr(
    "The exact archive is unpacked, loaded and asked about this picture here, with the functions that serve it on AWS."
    " Only if it answers as the model does here is anything created."
)
