"""Full disks: a home on a small file system is filled at a random moment; jobs are looked at; there is room again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from core.jobs.status import JobStatus
from core.paths import ROOT
from core.python import script_command
from tests.reliability.lab import Lab, Tally

SIZE_MB = 24


def possible(place: Path) -> bool:
    """Whether a file system in memory can be mounted here."""
    try:
        with _small_disk(place / "probe"):
            return True
    except (OSError, subprocess.SubprocessError):
        return False


def run(place: Path, attempts: int, seed: int = 0) -> Tally:
    """Fill the disk in `attempts` searches, up to a few kilobytes, and empty it again."""
    chance, tally = random.Random(seed), Tally("disk full, then room again (tmpfs)")
    for number in range(attempts):
        with _small_disk(place / "small") as disk:
            lab = Lab(disk / "home", place)
            try:
                tally.add(_attempt(lab, disk, f"full-{number:03d}", chance))
            except Exception as error:
                tally.add([f"{type(error).__name__}: {error}"])
                lab.close()
                lab.signal_all(signal.SIGKILL)
                lab.wait_for_processes()
    return tally


def _attempt(lab: Lab, disk: Path, name: str, chance: random.Random) -> list[str]:
    problems: list[str] = []
    with lab.opened():
        lab.start(name, size="500000")
        enough = chance.randint(0, 4)
        lab.until(name, lambda job: job.status.is_final or sum(job.counts.values()) > enough)
        time.sleep(chance.uniform(0.0, 0.3))
        told = lab.finished(name)
        fill(disk, leave=chance.choice([0, 0, 8_192, 100_000, 700_000]))
        told |= lab.finished(name)
        job = lab.ended(name)
        if job.status is JobStatus.FAILED:
            problems.append(f"it failed: {job.failure_reason}")
        trials = {trial.status for trial in lab.engine.trials(name)}
        if JobStatus.FAILED in trials:
            problems.append("trials failed")
    lab.wait_for_processes()
    fill(disk, leave=0)
    for command in (["jobs"], ["show", name]):
        problems += _looked(lab.paths.home, command, name)
    (disk / "filler").unlink()
    return problems + lab.audit(name, told)


def fill(disk: Path, leave: int) -> None:
    """Take all the room of a file system but for some bytes."""
    with (disk / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    size = (disk / "filler").stat().st_size
    os.truncate(disk / "filler", max(size - leave, 0))


def _looked(home: Path, command: list[str], name: str) -> list[str]:
    environment = {**os.environ, "SAGEHOUND_HOME": str(home)}
    done = subprocess.run(
        script_command(ROOT / "__main__.py", *command),
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == 0 and name in done.stdout and "Traceback" not in done.stderr:
        return []
    return [f"`{' '.join(command)}` on a full disk: {done.returncode} {done.stderr.strip()[-300:]}"]


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={SIZE_MB}m,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True, capture_output=True)
    try:
        yield folder
    finally:
        for _ in range(20):
            if not subprocess.run(["umount", str(folder)], check=False, capture_output=True).returncode:
                break
            time.sleep(0.5)
        else:
            subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)
