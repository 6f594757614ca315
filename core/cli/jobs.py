"""`sagehound jobs`, `show`, `logs`, `note`, `rename`, `pin`, `stop`, `resume`, `delete`."""

from __future__ import annotations

import argparse
import sys
import time

from core.cli.cloud_facts import cloud_facts, cloud_lines
from core.cli.console import Console, table
from core.cli.describe import created_at, job_json, job_text
from core.cli.wait import wait_for
from core.errors import EngineError, UsageError
from core.jobs.accuracy import percent
from core.jobs.records import TuningJob
from core.paths import AppPaths
from core.translation import tr
from core.workbench import Workbench

_POLL_SECONDS = 0.5
_STOP_TIMEOUT = 180.0


def jobs(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """List jobs, those that are pinned first, then the newest."""
    workbench = Workbench(paths)
    try:
        workbench.engine.refresh()
        found = sorted(workbench.engine.jobs(), key=lambda job: not job.pinned)
    finally:
        workbench.close()
    rows = [
        (
            f"{job.name} ({job.title})" if job.title else job.name,
            job.kind,
            str(job.status),
            "-" if job.accuracy is None else job.accuracy.on_split,
            job.best_objective,
            created_at(job),
        )
        for job in found
    ]
    text = (
        table((tr("name"), tr("kind"), tr("status"), tr("right"), tr("objective"), tr("created")), rows)
        if rows
        else tr("There is no job yet.")
    )
    console.result([job_json(job) for job in found], text)
    return 0


def show(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Describe one job, with its trials."""
    workbench = Workbench(paths)
    try:
        workbench.engine.refresh()
        job = workbench.jobs.find(options.job)
        trials = list(workbench.engine.trials(job.name)) if isinstance(job, TuningJob) else []
        url = workbench.engine.log_url
        data = job_json(job, trials, url) | cloud_facts(workbench, job)
        more, result = cloud_lines(workbench, job), workbench.jobs.result(job)
        if isinstance(job, TuningJob) and (shares := workbench.jobs.importance(job)):
            data |= {"importance": dict(shares)}
            words = ", ".join(f"{name} {percent(share)}" for name, share in shares.items())
            more = [tr("What makes the difference: {words}.").format(words=words), *more]
        console.result(data, lambda: "\n".join([job_text(job, trials, url, result), *more]))
    finally:
        workbench.close()
    return 0


def logs(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Print a training job's log."""
    workbench = Workbench(paths)
    try:
        workbench.engine.refresh()
        job = workbench.jobs.find(options.job)
        name = job.best_trial if isinstance(job, TuningJob) else job.name
        if name is None:
            raise EngineError(
                tr("{name} has no best trial yet.").format(name=job.name), fix=tr("Name one of its trials.")
            )
        lines: list[str] = []
        offset = 0
        while True:
            final = workbench.engine.job(name).status.is_final
            chunk = workbench.engine.read_log(name, offset)
            offset = chunk.next_offset
            lines += chunk.lines
            if chunk.lines:
                if not console.as_json:
                    print("\n".join(chunk.lines), flush=True)
                continue
            if final or not options.follow:
                break
            time.sleep(_POLL_SECONDS)
    finally:
        workbench.close()
    if console.as_json:
        console.result({"name": name, "lines": lines}, "")
    return 0


def stop(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Stop a job and wait until it has stopped."""
    workbench = Workbench(paths)
    try:
        job = workbench.jobs.find(options.job)
        workbench.engine.stop(job.name)
        deadline = time.monotonic() + _STOP_TIMEOUT
        while not (job := workbench.engine.job(job.name)).status.is_final and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
    finally:
        workbench.close()
    console.result(job_json(job), f"{job.name}: {job.status}")
    return 0


def resume(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Let an interrupted or stopped tuning job continue, and wait for its end."""
    workbench = Workbench(paths)
    try:
        job = workbench.jobs.find(options.job)
        workbench.jobs.resume(job.name, console.progress)
        return wait_for(workbench, job.name, console)
    finally:
        workbench.close()


def delete(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Forget a finished job and remove its files, after a question on the terminal or with --yes."""
    workbench = Workbench(paths)
    try:
        job = workbench.jobs.find(options.job)
        size = workbench.jobs.footprint(job.name)
        asks = job.status.is_final and not options.yes  # of a running job the engine says what is wrong
        if asks and not _agreed(
            tr("Delete {name} ({size})? Its files cannot be brought back.").format(name=job.name, size=size), console
        ):
            console.note(tr("Nothing was deleted."))
            return 1
        workbench.engine.delete(job.name)
    finally:
        workbench.close()
    data = {"name": job.name, "deleted": True, "trials": size.trials, "bytes": size.bytes}
    console.result(data, tr("{name} is deleted ({size}).").format(name=job.name, size=size))
    return 0


def _agreed(question: str, console: Console) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(tr("Deleting asks first, and there is no terminal to ask on."), fix="Add --yes.")
    print(f"{question} [y/N] ", end="", file=console.side, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def rename(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Call a job something else; its own name works as before."""
    workbench = Workbench(paths)
    try:
        job = workbench.jobs.rename(options.job, options.title)
    finally:
        workbench.close()
    said = (
        tr("{name} is now called {title}.").format(name=job.name, title=job.title)
        if job.title
        else tr("{name} has its own name again.").format(name=job.name)
    )
    console.result({"name": job.name, "title": job.title}, said)
    return 0


def pin(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Keep a job at the head of the list, or no longer."""
    workbench = Workbench(paths)
    try:
        job = workbench.jobs.pin(options.job, not options.off)
    finally:
        workbench.close()
    said = tr("stays at the head of the list") if job.pinned else tr("stands where it belongs again")
    console.result({"name": job.name, "pinned": job.pinned}, f"{job.shown_name} {said}.")
    return 0


def note(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Put a note on a job or trial; an empty one takes it away."""
    workbench = Workbench(paths)
    try:
        job = workbench.jobs.find(options.job)
        text = options.text.strip()
        workbench.engine.set_note(job.name, text)
    finally:
        workbench.close()
    said = (
        tr("The note on {name} is kept.").format(name=job.name)
        if text
        else tr("{name} has no note any more.").format(name=job.name)
    )
    console.result({"name": job.name, "note": text}, said)
    return 0
