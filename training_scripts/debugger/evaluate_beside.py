"""Evaluates rules beside running jobs: `python evaluate_beside.py [--pid PID --folder OUTPUT --job NAME]`.

Without arguments it reads from stdin, one JSON object a line, which jobs to watch:

    {"watch": "<output folder>", "job": "<name>", "settings": {…}}     {"ended": "<output folder>"}

(`"has_ended": true` in the first where a job was over before it came), and it ends when stdin does. Then
`sagehound-watched <output folder>` says that a job's last word is spoken, and an empty line every `--beat` seconds
that the process lives. With arguments it watches one job, until the job's process is
gone. Outcomes go to `<output>/rules/<Rule>.json`, and whenever a rule's status changes, as `sagehound-rule {json}`
lines to stdout.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Run as a script this folder comes first, where a module could shadow one of Python's own.
    sys.path[0] = str(Path(__file__).resolve().parent.parent.parent)
    os.environ["SAGEHOUND_RULE_BASE"] = "own"  # smdebug takes seconds to import, and brings torch

from training_scripts.debugger.defaults import chosen_rules
from training_scripts.debugger.job_settings import DONE_LINE, RULE_LINE, Settings, read_info
from training_scripts.debugger.reader import Trial
from training_scripts.debugger.runner import Evaluation, RuleRun
from training_scripts.metrics import write_whole_lines

POLL_S = 0.25
TELL_S = 1.0
"""How often the evidence of a rule whose status stays the same is written again."""


def print_line(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


class Watched:
    """One job that is being watched. `output` is its SM_OUTPUT_DIR; `say` gets outcomes, a line each."""

    def __init__(self, output: Path, job: str, settings: Settings, say: Callable[[str], None] = print_line) -> None:
        self.output, self.job, self._settings, self._say = output, job, settings, say
        self.ended = False
        self.done = False
        self._evaluation: Evaluation | None = None
        self._told: dict[str, str] = {}
        self._written = 0.0
        self._last_step, self._seen = -1, 0.0

    def poll(self) -> None:
        """Evaluate what is new, write and say what came of it. Never raises."""
        try:
            self._poll()
        except Exception as error:
            print(f"Rules of {self.job} are no longer evaluated: {error}", file=sys.stderr, flush=True)
            self.done = True
            with contextlib.suppress(OSError):
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Say of each rule that has not come to its end, in the job, that it is not evaluated any longer, and why."""
        evaluation = self._evaluation
        if evaluation is None:
            rules = chosen_rules(self._settings.default_rules, self._settings.rules, {})
            evaluation = Evaluation(Trial.open(self.output / "tensors"), rules, self._settings.actions, self.job)
        evaluation.give_up(error)
        self._tell(evaluation)

    def _poll(self) -> None:
        ended = self.ended
        tensors = self.output / "tensors"
        if self._evaluation is None:
            info = read_info(tensors)
            if not info:
                # A job that ended before its training began: rules have nothing to say of it.
                self.done = ended
                return
            rules = chosen_rules(self._settings.default_rules, self._settings.rules, info.get("hyperparameters", {}))
            self._evaluation = Evaluation(Trial.open(tensors), rules, self._settings.actions, self.job)
        found = self._evaluation.advance() + self._evaluation.idle(self._now(self._evaluation))
        if ended or self._evaluation.trial.loaded_all_steps:
            self._evaluation.advance()  # what came between looking and the end
            self._evaluation.finish()
            self.done = True
        elif any(run.action == "stop" for run in found):
            self._stop([run for run in found if run.action == "stop"])
        if self.done or found or time.monotonic() - self._written > TELL_S:
            self._tell(self._evaluation)

    def _now(self, evaluation: Evaluation) -> float:
        """Return the time since the last step was seen, behind that step's own time: the clock may be set meanwhile."""
        if evaluation.last_step != self._last_step:
            self._last_step, self._seen = evaluation.last_step, time.monotonic()
        saved_at = evaluation.trial.saved_at(evaluation.last_step)
        return time.time() if saved_at is None else saved_at + time.monotonic() - self._seen

    def _tell(self, evaluation: Evaluation) -> None:
        self._written = time.monotonic()
        folder = self.output / "rules"
        folder.mkdir(parents=True, exist_ok=True)
        for run in evaluation.changed():
            outcome = json.dumps(run.outcome(self.job))
            target = folder / f"{run.name}.json"
            aside = target.with_suffix(".tmp")
            aside.write_text(outcome, encoding="utf-8")
            os.replace(aside, target)
            if self._told.get(run.name) != run.status:
                self._told[run.name] = run.status
                self._say(RULE_LINE + outcome)

    def _stop(self, runs: list[RuleRun]) -> None:
        """Ask the job to save its model and end. `<job>/stop` is the local engine's way, SIGTERM a container's."""
        reason = f"The rule {runs[0].name} found an issue: {runs[0].first_details}"
        with contextlib.suppress(OSError):
            (self.output.parent / "stop").write_text(reason, encoding="utf-8")
        pid = read_info(self.output / "tensors").get("pid")
        if self._settings.watch and isinstance(pid, int) and os.name == "posix":
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGTERM)


class Watcher:
    """All jobs of one watcher process."""

    def __init__(self, on_done: Callable[[str], None] = lambda output: None) -> None:
        self._jobs: dict[str, Watched] = {}
        self._on_done = on_done

    def command(self, line: str) -> None:
        """Take one line of stdin; what is none is ignored."""
        try:
            message: dict[str, Any] = json.loads(line)
            if "watch" in message:
                settings = Settings(**message.get("settings", {}))
                output = Path(message["watch"])
                watched = Watched(output, str(message.get("job", output.parent.name)), settings)
                watched.ended = bool(message.get("has_ended"))
                self._jobs[str(output)] = watched
            elif str(Path(message["ended"])) in self._jobs:
                self._jobs[str(Path(message["ended"]))].ended = True
        except (ValueError, KeyError, TypeError) as error:
            print(f"Not understood: {line.strip()[:200]} ({error})", file=sys.stderr, flush=True)

    def poll(self) -> None:
        """Look at every job once."""
        for key, job in list(self._jobs.items()):
            job.poll()
            if job.done:
                del self._jobs[key]
                self._on_done(key)

    def close(self) -> None:
        """Note that no more comes: every job counts as ended."""
        for job in self._jobs.values():
            job.ended = True
        self.poll()


def main(arguments: list[str] | None = None) -> int:
    """Watch until there is nothing left to watch; returns the exit status, which is always 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pid", type=int)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--job", default="")
    parser.add_argument("--beat", type=float, default=math.inf)
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        # A job that is stopped takes its group along; the watcher ends with its last job, or with stdin.
        signal.signal(number, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(10)
    if options.folder is None:
        _run_told(Watcher(lambda output: print(f"{DONE_LINE}{output}", flush=True)), options.beat)
    else:
        watcher = Watcher()
        settings = Settings.from_environment()
        output = str(options.folder)
        message = {"watch": output, "job": options.job, "settings": json.loads(settings.to_json())}
        watcher.command(json.dumps(message))
        _run_beside(watcher, lambda: _alive(options.pid))
    return 0


def _run_told(watcher: Watcher, beat_s: float) -> None:
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    said = time.monotonic()
    while True:
        if time.monotonic() - said > beat_s:
            said = time.monotonic()
            print(flush=True)
        try:
            line = lines.get(timeout=POLL_S)
        except queue.Empty:
            watcher.poll()
            continue
        if line is None:
            break
        watcher.command(line)
        if lines.empty():
            watcher.poll()
    watcher.close()


def _run_beside(watcher: Watcher, alive: Callable[[], bool]) -> None:
    while alive() and watcher._jobs:
        watcher.poll()
        time.sleep(POLL_S)
    watcher.close()


def _alive(pid: int) -> bool:
    """Whether the job's process, our parent, is still there."""
    return os.getppid() == pid if os.name == "posix" else _alive_on_windows(pid)


def _alive_on_windows(pid: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(pid))


if __name__ == "__main__":
    write_whole_lines()
    sys.exit(main())
