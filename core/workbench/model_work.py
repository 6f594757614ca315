"""What is done with models: find, open, export, evaluate, compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    from core.models.threshold import Threshold
    from core.predict.compare import Comparison
    from core.predict.evaluate import Evaluation
    from core.predict.predictor import Predictor
    from core.predict.records import Answer, Source
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

        name, folder = self.folder(job, on_progress, cancel)
        record = self._installation.engine.job(name)
        assert isinstance(record, TrainingJob)
        if (job_folder := self._installation.engine.job_folder(name)) is not None:
            results = job_folder / "output" / "data"
            mark_left_out(results, self._installation.paths.scans)  # of a job on a cloud, whose results are here by now
            if (kept := read_evaluation(results, split, name)) is not None:
                return replace(kept, threshold=self._threshold(name, folder))
        manifest = self._data.manifest(record.dataset_version)
        if manifest is None:
            raise ModelError(
                tr("{name} has no evaluation on {split}.").format(name=name, split=split),
                tr("The job kept none, and the dataset it was trained on is not known here."),
                tr("Open the dataset again, then train again."),
            )
        model = self.open(ModelAddress.job(name), on_progress, cancel)
        labelled = [(entry.path, manifest.classes[entry.label]) for entry in manifest.of(split)]
        return compute_evaluation(model, manifest.root, labelled, split, on_progress, cancel)

    def threshold(
        self, job: str, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
    ) -> Threshold | None:
        """Return how strange a picture may be before a job's model calls it unknown; None where it cannot say.

        Raises:
            ModelError: the job has no model.
        """
        return self._threshold(*self.folder(job, on_progress, cancel))

    def move_threshold(self, job: str, value: float | None) -> Threshold:
        """Move a job's threshold, or take the last move back (None); the training's own stays in the model.

        Raises:
            ModelError: the job has no model, or one that cannot say what it does not know.
            UserFacingError: `value` is not a number, or it cannot be kept.
        """
        from core.models.threshold import move, move_back

        name, folder = self.folder(job)
        results = self._installation.paths.jobs / name
        if self._threshold(name, folder) is not None:
            if value is None:
                move_back(results)
            else:
                move(results, value)
        if (found := self._threshold(name, folder)) is None:
            raise ModelError(
                tr("The model of {name} cannot say what it does not know.").format(name=name),
                tr("It was trained by an earlier version, or on too few pictures."),
                tr("Train it again."),
            )
        return found

    def _threshold(self, name: str, folder: Path) -> Threshold | None:
        from core.models import read_info
        from core.models.threshold import moved

        return moved(read_info(folder, name).threshold, self._installation.paths.jobs / name)

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
            record = self._installation.engine.job(evaluation.job)
            assert isinstance(record, TrainingJob)
            manifest = self._data.manifest(record.dataset_version)
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

        root, labelled = self._labelled(folder, split, on_progress, cancel)
        model = self.open(address, on_progress, cancel)
        found = compute_evaluation(model, root, labelled, split or root.name, on_progress, cancel)
        return replace(found, held_out=self._installation.store.held_out.look(root, model.name))

    def evaluation_of_answers(
        self,
        model: Model,
        folder: Path,
        answers: Sequence[tuple[Path, Answer]],
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> Evaluation | None:
        """Return how right answers about a folder's pictures are; None where it has no labels that the model knows.

        Raises:
            ModelError: none of the pictures could be read.
            Cancelled: through `cancel`.
        """
        from core.predict.evaluate import judge_answers

        try:
            root, labelled = self._labelled(folder, None, on_progress, cancel)
        except DatasetError:
            return None
        if not labelled or not {label for _, label in labelled} <= set(model.classes):
            return None
        given = dict(answers)
        known = [(path, label) for path, label in labelled if root / path in given]
        if not known:
            return None
        found = judge_answers(model, root, known, [given[root / path] for path, _ in known], root.name)
        return replace(found, held_out=self._installation.store.held_out.look(root, model.name))

    def _labelled(
        self, folder: Path, split: str | None, on_progress: OnProgress, cancel: CancelToken | None
    ) -> tuple[Path, list[tuple[str, str]]]:
        """Return a folder and its labelled pictures: all, or those of one of its own splits."""
        scan = self._data.scan(folder, on_progress, cancel)
        pictures = self._data.labelling(scan).state.apply(scan).pictures
        return scan.root, [(p.path, p.label) for p in pictures if p.label and split in (None, p.split)]
