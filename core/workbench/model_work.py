"""What is done with models: find, open, export, ask for the pictures they learned from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DatasetError, EngineError, JobNotFound, ModelError
from core.jobs.records import TrainingJob
from core.progress import CancelToken, OnProgress, ignore_progress
from core.translation import tr
from core.workbench.dataset_work import DatasetWork
from core.workbench.installation import Installation
from core.workbench.job_work import JobWork

if TYPE_CHECKING:
    from core.check.trained import TrainedAnswers
    from core.dataset.manifest import Manifest
    from core.dataset.records import Scan
    from core.models import Model, ModelAddress
    from core.models.choices import ModelChoice
    from core.models.export import Exported
    from core.predict.predictor import Predictor
    from core.predict.records import Source
    from core.predict.training_neighbours import TrainingPicture


class ModelWork:
    """The use cases of trained models, and the one process that loads them; `Workbench.models`."""

    def __init__(self, installation: Installation, data: DatasetWork, jobs: JobWork) -> None:
        self._installation, self._data, self._jobs = installation, data, jobs
        self._predictor: Predictor | None = None

    def close(self) -> None:
        """End the predictor's process."""
        if self._predictor is not None:
            self._predictor.close()
            self._predictor = None

    def choices(self) -> list[ModelChoice]:
        """Return the models that can be loaded, newest job first."""
        from core.models.choices import available_models

        return available_models(self._installation.engine)

    def best(self, dataset: Manifest | None = None) -> ModelChoice | None:
        """Return the best model on a dataset; without one, or without a model on it, see `core.models.choices`."""
        from core.models.choices import best_model

        return best_model(self._installation.engine, dataset)

    def dataset_of(self, job: str) -> str:
        """Return the folder that a job or trial learned from; "" where that is not known."""
        from core.models.choices import dataset_of

        return dataset_of(self._installation.engine, job)

    def predictor(self) -> Predictor:
        """Return the predictor, one process for the whole installation; started on its first use."""
        from core.predict.predictor import Predictor

        if self._predictor is None:
            paths = self._installation.paths
            self._predictor = Predictor(
                paths.home / "converted", features=paths.features, log=paths.logs / "predictor.log"
            )
        return self._predictor

    def warm_up(self) -> None:
        """Start the process that models are loaded in, for a caller who will soon need it: it imports meanwhile."""
        self.predictor().start()

    def find(self, text: str) -> ModelAddress:
        """Return which model is meant by a word on the command line: a job's, else a file's, else an endpoint's.

        Raises:
            JobNotFound: there is none of these.
        """
        from core.models import ModelAddress

        try:
            return ModelAddress.job(self._jobs.find(text).name)
        except JobNotFound:
            if (path := Path(text).expanduser()).exists():
                return ModelAddress.file(path)
            cloud = self._installation.cloud
            if cloud is None or cloud.serving.endpoint(text) is None:
                raise
            return ModelAddress.endpoint(text)

    def open(
        self, address: ModelAddress, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Model:
        """Return a model, ready to be asked.

        Raises:
            ModelError: there is no usable model.
            EngineError: the endpoint is gone or not in service.
            Cancelled: through `cancel`.
        """
        from core.models import ModelAddress, ModelKind
        from core.models.endpoint_model import EndpointModel
        from core.models.local import LocalModel

        if address.kind is ModelKind.ENDPOINT:
            cloud = self._installation.cloud
            endpoint = None if cloud is None else cloud.serving.endpoint(address.name)
            if cloud is None or endpoint is None:
                raise EngineError(
                    tr("The endpoint {name} is not there any more.").format(name=address.name),
                    tr("It was deleted."),
                    tr("Choose another model."),
                )
            return EndpointModel(cloud.serving, endpoint)
        if address.kind is ModelKind.FILE:
            from core.models.files import unpacked

            folder = unpacked(Path(address.name), self._installation.paths.home / "unpacked")
            return LocalModel(self.predictor(), folder, address, Path(address.name).name, on_progress, cancel)
        name, folder = self.folder(address.name, on_progress, cancel)
        results = self._installation.paths.jobs / name
        return LocalModel(self.predictor(), folder, ModelAddress.job(name), name, on_progress, cancel, results)

    def export(
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
        model = self.open(address, on_progress, cancel)
        if not isinstance(model, LocalModel) or model.info is None:
            raise ModelError(
                tr("{name} is an endpoint.").format(name=model.name), fix=tr("Export the job whose model it serves.")
            )
        folder = self._installation.engine.job_folder(model.name) if address.kind is ModelKind.JOB else None
        manifest = self._data.manifest(str(model.info.card.get("dataset_version") or ""))
        pictures, facts = some_pictures(manifest, COMPARED), facts_of(folder, manifest, model.name)
        return export(model, format_, output, pictures, facts, on_progress, cancel)

    def folder(
        self, job: str, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> tuple[str, Path]:
        """Return the training job behind `job` ("best" too; a tuning job means its best trial) and its model's folder.

        Raises:
            ModelError: it has no model.
        """
        found = self._training_job(job)
        return found.name, self._installation.engine.fetch_artifact(found.name, on_progress, cancel)

    def _training_job(self, job: str) -> TrainingJob:
        found = self._jobs.find(job)
        if not isinstance(found, TrainingJob):
            if found.best_trial is None:
                raise ModelError(
                    tr("{job} has no model yet.").format(job=job),
                    tr("None of its trials has finished."),
                    tr("Wait for one."),
                )
            found = self._jobs.find(found.best_trial)
            assert isinstance(found, TrainingJob)
        return found

    def answers_for_check(self, scan: Scan, job: str = "") -> TrainedAnswers | None:
        """Return what a job's model said of the pictures that it did not learn from, for a check of a scanned folder.

        Without a `job` it is the best that was trained on that folder; None where there is none.

        Raises:
            ModelError: the job that was named kept no such answers.
        """
        from core.check.trained import TrainedAnswer, TrainedAnswers
        from core.predict.evaluate import read_evaluation

        record = self._training_job(job) if job else self._best_on(scan)
        if record is None:
            return None
        folder, manifest = (
            self._installation.engine.job_folder(record.name),
            self._data.manifest(record.dataset_version),
        )
        content = {} if manifest is None else {entry.path: entry.sha256 for entry in manifest.pictures}
        kept = [
            None if folder is None else read_evaluation(folder / "output" / "data", split)
            for split in ("valid", "test")
        ]
        answers = {
            content[one.path]: TrainedAnswer(one.predicted, one.probability, one.label, one.label_probability or 0.0)
            for evaluation in kept
            if evaluation is not None
            for one in evaluation.pictures
            if one.path in content
        }
        if not answers and job:
            raise ModelError(
                tr("{name} kept no answers on valid and test.").format(name=record.name),
                tr("A check can use only pictures that a model did not learn from."),
                tr("Name another job, or none."),
            )
        backbone = record.hyperparameters.get("backbone", "")
        return TrainedAnswers(record.name, backbone, answers) if answers and backbone else None

    def trained_on(self, scan: Scan) -> list[ModelChoice]:
        """Return the models that learned from a scanned folder, newest job first: a check can ask each."""
        from core.models.choices import available_models

        return available_models(self._installation.engine, folder=str(scan.root))

    def _best_on(self, scan: Scan) -> TrainingJob | None:
        """Return the job whose model is the best on a folder; None where none was trained on it."""
        try:
            choice = self.best(self._data.split(scan))
        except DatasetError:
            return None  # nothing can be learned from it yet
        if choice is None or self.dataset_of(choice.job) != str(scan.root):
            return None
        return self._training_job(choice.job)

    def nearest(self, model: Model, picture: Source, cancel: CancelToken | None = None) -> list[TrainingPicture]:
        """Return the training pictures that are nearest to a picture for a model; none where they are not known here.

        Raises:
            PictureError: the picture cannot be read.
            Cancelled: through `cancel`.
        """
        from core.predict.training_neighbours import ASKED, training_pictures

        version = str(model.info.card.get("dataset_version") or "") if model.info is not None else ""
        manifest = self._data.manifest(version) if version else None
        return [] if manifest is None else training_pictures(model.nearest(picture, ASKED, cancel), manifest)

    def nearest_to(self, job: str, picture: Path, cancel: CancelToken | None = None) -> list[TrainingPicture]:
        """Return the same for a job's model, which is loaded for it.

        Raises:
            ModelError: the job has no model.
            PictureError, Cancelled: as `nearest`.
        """
        from core.models import ModelAddress

        return self.nearest(self.open(ModelAddress.job(job), cancel=cancel), picture, cancel)
