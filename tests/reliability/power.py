"""Power cuts: a home on a file system of its own, whose disk is copied at a random moment, as it is then.

The disk is an image file on a loop device. All processes are halted, the image is copied without what the system has
not written to it yet, and the copy is mounted: its journal is replayed, as after a cut. Needs root and loop devices.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.reliability.lab import Lab, Tally

SIZE_MB = 96


def possible(place: Path) -> bool:
    """Whether file systems can be made and mounted here."""
    try:
        _make(place / "probe.img", 8)
        with _mounted(place / "probe.img", place / "probe"):
            return True
    except (OSError, subprocess.SubprocessError):
        return False


def run(place: Path, attempts: int, seed: int = 0) -> Tally:
    """Cut the power of `attempts` new homes, each while a search runs or has just ended."""
    chance, tally = random.Random(seed), Tally("power cut (ext4, what was not flushed is gone)")
    fresh = place / "fresh.img"
    _make(fresh, SIZE_MB)
    for number in range(attempts):
        # Files of their own: the loop device of an attempt before may still hold its file, and would show that.
        disk, copy = place / f"disk-{number}.img", place / f"copy-{number}.img"
        shutil.copyfile(fresh, disk)
        try:
            told = _search(disk, copy, place, f"power-{number:03d}", chance)
            with _mounted(copy, place / "mount"):
                problems = Lab(place / "mount" / "homes" / "home", place).audit(f"power-{number:03d}", told)
            tally.add(problems)
        except Exception as error:
            tally.add([f"{type(error).__name__}: {error}"])
            Lab(place / "mount" / "homes" / "home", place).signal_all(signal.SIGKILL)
            time.sleep(0.5)
            subprocess.run(["umount", "-l", str(place / "mount")], check=False, capture_output=True)
        for image in (disk, copy):
            image.unlink(missing_ok=True)
    return tally


def _search(disk: Path, copy: Path, place: Path, name: str, chance: random.Random) -> dict[str, float | None]:
    with _mounted(disk, place / "mount"):
        lab = Lab(place / "mount" / "homes" / "home", place)
        with lab.opened():
            lab.start(name)
            enough = chance.randint(0, 6)
            lab.until(name, lambda job: job.status.is_final or sum(job.counts.values()) > enough)
            time.sleep(chance.uniform(0.0, 0.4))
            told = lab.finished(name)
            lab.signal_all(signal.SIGSTOP)
            shutil.copyfile(disk, copy)
            lab.signal_all(signal.SIGKILL)
        lab.wait_for_processes()
    return told


def _make(image: Path, megabytes: int) -> None:
    image.parent.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True, timeout=60)


@contextlib.contextmanager
def _mounted(image: Path, folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    # The journal would be written every five seconds by itself, and hide what nobody flushes.
    options = "loop,commit=300"
    subprocess.run(["mount", "-o", options, str(image), str(folder)], check=True, capture_output=True, timeout=60)
    try:
        yield
    finally:
        for _ in range(20):  # killed processes may hold it for a moment more
            if not subprocess.run(["umount", str(folder)], check=False, capture_output=True, timeout=60).returncode:
                break
            time.sleep(0.5)
        else:
            raise OSError(f"{folder} stays busy")
