"""One job on two instances: the real script in two containers that meet on loopback, against one alone."""

from __future__ import annotations

import json
import time

import pytest

from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.timing import Timing
from core.jobs.specs import CloudResources, DebuggerConfig, TrainingSpec
from core.jobs.status import JobStatus
from core.tuning.presets import DEFAULT_METRICS

FINE_TUNE = {"mode": "fine_tune", "optimizer": "sgd", "learning_rate": "0.01", "batch_size": "8", "num_epochs": "1"}


@pytest.mark.long
def test_two_instances_learn_what_one_does(cloud, aws, workspace, paths, store, manifest):
    """Within 1e-4 of a loss: the sums are the same, their order in float32 is not."""
    cloud.forget()
    engine = SageMakerEngine(paths, store, aws, workspace, timing=Timing(0.2, 0.3, login=0.3))
    try:
        found = {}
        for count in (1, 2):
            spec = TrainingSpec(
                f"on-{count}",
                engine.stage(manifest),
                {**FINE_TUNE, "augmentation": "light", "fit_head": "false"},
                DEFAULT_METRICS,
                debugger=DebuggerConfig(enabled=False, profiler=False),
                cloud=CloudResources("ml.m5.xlarge", count),
            )
            engine.start(spec)
        for count in (1, 2):
            deadline = time.monotonic() + 180
            while not (job := engine.job(f"on-{count}")).status.is_final:
                assert time.monotonic() < deadline, job
                time.sleep(0.1)
            assert job.status is JobStatus.COMPLETED, job.failure_reason
            found[count] = job.metrics
        assert found[2].keys() == found[1].keys()
        for name, value in found[1].items():
            assert found[2][name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
        streams = aws.client("logs").describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs")["logStreams"]
        hosts = {stream["logStreamName"].rpartition("-")[0] for stream in streams}
        assert hosts >= {"on-1/algo-1", "on-2/algo-1", "on-2/algo-2"}
        lines = [line.split()[0] for line in engine.read_log("on-2").lines if line.startswith("epoch=")]
        assert lines == ["epoch=1/1"]  # of the first instance alone
        config = cloud.training.get("on-2").container.folders[1].configuration / "resourceconfig.json"
        assert json.loads(config.read_text())["hosts"] == ["algo-1", "algo-2"]
        notes = engine.notes("on-2")
        assert notes.instance_count == 2
        assert engine.bill("on-2").billable_seconds == 2 * notes.billable_seconds
        assert (engine.fetch_artifact("on-2") / "model.pth").is_file()
    finally:
        engine.close()
        cloud.forget()
