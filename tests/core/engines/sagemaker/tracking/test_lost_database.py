"""Jobs in the account that this machine knew come back from their folders when its database is lost."""

from __future__ import annotations

import time

from core.engines.local.engine import LocalEngine
from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.timing import Timing
from core.jobs.records import MetricEvent
from core.jobs.status import JobStatus
from core.store import Store


def test_finished_jobs_are_as_they_were_and_running_ones_are_followed_to_their_end(
    sagemaker_mini, paths, store, runtime
):
    bench, mini = sagemaker_mini, sagemaker_mini.engine
    bench.engine.start(bench.tuning("search", max_jobs=1, training={"hyperparameters": {"num_epochs": "2"}}))
    before = bench.finished("search")
    assert before.best_trial
    mini.set_note("search", "keep this one")
    bench.engine.start(bench.training("running", hyperparameters={"num_epochs": "20", "sleep": "0.3"}))
    bench.until("running", lambda job: "Average loss" in job.metrics)
    mini.close()
    for file in paths.home.glob("sagehound.sqlite3*"):
        file.unlink()

    lost, store = store, Store(paths.database)
    LocalEngine(paths, store, runtime)
    assert "2 jobs with 1 trials were recovered" in store.notice
    source = mini._creator._source
    engine = SageMakerEngine(paths, store, mini.aws, mini.workspace, source, timing=Timing(0.1, 0.3, login=0.3))
    try:
        found = store.job("search")
        assert (found.status, found.best_trial, found.note) == (before.status, before.best_trial, "keep this one")
        assert engine.trials("search")[0].metrics == bench_metrics(store, found.best_trial)
        assert (engine.fetch_artifact(found.best_trial) / "model.json").is_file()
        assert engine.bill("search").billable_seconds > 0
        assert store.job("running").status is JobStatus.IN_PROGRESS
        deadline = time.monotonic() + 60
        while not (running := engine.job("running")).status.is_final:
            assert time.monotonic() < deadline, running
            time.sleep(0.05)
        assert running.status is JobStatus.COMPLETED
        losses = [event.epoch for event in engine.events(job="running").events if is_loss(event)]
        assert losses == list(range(1, 21))  # none lost, none twice
    finally:
        engine.close()
        store.close()
        lost.update_job("running", status=JobStatus.COMPLETED, ended=time.time())  # nobody waits for it any more


def is_loss(event: object) -> bool:
    return isinstance(event, MetricEvent) and event.name == "Average loss"


def bench_metrics(store: Store, name: str) -> dict[str, float]:
    """The last value of each metric among the events of a job."""
    return {event.name: event.value for event in store.events(job=name).events if isinstance(event, MetricEvent)}
