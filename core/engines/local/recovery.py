"""Each job's own record in its folder, and the way back from there when the database is lost."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from core.engines.local.logtail import LogTail
from core.errors import SagehoundError
from core.jobs.contract import JobFolder, Scraper
from core.jobs.records import MetricEvent, TrainingJob
from core.jobs.specs import Spec, TuningSpec, spec_from_json, spec_to_json
from core.jobs.status import JobStatus
from core.store import INTERRUPTED, Store
from core.store.rows import new_record

RECORD_FILE = "job.json"
_KEPT = (
    "secondary_status",
    "created",
    "started",
    "ended",
    "failure_reason",
    "objective",
    "artifact",
    "progress",
    "code_version",
    "note",
    "notices",
)
_logger = logging.getLogger(__name__)


def write_record(store: Store, folder: JobFolder, name: str) -> None:
    """Write job.json: the job's spec, what became of it, the code it ran by, and the user's note."""
    try:
        _write(store, folder, name)
    except OSError as error:  # the store has it all; this is for the day it is lost
        _logger.warning("%s of %s could not be written: %s", RECORD_FILE, name, error)


def _write(store: Store, folder: JobFolder, name: str) -> None:
    record = store.job(name)
    data: dict[str, Any] = {"name": name, "status": str(record.status)}
    data |= {key: getattr(record, key) for key in _KEPT if hasattr(record, key)}
    if isinstance(record, TrainingJob):
        data["tuning_job"] = record.tuning_job
    data["spec"] = spec_to_json(store.spec(name))
    partial = folder.root / f".{RECORD_FILE}.part"
    partial.write_text(json.dumps(data, indent=1), encoding="utf-8", newline="\n")
    os.replace(partial, folder.root / RECORD_FILE)


def recover(store: Store, jobs: Path) -> int:
    """Put the jobs back into an empty store, from their folders; returns how many. Metrics come from their logs.

    What was running when the database was lost counts as interrupted.
    """
    found = []
    for file in sorted(jobs.glob(f"*/{RECORD_FILE}")):
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            found.append((data["created"], file.parent, data, spec_from_json(data["spec"])))
        except (OSError, ValueError, KeyError, TypeError, SagehoundError) as error:
            _logger.warning("%s cannot be recovered: %s", file.parent.name, error)
    for _, folder, data, spec in sorted(found, key=lambda item: item[0]):
        _restore(store, JobFolder(folder), data, spec)
    return len(found)


def _restore(store: Store, folder: JobFolder, data: dict[str, Any], spec: Spec) -> None:
    record = replace(
        new_record(spec),
        created=data["created"],
        started=data.get("started"),
        code_version=data.get("code_version", ""),
        note=data.get("note", ""),
    )
    if isinstance(record, TrainingJob):
        record = replace(record, tuning_job=data.get("tuning_job"))
    store.add_job(record, spec)
    for notice in data.get("notices", ()):
        store.add_notice(record.name, notice)
    status = JobStatus(data["status"])
    kept = {
        key: data[key] for key in ("failure_reason", "objective", "artifact", "progress") if data.get(key) is not None
    }
    secondary = data["secondary_status"]
    if not status.is_final:
        status, secondary, data["ended"] = JobStatus.STOPPED, INTERRUPTED, time.time()
        kept["failure_reason"] = "It was running when the database was lost."
    if isinstance(spec, TuningSpec):
        kept.pop("objective", None)
    else:
        store.record(_metrics(folder, spec.name, Scraper(spec.metrics, partial(store.add_notice, spec.name))))
    store.update_job(spec.name, status=status, secondary_status=secondary, ended=data["ended"], **kept)


def _metrics(folder: JobFolder, name: str, scraper: Scraper) -> list[MetricEvent]:
    events: list[MetricEvent] = []
    tail = LogTail(folder.log)
    moment = folder.log.stat().st_mtime if folder.log.exists() else 0.0
    while lines := tail.new_lines(ended=True):
        for line in lines:
            scraped = scraper.scrape(line)
            events += [
                MetricEvent(name, metric, value, moment, scraped.epoch, scraped.step)
                for metric, value in scraped.values.items()
            ]
    return events
