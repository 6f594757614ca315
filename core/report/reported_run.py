"""A run to report on, and all that was read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.dataset.manifest import Manifest
from core.debugger.outcomes import in_order, read_outcomes
from core.jobs.records import RuleOutcome, TrainingJob
from core.profiler.analysis import analyse_profile
from core.profiler.read import find_report, profile_roots, read_profile
from core.profiler.results import ProfilerAnalysis
from core.profiler.traces import Profile
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.report.story import Story, read_story
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

    Raises:
        UserFacingError: there is no profile.
        UsageError: a parameter that does not exist.
        Cancelled: through `cancel`.
    """
    if path.suffix.lower() in (".html", ".htm") and path.is_file():
        return path
    profile = replace(read_profile(path, on_progress, cancel), source=str(run.source))
    if profile.is_empty and (existing := find_report(path)) is not None:
        return existing
    folder = job_root(path)
    on_progress(Progress(0, None, tr("Analysing the profile"), "items"))
    outcomes = tuple(in_order(list(run.outcomes) or read_outcomes(folder)))
    analysis = analyse_profile(profile, job=run.job, outcomes=outcomes, parameters=parameters)
    return ReadRun(profile, analysis, read_story(folder, run.job, run.manifest), run.job, outcomes)


def job_root(folder: Path) -> Path | None:
    """Return the job's own folder at or below `folder`, by where its profile is; None for profiles of other kinds."""
    for root in (folder, *(root.parent.parent for root in profile_roots(folder))):
        if (root / "log.txt").is_file() or (root / "output" / "data").is_dir():
            return root
    return None
