"""`sagehound watch`: scripts that know nothing of us, in processes of their own, as from a shell."""

import json
import os
import subprocess
import sys
import time

import pytest

from core.engines.local.engine import LocalEngine
from core.engines.local.watched import WatchedScript
from core.jobs.status import JobStatus, RuleStatus
from core.paths import ROOT, AppPaths
from core.store import Store
from tests.training_scripts.watch.harness import SCRIPTS

DIGITS = (SCRIPTS / "digits_cnn.py").read_text(encoding="utf-8")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def run(command, cwd, **variables):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=280, check=False)


def watch(home, cwd, *command, options=(), **variables):
    program = [sys.executable, str(ROOT / "__main__.py"), "watch", *options, "--", *command]
    return run(program, cwd, SAGEHOUND_HOME=str(home), **variables)


def script_of(folder, text, name="train.py"):
    (folder / name).write_text(text, encoding="utf-8")
    return name


def jobs_of(home):
    paths = AppPaths(home)
    store = Store(paths.database)
    engine = LocalEngine(paths, store)
    try:
        return [(job, engine.job_folder(job.name)) for job in engine.jobs()], engine.events().events
    finally:
        engine.close()
        store.close()


def test_a_healthy_script_stays_as_it_is_and_becomes_a_job(tmp_path, home):
    name = script_of(tmp_path, DIGITS + "\nraise SystemExit(5)\n")
    plain = run([sys.executable, name, "--epochs", "2"], tmp_path)
    watched = watch(home, tmp_path, sys.executable, name, "--epochs", "2")
    assert (watched.stdout, watched.stderr, watched.returncode) == (plain.stdout, "", 5)
    ((job, folder),), events = jobs_of(home)
    assert (job.kind, job.status, job.objective) == ("watched", JobStatus.FAILED, pytest.approx(1, abs=1.5))
    assert job.hyperparameters["command"].endswith("train.py --epochs 2")
    assert {"Average loss", "train:loss", "valid:loss"} <= set(job.metrics)
    assert [event.epoch for event in events if getattr(event, "name", "") == "train:loss"] == [1, 2]
    statuses = {event.rule: event.status for event in events if hasattr(event, "rule")}
    assert statuses["GradientsNotCleared"] is RuleStatus.NO_ISSUES_FOUND
    assert statuses["NotANumber"] is RuleStatus.NO_ISSUES_FOUND
    assert list((folder / "output" / "profiler" / "framework").rglob("*pythontimeline.json"))


def test_findings_are_lines_and_json_and_the_part_inside_needs_torch_alone(tmp_path, home):
    """numpy and protobuf cannot be imported there, and a sitecustomize of the user's own still runs."""
    blocked = tmp_path / "blocked"
    for name in ("numpy", "google", "psutil"):
        (blocked / name).mkdir(parents=True)
        (blocked / name / "__init__.py").write_text("raise ModuleNotFoundError('not here')\n", encoding="utf-8")
    (blocked / "sitecustomize.py").write_text("import os; os.environ['MINE'] = 'yes'\n", encoding="utf-8")
    text = DIGITS.replace("        optimizer.zero_grad()\n", "") + "\nimport os, sys\nprint(os.environ['MINE'])\n"
    text += "assert 'training_scripts' not in sys.modules and 'core' not in sys.modules\n"
    name = script_of(tmp_path, text)
    shell = f'PYTHONPATH="$PYTHONPATH:{blocked}" exec "{sys.executable}" -W ignore {name} --epochs 1'
    done = watch(home, tmp_path, "sh", "-c", shell, options=["--json", "found.json"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "yes"
    place = tmp_path / "train.py"
    line = 1 + text.splitlines().index("        loss.backward()")
    assert done.stderr.splitlines()[0] == (
        f"sagehound: step 3: {place}:{line}: GradientsNotCleared: Gradients are never cleared: each backward adds to "
        "those of the steps before. Call optimizer.zero_grad() in every step, before backward."
    )
    document = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    first = document["rules"][0]
    assert first | {"details": ""} == {
        "name": "GradientsNotCleared",
        "status": "IssuesFound",
        "step": 3,
        "cause": "Gradients are never cleared: each backward adds to those of the steps before.",
        "details": "",
        "file": str(place),
        "line": line,
        "remedy": "Call optimizer.zero_grad() in every step, before backward.",
        "follows_from": "",
    }
    assert all(rule["follows_from"] and not rule["remedy"] for rule in document["rules"][1:])
    ((job, folder),), _ = jobs_of(home)
    assert document["job"] == job.name
    assert list((folder / "output" / "tensors" / "events").rglob("*.tfevents"))


def test_stop_on_ends_the_script_at_the_step(tmp_path, home):
    text = DIGITS.replace("        optimizer.zero_grad()\n", "").replace("default=3)", "default=3000)")
    name = script_of(tmp_path, text)
    done = watch(home, tmp_path, sys.executable, name, options=["--stop-on", "GradientsNotCleared"])
    assert done.returncode == 143
    assert done.stdout == ""
    assert "the script was ended. The rule GradientsNotCleared found an issue" in done.stderr
    assert jobs_of(home)[0][0][0].status is JobStatus.STOPPED


def test_a_script_that_fails_says_what_it_always_said(tmp_path, home):
    text = DIGITS.replace("nn.Linear(16 * 36, 32)", "nn.Linear(16 * 35, 32)")
    name = script_of(tmp_path, text)
    done = watch(home, tmp_path, sys.executable, name)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert [line.split(", in ")[1] for line in lines if "train.py" in line][-1] == "forward"
    assert "cannot be multiplied" in lines[-1]
    assert "training_scripts" not in done.stderr


@pytest.mark.long
def test_processes_of_a_distributed_training_are_compared(tmp_path, home):
    text = (SCRIPTS / "distributed.py").read_text(encoding="utf-8")
    name = script_of(tmp_path, text.replace("    model = DistributedDataParallel(model)\n", ""))
    done = watch(home, tmp_path, sys.executable, name, "--epochs", "1", options=["--json", "found.json"])
    assert done.returncode == 0, done.stderr
    names = [rule["name"] for rule in json.loads((tmp_path / "found.json").read_text("utf-8"))["rules"]]
    assert names == ["ReplicasDiverge"]


NOTEBOOK = """
import sagehound, torch
model, loss_fn = torch.nn.Linear(8, 3), torch.nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), 0.01)
watched = sagehound.watch(model, loss_fn, optimizer, name="cell")
for _ in range(30):
    loss_fn(model(torch.randn(16, 8)), torch.randint(0, 3, (16,))).backward()
    optimizer.step()
watched.close()
print(watched.folder.name, watched.step, [finding.rule for finding in watched.findings])
"""


def test_two_lines_in_a_notebook_make_a_job(tmp_path, home):
    (tmp_path / "sagehound").symlink_to(ROOT)
    done = run([sys.executable, script_of(tmp_path, NOTEBOOK)], tmp_path, SAGEHOUND_HOME=str(home))
    job, step, found = done.stdout.strip().split(" ", 2)
    assert (step, found) == ("30", "['GradientsNotCleared']"), done.stderr
    assert f"{tmp_path / 'train.py'}:7: GradientsNotCleared" in done.stderr
    for _ in range(600):
        jobs, events = jobs_of(home)  # on a busy machine the record comes after the training has ended
        if jobs and jobs[0][0].status.is_final:
            break
        time.sleep(0.1)
    ((record, _),) = jobs
    assert (record.name, record.kind, record.status) == (job, "watched", JobStatus.COMPLETED)
    assert "GradientsNotCleared" in {event.rule for event in events if hasattr(event, "rule")}


def test_what_the_shell_handed_on_is_the_scripts(tmp_path, home):
    """`python <(…)` reads its program from there."""
    reads, writes = os.pipe()
    os.set_inheritable(reads, True)
    os.write(writes, bytes([7]))
    os.close(writes)
    program = f"import os; raise SystemExit(os.read({reads}, 1)[0])"
    process = WatchedScript([sys.executable, "-S", "-c", program], AppPaths(home))._start()
    os.close(reads)
    assert process.wait(120) == 7


def test_wrong_use_is_said(tmp_path, home):
    done = watch(home, tmp_path, "python", "train.py", options=["--stop-on", "GradientNotCleared"])
    assert done.returncode == 2
    assert "Perhaps you mean GradientsNotCleared." in done.stderr
    assert watch(home, tmp_path).returncode == 2
    assert watch(home, tmp_path, "no-such-program").returncode == 1
