"""What a job needs before its first trial: channels that can be read, and frozen features computed once."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

from core.dataset.left_out import mark_left_out
from core.engines.local.context import CannotGoOn, JobContext
from core.engines.local.logtail import LogTail, log_size
from core.engines.local.script_launcher import ScriptProcess, wait_for_any
from core.errors import DatasetError, EngineError, reason_of
from core.jobs.contract import JobFolder, failure_reason, outside_cause
from core.jobs.scraping import notice_in
from core.translation import tr
from core.tuning.forecast import known_features
from core.tuning.wanted_features import DEFAULTS, features_hyperparameters, over_features, wanted_features
from training_scripts.job import SharedBackbone
from training_scripts.modes import features_key
from training_scripts.outside import UNUSABLE, read_json
from training_scripts.shared_backbone import keep_backbone as keep_in
from training_scripts.watchdog import Watchdog

_PROGRESS = re.compile(r"features (\d+)/(\d+)(?: \(([\d.]+) pictures/s\))?")
_TICK_S = 0.05
_PROCESS = tr("The process that computes the frozen features")


def check_channels(channels: Mapping[str, str]) -> None:
    """See to it that the data is still where it was.

    Raises:
        DatasetError: a channel's folder, or the folder of pictures that its manifest names, is gone.
    """
    if "train" not in channels:
        raise DatasetError(tr("The job has no train channel."), fix=tr("Choose a dataset with training pictures."))
    for name, place in channels.items():
        folder = Path(place)
        if not folder.is_dir():
            raise DatasetError(
                tr("The {name} data is gone.").format(name=name),
                tr("There is no folder {folder}.").format(folder=folder),
                tr("Scan the dataset again, then start the job again."),
            )
        manifest = folder / "manifest.json"
        if not manifest.is_file():
            continue
        try:
            root = Path(read_json(manifest)["root"])
        except UNUSABLE as error:
            raise DatasetError(
                tr("The manifest of the {name} data cannot be read.").format(name=name),
                f"{manifest}: {reason_of(error)}.",
                tr("Scan the dataset again."),
            ) from error
        if not root.is_dir():
            raise DatasetError(
                tr("The dataset's folder is gone."),
                tr("There is no folder {root}.").format(root=root),
                tr("Put it back, or choose its new place and start again."),
            )


def count_pictures(channel: Path) -> int:
    """Return how many pictures a channel's manifest names; 0 where it has none."""
    try:
        return len(read_json(channel / "manifest.json")["pictures"])
    except UNUSABLE:
        return 0


def prepare_features(job: JobContext) -> dict[str, str]:
    """Compute the frozen features that a job's trials share; returns channel folders by `features_key`.

    Empty for a job that trains on the pictures themselves.

    Raises:
        EngineError: they could not be computed; says why.
        Stopped: the job was asked to stop meanwhile.
    """
    if job.runtime.features is None:
        return {}
    folders: dict[str, str] = {}
    for place, choice in enumerate(wanted_features(job.spec)):
        channel = job.folder.data / "features" / str(place)
        _compute(job, job.runtime.features, choice, channel)
        folders[features_key(choice)] = str(channel)
    return folders


def features_channel(folders: Mapping[str, str], hyperparameters: Mapping[str, str]) -> dict[str, str]:
    """Return the features channel of a trial with these hyperparameters, among the `folders` of `prepare_features`."""
    place = folders.get(features_key({**DEFAULTS, **hyperparameters}))
    return {"features": place} if place and over_features(hyperparameters) else {}


def keep_backbone(folder: JobFolder, channel: Path) -> SharedBackbone:
    """Keep the backbone of a features channel in a search's folder, for the heads of its trials; on the disk, too."""
    return keep_in(channel, folder.root / "backbones")


def _compute(job: JobContext, script: Path, choice: Mapping[str, str], channel: Path) -> None:
    """Run the features script for one backbone; once more where it stands still."""
    hyperparameters = features_hyperparameters(choice, job.training)
    job.store.update_job(job.name, secondary_status="PreparingFeatures", progress=0.0)
    extra = {"store": str(job.paths.features), "output": str(channel), "patience_s": str(job.runtime.silence_s)}
    run = _FeaturesRun(job, script, hyperparameters, extra)
    if finding := run.follow():
        job.store.add_notice(
            job.name,
            tr("{process} {finding}; it was ended and started again.").format(process=_PROCESS, finding=finding),
        )
        run = _FeaturesRun(job, script, hyperparameters, extra)
        if finding := run.follow():
            raise EngineError(
                tr("The frozen features could not be computed."),
                tr("{process} {finding}, for the second time.").format(process=_PROCESS, finding=finding),
                tr("The last lines of the job's log say what it was at."),
            )
    mark_left_out(channel, job.paths.scans)
    if 0 < run.seconds_per_picture < 60:
        job.store.record_speed(f"features/{choice['backbone']}", run.seconds_per_picture / int(choice["views"]))
    # What is there need not be computed again: the forecast of the next job knows.
    job.store.record_speed(known_features(choice, job.training.dataset_version), 0.0)
    job.store.update_job(job.name, progress=0.0)


class _FeaturesRun:
    """One run of the features script: its progress in the job's record, its output in the job's log."""

    def __init__(
        self, job: JobContext, script: Path, hyperparameters: Mapping[str, str], extra: Mapping[str, str]
    ) -> None:
        self._job, self._begins = job, log_size(job.folder.log)
        self._tail = LogTail(job.folder.log, self._begins)
        self.seconds_per_picture = 0.0
        cores, channels = job.runtime.cores_for(1), job.training.channels
        # Fresh: it has all cores, and where everything is computed already it is done before the fork server is ready.
        self._process = job.launch(script, job.name, job.folder, hyperparameters, channels, cores, extra, fresh=True)
        job.keep_helper(self._process.identity)

    def follow(self) -> str:
        """Follow it to its end; returns why it had to be ended, "" where it was not.

        Raises:
            EngineError: it failed; says why.
            CannotGoOn: something outside of it kept it from continuing.
            Stopped: the job was asked to stop meanwhile.
        """
        job, process = self._job, self._process
        runtime = job.runtime
        watchdog = Watchdog(process.identity, runtime.silence_s, job.folder.log, runtime.wordless_s)
        try:
            while (exit_code := process.poll()) is None:
                wait_for_any([process], _TICK_S)
                job.heartbeat.beat()
                job.raise_if_stopped()
                self._record_progress()
                if finding := watchdog.finding:
                    process.kill()
                    return finding
        except BaseException:
            _end(process, runtime.grace_s)
            raise
        finally:
            job.keep_helper(None)
        self._record_progress(ended=True)
        if exit_code != 0 and (outside := outside_cause(job.folder, exit_code, self._begins)):
            raise CannotGoOn(outside)
        if exit_code != 0:
            reason = failure_reason(job.folder, exit_code, self._begins)
            raise EngineError(tr("The frozen features could not be computed."), reason)
        return ""

    def _record_progress(self, ended: bool = False) -> None:
        share = None
        for line in self._tail.new_lines(ended):
            if sentence := notice_in(line):
                self._job.store.add_notice(self._job.name, sentence)
            if (found := _PROGRESS.match(line)) is not None:
                self.seconds_per_picture = 1 / max(float(found[3] or 0.0), 1e-9)
                share = min(1.0, int(found[1]) / max(1, int(found[2])))
        if share is not None:
            self._job.store.update_job(self._job.name, progress=share)


def _end(process: ScriptProcess, grace_s: float) -> None:
    """End the script, which keeps what it has computed when it is asked politely."""
    process.terminate()
    deadline = time.monotonic() + grace_s
    while process.poll() is None and time.monotonic() < deadline:
        wait_for_any([process], _TICK_S)
    process.kill()
