"""What stands still is noticed, ended and started once more, whatever it is. Real processes, real signals."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core.engines.local.engine import LocalEngine
from core.engines.local.job_runtime import Runtime, StartMethod
from core.engines.local.supervision import SUPERVISOR_LOG, SupervisorWatch
from core.jobs.contract import JobFolder
from core.jobs.records import RuleOutcome
from core.jobs.specs import DebuggerConfig
from core.jobs.status import JobStatus, RuleStatus
from tests.core.engines.conftest import Bench, end_all
from training_scripts.processes import identify

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ROOT = Path(__file__).resolve().parents[4]
SILENCE_S = 2.0

# Says how far it is, as features.py does, and leaves a channel. `stop` and `fail` name files: while one is there, it
# stops itself or fails in the middle, once for each time the file is there.
FEATURES = """
import os, pathlib, signal, sys, time
here = pathlib.Path(__file__).parent
(here / "pids").open("a").write(f"{os.getpid()}\\n")
for done in range(1, 11):
    time.sleep(0.02)
    print(f"features {done}/10 (50.0 pictures/s)", flush=True)
    if done == 5 and (here / "stop").exists():
        os.kill(os.getpid(), signal.SIGSTOP)
    if done == 5 and (here / "fail").exists():
        pathlib.Path(os.environ["SM_OUTPUT_FAILURE"]).write_text("The first reason.")
        sys.exit(1)
    while done == 5 and (here / "wait").exists():
        print("waiting", flush=True)
        time.sleep(0.05)
"""

# Gets through two epochs, then waits for itself for ever, while a thread samples the machine as the profiler does.
# A second process of the same job goes on, unless `always` is set.
HANGING = """
import argparse, json, os, pathlib, threading, time
parser = argparse.ArgumentParser()
for name in ("x", "always", "computes"):
    parser.add_argument("--" + name, default="")
args, _ = parser.parse_known_args()
mark = pathlib.Path(os.environ["SM_CHECKPOINT_DIR"]) / "first"
first = not mark.exists()
mark.write_text("")
def sample():
    while True:
        time.sleep(0.5)
        pathlib.Path("/proc/stat").read_bytes()
threading.Thread(target=sample, daemon=True).start()
if args.computes:
    until = time.process_time() + float(args.computes)
    while time.process_time() < until:
        pass
for epoch in range(1, 5):
    print(f"epoch={epoch}/4 Average loss: {1 / epoch:.6f} seconds=0.01", flush=True)
    if epoch == 2 and not args.computes and (first or args.always):
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
(pathlib.Path(os.environ["SM_MODEL_DIR"]) / "model.json").write_text(json.dumps({"x": 1}))
"""


@pytest.fixture
def bench(paths, store, runtime: Runtime, manifest) -> Iterator[Callable[..., Bench]]:
    """Makes an engine that loses its patience soon."""
    engines = []

    def make(**changes: object) -> Bench:
        engines.append(LocalEngine(paths, store, dataclasses.replace(runtime, silence_s=SILENCE_S, **changes)))
        return Bench(engines[-1], manifest, {}, "x")

    yield make
    for engine in engines:
        end_all(engine)


@pytest.fixture
def features(tmp_path: Path) -> Path:
    script = tmp_path / "features" / "features.py"
    script.parent.mkdir()
    script.write_text(textwrap.dedent(FEATURES), encoding="utf-8")
    return script


def pids(script: Path) -> list[int]:
    """The processes that have run the features script, first to last."""
    file = script.with_name("pids")
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


# Features


def test_a_features_process_that_is_stopped_is_started_again(bench, features):
    mini = bench(features=features)
    features.with_name("wait").write_text("")
    mini.engine.start(mini.tuning("tune-1", max_jobs=1))
    wait_for(lambda: pids(features))
    os.kill(pids(features)[0], signal.SIGSTOP)
    wait_for(lambda: len(pids(features)) == 2)
    features.with_name("wait").unlink()
    job = mini.finished("tune-1")
    assert job.status is JobStatus.COMPLETED
    sentence = (
        "The process that computes the frozen features stood still for 2 seconds; it was ended and started again."
    )
    assert job.notices == (sentence,)
    assert ended(pids(features)[0])


def test_a_features_process_that_stands_still_twice_is_the_reason(bench, features):
    mini = bench(features=features)
    features.with_name("stop").write_text("")
    mini.engine.start(mini.training("single-1"))
    job = mini.finished("single-1")
    assert job.status is JobStatus.FAILED
    assert "frozen features could not be computed" in job.failure_reason
    assert "stood still for 2 seconds, for the second time" in job.failure_reason
    assert len(pids(features)) == 2
    assert all(map(ended, pids(features)))


def test_a_features_process_that_gets_no_further_is_ended_though_it_computes(bench, features):
    features.write_text("while True: pass\n")
    mini = bench(features=features, wordless_s=1.0)
    mini.engine.start(mini.training("single-1"))
    job = mini.finished("single-1")
    assert job.status is JobStatus.FAILED
    assert "computed for 1 seconds without getting any further, for the second time" in job.failure_reason


def test_a_features_process_ends_with_what_watched_over_it(bench, features, store):
    mini = bench(features=features)
    features.with_name("wait").write_text("")
    mini.engine.start(mini.training("single-1"))
    wait_for(lambda: pids(features))
    os.kill(pids(features)[0], signal.SIGSTOP)
    os.kill(store.process("single-1").pid, signal.SIGKILL)
    assert mini.finished("single-1").secondary_status == "Interrupted"
    wait_for(lambda: ended(pids(features)[0]))


def test_a_failure_of_an_earlier_run_is_not_cited(bench, features):
    mini = bench(features=features)
    features.with_name("fail").write_text("")
    mini.engine.start(mini.tuning("tune-1", max_jobs=1))
    assert "The first reason." in mini.finished("tune-1").failure_reason
    features.with_name("fail").unlink()
    features.with_name("wait").write_text("")
    mini.engine.resume("tune-1")
    wait_for(lambda: len(pids(features)) == 2)
    os.kill(pids(features)[1], signal.SIGKILL)
    reason = mini.finished("tune-1").failure_reason
    assert "SIGKILL" in reason
    assert "The first reason." not in reason


# Trials


@pytest.mark.parametrize("launching", ["forkserver", "subprocess"])
def test_a_trial_that_stands_still_is_started_again(bench, runtime, launching: StartMethod):
    runtime.script.write_text(textwrap.dedent(HANGING), encoding="utf-8")
    mini = bench(launching=launching)
    mini.engine.start(mini.tuning("tune-1", max_jobs=1))
    job = mini.finished("tune-1")
    assert job.status is JobStatus.COMPLETED
    (trial,) = mini.engine.trials("tune-1")
    sentence = f"The process of {trial.name} stood still for 2 seconds; it was started again."
    assert trial.notices == job.notices == (sentence,)
    assert trial.status is JobStatus.COMPLETED
    assert trial.objective == pytest.approx(0.25)
    assert trial.artifact is not None


def test_a_trial_that_stands_still_twice_fails_and_the_search_goes_on(bench, runtime):
    runtime.script.write_text(textwrap.dedent(HANGING), encoding="utf-8")
    mini = bench()
    always = {"hyperparameters": {"always": "yes"}}
    mini.engine.start(mini.tuning("tune-1", max_jobs=2, max_parallel_jobs=2, training=always))
    job = mini.finished("tune-1")
    assert job.status is JobStatus.FAILED
    assert len(mini.engine.trials("tune-1")) == 2
    for trial in mini.engine.trials("tune-1"):
        assert trial.status is JobStatus.FAILED
        assert trial.failure_reason == "Its process stood still for 2 seconds, for the second time."


def test_a_trial_that_computes_without_a_word_is_left_alone(bench, runtime):
    runtime.script.write_text(textwrap.dedent(HANGING), encoding="utf-8")
    mini = bench()
    mini.engine.start(mini.training("single-1", hyperparameters={"computes": str(1.5 * SILENCE_S)}))
    job = mini.finished("single-1")
    assert (job.status, job.notices) == (JobStatus.COMPLETED, ())


# The fork server


def server_of(store, trial: str) -> psutil.Process:
    return psutil.Process(psutil.Process(store.process(trial).pid).ppid())


@pytest.mark.skipif(sys.platform != "linux", reason="the fork server is told by its child")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP])
def test_a_fork_server_that_is_gone_or_stopped_is_replaced_and_its_trials_run_again(bench, store, tmp_path, sign):
    mini = bench(launching="forkserver")
    slow = {"hyperparameters": {"num_epochs": "10", "sleep": "0.1"}}
    mini.engine.start(mini.tuning("tune-1", max_jobs=3, max_parallel_jobs=1, training=slow))
    mini.until("tune-1", lambda job: bool(job.counts))
    first = mini.engine.trials("tune-1")[0].name
    mini.until(first, lambda job: bool(job.metrics))
    server = server_of(store, first)
    server.send_signal(sign)
    job = mini.finished("tune-1", 120)
    assert job.status is JobStatus.COMPLETED
    assert job.counts == {JobStatus.COMPLETED: 3}
    assert not server.is_running()
    (notice,) = job.notices
    assert notice.startswith(f"The process of {first} ")
    assert notice.endswith("; it was started again.")
    log = (JobFolder(Path(mini.engine.job_folder(first))).log).read_text()
    assert log.count("hello from") == 2


# Starts a script, treats the fork server, and starts another; says how each ended and how many servers there were.
STARTS = """
import os, signal, sys, time
from pathlib import Path
from core.engines.local.script_launcher import ScriptLauncher
script, log, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
launcher, servers = ScriptLauncher("forkserver", (), 1, 2.0), set()
def run():
    process = launcher.start(script, [], dict(os.environ), log.parent, log)
    servers.add(launcher._server.identity)
    while process.poll() is None:
        time.sleep(0.02)
    return process.poll()
codes = [run()]
for server in list(servers):
    os.kill(server.pid, getattr(signal, how))
codes.append(run())
print(codes, len(servers), sum(server.is_alive for server in servers))
"""


@pytest.mark.parametrize("how", ["SIGSTOP", "SIGKILL"])
def test_a_fork_server_that_does_not_answer_is_replaced(tmp_path, how):
    """To start a script is to wait for the server's answer, without end."""
    script, log = tmp_path / "script.py", tmp_path / "log.txt"
    script.write_text("print('hello')\n")
    command = [sys.executable, "-c", STARTS, str(script), str(log), how]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "[0, 0] 2 1\n", done.stderr
    assert log.read_text() == "hello\nhello\n"


# The rules


def test_rules_that_nobody_evaluates_to_the_end_say_so(bench, store):
    """A watcher that dies twice leaves the job alone, and no rule in progress for ever."""
    mini = bench()
    spec = dataclasses.replace(
        mini.training("single-1", hyperparameters={"num_epochs": "400", "sleep": "0.05"}),
        debugger=DebuggerConfig(profiler=False),
    )
    mini.engine.start(spec)
    mini.until("single-1", lambda job: bool(job.metrics))
    store.record([RuleOutcome("single-1", "Overfit", RuleStatus.IN_PROGRESS, 1.0)])
    for count in (1, 2):
        (watcher,) = [
            child
            for child in psutil.Process(store.process("single-1").pid).children()
            if any(part.endswith("evaluate_beside.py") for part in child.cmdline())
        ]
        watcher.kill()
        mini.until("single-1", lambda job, count=count: len(job.notices) == count)
    mini.engine.stop("single-1")
    job = mini.finished("single-1")
    assert job.status is JobStatus.STOPPED
    assert "for the second time: the rules are no longer evaluated" in job.notices[1]
    wait_for(lambda: store.outcomes("single-1")[0].status is RuleStatus.ERROR)  # the supervisor's last deed
    (outcome,) = store.outcomes("single-1")
    assert "before it had seen the whole training" in outcome.details


# The supervisor


def test_a_supervisor_that_stands_still_is_ended_and_its_search_can_go_on(bench, store):
    mini = bench()
    slow = {"hyperparameters": {"num_epochs": "4", "sleep": "0.05"}}
    mini.engine.start(mini.tuning("tune-1", max_jobs=3, max_parallel_jobs=1, training=slow))
    mini.until("tune-1", lambda job: bool(job.counts))
    os.kill(store.process("tune-1").pid, signal.SIGSTOP)
    job = mini.finished("tune-1")
    assert (job.status, job.secondary_status) == (JobStatus.STOPPED, "Interrupted")
    assert job.failure_reason.startswith("Its supervisor process stood still for 8 seconds and was ended.")
    mini.engine.resume("tune-1")
    assert mini.finished("tune-1").status is JobStatus.COMPLETED


def test_a_supervisor_that_only_waits_is_left_alone(bench, store):
    """Its trial sleeps, and so does it; longer than would count as standing still."""
    mini = bench()
    mini.engine.start(mini.training("single-1", hyperparameters={"num_epochs": "12", "sleep": "1"}))
    supervisor = store.process("single-1")
    assert mini.finished("single-1").status is JobStatus.COMPLETED
    assert store.process("single-1") == supervisor


def test_only_a_supervisor_is_ended(paths):
    """A window answers for a job while it starts it."""
    folder = JobFolder(paths.jobs / "job").create().root
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as window:
        owner = identify(window.pid)
        watch, deadline = SupervisorWatch(paths, 0.2), time.monotonic() + 30
        watch.look({"job": owner})
        while not watch._watchdogs["job", owner].finding:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        watch.look({"job": owner})
        assert owner.is_alive
        assert not (folder / SUPERVISOR_LOG).exists()
        window.kill()
