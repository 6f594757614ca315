"""What stands still inside a packed search is ended, started once more, and then the reason: real signals."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from core.jobs.scraping import notice_in
from training_scripts.job import JobError, StopRequest
from training_scripts.metrics import METRIC_DEFINITIONS, begin_line
from training_scripts.packed.features_run import compute_features
from training_scripts.packed.lines import TrialRecord, read_line
from training_scripts.packed.order import FILE, SearchOrder
from training_scripts.packed.trial import RunningTrial, ScriptTrial, TrialFolder
from training_scripts.strategies.dimensions import Dimension
from training_scripts.strategies.plan import SearchPlan
from training_scripts.trial_worker import TrialRequest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ROOT = Path(__file__).resolve().parents[2]
SILENCE_S = 0.5
AGAIN = "stood still for 0 seconds; it was ended and started again."

# Stops itself as often as the file `stops` says, then is done.
SCRIPT = """
import os, pathlib, signal, sys
stops = pathlib.Path(__file__).with_name("stops")
left = int(stops.read_text())
print("epoch=1/2 Average loss: 0.5", flush=True)
if left:
    stops.write_text(str(left - 1))
    os.kill(os.getpid(), signal.SIGSTOP)
print("epoch=2/2 Average loss: 0.25", flush=True)
output = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
output.mkdir()
(output / "features.json").write_text("{}")
"""


@pytest.fixture
def script(tmp_path) -> Callable[[int], Path]:
    def make(stops: int) -> Path:
        (tmp_path / "stops").write_text(str(stops))
        file = tmp_path / "script.py"
        file.write_text(SCRIPT, encoding="utf-8")
        return file

    return make


def test_features_that_stand_still_are_started_again(script, tmp_path, capfd):
    folder = tmp_path / "features"
    assert compute_features({}, folder, tmp_path, StopRequest(), SILENCE_S, script(1)) == folder
    notices = [said for line in capfd.readouterr().out.splitlines() if (said := notice_in(line))]
    assert notices == [f"The process that computes the frozen features {AGAIN}"]


def test_features_that_stand_still_twice_are_the_reason(script, tmp_path):
    with pytest.raises(JobError, match="stood still for 0 seconds, for the second time"):
        compute_features({}, tmp_path / "features", tmp_path, StopRequest(), SILENCE_S, script(2))


@pytest.mark.parametrize(
    ("stops", "status", "reason"),
    [(1, "Completed", ""), (2, "Failed", "Its process stood still for 0 seconds, for the second time.")],
)
def test_a_trial_that_stands_still_is_started_again(stops, status, reason, script, tmp_path, capfd):
    file, folder = script(stops), TrialFolder(tmp_path / "trial")
    folder.create()
    regex = METRIC_DEFINITIONS["Average loss"]
    trial = RunningTrial(TrialRecord("s-001-x", 1, {}), folder, regex, False, {}, SILENCE_S)
    request = TrialRequest(("--output", str(tmp_path / "made")), dict(os.environ), str(tmp_path), str(folder.log))
    trial.begin(lambda: ScriptTrial(request, file))
    while not trial.look():
        pass
    assert (trial.record.status, trial.record.reason) == (status, reason)
    assert trial.record.curve == ((1, 0.5), (2, 0.25))[: 3 - stops]
    said = [read_line(line) for line in capfd.readouterr().out.splitlines()]
    assert [(line.trial, notice_in(line.line)) for line in said if notice_in(line.line)] == [
        (trial, f"The process of s-001-x {AGAIN}") for trial in (0, 1)
    ]
    assert sum(line.record is not None for line in said) == 2, "what reads the log knows that it begins again"


# The search as the container runs it, but for its patience; its first worker is stopped in its first trial.
SEARCH = """
import contextlib, os, pathlib, signal, sys, threading, time
sys.path.insert(0, sys.argv[1])
import psutil
from training_scripts import packed_search
from training_scripts.forking import server_identity
from training_scripts.job import JobFolders, StopRequest
from training_scripts.packed.order import SearchOrder

def stop_a_worker():
    workers = []
    while not workers or not list(place.glob("s-001-*/log.txt")):
        time.sleep(0.01)
        with contextlib.suppress(psutil.NoSuchProcess):
            workers = psutil.Process(server_identity().pid).children()
    os.kill(workers[0].pid, signal.SIGSTOP)

folders = JobFolders.from_environment()
place = pathlib.Path(os.environ["SM_CHECKPOINT_DIR"])
threading.Thread(target=stop_a_worker, daemon=True).start()
scratch = place.parent / "scratch"
scratch.mkdir()
packed_search.PackedSearch(
    SearchOrder.read(folders.channels["search"]), folders, place, scratch, StopRequest(), 2.0
).run()
"""


def test_a_search_ends_although_a_worker_stands_still(learnable, tmp_path):
    for name in ("checkpoints", "model", "output", "search"):
        (tmp_path / name).mkdir()
    plan = SearchPlan((Dimension("learning_rate", (), 1e-3, 1e-1),), max_jobs=2, seed=3)
    own = {"backbone": "efficientnet_lite0", "num_epochs": "400", "weights": "none", "seed": "1"}
    order = SearchOrder("s", plan, own, METRIC_DEFINITIONS["Average loss"], [own])
    (tmp_path / "search" / FILE).write_text(order.to_json())
    channels = {"TRAIN": learnable / "train", "VALID": learnable / "valid", "SEARCH": tmp_path / "search"}
    variables = {
        **{f"SM_{name}_DIR": str(tmp_path / name.lower()) for name in ("MODEL", "OUTPUT")},
        "SM_CHECKPOINT_DIR": str(tmp_path / "checkpoints"),
        **{f"SM_CHANNEL_{name}": str(folder) for name, folder in channels.items()},
    }
    code = textwrap.dedent(SEARCH)
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    ended = [line.record for line in map(read_line, done.stdout.splitlines()) if line.record and line.record.is_final]
    assert [record.status for record in ended] == ["Completed"] * 2, done.stdout
    assert "stood still for 2 seconds; it was ended and started again." in done.stdout
    said = [line for line in map(read_line, done.stdout.splitlines()) if line.trial and not notice_in(line.line)]
    assert {line.trial: line.line for line in reversed(said)} == dict.fromkeys((1, 2), begin_line(0))
