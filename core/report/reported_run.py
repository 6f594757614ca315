"""A run to report on, and all that was read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.dataset.manifest import Manifest
from core.debugger.evaluate_rules import evaluate
from core.debugger.foreign_curves import Recorded, recorded_runs
from core.debugger.outcomes import in_order, read_outcomes
from core.debugger.saved_jobs import trial_storages
from core.errors import UserFacingError
from core.jobs.records import RuleOutcome, TrainingJob
from core.profiler.analysis import analyse_profile
from core.profiler.read import NoProfile, find_report, profile_roots, read_profile
from core.profiler.results import ProfilerAnalysis
from core.profiler.traces import Profile
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.report.story import Story, of_others, read_story
from core.translation import tr


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its folder, profiler output or s3:// prefix, and what its engine knows of it.

    Without `outcomes` those that are in the folder count. `manifest` is the dataset's, where it is still known.
    """

    source: Path | str
    job: TrainingJob | None = None
    outcomes: Sequence[RuleOutcome] = ()
    manifest: Manifest | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ReadRun:
    """What was read of a run: its profile, what that means, what it trained and what the rules said."""

    profile: Profile
    analysis: ProfilerAnalysis
    story: Story
    job: TrainingJob | None
    outcomes: tuple[RuleOutcome, ...]

    @property
    def name(self) -> str:
        """Return the job's name, else the last part of where it was read from."""
        if self.job is not None:
            return self.job.name
        return self.profile.source.rstrip("/\\").replace("\\", "/").rpartition("/")[2]


def read_run(
    run: Run,
    path: Path,
    parameters: Mapping[str, str | float] | None = None,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> ReadRun | Path:
    """Read and judge a run whose files are at `path`; return AWS's own report where nothing else is there.

    Without a profile, what the rules say and what was logged is the report; saved tensors and curves of no job of ours
    are evaluated for it.

    Raises:
        NoProfile: there is neither.
        UserFacingError: what is there cannot be read, or is of several jobs.
        UsageError: a parameter that does not exist.
        Cancelled: through `cancel`.
    """
    if path.suffix.lower() in (".html", ".htm") and path.is_file():
        return path
    folder = job_root(path)
    outcomes = tuple(in_order(list(run.outcomes) or read_outcomes(folder)))
    story = read_story(folder, run.job, run.manifest)
    if not outcomes and run.job is None and path.is_dir():
        outcomes = _evaluated(path, on_progress, cancel)
    try:
        profile = replace(read_profile(path, on_progress, cancel), source=str(run.source))
    except NoProfile:
        ended = run.job is not None and run.job.status.is_final  # why it failed is worth a report
        known = bool(ended or outcomes or story.curves or story.results)
        curves = _curves_of_others(path, known) if path.is_dir() and not story.curves else []
        if len(curves) > 1:
            raise _several([curve.name for curve in curves], run.source) from None
        if not (known or curves):
            raise
        if curves:
            story = replace(story, **of_others(curves[0]))
            outcomes = tuple(in_order(evaluate(path, on_progress=on_progress, cancel=cancel)))
        problems = [tr("{file} could not be read.").format(file=file) for one in curves for file in one.unreadable]
        return bare_run(str(run.source), outcomes, run.job, story, problems)
    if profile.is_empty and (existing := find_report(path)) is not None:
        return existing
    on_progress(Progress(0, None, tr("Analysing the profile"), "items"))
    analysis = analyse_profile(profile, job=run.job, outcomes=outcomes, parameters=parameters)
    return ReadRun(profile, analysis, story, run.job, outcomes)


def bare_run(
    source: str,
    outcomes: Sequence[RuleOutcome],
    job: TrainingJob | None = None,
    story: Story | None = None,
    problems: Sequence[str] = (),
) -> ReadRun:
    """Return a run of which there is no profile; `problems` says what of it could not be read."""
    profile = Profile(source, problems=tuple(problems))
    analysis = analyse_profile(profile, job=job, outcomes=outcomes)
    return ReadRun(profile, analysis, story or Story(), job, tuple(outcomes))


def _curves_of_others(path: Path, known: bool) -> list[Recorded]:
    """Return the curves that other tools recorded; files that cannot be read are in the way of nothing that is known.

    Raises:
        UserFacingError: nothing is, and none of them can be read.
    """
    try:
        return recorded_runs(path)
    except UserFacingError:
        if not known:
            raise
        return []


def job_root(folder: Path) -> Path | None:
    """Return the job's own folder at or below `folder`, by where its profile is; None for profiles of other kinds."""
    for root in (folder, *(root.parent.parent for root in profile_roots(folder))):
        if (root / "log.txt").is_file() or (root / "output" / "data").is_dir():
            return root
    return None


def _evaluated(path: Path, on_progress: OnProgress, cancel: CancelToken | None) -> tuple[RuleOutcome, ...]:
    """Return what the rules say of tensors that were saved in or below a folder, none where there are none."""
    if not trial_storages(path):
        return ()
    found = evaluate(path, on_progress=on_progress, cancel=cancel)
    jobs = sorted({outcome.job for outcome in found})
    if len(jobs) > 1:
        raise _several(jobs, path)
    return tuple(in_order(found))


def _several(jobs: Sequence[str], source: Path | str) -> UserFacingError:
    return UserFacingError(
        tr("There are {jobs} jobs in {source}.").format(jobs=len(jobs), source=source),
        f"{', '.join(jobs)}.",
        tr("Choose one of them."),
    )
