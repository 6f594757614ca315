"""What is said of a job, or of what one left at a path or s3:// address: rule outcomes and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import EngineError, JobNotFound
from core.jobs.records import RuleOutcome, TrainingJob
from core.progress import CancelToken, OnProgress, ignore_progress
from core.translation import tr
from core.workbench.dataset_work import DatasetWork
from core.workbench.installation import Installation
from core.workbench.job_work import JobWork

if TYPE_CHECKING:
    from core.report import Run


class ReportWork:
    """The use cases of rules and reports; `Workbench.reports`."""

    def __init__(self, installation: Installation, data: DatasetWork, jobs: JobWork) -> None:
        self._installation, self._data, self._jobs = installation, data, jobs

    def rule_outcomes(
        self,
        job_or_place: str,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        changes: Mapping[str, Mapping[str, str]] | None = None,
    ) -> list[RuleOutcome]:
        """Return what the rules say of a job (a tuning job: of each trial), or of tensors at a path or s3:// address.

        With `changes` these rules are evaluated on what is saved, with other parameters; the job's own outcomes stay.

        Raises:
            SpecError: a rule or a parameter does not exist, or its value makes no sense.
            UserFacingError: there is neither a job of that name nor a saved trial.
        """
        from core.debugger.evaluate_rules import evaluate
        from core.debugger.outcomes import in_order, job_outcomes, trial_names

        if self._is_place(job_or_place):
            return in_order(evaluate(job_or_place, changes=changes, on_progress=on_progress, cancel=cancel))
        self._installation.engine.refresh()
        names = trial_names(self._installation.engine, self._jobs.find(job_or_place).name)
        if changes is None:
            return [outcome for name in names for outcome in job_outcomes(self._installation.engine, name)]
        folders = {name: self._installation.engine.job_folder(name) for name in names}
        return [
            outcome
            for name, folder in folders.items()
            if folder is not None
            for outcome in evaluate(folder, changes=changes, job=name, on_progress=on_progress, cancel=cancel)
        ]

    def evaluated(
        self,
        name: str,
        on_progress: OnProgress = ignore_progress,
        changes: Mapping[str, Mapping[str, str]] | None = None,
    ) -> list[RuleOutcome]:
        """Return the last word of a finished training job's rules on what it saved, none where it saved nothing.

        What its own watcher records comes only a while after its end.
        """
        from core.debugger.evaluate_rules import evaluate
        from core.debugger.job_rules import rules_for
        from core.debugger.outcomes import in_order
        from core.debugger.saved_jobs import trial_storages

        engine = self._installation.engine
        job, folder = engine.job(name), engine.job_folder(name)
        if not isinstance(job, TrainingJob) or folder is None or not trial_storages(folder):
            return []
        rules = rules_for(engine.spec(job.tuning_job or name).training.debugger, job.hyperparameters)
        return in_order(evaluate(folder, rules, changes=changes, job=name, on_progress=on_progress))

    def write_findings(self, outcomes: Sequence[RuleOutcome], destination: Path) -> Path:
        """Write what rules said, of one job or of many, as .html, .pdf, .json or .csv.

        Raises:
            UserFacingError: the name asks for another format, or the file cannot be written.
        """
        from core.report import export_findings

        return export_findings(outcomes, destination)

    def _is_place(self, text: str) -> bool:
        """Whether a command's argument names a folder or file: it has a slash or a dot, or no job has this name."""
        if text.startswith("s3://") or "/" in text or "\\" in text or "." in text:
            return True
        if not Path(text).is_dir():
            return False
        try:
            self._jobs.find(text)
        except JobNotFound:
            return True
        return False

    def write(
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

        if self._is_place(job_or_place) or isinstance(job := self._jobs.find(job_or_place), TrainingJob):
            return export(self._run(job_or_place), destination, on_progress=on_progress, cancel=cancel)
        engine, names = self._installation.engine, trial_names(self._installation.engine, job.name)
        outcomes = [outcome for name in names for outcome in job_outcomes(engine, name)]
        trials = engine.trials(job.name)
        return export_tuning(
            job,
            trials,
            engine.job_folder,
            destination,
            outcomes=outcomes,
            manifest=self._data.manifest(job.dataset_version),
            on_progress=on_progress,
            cancel=cancel,
        )

    def write_comparison(
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
        job = self._jobs.find(job_or_place)
        if not isinstance(job, TrainingJob):
            if job.best_trial is None:
                raise EngineError(
                    tr("{name} has no finished trial yet.").format(name=job.name), fix=tr("Wait for one.")
                )
            return self._run(job.best_trial)
        folder = self._installation.engine.job_folder(job.name)
        if folder is None:
            raise EngineError(
                tr("{name} has left no profile on this computer.").format(name=job.name),
                fix=tr("Wait until it has started."),
            )
        return Run(
            folder, job, job_outcomes(self._installation.engine, job.name), self._data.manifest(job.dataset_version)
        )

    def save_aws_report(self, job_or_place: str, destination: Path) -> Path:
        """Save the report that AWS's ProfilerReport wrote of a job, or under a path or s3:// address, as it is.

        Raises:
            UserFacingError: there is none, or the file cannot be written.
        """
        from core.report import export_aws_report

        place: str | Path | None = job_or_place
        if not self._is_place(job_or_place):
            place = self._installation.engine.job_folder(self._jobs.find(job_or_place).name)
        if place is None:
            raise EngineError(
                tr("{job_or_place} has left no report on this computer.").format(job_or_place=job_or_place),
                fix=tr("Wait until it has started."),
            )
        return export_aws_report(place, destination)
