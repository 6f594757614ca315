"""The SageMaker calls that matter, in moto's place: moto routes and serialises, this answers.

An answer is the request as it came plus what became of it, so nothing that was asked for gets lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from moto.core.responses import TYPE_RESPONSE, ActionResult, EmptyResult
from moto.sagemaker.responses import SageMakerResponse

from tests.cloud.faults import AwsError
from tests.cloud.listing import cut, page
from tests.cloud.serving_api import HANDLERS
from tests.cloud.validation import validate

if TYPE_CHECKING:
    from tests.cloud.server import Cloud

Answer = Mapping[str, Any] | None


class Api(SageMakerResponse):
    """moto's handler of the SageMaker API with our calls before its own."""

    cloud: ClassVar[Cloud]

    def call_action(self) -> TYPE_RESPONSE:
        """Validate, then answer."""
        operation = self._get_action()
        request = json.loads(self.body or "{}")
        cloud = type(self).cloud
        try:
            validate("sagemaker", operation, request)
            handler = _HANDLERS.get(operation)
            if handler is not None:
                answer = handler(cloud, request)
                result = EmptyResult() if answer is None else ActionResult(answer)
                status, headers, body = self.serialized(result)
                return status, headers, body
            return super().call_action()
        except AwsError as error:
            return _error(error)
        except NotImplementedError:
            # moto answers 500 to what it does not know, which the SDK tries ten times.
            return _error(AwsError("UnknownOperationException", f"{operation} is not part of the stand-in cloud"))


def _error(error: AwsError) -> TYPE_RESPONSE:
    body = json.dumps({"__type": error.code, "message": error.message})
    return error.status, {"x-amzn-errortype": error.code, "content-type": "application/x-amz-json-1.1"}, body


def _create_training_job(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    job = cloud.training.create(request)
    cloud.tag(job.arn, request.get("Tags", ()))
    return {"TrainingJobArn": job.arn}


def _describe_training_job(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    return cloud.training.get(request["TrainingJobName"]).describe()


def _list_training_jobs(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    rows = []
    for job in list(cloud.training.jobs.values()):
        row = {
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "CreationTime": job.state["CreationTime"],
            "LastModifiedTime": job.state["LastModifiedTime"],
            "TrainingJobStatus": job.state["TrainingJobStatus"],
            "SecondaryStatus": job.state["SecondaryStatus"],
        }
        if "TrainingEndTime" in job.state:
            row["TrainingEndTime"] = job.state["TrainingEndTime"]
        rows.append(row)
    return page(request, rows, "TrainingJobSummaries", "TrainingJobName", "TrainingJobStatus")


def _stop_training_job(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    cloud.training.stop(request["TrainingJobName"])
    return None


def _create_tuning_job(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    job = cloud.tuning.create(request)
    cloud.tag(job.arn, request.get("Tags", ()))
    return {"HyperParameterTuningJobArn": job.arn}


def _describe_tuning_job(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    return cloud.tuning.get(request["HyperParameterTuningJobName"]).describe()


def _list_tuning_jobs(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    rows = []
    for job in list(cloud.tuning.jobs.values()):
        described = job.describe()
        row = {
            key: described[key]
            for key in (
                *("HyperParameterTuningJobName", "HyperParameterTuningJobArn", "HyperParameterTuningJobStatus"),
                *("CreationTime", "LastModifiedTime", "TrainingJobStatusCounters", "ObjectiveStatusCounters"),
            )
        }
        row["Strategy"] = job.request["HyperParameterTuningJobConfig"]["Strategy"]
        row["ResourceLimits"] = job.request["HyperParameterTuningJobConfig"]["ResourceLimits"]
        rows.append(row)
    return page(
        request,
        rows,
        "HyperParameterTuningJobSummaries",
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobStatus",
    )


def _list_trials(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    job = cloud.tuning.get(request["HyperParameterTuningJobName"])
    rows = [job.summary(trial) for trial in list(job.trials)]
    if request.get("SortBy") == "FinalObjectiveMetricValue":
        key = "FinalHyperParameterTuningJobObjectiveMetric"
        rows = sorted((row for row in rows if key in row), key=lambda row: row[key]["Value"])
        if request.get("SortOrder") == "Descending":
            rows.reverse()
        return cut(request, rows, "TrainingJobSummaries")
    return page(request, rows, "TrainingJobSummaries", "TrainingJobName", "TrainingJobStatus")


def _stop_tuning_job(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    cloud.tuning.stop(request["HyperParameterTuningJobName"])
    return None


def _add_tags(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    cloud.tag(request["ResourceArn"], request["Tags"])
    return {"Tags": cloud.tags_of(request["ResourceArn"])}


def _list_tags(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    return {"Tags": cloud.tags_of(request["ResourceArn"])}


def _delete_training_job(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    cloud.training.delete(request["TrainingJobName"])
    return None


def _delete_tuning_job(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    cloud.tuning.delete(request["HyperParameterTuningJobName"])
    return None


def _delete_tags(cloud: Cloud, request: Mapping[str, Any]) -> Answer:
    cloud.untag(request["ResourceArn"], request["TagKeys"])
    return {}


_HANDLERS: dict[str, Callable[[Any, Mapping[str, Any]], Answer]] = {
    "CreateTrainingJob": _create_training_job,
    "DescribeTrainingJob": _describe_training_job,
    "ListTrainingJobs": _list_training_jobs,
    "StopTrainingJob": _stop_training_job,
    "DeleteTrainingJob": _delete_training_job,
    "CreateHyperParameterTuningJob": _create_tuning_job,
    "DescribeHyperParameterTuningJob": _describe_tuning_job,
    "ListHyperParameterTuningJobs": _list_tuning_jobs,
    "ListTrainingJobsForHyperParameterTuningJob": _list_trials,
    "StopHyperParameterTuningJob": _stop_tuning_job,
    "DeleteHyperParameterTuningJob": _delete_tuning_job,
    "AddTags": _add_tags,
    "ListTags": _list_tags,
    "DeleteTags": _delete_tags,
    **HANDLERS,
}
