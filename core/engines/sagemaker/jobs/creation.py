"""Create a job on AWS, so that none is paid for without a record.

An answer can get lost on its way. A mark among the job's tags then tells whether a job of that name is this very one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.failures import code_of, explain, is_unanswered, message_of
from core.engines.sagemaker.jobs.request_diff import differences
from core.errors import EngineError, SpecError
from core.translation import tr

MARK = "sagehound:launch"
_logger = logging.getLogger(__name__)


class OutcomeUnknown(EngineError):
    """AWS did not say whether it created the job; it may run, and cost money."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that is ready to be sent: of a training job, or of a tuning job."""

    request: Mapping[str, Any]

    @property
    def _kind(self) -> str:
        return "HyperParameterTuningJob" if "HyperParameterTuningJobName" in self.request else "TrainingJob"

    @property
    def name(self) -> str:
        """Return the name of the job."""
        return str(self.request[f"{self._kind}Name"])

    @property
    def mark(self) -> str:
        """Return what tells this job from another of the same name; "" where nothing does."""
        return _tags(self.request.get("Tags", ())).get(MARK, "")

    def create(self, client: Any) -> None:
        """Send the request."""
        method = client.create_training_job if self._kind == "TrainingJob" else client.create_hyper_parameter_tuning_job
        method(**self.request)

    def describe(self, client: Any) -> dict[str, Any]:
        """Ask what became of it, tags included."""
        if self._kind == "TrainingJob":
            described = client.describe_training_job(TrainingJobName=self.name)
        else:
            described = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=self.name)
        return {**described, "Tags": client.list_tags(ResourceArn=described[f"{self._kind}Arn"])["Tags"]}


def create(aws: Aws, prepared: Prepared) -> None:
    """Create the job of a request.

    Raises:
        SpecError: another job has that name.
        OutcomeUnknown: no answer came, and AWS cannot be asked; the job may be there.
        ClientError, BotoCoreError: AWS refused or was not reached; the job is not there.
    """
    client = aws.sagemaker
    try:
        prepared.create(client)
    except client.exceptions.ResourceInUse as error:
        # A request whose answer was lost is sent again by boto3: then the job of that name is this one.
        if not _is_there(client, prepared):
            raise SpecError(
                tr("There is a job called {name} in this AWS account already.").format(name=prepared.name),
                tr("SageMaker never gives a job's name twice."),
                tr("Choose another name."),
                field="name",
            ) from error
    except Exception as error:
        if not is_unanswered(error):
            raise  # an answer: AWS has not created it
        try:
            found = _is_there(client, prepared)
        except Exception as silence:
            raise unknown_outcome(prepared.name, error, aws.profile) from silence
        if not found:
            raise


def unknown_outcome(what: str, error: Exception, profile: str = "") -> OutcomeUnknown:
    """Return the error for a creation whose answer is lost; `error` is how it was."""
    return OutcomeUnknown(
        tr("Whether AWS has {what} now is not known.").format(what=what),
        tr("It was asked for it, and no answer came. {why}").format(
            why=explain(code_of(error), message_of(error), "", profile).why
        ),
        tr("It stays in the list and is looked for: what is there is followed."),
    )


def compare(aws: Aws, prepared: Prepared) -> list[str]:
    """Return how what AWS recorded of a created job differs from what was asked; never raises: the job runs."""
    try:
        found = differences(prepared.request, prepared.describe(aws.sagemaker))
    except Exception as error:
        _logger.warning("%s could not be read back: %s", prepared.name, error)
        return []
    for sentence in found:
        _logger.warning("%s: %s", prepared.name, sentence)
    return found


def _is_there(client: Any, prepared: Prepared) -> bool:
    """Whether AWS has this very job."""
    try:
        described = prepared.describe(client)
    except Exception as error:
        if code_of(error) in ("ResourceNotFound", "ValidationException"):
            return False
        raise
    return _tags(described["Tags"]).get(MARK, "") == prepared.mark


def _tags(tags: Any) -> dict[str, str]:
    return {str(tag["Key"]): str(tag["Value"]) for tag in tags}
