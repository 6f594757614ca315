"""Each job's own record in its folder, and the way back from there when the database is lost."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from core.engine_names import LOCAL
from core.engines.local.detached import kill_tree
from core.engines.local.logtail import LogTail
from core.engines.local.supervision import is_supervisor
from core.engines.local.watched import BEGUN_FILE, watched_spec
from core.errors import SagehoundError, SpecError
from core.jobs.contract import JobFolder, Scraper
from core.jobs.head_models import left_head_alone
from core.jobs.records import Job, MetricEvent, TrainingJob
from core.jobs.scraping import without_epochs
from core.jobs.specs import Spec, spec_from_json, spec_to_json
from core.jobs.status import JobStatus
from core.store import INTERRUPTED, JobChanges, Store
from core.store.rows import new_record
from core.translation import plural, tr
from training_scripts.durable import write_text
from training_scripts.outside import UNUSABLE, read_json
from training_scripts.processes import ProcessIdentity

RECORD_FILE = "job.json"
_KEPT = (
    "secondary_status",
    "created",
    "started",
    "ended",
    "failure_reason",
    "objective",
    "progress",
    "code_version",
    "note",
    "title",
    "pinned",
    "notices",
)
_logger = logging.getLogger(__name__)


def write_record(
    store: Store, folder: JobFolder, name: str, flushed: bool = True, **changes: Unpack[JobChanges]
) -> None:
    """Write job.json: the job's spec, what became of it, the code it ran by, and the user's note.

    `changes` are those that the store is about to record.
    """
    try:
        record: Job = replace(store.job(name), **changes)  # type: ignore[arg-type]
        data: dict[str, Any] = {"name": name, "engine": record.engine, "status": str(record.status)}
        data |= {key: getattr(record, key) for key in _KEPT if hasattr(record, key)}
        if isinstance(record, TrainingJob):
            data["tuning_job"] = record.tuning_job
            if record.engine != LOCAL:  # a local one is where its folder is
                data["artifact"] = record.artifact
        if (process := store.process(name)) is not None:
            data["process"] = [process.pid, process.started]
        data["spec"] = spec_to_json(store.home_paths.kept_spec(store.spec(name)))
        write_text(folder.root / RECORD_FILE, json.dumps(data, indent=1), flushed)
    except OSError as error:  # the store has it all; this is for the day it is lost
        _logger.warning("%s of %s could not be written: %s", RECORD_FILE, name, error)


@dataclass(frozen=True, slots=True)
class _Found:
    """A job as its folder tells of it; `process` answered for it."""

    record: Job
    spec: Spec
    changes: JobChanges
    metrics: list[MetricEvent]
    notices: tuple[str, ...]
    process: ProcessIdentity | None


def recover(store: Store, jobs: Path) -> int:
    """Put the jobs back into an empty store, from their folders; returns how many. `store.notice` says so.

    Metrics come from their logs. What ran on this machine when the database was lost counts as interrupted; what runs
    in the cloud, the cloud is asked about. All of them are put back, or none: a store that is not empty is not a sign
    of a lost one.
    """
    files = sorted(jobs.glob(f"*/{RECORD_FILE}"))
    if not files or not store.is_empty:
        return 0
    with store.transaction():
        if not store.is_empty:  # another process was faster
            return 0
        found = sorted((item for file in files if (item := _read(store, file))), key=lambda item: item.record.created)
        for item in found:
            _restore(store, item)
    if found:
        lost = len(files) - len(found)
        count = sum(not isinstance(item.record, TrainingJob) or not item.record.tuning_job for item in found)
        said = plural(
            "The database of results was lost; {count} job with {trials} trials was recovered from "
            "the folders in {jobs}.",
            "The database of results was lost; {count} jobs with {trials} trials were recovered from "
            "the folders in {jobs}.",
            count,
            trials=len(found) - count,
            jobs=jobs,
        )
        unread = plural("{count} record could not be read.", "{count} of their records could not be read.", lost)
        store.say_recovered(f"{said} {unread}" if lost else said)
    return len(found)


def add_unrecorded(store: Store, jobs: Path) -> None:
    """Record the watched trainings whose watching process was killed before it could.

    As running, with that process to answer for them: who looks next finds that it is gone.
    """
    for file in jobs.glob(f"*/{BEGUN_FILE}"):
        try:
            told = read_json(file)
            process = ProcessIdentity(**told["process"])
            command, stop_on, where = told["command"], told["stop_on"], told["folder"]
            spec = watched_spec(file.parent.name, command, stop_on, bool(told["attached"]), where)
            began = file.stat().st_mtime
        except (*UNUSABLE, SagehoundError) as error:
            _logger.warning("%s cannot be recorded: %s", file.parent.name, error)
            continue
        if process.is_alive:
            continue
        with contextlib.suppress(SpecError):
            store.add_job(replace(new_record(spec), created=began), spec, process)
            store.update_job(spec.name, status=JobStatus.IN_PROGRESS, secondary_status="Training", started=began)
        file.unlink(missing_ok=True)


def _read(store: Store, file: Path) -> _Found | None:
    try:
        data = read_json(file)
        spec = store.home_paths.found_spec(spec_from_json(data["spec"]))
        if spec.name != file.parent.name:
            raise ValueError(f"it tells of the job {spec.name}")
        return _found(JobFolder(file.parent), data, spec)
    except (*UNUSABLE, SagehoundError) as error:
        _logger.warning("%s cannot be recovered: %s", file.parent.name, error)
        return None


def _found(folder: JobFolder, data: dict[str, Any], spec: Spec) -> _Found:
    engine = str(data.get("engine", LOCAL))
    record = replace(
        new_record(spec, engine),
        created=float(data["created"]),
        started=data.get("started"),
        code_version=data.get("code_version", ""),
        note=data.get("note", ""),
        title=str(data.get("title", "")),
        pinned=bool(data.get("pinned", False)),
    )
    notices = [str(notice) for notice in data.get("notices", ())]
    status, ended = JobStatus(data["status"]), data.get("ended")
    changes: JobChanges = {"secondary_status": str(data["secondary_status"])}
    if data.get("failure_reason"):
        changes["failure_reason"] = str(data["failure_reason"])
    if data.get("progress") is not None:
        changes["progress"] = float(data["progress"])
    if status.is_final:
        pass
    elif engine != LOCAL:
        status = JobStatus.IN_PROGRESS
    else:
        status, ended = JobStatus.STOPPED, time.time()
        changes["secondary_status"] = INTERRUPTED
        changes["failure_reason"] = tr("It was running when the database was lost.")
    metrics: list[MetricEvent] = []
    if isinstance(record, TrainingJob):
        record = replace(record, tuning_job=data.get("tuning_job"))
        metrics, changes["weakest"] = _metrics(folder, spec.name, Scraper(spec.training.metrics, notices.append))
        if data.get("objective") is not None:
            changes["objective"] = float(data["objective"])
        if data.get("artifact"):
            changes["artifact"] = str(data["artifact"])
        elif engine == LOCAL and (folder.artifact.is_file() or left_head_alone(folder)):
            changes["artifact"] = str(folder.artifact)
    changes |= {"status": status, "ended": ended}
    process = ProcessIdentity(int(data["process"][0]), str(data["process"][1])) if data.get("process") else None
    return _Found(record, spec, changes, metrics, tuple(notices), process)


def _restore(store: Store, found: _Found) -> None:
    if found.process is not None and found.process.is_alive and is_supervisor(found.process):
        kill_tree(found.process)  # it works for a database that is gone
    store.add_job(found.record, found.spec)
    for notice in found.notices:
        store.add_notice(found.record.name, notice)
    store.update_job(found.record.name, found.metrics, **found.changes)


def _metrics(folder: JobFolder, name: str, scraper: Scraper) -> tuple[list[MetricEvent], str]:
    """Return what a job's log says of metrics, and which class it says is the weakest."""
    events: list[MetricEvent] = []
    weakest = ""
    tail = LogTail(folder.log)
    moment = folder.log.stat().st_mtime if folder.log.exists() else 0.0
    while lines := tail.new_lines(ended=True):
        for line in lines:
            scraped = scraper.scrape(line)
            if scraped.begins is not None:
                events, weakest = without_epochs(events, scraped.begins), ""
            weakest = weakest if scraped.weakest is None else scraped.weakest
            events += [
                MetricEvent(name, metric, value, moment, scraped.epoch, scraped.step)
                for metric, value in scraped.values.items()
            ]
    return events, weakest
