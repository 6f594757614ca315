"""What AWS has created has a record here, whatever happens to its answer."""

from __future__ import annotations

import time

import pytest

from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.jobs.creation import MARK, OutcomeUnknown
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.timing import Timing
from core.errors import EngineError, SpecError
from core.jobs.status import JobStatus
from tests.cloud.faults import LOST_ANSWER, access_denied

FAST = {"num_epochs": "2"}


@pytest.fixture
def bench(sagemaker_mini):
    return sagemaker_mini


@pytest.mark.parametrize("denied", ["DescribeTrainingJob", "ListTags"])
def test_a_job_that_cannot_be_read_back_is_followed_all_the_same(bench, cloud, denied):
    cloud.faults.add(denied, access_denied(f"sagemaker:{denied}"))
    bench.engine.start(bench.training("one", hyperparameters=FAST))
    assert bench.finished("one").status is JobStatus.COMPLETED


def test_a_job_whose_answer_is_lost_is_recognised_when_it_is_asked_for_again(bench, cloud):
    cloud.faults.add("CreateTrainingJob", LOST_ANSWER)  # boto3 asks again, and the name is taken
    bench.engine.start(bench.training("one", hyperparameters=FAST))
    assert len(cloud.asked("CreateTrainingJob")) == 2
    assert bench.finished("one").status is JobStatus.COMPLETED
    assert bench.engine.differences("one") == ()


def test_a_search_whose_answer_is_lost_for_good_is_found_by_its_mark(bench, cloud):
    cloud.faults.add("CreateHyperParameterTuningJob", LOST_ANSWER, times=50)
    bench.engine.start(bench.tuning("search", max_jobs=1, training={"hyperparameters": FAST}))
    cloud.faults.clear()
    assert bench.finished("search").status is JobStatus.COMPLETED


def test_where_aws_says_nothing_at_all_the_record_stays_and_the_job_is_looked_for(bench, cloud, paths, store):
    for operation in ("CreateTrainingJob", "DescribeTrainingJob"):
        cloud.faults.add(operation, LOST_ANSWER, times=50)
    with pytest.raises(OutcomeUnknown, match=r"Whether AWS has one now is not known.*looked for"):
        bench.engine.start(bench.training("one", hyperparameters=FAST))
    assert bench.engine.job("one").status is JobStatus.IN_PROGRESS
    assert not CloudJobState.load(paths.jobs / "one").is_created
    cloud.faults.clear()
    assert finished_later(bench, paths, store) is JobStatus.COMPLETED


def finished_later(bench, paths, store) -> JobStatus:
    """Return how the job ended, as the next start of Sagehound sees it, which looks for it at once."""
    engine = bench.engine
    engine.close()
    later = SageMakerEngine(paths, store, engine.aws, engine.workspace, timing=Timing(0.1, 0.3, start=0.0))
    try:
        later.jobs()
        return bench.finished("one").status
    finally:
        later.close()


def test_a_full_disk_after_the_creation_loses_nothing(bench, paths, store, monkeypatch):
    def full(*_args, **_changes):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(CloudJobState, "change", full)
        bench.engine.start(bench.training("one", hyperparameters=FAST))
        assert bench.engine.job("one").status is JobStatus.IN_PROGRESS
    assert finished_later(bench, paths, store) is JobStatus.COMPLETED


def test_another_job_of_the_same_name_is_not_taken_for_this_one(bench, cloud, store):
    bench.engine.start(bench.training("one", hyperparameters=FAST))
    bench.finished("one")
    (request,) = cloud.asked("CreateTrainingJob")
    assert [len(tag["Value"]) for tag in request["Tags"] if tag["Key"] == MARK] == [16]
    bench.engine.delete("one")
    with pytest.raises(SpecError, match="AWS account already"):
        bench.engine.start(bench.training("one", hyperparameters=FAST))
    assert bench.engine.jobs() == []


def test_a_refusal_leaves_no_record(bench, cloud):
    cloud.faults.add("CreateTrainingJob", access_denied("sagemaker:CreateTrainingJob"))
    with pytest.raises(EngineError, match="lacks the permission"):
        bench.engine.start(bench.training("one"))
    assert bench.engine.jobs() == []
    assert time.monotonic() > 0
