"""The use cases of Sagehound. The window and the command line call this, and nothing deeper.

Every method may block on disk or network, so none is for the UI thread; each takes a `OnProgress` and a `CancelToken`
where it can take longer than a moment.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from core.engine import Engine
from core.errors import Cancelled, DatasetError, EngineError, JobNotFound, ModelError, SpecError
from core.jobs.records import Job, RuleOutcome, TrainingJob, TuningJob
from core.jobs.specs import Spec, TrainingSpec, TuningSpec
from core.paths import AppPaths
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.settings import SettingsFile
from training_scripts.backbones import DEFAULT_BACKBONE

if TYPE_CHECKING:
    from core.check.findings import Finding
    from core.cloud.account import Connection
    from core.cloud.interface import Cloud, CloudProvider, UploadResult
    from core.dataset.manifest import Manifest
    from core.dataset.records import Picture, ReadOptions, Scan
    from core.features.dataset_features import PictureFeatures
    from core.formats.writing import WrittenDataset
    from core.jobs.footprint import Footprint
    from core.labels.disk import Written
    from core.labels.session import Labelling
    from core.labels.suggest import Suggester
    from core.models import Model, ModelAddress
    from core.models.choices import ModelChoice
    from core.models.export import Exported
    from core.predict.compare import Comparison
    from core.predict.evaluate import Evaluation
    from core.predict.predictor import Predictor
    from core.report import Run
    from core.tuning.forecast import Forecast

DEFAULT_FRACTIONS = (0.7, 0.15, 0.15)


class Workbench:
    """One installation: its files, its settings, its store, the engine in use and, on demand, one predictor.

    Args:
        paths: where files are kept.
        engine: the engine to use; the embedded local engine when None.
    """

    def __init__(self, paths: AppPaths, engine: Engine | None = None) -> None:
        from core.store import Store

        self.paths = paths.create()
        self.settings = SettingsFile(paths.settings)
        self.store = Store(paths.database)
        self._engine = engine
        self._engine_lock = threading.Lock()
        self._connection: Connection | None = None
        self._predictor: Predictor | None = None
        self._remembered: Manifest | None = None

    @property
    def engine(self) -> Engine:
        """The engine in use. The local one is made when it is first asked for: a window is painted before that."""
        with self._engine_lock:
            if self._engine is None:
                self._engine = self._default_engine()
            return self._engine

    def close(self) -> None:
        """Release the predictor, the engine and the store; jobs go on."""
        if self._predictor is not None:
            self._predictor.close()
            self._predictor = None
        if self._engine is not None:
            self._engine.close()
        self.store.close()

    @cached_property
    def provider(self) -> CloudProvider:
        """Return the cloud that jobs can be started on."""
        from core.engines.clouds import cloud_provider

        return cloud_provider()

    def use_cloud(self, connection: Connection) -> Cloud:
        """Start jobs on the cloud; those of this machine are looked after as before.

        Raises:
            EngineError: bucket or role are not chosen.
        """
        from core.engines.local.engine import LocalEngine
        from core.engines.routing import RoutingEngine

        cloud = self.provider.open(connection, self.paths, self.store)
        self._connection = connection
        with self._engine_lock:
            before, local = self._engine, LocalEngine(self.paths, self.store)
            self._engine = RoutingEngine(cloud, [local], self.store)
        if before is not None:
            before.close()
        return cloud

    @property
    def connection(self) -> Connection:
        """Return the connection in use, else the one that worked last."""
        from core.cloud.account import Connection

        return self._connection or Connection.recall(self.settings)

    def remember_connection(self) -> None:
        """Use the connection in use the next time too, where no other is named: it has worked."""
        if self._connection is not None:
            self._connection.remember(self.settings)

    def use_local(self) -> None:
        """Start jobs on this machine; those on a cloud are followed where a connection is known."""
        with self._engine_lock:
            before, self._engine = self._engine, self._default_engine()
        if before is not None:
            before.close()

    @property
    def cloud(self) -> Cloud | None:
        """Return the cloud's engine, where new jobs start or old ones are followed; None without a connection."""
        from core.cloud.interface import Cloud
        from core.engines.routing import RoutingEngine

        engine: Engine | None = self.engine
        if isinstance(engine, RoutingEngine):
            engine = engine.engine(self.provider.name)
        return engine if isinstance(engine, Cloud) else None

    def _default_engine(self) -> Engine:
        """Jobs start on this machine; those that run on a cloud are followed where a connection is known."""
        from core.cloud.account import Connection
        from core.engines.local.engine import LocalEngine

        local, connection = LocalEngine(self.paths, self.store), Connection.recall(self.settings)
        if not connection.is_complete:
            return local
        from core.engines.routing import RoutingEngine

        return RoutingEngine(local, [self.provider.open(connection, self.paths, self.store)], self.store)

    # Data

    def scan(
        self,
        folder: Path,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        on_found: Callable[[Sequence[Picture]], None] | None = None,
        options: ReadOptions | None = None,
        *,
        unlabelled: bool = False,
    ) -> Scan:
        """Read a dataset: a folder, a file of labels, or an archive; see `core.dataset.scan`.

        Raises:
            DatasetError: it cannot be read; `offers` are the ways to read it all the same.
            Cancelled: through `cancel`.
        """
        from core.dataset import scan
        from core.formats.opening import open_source

        found = open_source(folder, options, self.paths.imports, on_progress, cancel)
        cache = self.paths.scans
        return scan(
            found.folder,
            cache=cache,
            on_progress=on_progress,
            cancel=cancel,
            on_found=on_found,
            options=found.options,
            unlabelled=unlabelled,
        )

    def convert(
        self,
        source: Path,
        format_name: str,
        target: Path,
        options: ReadOptions | None = None,
        fractions: tuple[float, float, float] | None = None,
        seed: int = 0,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> WrittenDataset:
        """Write a dataset as another format; with `fractions`, or where the format needs it, with a split of ours.

        Raises:
            DatasetError: it cannot be read, or the format cannot hold it.
            Cancelled: through `cancel`; nothing stays.
        """
        from core.formats.opening import open_source
        from core.formats.registry import format_named, read_listing
        from core.formats.walk import Walk
        from core.formats.writing import write_dataset

        format_ = format_named(format_name)
        found = open_source(source, options, self.paths.imports, on_progress, cancel)
        listing = read_listing(Walk(found.folder, cancel or CancelToken()), found.options)
        ours = fractions is not None or (format_.writer and format_.writer.splits and listing.layout != "splits")
        splits = None
        if ours or self.store.label_events(str(listing.root)):
            scan = self.scan(found.folder, on_progress, cancel, options=found.options)
            self.labelling(scan).state.apply_to(listing, scan)
            if ours:
                manifest = self.split(scan, fractions or DEFAULT_FRACTIONS, seed)
                splits = {entry.path: entry.split for entry in manifest.pictures}
        return write_dataset(listing, format_, target, splits, on_progress, cancel)

    def write_dataset(
        self,
        manifest: Manifest,
        format_name: str,
        target: Path,
        with_split: bool = True,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> WrittenDataset:
        """Copy a dataset version's pictures into a new folder as they are labelled and, if so asked, split.

        Raises:
            DatasetError: the folder is there already or cannot be made, or the format cannot hold it.
            Cancelled: through `cancel`; nothing stays.
        """
        from core.formats.records import Example, Listing
        from core.formats.registry import format_named
        from core.formats.writing import write_dataset

        format_, classes = format_named(format_name), manifest.classes
        splits = with_split or bool(format_.writer and format_.writer.splits)
        listing = Listing(manifest.root, layout="splits" if splits else "classes")
        listing.examples = [
            Example(entry.path, frozenset((classes[entry.label],)), entry.split if splits else None)
            for entry in manifest.pictures
        ]
        return write_dataset(listing, format_, target, None, on_progress, cancel)

    def split(self, scan: Scan, fractions: tuple[float, float, float] = DEFAULT_FRACTIONS, seed: int = 0) -> Manifest:
        """Split a scanned folder into train, valid and test as its labels are now; nobody's files are touched."""
        from core.dataset import split

        state = self.labelling(scan).state
        return split(state.apply(scan), fractions, seed, state.splits)

    def labelling(self, scan: Scan) -> Labelling:
        """Return what reads and changes the labels of a scanned folder: `label`, `exclude`, `undo` and the rest."""
        from core.labels.session import Labelling

        return Labelling(self.store, scan)

    def write_labels(
        self,
        scan: Scan,
        target: Path,
        move: bool = False,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> Written:
        """Copy or move pictures into class folders as their labels are; see `core.labels.disk`.

        Raises:
            DatasetError: the target is in use, a picture has changed, or the disk is full.
            Cancelled: through `cancel`; the next call goes on.
        """
        from core.labels.disk import write_labels

        return write_labels(scan, self.labelling(scan).state, target, move, on_progress, cancel)

    def check(
        self, scan: Scan, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> list[Finding]:
        """Return what may be wrong with a scanned folder and its labels, gravest first; see `core.check`.

        Raises:
            EngineError: the frozen features could not be computed.
            Cancelled: through `cancel`.
        """
        from core.check.check import check
        from core.features.dataset_features import dataset_features

        state = self.labelling(scan).state
        try:
            splits = {entry.path: entry.split for entry in self.split(scan).pictures}
        except DatasetError:
            splits = {}  # nothing can be trained on yet, so nothing is split
        return check(scan, state, splits, dataset_features(scan, self.paths, on_progress, cancel), on_progress, cancel)

    def suggester(
        self, scan: Scan, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Suggester:
        """Return what suggests labels for a scanned folder; computes the frozen features that are not there yet.

        Raises:
            EngineError: they could not be computed.
            Cancelled: through `cancel`; what was computed is kept.
        """
        from core.features.dataset_features import dataset_features
        from core.labels.suggest import Suggester

        return Suggester(dataset_features(scan, self.paths, on_progress, cancel), cancel)

    def features(
        self, scan: Scan, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> PictureFeatures:
        """Return the frozen features of a scan's pictures; what no job has computed before is computed now.

        Raises:
            EngineError: they could not be computed.
            Cancelled: through `cancel`; what was computed so far is kept.
        """
        from core.features.dataset_features import dataset_features

        return dataset_features(scan, self.paths, on_progress, cancel)

    def remember(self, manifest: Manifest) -> Path:
        """Keep a dataset version's manifest; returns its file."""
        file = self.paths.datasets / f"{manifest.version}.json"
        if manifest is not self._remembered or not file.is_file():  # a start keeps what the Data tab has kept
            manifest.save(file)
            self.store.remember_dataset(manifest.version, str(manifest.root), str(file))
            self._remembered = manifest
        return file

    def manifest(self, version: str) -> Manifest | None:
        """Return the manifest of a dataset version that was remembered, or None."""
        from core.dataset.manifest import Manifest

        file = self.paths.datasets / f"{version}.json"
        return Manifest.load(file) if file.is_file() else None

    def upload(
        self,
        manifest: Manifest,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        paused: Callable[[], bool] = lambda: False,
    ) -> UploadResult:
        """Put a dataset version into the bucket ahead of a job; nothing new is begun while `paused()`.

        Raises:
            EngineError: there is no connection to AWS, or S3 refused.
            Cancelled: through `cancel`; what was sent stays, and is not sent again.
        """
        cloud = self.cloud
        if cloud is None:
            raise EngineError("There is no connection to AWS.", fix="Connect first.")
        self.remember(manifest)
        return cloud.upload(manifest, on_progress, cancel, paused)

    # Jobs

    def forecast(self, spec: Spec, manifest: Manifest | None) -> Forecast:
        """Return what a job will do: combinations, time, warnings."""
        from core.tuning.forecast import forecast

        return forecast(spec, manifest, self.store)

    def launch(
        self,
        spec: Spec,
        manifest: Manifest,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> str:
        """Check everything that can be checked, make weights and data ready, and start the job; returns its name.

        Raises:
            SpecError: a hyperparameter or a metric's regex does not fit the script, or the engine refuses the spec.
            WeightsUnavailable: pretrained weights cannot be had.
            Cancelled: through `cancel`; nothing was started.
        """
        from core.jobs.contract import check_metrics
        from core.jobs.declared import check_capabilities
        from core.jobs.hyperparameters import check_hyperparameters
        from core.weights import ensure

        check_hyperparameters(spec, self.engine.own_script)
        check_capabilities(spec, self.engine.capabilities)
        check_metrics(spec.training)
        for backbone in _backbones(spec):
            if spec.training.hyperparameters.get("weights", "default") == "default":
                ensure(backbone, self.paths, on_progress, cancel)
        self.remember(manifest)
        on_progress(Progress(0, None, "Making the data ready"))
        channels = self.engine.stage(manifest, on_progress, cancel)
        size = manifest.measure() if self.engine.capabilities.costs_money else 0
        if cancel is not None and cancel.cancelled:
            raise Cancelled
        self.engine.start(
            spec.with_training(
                channels=channels,
                dataset_version=manifest.version,
                dataset_path=str(manifest.root),
                dataset_bytes=size,
            )
        )
        self.remember_connection()
        return spec.name

    def training_spec_of(self, trial: str, name: str) -> TrainingSpec:
        """Return the spec of a job or trial, to be trained again as the job `name`."""
        spec = self.engine.spec(trial)
        if isinstance(spec, TuningSpec):
            raise SpecError(f"{trial} is a tuning job.", fix="Choose one of its trials.", field="name")
        if spec.command:
            raise SpecError(
                f"{trial} is a script of your own.", fix=f"Run it again: sagehound watch -- {' '.join(spec.command)}"
            )
        return dataclasses.replace(spec, name=name)

    def find_job(self, name: str) -> Job:
        """Return a job by name; "best" is the best trial of the latest tuning job, "latest" the latest job.

        Raises:
            JobNotFound: there is none.
        """
        if name == "best":
            choice = self.best_model()
            if choice is None:
                raise JobNotFound("There is no best trial yet.", "No tuning job has finished a trial.", "Tune first.")
            return self.engine.job(choice.job)
        if name == "latest":
            jobs = self.engine.jobs()
            if not jobs:
                raise JobNotFound("There is no job yet.", fix="Start one with tune or train.")
            return jobs[0]
        return self.engine.job(name)

    def footprint(self, name: str, cancel: CancelToken | None = None) -> Footprint:
        """Return what deleting a job takes away: its trials and the room that its files take.

        Raises:
            JobNotFound: there is none of that name.
        """
        from core.jobs.footprint import footprint

        return footprint(self.engine, name, cancel)

    # Models

    def models(self) -> list[ModelChoice]:
        """Return the models that can be loaded, newest job first."""
        from core.models.choices import available_models

        return available_models(self.engine)

    def best_model(self, dataset: Manifest | None = None) -> ModelChoice | None:
        """Return the best model on a dataset; without one, or without a model on it, see `core.models.choices`."""
        from core.models.choices import best_model

        return best_model(self.engine, dataset)

    def dataset_of(self, job: str) -> str:
        """Return the folder that a job or trial learned from; "" where that is not known."""
        from core.models.choices import dataset_of

        return dataset_of(self.engine, job)

    def predictor(self) -> Predictor:
        """Return the predictor, one process for the whole installation; started on its first use."""
        from core.predict.predictor import Predictor

        if self._predictor is None:
            self._predictor = Predictor(self.paths.home / "converted", log=self.paths.logs / "predictor.log")
        return self._predictor

    def find_model(self, text: str) -> ModelAddress:
        """Return which model is meant by a word on the command line: a job's, else a file's, else an endpoint's.

        Raises:
            JobNotFound: there is none of these.
        """
        from core.models import ModelAddress

        try:
            return ModelAddress.job(self.find_job(text).name)
        except JobNotFound:
            if (path := Path(text).expanduser()).exists():
                return ModelAddress.file(path)
            cloud = self.cloud
            if cloud is None or cloud.serving.endpoint(text) is None:
                raise
            return ModelAddress.endpoint(text)

    def open_model(
        self, address: ModelAddress, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Model:
        """Return a model, ready to be asked.

        Raises:
            ModelError: there is no usable model.
            EngineError: the endpoint is gone or not in service.
            Cancelled: through `cancel`.
        """
        from core.models import ModelAddress, ModelKind
        from core.models.local import LocalModel
        from core.models.remote import EndpointModel

        if address.kind is ModelKind.ENDPOINT:
            cloud = self.cloud
            endpoint = None if cloud is None else cloud.serving.endpoint(address.name)
            if cloud is None or endpoint is None:
                raise EngineError(
                    f"The endpoint {address.name} is not there any more.", "It was deleted.", "Choose another model."
                )
            return EndpointModel(cloud.serving, endpoint)
        if address.kind is ModelKind.FILE:
            from core.models.files import unpacked

            folder = unpacked(Path(address.name), self.paths.home / "unpacked")
            return LocalModel(self.predictor(), folder, address, Path(address.name).name, on_progress, cancel)
        name, folder = self.model_folder(address.name, on_progress, cancel)
        return LocalModel(self.predictor(), folder, ModelAddress.job(name), name, on_progress, cancel)

    def export_model(
        self,
        address: ModelAddress,
        format_name: str,
        output: Path,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> Exported:
        """Write a model in a format that others run, compared with its answers here; see `core.models.export`.

        Raises:
            ModelError: it cannot be written so, a package is missing, or its answers would differ.
            UserFacingError: `output` cannot be written.
            Cancelled: through `cancel`; nothing is written.
        """
        from core.models import ModelKind
        from core.models.export import FORMATS, export
        from core.models.export.exporting import COMPARED
        from core.models.facts import facts_of, some_pictures
        from core.models.local import LocalModel

        format_ = FORMATS[format_name]
        format_.check_installed()
        model = self.open_model(address, on_progress, cancel)
        if not isinstance(model, LocalModel) or model.info is None:
            raise ModelError(f"{model.name} is an endpoint.", fix="Export the job whose model it serves.")
        folder = self.engine.job_folder(model.name) if address.kind is ModelKind.JOB else None
        manifest = self.manifest(str(model.info.card.get("dataset_version") or ""))
        pictures, facts = some_pictures(manifest, COMPARED), facts_of(folder, manifest, model.name)
        return export(model, format_, output, pictures, facts, on_progress, cancel)

    def model_folder(
        self, job: str, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> tuple[str, Path]:
        """The training job behind `job` ("best" included; a tuning job means its best trial) and its model's folder.

        Raises:
            ModelError: it has no model.
        """
        found = self.find_job(job)
        if not isinstance(found, TrainingJob):
            if found.best_trial is None:
                raise ModelError(f"{job} has no model yet.", "None of its trials has finished.", "Wait for one.")
            found = self.find_job(found.best_trial)
            assert isinstance(found, TrainingJob)
        return found.name, self.engine.fetch_artifact(found.name, on_progress, cancel)

    def evaluation(
        self,
        job: str,
        split: str = "test",
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> Evaluation:
        """Return how well a job's model does on a split: what the job itself found, else computed now.

        Raises:
            ModelError: the job has no model, or its dataset has no such split.
        """
        from core.dataset.left_out import mark_left_out
        from core.models import ModelAddress
        from core.predict.evaluate import compute_evaluation, read_evaluation

        name, _ = self.model_folder(job, on_progress, cancel)
        record = self.engine.job(name)
        assert isinstance(record, TrainingJob)
        if (job_folder := self.engine.job_folder(name)) is not None:
            results = job_folder / "output" / "data"
            mark_left_out(results, self.paths.scans)  # of a job on a cloud, whose results are here by now
            if (kept := read_evaluation(results, split, name)) is not None:
                return kept
        manifest = self.manifest(record.dataset_version)
        if manifest is None:
            raise ModelError(
                f"{name} has no evaluation on {split}.",
                "The job kept none, and the dataset it was trained on is not known here.",
                "Open the dataset again, then train again.",
            )
        model = self.open_model(ModelAddress.job(name), on_progress, cancel)
        labelled = [(entry.path, manifest.classes[entry.label]) for entry in manifest.of(split)]
        return compute_evaluation(model, manifest.root, labelled, split, on_progress, cancel)

    def importance(self, job: TuningJob) -> Mapping[str, float]:
        """Return which searched hyperparameters make the difference; see `core.tuning.importance`."""
        from core.tuning.importance import importance

        spec = self.engine.spec(job.name)
        return importance(spec, self.engine.trials(job.name)) if isinstance(spec, TuningSpec) else {}

    def compare(
        self,
        job: str,
        other: str,
        split: str = "test",
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> Comparison:
        """Return how two jobs' models differ on the same pictures, joined by content.

        Raises:
            ModelError: one of them has no model, or no evaluation can be made of it.
        """
        from core.predict.compare import compare

        found: list[Evaluation] = []
        keys: list[Mapping[str, str]] = []
        settings: list[Mapping[str, str]] = []
        for text in (job, other):
            evaluation = self.evaluation(text, split, on_progress, cancel)
            record = self.engine.job(evaluation.job)
            assert isinstance(record, TrainingJob)
            manifest = self.manifest(record.dataset_version)
            found.append(evaluation)
            keys.append({} if manifest is None else {entry.path: entry.sha256 for entry in manifest.of(split)})
            settings.append(record.hyperparameters)
        return compare(found[0], found[1], keys[0], keys[1], settings[0], settings[1])

    def evaluation_of_folder(
        self,
        address: ModelAddress,
        folder: Path,
        split: str | None = None,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> Evaluation:
        """Return how well a model does on a labelled folder of pictures: all of it, or one of the folder's own splits.

        Raises:
            DatasetError: the folder holds no labelled pictures.
            ModelError: the model knows other classes.
        """
        from core.predict.evaluate import compute_evaluation

        scan = self.scan(folder, on_progress, cancel)
        pictures = self.labelling(scan).state.apply(scan).pictures
        labelled = [(p.path, p.label) for p in pictures if p.label and split in (None, p.split)]
        model = self.open_model(address, on_progress, cancel)
        return compute_evaluation(model, scan.root, labelled, split or scan.root.name, on_progress, cancel)

    # Debugger

    def rule_outcomes(
        self, job_or_place: str, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> list[RuleOutcome]:
        """What the rules say of a job (of a tuning job: of each trial), or of tensors saved at a path or s3:// address.

        Raises:
            UserFacingError: there is neither a job of that name nor a saved trial.
        """
        from core.debugger.evaluate import evaluate
        from core.debugger.outcomes import in_order, job_outcomes, trial_names

        if self._is_place(job_or_place):
            return in_order(evaluate(job_or_place, on_progress=on_progress, cancel=cancel))
        self.engine.refresh()
        names = trial_names(self.engine, self.find_job(job_or_place).name)
        return [outcome for name in names for outcome in job_outcomes(self.engine, name)]

    def _is_place(self, text: str) -> bool:
        """Whether a command's argument names a folder or file: it has a slash or a dot, or no job has this name."""
        if text.startswith("s3://") or "/" in text or "\\" in text or "." in text:
            return True
        if not Path(text).is_dir():
            return False
        try:
            self.find_job(text)
        except JobNotFound:
            return True
        return False

    def export_report(
        self,
        job_or_place: str,
        destination: Path,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> Path:
        """Write the report of a job, or of the profile at a path or s3:// address, in the format its name asks for.

        Raises:
            UserFacingError: there is nothing to report on, or the file cannot be written.
        """
        from core.debugger.outcomes import job_outcomes, trial_names
        from core.report import export, export_tuning

        if self._is_place(job_or_place) or isinstance(job := self.find_job(job_or_place), TrainingJob):
            return export(self._run(job_or_place), destination, on_progress=on_progress, cancel=cancel)
        engine, names = self.engine, trial_names(self.engine, job.name)
        outcomes = [outcome for name in names for outcome in job_outcomes(engine, name)]
        trials = engine.trials(job.name)
        return export_tuning(
            job,
            trials,
            engine.job_folder,
            destination,
            outcomes=outcomes,
            manifest=self.manifest(job.dataset_version),
            on_progress=on_progress,
            cancel=cancel,
        )

    def export_comparison(
        self,
        first: str,
        second: str,
        destination: Path,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> Path:
        """Write one report that compares two jobs, or the profiles at paths or s3:// addresses.

        Raises:
            UserFacingError: one of them has nothing to report on, or the file cannot be written.
        """
        from core.report import export_comparison

        runs = self._run(first), self._run(second)
        return export_comparison(*runs, destination, on_progress=on_progress, cancel=cancel)

    def _run(self, job_or_place: str) -> Run:
        """Return a training job (of a tuning job: its best trial) or a place, with what is known of it."""
        from core.debugger.outcomes import job_outcomes
        from core.report import Run

        if self._is_place(job_or_place):
            return Run(job_or_place)
        job = self.find_job(job_or_place)
        if not isinstance(job, TrainingJob):
            if job.best_trial is None:
                raise EngineError(f"{job.name} has no finished trial yet.", fix="Wait for one.")
            return self._run(job.best_trial)
        folder = self.engine.job_folder(job.name)
        if folder is None:
            raise EngineError(f"{job.name} has left no profile on this computer.", fix="Wait until it has started.")
        return Run(folder, job, job_outcomes(self.engine, job.name), self.manifest(job.dataset_version))

    def export_aws_report(self, job_or_place: str, destination: Path) -> Path:
        """Save the report that AWS's ProfilerReport wrote of a job, or under a path or s3:// address, as it is.

        Raises:
            UserFacingError: there is none, or the file cannot be written.
        """
        from core.report import export_aws_report

        place: str | Path | None = job_or_place
        if not self._is_place(job_or_place):
            place = self.engine.job_folder(self.find_job(job_or_place).name)
        if place is None:
            raise EngineError(f"{job_or_place} has left no report on this computer.", fix="Wait until it has started.")
        return export_aws_report(place, destination)


def _backbones(spec: Spec) -> Sequence[str]:
    """Return the backbones a job may use: the fixed one, or those a categorical range draws from."""
    from core.tuning.ranges import CategoricalRange

    for item in spec.ranges:
        if item.name == "backbone" and isinstance(item, CategoricalRange):
            return item.values
    return (spec.training.hyperparameters.get("backbone", DEFAULT_BACKBONE),)
