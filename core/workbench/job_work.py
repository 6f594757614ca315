"""What is done with jobs: forecast, start, find, and say what deleting one takes away."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from core.errors import Cancelled, DatasetError, JobNotFound, SpecError, UserFacingError
from core.jobs.records import Job, RuleOutcome, TrainingJob, TuningJob
from core.jobs.specs import Spec, TuningSpec
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from core.workbench.dataset_work import DatasetWork
from core.workbench.folder_work import FolderWork
from core.workbench.installation import Installation
from training_scripts.backbones import DEFAULT_BACKBONE

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest
    from core.debugger.remedies import Remedy
    from core.jobs.footprint import Footprint
    from core.tuning.forecast import Forecast


MOST_TITLE = 120
"""Letters of what a job is called."""


class JobWork:
    """The use cases of jobs; `Workbench.jobs`. Stopping, deleting and following one is the engine's."""

    def __init__(self, installation: Installation, data: DatasetWork, folders: FolderWork) -> None:
        self._installation, self._data, self._folders = installation, data, folders

    def datasets(self, names: Sequence[str]) -> dict[str, str]:
        """Return the folder that each of these jobs learned from; "" where that is not known."""
        from core.models.choices import dataset_of

        return {name: dataset_of(self._installation.engine, name) for name in names}

    def result(self, job: Job) -> str:
        """Return what a job's model gets right and where it is weakest, as far as that is known; no full stop."""
        accuracy = job.accuracy
        return "" if accuracy is None else tr("Gets {result}").format(result=accuracy.sentence)

    def forecast(self, spec: Spec, manifest: Manifest | None) -> Forecast:
        """Return what a job will do: combinations, time, warnings."""
        from core.tuning.forecast import forecast

        return forecast(spec, manifest, self._installation.store)

    def launch(
        self,
        spec: Spec,
        manifest: Manifest,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        title: str = "",
    ) -> str:
        """Check everything that can be checked, make weights and data ready, and start the job; returns its name.

        `title` is what a person calls it, where a job cannot be called so.

        Raises:
            SpecError: a hyperparameter or a metric's regex does not fit the script, the engine refuses the spec, or
                pictures to learn from are in a locked test folder.
            WeightsUnavailable: pretrained weights cannot be had.
            Cancelled: through `cancel`; nothing was started.
        """
        from core.fetch_weights import ensure
        from core.jobs.contract import check_metrics
        from core.jobs.declared import check_capabilities
        from core.jobs.hyperparameters import check_hyperparameters

        check_hyperparameters(spec, self._installation.engine.own_script)
        check_capabilities(spec, self._installation.engine.capabilities)
        check_metrics(spec.training)
        self._folders.refuse_held_out(manifest, on_progress, cancel)
        for backbone in _backbones(spec):
            if spec.training.hyperparameters.get("weights", "default") == "default":
                ensure(backbone, self._installation.paths, on_progress, cancel)
        self._data.remember(manifest)
        on_progress(Progress(0, None, tr("Making the data ready")))
        channels = self._installation.engine.stage(manifest, on_progress, cancel)
        size = manifest.measure() if self._installation.engine.capabilities.costs_money else 0
        if cancel is not None and cancel.cancelled:
            raise Cancelled
        staged = spec.with_training(
            channels=channels,
            dataset_version=manifest.version,
            dataset_path=str(manifest.root),
            dataset_bytes=size,
        )
        with self._installation.found_again(spec.name):
            self._installation.engine.start(staged)
        if title and title != spec.name:
            with suppress(UserFacingError):  # the job runs, whatever it is called
                self.rename(spec.name, title)
        return spec.name

    def resume(self, name: str, on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None) -> None:
        """Let a tuning job that was interrupted or stopped continue with the trials it still has.

        Raises:
            SpecError: pictures that it learns from are in a locked test folder by now.
            EngineError: it is running, it has done all its trials, or its engine cannot.
            Cancelled: through `cancel`; nothing was started.
        """
        manifest = None
        with suppress(DatasetError):  # without it the job's own folder says what it learns from
            manifest = self._data.manifest(self._installation.engine.spec(name).training.dataset_version)
        if manifest is not None:
            self._folders.refuse_held_out(manifest, on_progress, cancel)
        if cancel is not None:
            cancel.raise_if_cancelled()
        self._installation.engine.resume(name)

    def ensemble(
        self,
        name: str,
        count: int,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> str:
        """Start the training job of the mean of a search's best trials; returns its name.

        Raises:
            JobNotFound: there is no such job.
            SpecError: it is no search, its trials have no mean, or training it would cost money unseen.
        """
        from core.tuning.ensemble import ensemble_spec

        job = self.find(name)
        spec = self._installation.engine.spec(job.name)
        if not isinstance(spec, TuningSpec):
            raise SpecError(tr("{name} is not a search.").format(name=name), fix=tr("Name a tuning job."))
        found = ensemble_spec(spec, self._installation.engine.trials(job.name), count)
        if spec.training.cloud is not None:
            raise SpecError(
                tr("{name} ran on SageMaker, where its ensemble would cost money.").format(name=name),
                fix=tr(
                    "See the price first: sagehound train DATASET --engine sagemaker --static members={members}"
                ).format(members=shlex.quote(found.hyperparameters["members"])),
            )
        manifest = self._data.manifest(spec.training.dataset_version)
        if manifest is None:
            raise SpecError(
                tr("The dataset that {name} learned from is not known here any more.").format(name=name),
                fix=tr("Open it again, and search again."),
            )
        return self.launch(found, manifest, on_progress, cancel)

    def try_remedy(
        self,
        outcomes: Sequence[RuleOutcome],
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
    ) -> tuple[Remedy, str]:
        """Start the training that the leading finding is about once more, with its remedy; return both.

        Raises:
            SpecError: nothing was found, its remedy needs a person, or training would cost money unseen.
        """
        from core.debugger.remedies import epoch_of, leading, remedy_of, spec_with

        lead = leading(outcomes)
        job = self._installation.engine.job(lead.job)
        if not isinstance(job, TrainingJob) or job.watched:
            raise SpecError(
                tr("{name} was a script of yours.").format(name=job.name),
                fix=tr("Run it with sagehound watch --try-remedy -- COMMAND."),
            )
        remedy = remedy_of(lead, job.hyperparameters)
        spec = self._installation.engine.spec(job.tuning_job or job.name)
        manifest = self._data.manifest(spec.training.dataset_version)
        if spec.training.cloud is not None or manifest is None:
            raise SpecError(
                tr("{name} ran on SageMaker, where another training would cost money.").format(name=spec.name)
                if spec.training.cloud is not None
                else tr("The dataset that {name} learned from is not known here any more.").format(name=spec.name),
                fix=tr("Train with --static {change} yourself.").format(change=remedy),
            )
        epoch = epoch_of(lead, self._installation.engine.job_folder(lead.job))
        trained = spec_with(remedy, spec, job.hyperparameters, epoch)
        return remedy, self.launch(trained, manifest, on_progress, cancel)

    def find(self, name: str) -> Job:
        """Return a job by name; "best" is the best trial of the latest tuning job, "latest" the latest job.

        Raises:
            JobNotFound: there is none.
        """
        if name == "best":
            from core.models.choices import best_model

            choice = best_model(self._installation.engine)
            if choice is None:
                raise JobNotFound(
                    tr("There is no best trial yet."), tr("No tuning job has finished a trial."), tr("Tune first.")
                )
            return self._installation.engine.job(choice.job)
        if name == "latest":
            jobs = self._installation.engine.jobs()
            if not jobs:
                raise JobNotFound(tr("There is no job yet."), fix=tr("Start one with tune or train."))
            return jobs[0]
        return self._installation.engine.job(self._own_name(name))

    def _own_name(self, name: str) -> str:
        """Return a job's own name, of that or of what the user calls it; the latest of several."""
        jobs = self._installation.engine.jobs()
        if any(job.name == name for job in jobs):
            return name
        return next((job.name for job in jobs if job.title == name), name)

    def rename(self, name: str, title: str) -> Job:
        """Let a job be called something else, "" for its own name again; its files and records keep that.

        Raises:
            JobNotFound: there is none of that name.
        """
        found = self.find(name)
        self._installation.store.set_title(found.name, " ".join(title.split())[:MOST_TITLE])
        self._installation.engine.keep_record(found.name)
        return self._installation.engine.job(found.name)

    def pin(self, name: str, pinned: bool = True) -> Job:
        """Keep a job at the head of the list, or no longer.

        Raises:
            JobNotFound: there is none of that name.
        """
        found = self.find(name)
        self._installation.store.set_pinned(found.name, pinned)
        self._installation.engine.keep_record(found.name)
        return self._installation.engine.job(found.name)

    def footprint(self, name: str, cancel: CancelToken | None = None) -> Footprint:
        """Return what deleting a job takes away: its trials and the room that its files take.

        Raises:
            JobNotFound: there is none of that name.
        """
        from core.jobs.footprint import footprint

        return footprint(self._installation.engine, name, cancel)

    def importance(self, job: TuningJob) -> Mapping[str, float]:
        """Return which searched hyperparameters make the difference; see `core.tuning.importance`."""
        from core.tuning.importance import importance

        spec = self._installation.engine.spec(job.name)
        return importance(spec, self._installation.engine.trials(job.name)) if isinstance(spec, TuningSpec) else {}


def _backbones(spec: Spec) -> Sequence[str]:
    """Return the backbones a job may use: the fixed one, or those a categorical range draws from."""
    from core.jobs.ranges import CategoricalRange

    for item in spec.ranges:
        if item.name == "backbone" and isinstance(item, CategoricalRange):
            return item.values
    return (spec.training.hyperparameters.get("backbone", DEFAULT_BACKBONE),)
