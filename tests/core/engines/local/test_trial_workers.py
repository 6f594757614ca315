"""Trials over frozen features in long-lived workers: each is what the script alone would do, and falls alone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.engines.local.engine import LocalEngine
from core.engines.local.job_runtime import PRELOAD, SCRIPTS
from core.engines.local.lost_models import interrupt_damaged_models, interrupt_lost_models
from core.engines.local.script_launcher import ScriptLauncher, ScriptProcess, wait_for_any
from core.errors import ModelError
from core.jobs.contract import JobFolder, default_metrics, environment, hyperparameter_arguments
from core.jobs.head_models import write_archive
from core.jobs.ranges import ContinuousRange
from core.jobs.specs import DebuggerConfig, Strategy, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import INTERRUPTED, Store
from training_scripts.artifact import check, unpack
from training_scripts.job import SharedBackbone

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process per trial there")

TRAIN = SCRIPTS / "train.py"
GIVEN = {"num_epochs": "3", "batch_size": "4", "seed": "0"}


@pytest.fixture(scope="module")
def searched(tmp_path_factory, manifest, bench_of) -> Iterator[tuple[LocalEngine, Store]]:
    """An engine after a real search of four trials, two at a time."""
    paths = AppPaths(tmp_path_factory.mktemp("home")).create()
    store = Store(paths.database)
    engine = LocalEngine(paths, store)
    training = TrainingSpec(
        "tune",
        engine.stage(manifest),
        GIVEN,
        default_metrics(),
        dataset_version=manifest.version,
        dataset_path=str(manifest.root),
        debugger=DebuggerConfig(enabled=True, profiler=True),
    )
    ranges = (ContinuousRange("learning_rate", 1e-3, 1e-1),)
    engine.start(TuningSpec(training, ranges, Strategy.RANDOM, max_jobs=4, max_parallel_jobs=2))
    bench_of(engine, manifest).finished("tune", 180)
    yield engine, store
    engine.close()
    store.close()


def features(engine: LocalEngine) -> Path:
    return engine.job_folder("tune") / "input" / "data" / "features" / "0"


def epochs(log: Path) -> list[str]:
    return [re.sub(r" seconds=.*", "", line) for line in log.read_text().splitlines() if "=" in line]


def test_a_trial_is_to_the_bit_what_the_script_does_alone(searched, tmp_path):
    engine, _ = searched
    assert engine.job("tune").counts == {JobStatus.COMPLETED: 4}
    for trial in engine.trials("tune")[2:3]:
        alone = JobFolder(tmp_path / trial.name).create()
        variables = environment(trial.name, alone, TRAIN, trial.hyperparameters, {"features": str(features(engine))}, 1)
        command = [sys.executable, str(TRAIN), *hyperparameter_arguments(trial.hyperparameters)]
        with alone.log.open("wb") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, env=os.environ | variables)
        kept = JobFolder(engine.job_folder(trial.name))
        assert epochs(kept.log) == epochs(alone.log)
        unpacked = unpack(write_archive(kept), tmp_path / f"{trial.name}-unpacked")
        names = {path.relative_to(alone.model) for path in alone.model.rglob("*") if path.is_file()}
        assert names == {path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file()} - {
            Path("seal.json")
        }
        assert [name for name in names if (alone.model / name).read_bytes() != (unpacked / name).read_bytes()] == []


def test_what_a_trial_leaves_is_small_and_the_best_has_its_archive(searched):
    engine, _ = searched
    best = engine.job("tune").best_trial
    for trial in engine.trials("tune"):
        files = [path for path in engine.job_folder(trial.name).rglob("*") if path.is_file()]
        asked_for = [path for path in files if path.name == "model.tar.gz" or "artifact" in path.parts]
        assert sum(path.stat().st_size for path in files if path not in asked_for) < 1e6
        assert trial.artifact == str(engine.job_folder(trial.name) / "model.tar.gz")
    check(Path(engine.job(best).artifact))
    assert len(list((engine.job_folder("tune") / "backbones").iterdir())) == 1


def test_a_head_that_was_damaged_is_trained_again(searched):
    engine, store = searched
    trials = [trial for trial in engine.trials("tune") if trial.name != engine.job("tune").best_trial]
    head = engine.job_folder(trials[-1].name) / "model" / "head.pth"
    content = head.read_bytes()
    shutil.rmtree(engine.job_folder(trials[-1].name) / "artifact", ignore_errors=True)
    (engine.job_folder(trials[-1].name) / "model.tar.gz").unlink(missing_ok=True)
    head.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match="damaged"):
        engine.fetch_artifact(trials[-1].name)
    assert engine.job(trials[-1].name).secondary_status == INTERRUPTED
    head.write_bytes(content)
    head.with_name("shared.json").unlink()
    interrupt_lost_models(store, "local")
    interrupt_damaged_models(store, "tune")
    assert engine.job("tune").secondary_status == INTERRUPTED


class Starter:
    """Starts real trials by one launcher."""

    def __init__(self, channel: Path, root: Path) -> None:
        self.launcher = ScriptLauncher("forkserver", PRELOAD)
        self._channel, self._root = channel, root
        backbone = next((channel.parents[3] / "backbones").iterdir())
        self._shared = SharedBackbone(backbone, backbone.stem).to_environment()

    def __call__(self, name: str, **hyperparameters: str) -> tuple[ScriptProcess, JobFolder]:
        folder = JobFolder(self._root / name).create()
        given = {**GIVEN, **hyperparameters}
        variables = environment(name, folder, TRAIN, given, {"features": str(self._channel)}, 1) | self._shared
        arguments = hyperparameter_arguments(given)
        return self.launcher.start_trial(TRAIN, arguments, os.environ | variables, folder.root, folder.log), folder


@pytest.fixture
def start(searched, tmp_path) -> Iterator[Starter]:
    engine, _ = searched
    starter = Starter(features(engine), tmp_path)
    yield starter
    starter.launcher.close()


def ended(process: ScriptProcess) -> int:
    while (code := process.poll()) is None:
        wait_for_any([process], 1.0)
    return code


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def begun(folder: JobFolder) -> Callable[[], bool]:
    return lambda: folder.log.is_file() and "epoch=2/" in folder.log.read_text()


def test_one_worker_does_trial_after_trial_each_with_a_log_of_its_own(start):
    first, folder = start("first")
    assert ended(first) == 0
    wrong, failed = start("wrong", batch_size="many")
    assert ended(wrong) == 1
    third, again = start("third")
    assert ended(third) == 0
    assert first.identity == wrong.identity == third.identity
    assert "batch_size" in failed.failure.read_text()
    assert not again.failure.exists()
    assert epochs(folder.log) == epochs(again.log)
    assert (folder.model / "head.pth").read_bytes() == (again.model / "head.pth").read_bytes()


def test_a_trial_that_takes_its_worker_along_is_the_only_one_that_fails(start):
    beside, _ = start("beside", num_epochs="40")
    killed, folder = start("killed", num_epochs="1000000")
    until(begun(folder))
    os.kill(killed.identity.pid, signal.SIGKILL)
    assert ended(killed) == -signal.SIGKILL
    assert ended(beside) == 0
    after, _ = start("after")
    assert ended(after) == 0
    assert after.identity != killed.identity


def test_a_stop_is_for_the_trial_in_flight_alone(start):
    stopped, folder = start("stopped", num_epochs="1000000")
    until(begun(folder))
    stopped.terminate()
    assert ended(stopped) == 0
    assert "Asked to stop" in folder.log.read_text()
    assert (folder.model / "head.pth").is_file()
    os.kill(stopped.identity.pid, signal.SIGTERM)  # too late for it
    after, whole = start("after")
    assert ended(after) == 0
    assert after.identity == stopped.identity
    assert "epoch=3/3" in whole.log.read_text()
