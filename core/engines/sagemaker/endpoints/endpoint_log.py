"""What an endpoint's containers have written: its log in CloudWatch."""

from __future__ import annotations

from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.console_urls import log_url
from core.engines.sagemaker.connection.failures import code_of, translated
from core.translation import tr

GROUP = "/aws/sagemaker/Endpoints/"
_STREAMS = 5


def endpoint_log(aws: Aws, name: str, lines: int = 200) -> tuple[str, ...]:
    """Return the last lines of an endpoint's log, the oldest first; empty when it has written nothing yet.

    Raises:
        EngineError: AWS refused.
    """
    client, found = aws.client("logs"), []
    with translated(tr("The log of the endpoint {name} could not be read.").format(name=name), aws.profile):
        try:
            streams = client.describe_log_streams(
                logGroupName=f"{GROUP}{name}", orderBy="LastEventTime", descending=True, limit=_STREAMS
            )["logStreams"]
            for stream in streams:
                answer = client.get_log_events(
                    logGroupName=f"{GROUP}{name}",
                    logStreamName=stream["logStreamName"],
                    startFromHead=False,
                    limit=lines,
                )
                found += [(event["timestamp"], event["message"].rstrip("\n")) for event in answer["events"]]
        except Exception as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
    found.sort(key=lambda event: event[0])
    return tuple(line for _, message in found for line in message.split("\n"))[-lines:]


def endpoint_log_url(region: str, name: str) -> str:
    """Return the page of an endpoint's log in the AWS console."""
    return log_url(region, f"{GROUP}{name}")
