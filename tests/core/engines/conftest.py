"""Engines under test, and specs of jobs that are small but real."""

from __future__ import annotations

import dataclasses
import json
import secrets
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from core.dataset import Manifest, scan, split
from core.engine import Engine
from core.engines.local.engine import LocalEngine
from core.engines.local.job_runtime import Runtime
from core.engines.routing import RoutingEngine
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.connect import create_bucket
from core.engines.sagemaker.connection.workspace import Workspace
from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.jobs.training_source import Source
from core.engines.sagemaker.timing import Timing
from core.jobs.ranges import ContinuousRange
from core.jobs.records import Job
from core.jobs.specs import DebuggerConfig, MetricDefinition, TrainingSpec, TuningSpec
from core.paths import AppPaths
from core.store import Store
from tests.gui.fakes import FakeEngine

if TYPE_CHECKING:
    from tests.cloud.server import Cloud

METRICS = (
    MetricDefinition("Average loss", r"Average loss: ([0-9\.]+)"),
    MetricDefinition("valid:accuracy", r"valid_accuracy=([0-9\.]+)"),
)
COLOURS = {"blue": (40, 60, 200), "red": (210, 50, 40)}

# A training script in miniature under the container contract: no torch, no data, settled by its hyperparameters.
SCRIPT = """
import argparse, json, os, pathlib, signal, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("-x", "--x", type=float, default=0.0)  # AWS's toolkit says -x
for name, kind, default in (("num_epochs", int, 3), ("sleep", float, 0.0), ("mark", str, "")):
    parser.add_argument("--" + name, type=kind, default=default)
parser.add_argument("--fail", default="")
parser.add_argument("--deaf", default="")
args, _ = parser.parse_known_args()
stopped = []
if args.deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
output = pathlib.Path(os.environ["SM_OUTPUT_DIR"])
if args.mark:
    running = pathlib.Path(args.mark)
    running.mkdir(exist_ok=True)
    mine = running / os.environ["TRAINING_JOB_NAME"]
    mine.write_text(str(os.getpid()))
    (running / "most").open("a").write(f"{len([p for p in running.iterdir() if p.name != 'most'])}\\n")
if args.fail == "raise":
    raise RuntimeError("the well ran dry")
if args.fail == "written":
    (output / "failure").write_text("The pictures are upside down.")
    sys.exit(1)
print(f"hello from {os.environ['TRAINING_JOB_NAME']}")
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
for epoch in range(1, args.num_epochs + 1):
    time.sleep(args.sleep)
    loss = (args.x - 0.3) ** 2 + 1 / epoch
    if args.fail == "nan":
        loss = float("nan")
    words = "Loss is" if args.fail == "mute" else "Average loss:"
    accuracy = f"valid_accuracy={1 - loss / 10:.4f}"
    print(f"epoch={epoch}/{args.num_epochs} {words} {loss:.6f} {accuracy} seconds=0.01", flush=True)
    (model / "model.json").write_text(json.dumps({"x": args.x}))  # SageMaker stops a job without a word to it
    if stopped:
        break
if args.mark:
    mine.unlink()
(output / "data" / "evaluation.json").write_text("{}")
"""


@dataclass(frozen=True)
class Bench:
    """An engine and what a test needs to give it work.

    `spec` makes a job's spec from its name and hyperparameters.
    """

    engine: Engine
    manifest: Manifest
    hyperparameters: dict[str, str]
    searched: str

    def training(self, name: str, **changes: Any) -> TrainingSpec:
        hyperparameters = {**self.hyperparameters, **changes.pop("hyperparameters", {})}
        return TrainingSpec(
            name=name,
            channels=self.engine.stage(self.manifest),
            hyperparameters=hyperparameters,
            metrics=changes.pop("metrics", METRICS),
            dataset_version=self.manifest.version,
            debugger=DebuggerConfig(enabled=False, profiler=False),
            **changes,
        )

    def tuning(self, name: str, **changes: Any) -> TuningSpec:
        training = self.training(name, **changes.pop("training", {}))
        ranges = changes.pop("ranges", (ContinuousRange(self.searched, 1e-3, 1e-1),))
        return TuningSpec(training=training, ranges=ranges, **{"max_jobs": 3, "max_parallel_jobs": 2, **changes})

    def finished(self, name: str, timeout: float = 90.0) -> Job:
        return self.until(name, lambda job: job.status.is_final, timeout)

    def until(self, name: str, condition: Callable[[Job], bool], timeout: float = 60.0) -> Job:
        deadline = time.monotonic() + timeout
        while not condition(job := self.engine.job(name)):
            assert time.monotonic() < deadline, f"still {job}"
            time.sleep(0.03)
        return job


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of plain-coloured pictures in train, valid and test."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for name, count in (("train", 8), ("valid", 4), ("test", 4)):
        for label, colour in COLOURS.items():
            place = folder / name / label
            place.mkdir(parents=True)
            for number in range(count):
                noise = generator.integers(-30, 30, (32, 32, 3))
                pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def manifest(pictures: Path) -> Manifest:
    return split(scan(pictures), (0.5, 0.25, 0.25), 0)


@pytest.fixture
def paths(tmp_path: Path) -> AppPaths:
    return AppPaths(tmp_path / "home").create()


@pytest.fixture
def store(paths: AppPaths) -> Iterator[Store]:
    store = Store(paths.database)
    yield store
    store.close()


@pytest.fixture
def runtime(tmp_path: Path) -> Runtime:
    """Runs the script in miniature."""
    script = tmp_path / "scripts" / "mini.py"
    script.parent.mkdir()
    script.write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    return Runtime(script=script, features=None, preload=(), grace_s=2.0)


@pytest.fixture
def mini(paths: AppPaths, store: Store, runtime: Runtime, manifest: Manifest) -> Iterator[Bench]:
    """The local engine with the script in miniature; whatever still runs at the end is stopped."""
    engine = LocalEngine(paths, store, runtime)
    yield Bench(engine, manifest, {}, "x")
    end_all(engine)


@pytest.fixture
def subprocess_mini(paths: AppPaths, store: Store, runtime: Runtime, manifest: Manifest) -> Iterator[Bench]:
    """The same, without the fork server: what runs on Windows."""
    engine = LocalEngine(paths, store, dataclasses.replace(runtime, launching="subprocess"))
    yield Bench(engine, manifest, {}, "x")
    end_all(engine)


@pytest.fixture
def routed_mini(paths: AppPaths, store: Store, runtime: Runtime, manifest: Manifest) -> Iterator[Bench]:
    """The local engine behind the one that finds a job's engine."""
    engine = RoutingEngine(LocalEngine(paths, store, runtime), (), store)
    yield Bench(engine, manifest, {}, "x")
    end_all(engine)


@pytest.fixture
def memory(manifest: Manifest) -> Bench:
    """The fake that tests of the window use."""
    return Bench(FakeEngine(), manifest, {}, "x")


@pytest.fixture(scope="session")
def aws(cloud: Cloud) -> Aws:
    return Aws(region="us-east-1")


@pytest.fixture
def bucket(aws: Aws) -> str:
    """A new bucket of the stand-in."""
    return create_bucket(aws, f"bench-{secrets.token_hex(6)}").name


@pytest.fixture
def workspace(bucket: str) -> Workspace:
    return Workspace(bucket, "arn:aws:iam::123456789012:role/Execution")


@pytest.fixture
def sagemaker_mini(
    cloud: Cloud, aws: Aws, workspace: Workspace, paths: AppPaths, store: Store, manifest: Manifest
) -> Iterator[Bench]:
    """The SageMaker engine over the stand-in cloud, with the script in miniature."""
    cloud.forget()  # the names of jobs are taken for good, and tests use the same ones
    source = Source({"mini.py": textwrap.dedent(SCRIPT).encode()}, program="mini.py", features="")
    engine = SageMakerEngine(paths, store, aws, workspace, source, timing=Timing(0.1, 0.3, login=0.3))
    yield Bench(engine, manifest, {}, "x")
    end_all(engine)


def end_all(engine: Engine) -> None:
    for job in engine.jobs():
        engine.stop(job.name)
    deadline = time.monotonic() + 30
    while any(not job.status.is_final for job in engine.jobs()) and time.monotonic() < deadline:
        time.sleep(0.05)
    engine.close()


@pytest.fixture(scope="session")
def bench_of() -> Callable[[Engine, Manifest], Bench]:
    """Makes a bench of any engine."""
    return lambda engine, manifest: Bench(engine, manifest, {}, "learning_rate")


@pytest.fixture
def read_json() -> Callable[[Path], Any]:
    return lambda path: json.loads(path.read_text(encoding="utf-8"))
