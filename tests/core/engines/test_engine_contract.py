"""What every engine promises, by real jobs. A new engine joins through the fixture `bench`, and nothing else."""

from __future__ import annotations

import threading

import pytest

from core.engine import Engine
from core.errors import EngineError, JobNotFound, ModelError, SpecError
from core.jobs.ranges import CategoricalRange, ContinuousRange
from core.jobs.records import MetricEvent, StatusEvent, TrainingJob, TuningJob
from core.jobs.specs import MetricDefinition, Objective, Strategy
from core.jobs.status import JobStatus

ENGINES = ["mini", "subprocess_mini", "sagemaker_mini", "routed_mini"]


@pytest.fixture(params=ENGINES)
def bench(request: pytest.FixtureRequest):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=[*ENGINES, "memory"])
def keeper(request: pytest.FixtureRequest):
    """An engine that keeps what it is asked for; the window's fake runs nothing, but promises this as well."""
    return request.getfixturevalue(request.param)


class TestEngineContract:
    """The promises of `core.engine.Engine`."""

    def test_it_is_an_engine_with_a_name(self, keeper):
        assert isinstance(keeper.engine, Engine)
        assert keeper.engine.name
        assert keeper.engine.capabilities.strategies

    def test_staging_twice_gives_the_same_channels(self, bench):
        first = bench.engine.stage(bench.manifest)
        assert set(first) == {"train", "valid", "test"}
        assert bench.engine.stage(bench.manifest) == first

    def test_a_training_job_from_start_to_model(self, bench):
        spec = bench.training("single-1", hyperparameters={"num_epochs": "4"})
        bench.engine.start(spec)
        at_once = bench.engine.jobs()[0]
        assert (at_once.name, at_once.kind) == ("single-1", "training")
        job = bench.finished("single-1")
        assert isinstance(job, TrainingJob)
        assert job.status is JobStatus.COMPLETED
        assert job.failure_reason == ""
        assert job.progress == 1.0
        assert job.created <= job.started <= job.ended
        assert job.dataset_version == bench.manifest.version
        assert set(job.metrics) == {"Average loss", "valid:accuracy"}
        assert job.objective == job.metrics["Average loss"]
        assert (bench.engine.fetch_artifact("single-1") / "model.json").is_file()
        assert bench.engine.fetch_artifact("single-1") == bench.engine.fetch_artifact("single-1")

    def test_the_spec_can_be_read_back_and_trained_again(self, keeper):
        spec = keeper.training("single-1")
        keeper.engine.start(spec)
        assert keeper.engine.spec("single-1") == spec

    def test_a_tuning_job_and_its_trials(self, bench):
        spec = bench.tuning("tune-1", strategy=Strategy.RANDOM, max_jobs=3)
        bench.engine.start(spec)
        assert isinstance(bench.engine.jobs()[0], TuningJob)
        job = bench.finished("tune-1")
        assert job.status is JobStatus.COMPLETED
        assert job.counts == {JobStatus.COMPLETED: 3}
        assert job.progress == 1.0
        assert bench.engine.spec("tune-1") == spec
        trials = bench.engine.trials("tune-1")
        assert [trial.name[:10] for trial in trials] == ["tune-1-001", "tune-1-002", "tune-1-003"]
        values = [float(trial.hyperparameters[bench.searched]) for trial in trials]
        assert len(set(values)) == 3
        assert all(1e-3 <= value <= 1e-1 for value in values)
        assert all(trial.tuning_job == "tune-1" for trial in trials)
        best = min(trials, key=lambda trial: trial.objective)
        assert (job.best_trial, job.best_objective) == (best.name, best.objective)
        assert [listed.name for listed in bench.engine.jobs()] == ["tune-1"]

    def test_the_spec_of_a_trial_is_its_own(self, bench):
        bench.engine.start(bench.tuning("tune-1", max_jobs=1))
        bench.finished("tune-1")
        (trial,) = bench.engine.trials("tune-1")
        spec = bench.engine.spec(trial.name)
        assert spec.name == trial.name
        assert spec.hyperparameters == trial.hyperparameters
        assert bench.searched in spec.hyperparameters

    def test_maximize_turns_the_best_around(self, bench):
        training = {"objective": Objective("valid:accuracy", True)}
        bench.engine.start(bench.tuning("tune-1", training=training))
        job = bench.finished("tune-1")
        assert job.best_objective == max(trial.objective for trial in bench.engine.trials("tune-1"))

    def test_events_tell_the_whole_story_once_and_in_order(self, bench):
        bench.engine.start(bench.tuning("tune-1", max_jobs=2, training={"hyperparameters": {"num_epochs": "3"}}))
        seen, cursor = [], 0
        bench.finished("tune-1")
        while batch := bench.engine.events(cursor).events:
            seen += batch
            cursor = bench.engine.events(cursor).cursor
        for trial in bench.engine.trials("tune-1"):
            losses = [
                e for e in seen if isinstance(e, MetricEvent) and e.job == trial.name and e.name == "Average loss"
            ]
            assert [event.epoch for event in losses] == [1, 2, 3]
            assert losses[-1].value == trial.objective
            statuses = [e for e in seen if isinstance(e, StatusEvent) and e.job == trial.name]
            assert statuses[0].status is JobStatus.IN_PROGRESS
            assert statuses[-1].status is JobStatus.COMPLETED
            assert all(event.tuning_job == "tune-1" for event in statuses)
        assert bench.engine.events(cursor).events == ()
        assert bench.engine.events(cursor).cursor == cursor

    def test_events_of_one_job_include_its_trials_and_no_others(self, bench):
        bench.engine.start(bench.training("single-1"))
        bench.finished("single-1")
        bench.engine.start(bench.tuning("tune-1", max_jobs=1))
        bench.finished("tune-1")
        (trial,) = bench.engine.trials("tune-1")
        assert {event.job for event in bench.engine.events(job="tune-1").events} == {"tune-1", trial.name}
        assert {event.job for event in bench.engine.events(job=trial.name).events} == {trial.name}

    def test_a_log_is_read_on_from_where_one_stopped(self, bench):
        bench.engine.start(bench.training("single-1"))
        bench.finished("single-1")
        whole = bench.engine.read_log("single-1")
        assert any("Average loss: " in line for line in whole.lines)
        assert bench.engine.read_log("single-1", whole.next_offset).lines == ()
        first = len(whole.lines[0].encode()) + 1
        assert bench.engine.read_log("single-1", first).lines == whole.lines[1:]

    def test_a_name_is_taken_once(self, keeper):
        keeper.engine.start(keeper.training("single-1"))
        with pytest.raises(SpecError) as caught:
            keeper.engine.start(keeper.training("single-1"))
        assert caught.value.field == "name"

    def test_an_unknown_job_is_not_found(self, keeper):
        with pytest.raises(JobNotFound):
            keeper.engine.job("nobody")
        with pytest.raises(JobNotFound):
            keeper.engine.spec("nobody")

    def test_a_failing_script_gives_its_reason(self, bench):
        bench.engine.start(bench.training("broken", hyperparameters={"fail": "written"}))
        job = bench.finished("broken")
        assert job.status is JobStatus.FAILED
        assert job.failure_reason == "The pictures are upside down."
        with pytest.raises(ModelError):
            bench.engine.fetch_artifact("broken")

    def test_stopping_a_job_keeps_what_it_has(self, bench):
        bench.engine.start(bench.training("long", hyperparameters={"num_epochs": "1000", "sleep": "0.05"}))
        bench.until("long", lambda job: bool(job.metrics))
        bench.engine.stop("long")
        job = bench.finished("long")
        assert job.status is JobStatus.STOPPED
        assert (bench.engine.fetch_artifact("long") / "model.json").is_file()
        bench.engine.stop("long")
        assert bench.engine.job("long") == job

    def test_stopping_a_tuning_job_keeps_finished_trials(self, bench):
        hyperparameters = {"num_epochs": "6", "sleep": "0.05"}
        bench.engine.start(
            bench.tuning("tune-1", max_jobs=50, max_parallel_jobs=1, training={"hyperparameters": hyperparameters})
        )
        bench.until("tune-1", lambda job: job.counts.get(JobStatus.COMPLETED, 0) >= 1)
        bench.engine.stop("tune-1")
        job = bench.finished("tune-1")
        assert job.status is JobStatus.STOPPED
        assert job.counts[JobStatus.COMPLETED] >= 1
        assert all(trial.status.is_final for trial in bench.engine.trials("tune-1"))
        assert job.best_trial is not None

    def test_stopping_one_trial_lets_the_others_go_on(self, bench):
        hyperparameters = {"num_epochs": "30", "sleep": "0.1"}
        bench.engine.start(
            bench.tuning("tune-1", max_jobs=2, max_parallel_jobs=1, training={"hyperparameters": hyperparameters})
        )
        bench.until("tune-1", lambda job: bool(bench.engine.trials("tune-1")))
        first = bench.engine.trials("tune-1")[0].name
        bench.until(first, lambda job: bool(job.metrics))
        bench.engine.stop(first)
        job = bench.finished("tune-1")
        assert job.status is JobStatus.COMPLETED
        assert [trial.status for trial in bench.engine.trials("tune-1")] == [JobStatus.STOPPED, JobStatus.COMPLETED]

    def test_five_failures_from_the_start_end_a_tuning_job(self, bench):
        bench.engine.start(bench.tuning("tune-1", max_jobs=20, training={"hyperparameters": {"fail": "written"}}))
        job = bench.finished("tune-1")
        assert job.status is JobStatus.FAILED
        assert 5 <= job.counts[JobStatus.FAILED] <= 6
        assert "The pictures are upside down." in job.failure_reason

    def test_a_deleted_job_is_gone_with_its_files(self, bench):
        bench.engine.start(bench.tuning("tune-1", max_jobs=1))
        bench.finished("tune-1")
        (trial,) = bench.engine.trials("tune-1")
        bench.engine.delete("tune-1")
        assert bench.engine.jobs() == []
        with pytest.raises(JobNotFound):
            bench.engine.job(trial.name)
        assert bench.engine.job_folder(trial.name) is None

    def test_a_note_is_kept_with_the_job_and_with_a_trial(self, bench):
        bench.engine.start(bench.tuning("tune-1", max_jobs=1))
        bench.engine.set_note("tune-1", "watch this")  # in any state
        bench.finished("tune-1")
        (trial,) = bench.engine.trials("tune-1")
        bench.engine.set_note(trial.name, "the one to keep")
        assert bench.engine.job("tune-1").note == "watch this"
        assert bench.engine.trials("tune-1")[0].note == "the one to keep"
        with pytest.raises(JobNotFound):
            bench.engine.set_note("nobody", "lost")

    def test_a_running_job_cannot_be_deleted(self, bench):
        bench.engine.start(bench.training("long", hyperparameters={"num_epochs": "1000", "sleep": "0.05"}))
        with pytest.raises(EngineError):
            bench.engine.delete("long")

    def test_grid_tries_every_combination_once(self, bench):
        ranges = (CategoricalRange(bench.searched, ("0.1", "0.2", "0.3")), CategoricalRange("mood", ("good", "bad")))
        bench.engine.start(bench.tuning("grid", ranges=ranges, strategy=Strategy.GRID, max_jobs=6, max_parallel_jobs=3))
        assert bench.finished("grid").status is JobStatus.COMPLETED
        points = {(t.hyperparameters[bench.searched], t.hyperparameters["mood"]) for t in bench.engine.trials("grid")}
        assert len(points) == 6

    def test_grid_refuses_a_continuous_range(self, bench):
        ranges = (ContinuousRange("x", 0, 1),)
        with pytest.raises(SpecError) as caught:
            bench.engine.start(bench.tuning("grid", ranges=ranges, strategy=Strategy.GRID))
        assert caught.value.field == "x"
        assert bench.engine.jobs() == []

    def test_many_threads_may_ask_at_once(self, bench):
        bench.engine.start(bench.training("single-1"))
        trouble: list[BaseException] = []

        def ask() -> None:
            try:
                for _ in range(20):
                    bench.engine.jobs()
                    bench.engine.events()
                    bench.engine.read_log("single-1")
            except BaseException as error:
                trouble.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert trouble == []

    def test_a_metric_that_never_comes_leaves_a_job_complete(self, bench):
        metrics = (
            MetricDefinition("Average loss", r"Average loss: ([0-9\.]+)"),
            MetricDefinition("f1", r"f1=([0-9.]+)"),
        )
        bench.engine.start(bench.training("single-1", metrics=metrics))
        job = bench.finished("single-1")
        assert job.status is JobStatus.COMPLETED
        assert "f1" not in job.metrics
