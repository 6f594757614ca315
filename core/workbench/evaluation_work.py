"""How well models do: on a split, on a folder, beside one another, and where they say that they do not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DatasetError, ModelError
from core.jobs.records import TrainingJob
from core.progress import CancelToken, OnProgress, ignore_progress
from core.translation import tr
from core.workbench.dataset_work import DatasetWork
from core.workbench.installation import Installation
from core.workbench.model_work import ModelWork

if TYPE_CHECKING:
    from core.models import Model, ModelAddress
    from core.models.threshold import Threshold
    from core.predict.compare import Comparison
    from core.predict.evaluate import Evaluation
    from core.predict.records import Answer


class EvaluationWork:
    """The use cases of evaluations; `Workbench.evaluations`."""

    def __init__(self, installation: Installation, data: DatasetWork, models: ModelWork) -> None:
        self._installation, self._data, self._models = installation, data, models

    def of_job(
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

        name, folder = self._models.folder(job, on_progress, cancel)
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
        model = self._models.open(ModelAddress.job(name), on_progress, cancel)
        labelled = [(entry.path, manifest.classes[entry.label]) for entry in manifest.of(split)]
        return compute_evaluation(model, manifest.root, labelled, split, on_progress, cancel)

    def move_threshold(self, job: str, value: float | None) -> Threshold:
        """Move a job's threshold, or take the last move back (None); the training's own stays in the model.

        Raises:
            ModelError: the job has no model, or one that cannot say what it does not know.
            UserFacingError: `value` is not a number, or it cannot be kept.
        """
        from core.models.threshold import move, move_back

        name, folder = self._models.folder(job)
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
            evaluation = self.of_job(text, split, on_progress, cancel)
            record = self._installation.engine.job(evaluation.job)
            assert isinstance(record, TrainingJob)
            manifest = self._data.manifest(record.dataset_version)
            found.append(evaluation)
            keys.append({} if manifest is None else {entry.path: entry.sha256 for entry in manifest.of(split)})
            settings.append(record.hyperparameters)
        return compare(found[0], found[1], keys[0], keys[1], settings[0], settings[1])

    def of_folder(
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
        model = self._models.open(address, on_progress, cancel)
        found = compute_evaluation(model, root, labelled, split or root.name, on_progress, cancel)
        return replace(found, held_out=self._installation.store.held_out.look(root, model.name))

    def of_answers(
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
