"""kill -9 at random moments: the supervisor, a trial, the fork server, everything at once; then `resume`."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from pathlib import Path

import psutil

from tests.reliability.lab import Lab, Tally

VICTIMS = ("the supervisor", "a trial", "a process of it", "everything")


def run(place: Path, attempts: int, seed: int = 0) -> Tally:
    """Kill in `attempts` searches, up to three times in each."""
    chance, tally = random.Random(seed), Tally("kill -9")
    lab = Lab(place / "home", place)
    for number in range(attempts):
        name = f"kill-{number:03d}"
        try:
            tally.add(_attempt(lab, name, chance))
        except Exception as error:
            tally.add([f"{type(error).__name__}: {error}"])
            lab.close()
            lab.signal_all(signal.SIGKILL)
    return tally


def _attempt(lab: Lab, name: str, chance: random.Random) -> list[str]:
    told: dict[str, float | None] = {}
    with lab.opened():
        lab.start(name)
        for _ in range(chance.randint(1, 3)):
            time.sleep(chance.uniform(0.0, 2.5))
            if lab.engine.job(name).status.is_final:
                lab.engine.resume(name) if lab.engine.job(name).status != "Completed" else None
            told |= lab.finished(name)
            _kill(lab, name, chance.choice(VICTIMS), chance)
    return lab.audit(name, told)


def _kill(lab: Lab, name: str, victim: str, chance: random.Random) -> None:
    assert lab.store is not None
    found = lab.processes()
    owner = lab.store.process(name)
    if victim == "the supervisor":
        found = [process for process in found if owner and process.pid == owner.pid]
    elif victim == "a trial":
        pids = [p.pid for trial in lab.engine.trials(name) if (p := lab.store.process(trial.name))]
        found = [process for process in found if process.pid in pids]
    elif victim == "a process of it":
        found = chance.sample(found, min(1, len(found)))
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGKILL)
