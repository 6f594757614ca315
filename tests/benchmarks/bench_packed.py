"""A search of ten heads on the stand-in cloud: a job for each trial beside the whole search as one job.

What is compared are requests, billed seconds and dollars. The stand-in has no machines to wait for: on AWS
each job is billed for its start besides, which the second table adds as `cloud_forecast.py` estimates it.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from core.dataset import scan, split
from core.jobs.ranges import ContinuousRange
from core.jobs.specs import CloudResources, DebuggerConfig, Strategy, TrainingSpec, TuningSpec
from core.paths import AppPaths
from core.store import Store
from core.tuning.presets import DEFAULT_METRICS
from tests.benchmarks.harness import print_figure, print_table
from tests.benchmarks.pictures import dataset

PICTURES, TRIALS, EPOCHS = 200, int(os.environ.get("SAGEHOUND_BENCH_TRIALS", "10")), 10


def main() -> None:
    """Print the tables."""
    from tests.cloud.server import Cloud

    with dataset(PICTURES) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as home:
        cloud = Cloud(Path(home) / "cloud")
        os.environ.update(cloud.environment())
        try:
            rows = [_run(cloud, pictures, Path(home), packed) for packed in (False, True)]
        finally:
            cloud.close()
    headers = ("way", "jobs", "calls of SageMaker and CloudWatch", "calls of S3", "from start to end", "billed", "cost")
    print_table(headers, [row for row, _ in rows])
    from core.engines.sagemaker.cost.cloud_forecast import BILLED_START_S

    starts = [(name, jobs, billed + jobs * BILLED_START_S) for (name, jobs, *_), billed in rows]
    text = f"billed with {BILLED_START_S:.0f} s for the start of each machine (an estimate)"
    print_table(("way", text), [(name, f"{seconds:.0f} s") for name, _, seconds in starts])
    print_figure("packed_billed_share", starts[1][2] / starts[0][2])


def _run(cloud: object, pictures: Path, home: Path, packed: bool) -> tuple[tuple[object, ...], float]:
    from core.engines.sagemaker.connection.aws import Aws
    from core.engines.sagemaker.connection.connect import create_bucket
    from core.engines.sagemaker.connection.workspace import Workspace
    from core.engines.sagemaker.engine import SageMakerEngine
    from core.engines.sagemaker.timing import Timing
    from tests.cloud.server import Cloud

    assert isinstance(cloud, Cloud)
    name = "packed" if packed else "apart"
    paths = AppPaths(home / name).create()
    store, aws = Store(paths.database), Aws(region="us-east-1")
    create_bucket(aws, f"bench-{name}")
    workspace = Workspace(f"bench-{name}", "arn:aws:iam::123456789012:role/Execution")
    engine = SageMakerEngine(paths, store, aws, workspace, timing=Timing(1.0, 1.0))
    manifest = split(scan(pictures), (0.7, 0.15, 0.15), 0)
    fixed = {"mode": "head", "num_epochs": str(EPOCHS), "seed": "1"}
    training = TrainingSpec(
        name,
        engine.stage(manifest),
        fixed,
        DEFAULT_METRICS,
        dataset_version=manifest.version,
        cloud=CloudResources(),
        debugger=DebuggerConfig(),
    )
    ranges = (ContinuousRange("learning_rate", 1e-4, 3e-2),)
    spec = TuningSpec(training, ranges, Strategy.RANDOM, TRIALS, max_parallel_jobs=2, packed=packed)
    cloud.calls.clear()
    began = time.perf_counter()
    engine.start(spec)
    while not (job := engine.job(name)).status.is_final:
        time.sleep(0.2)
    wall = time.perf_counter() - began
    if str(job.status) != "Completed":
        raise SystemExit(f"{name} ended as {job.status}: {job.failure_reason}")
    bill = engine.bill(name)
    asked = sum(count for call, count in cloud.calls.items() if call.startswith(("sagemaker:", "logs:")))
    stored = sum(count for call, count in cloud.calls.items() if call.startswith("s3:"))
    jobs = 1 if packed else TRIALS + 1
    engine.close()
    store.close()
    title = "one job" if packed else "a job for each trial, features once"
    cost = "-" if bill.usd is None else f"${bill.usd:.4f}"
    return (title, jobs, asked, stored, f"{wall:.0f} s", f"{bill.billable_seconds} s", cost), bill.billable_seconds


if __name__ == "__main__":
    main()
