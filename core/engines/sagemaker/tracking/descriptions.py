"""What AWS says of jobs: their descriptions, the trials of a tuning job, and whether a model is in S3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.bucket_layout import split_uri
from core.engines.sagemaker.connection.failures import code_of
from core.engines.sagemaker.tracking.logs import Ask

_PAGE = 100

Description = Mapping[str, Any]


class Descriptions:
    """Asks AWS for descriptions; `ask` makes the calls."""

    def __init__(self, aws: Aws, ask: Ask) -> None:
        self._aws, self._ask = aws, ask

    def trials(self, tuning_job: str) -> list[Description]:
        """Return the training jobs of a tuning job, by name."""
        found: list[Description] = []
        more: dict[str, str] = {}
        while True:
            answer = self._ask(
                self._aws.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job,
                HyperParameterTuningJobName=tuning_job,
                MaxResults=_PAGE,
                SortBy="CreationTime",
                SortOrder="Ascending",
                **more,
            )
            found += answer["TrainingJobSummaries"]
            if not answer.get("NextToken"):
                return sorted(found, key=lambda item: str(item["TrainingJobName"]))
            more = {"NextToken": answer["NextToken"]}

    def training(self, name: str) -> Description | None:
        """Return what AWS says of a training job; None where it has none of that name."""
        return self._known(self._aws.sagemaker.describe_training_job, TrainingJobName=name)

    def tuning(self, name: str) -> Description | None:
        """Return what AWS says of a tuning job; None where it has none of that name."""
        method = self._aws.sagemaker.describe_hyper_parameter_tuning_job
        return self._known(method, HyperParameterTuningJobName=name)

    def _known(self, method: Any, **arguments: str) -> Description | None:
        """Return a description; None where AWS has no such job."""
        try:
            answer: Description = self._ask(method, **arguments)
            return answer
        except Exception as error:
            missing = "not found" in str(error) or "does not exist" in str(error)
            if code_of(error) in ("ResourceNotFound", "ValidationException") and missing:
                return None
            raise

    def artifact(self, description: Description) -> str:
        """Return where model.tar.gz is, if there is one."""
        uri = str(description.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""))
        if not uri:
            return ""
        bucket, key = split_uri(uri)
        try:
            self._ask(self._aws.client("s3").head_object, Bucket=bucket, Key=key)
        except Exception as error:
            if code_of(error) in ("404", "NoSuchKey"):
                return ""
            raise
        return uri
