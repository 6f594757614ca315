"""The log of a training job: read from CloudWatch as it grows, and kept on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from core.engines.sagemaker.connection.console_urls import log_url
from core.engines.sagemaker.connection.failures import code_of
from core.engines.sagemaker.connection.json_files import read_json, write_json

GROUP = "/aws/sagemaker/TrainingJobs"
STATE = "log.json"
_MAX_PAGES = 20
_LOOK_AGAIN = 6
_MACHINE = re.compile(r".*/(algo-\d+)")

Ask = Callable[..., Any]
"""Calls a method of a client: `ask(client.method, Name=value)`; what counts calls passes its own."""


class Line(NamedTuple):
    """When a line was said, in Unix seconds, its text, and the machine of its job that said it."""

    moment: float
    text: str
    machine: str = ""


def job_log_url(region: str, job: str, folder: Path) -> str:
    """Return the page of a job's log in the AWS console: its stream where that is known, else all that it may have.

    A tuning job has no log of its own; its trials' streams begin with its name.
    """
    streams = [name for name in read_json(folder / STATE).get("streams", {}) if name.startswith(f"{job}/")]
    return log_url(region, GROUP, streams[0] if len(streams) == 1 else "", job)


class LogTail:
    """New lines of a job's log streams, appended to a file. No line is lost or doubled in it by a restart.

    Lines count as read when `taken` is called, after what they say is in the store: a program that ends before that
    reads them again. A job has one stream per start of its machine (`<job>/algo-1-<time>`); a spot job that was
    reclaimed has several.

    Args:
        client: a boto3 client of CloudWatch Logs.
        job: the training job's name.
        file: the log on this machine; what was read is remembered beside it.

    Attributes:
        repeats: whether the next lines may have been read by a program that ended before it had remembered them.
    """

    def __init__(self, client: Any, job: str, file: Path, ask: Ask) -> None:
        self._client, self._job, self._file, self._ask = client, job, file, ask
        self._state_file = file.with_name(STATE)
        self._tokens: dict[str, str | None] = {}
        self._looks = 0
        self.repeats = False
        self.go_back()

    def go_back(self) -> None:
        """Read again, from the next call on, what was not `taken`."""
        state = read_json(self._state_file)
        streams = state.get("streams", {}).items()
        self._tokens = {name: token for name, token in streams if name.startswith(f"{self._job}/")}
        self._size = int(state.get("bytes", 0))
        self.repeats = self._cut_back(self._size)

    def new_lines(self, look: bool = False) -> list[Line]:
        """Return the lines since the last call; `look`: see if there is another stream."""
        if look or not self._tokens or self._looks % _LOOK_AGAIN == 0:
            self._find_streams()
        self._looks += 1
        lines = [line for stream in sorted(self._tokens) for line in self._read(stream)]
        if lines:
            self._append([line.text for line in lines])
        return lines

    def taken(self) -> None:
        """Remember that all lines so far need not be read again."""
        # The features job that ran before it may have written to the same file.
        known = read_json(self._state_file).get("streams", {})
        write_json(self._state_file, {"streams": {**known, **self._tokens}, "bytes": self._size}, flushed=False)
        self.repeats = False

    def _find_streams(self) -> None:
        prefix, more = f"{self._job}/", dict[str, str]()
        while True:  # 50 to a page, and a job may have more machines
            try:
                answer = self._ask(
                    self._client.describe_log_streams, logGroupName=GROUP, logStreamNamePrefix=prefix, **more
                )
            except self._client.exceptions.ResourceNotFoundException:
                return  # no job of this account has logged anything yet
            for stream in answer.get("logStreams", ()):
                self._tokens.setdefault(stream["logStreamName"], None)
            if not answer.get("nextToken"):
                return
            more = {"nextToken": answer["nextToken"]}

    def _read(self, stream: str) -> list[Line]:
        lines: list[Line] = []
        found = _MACHINE.match(stream)
        machine = found[1] if found else ""
        for _ in range(_MAX_PAGES):
            token = self._tokens[stream]
            more = {"nextToken": token} if token else {}
            try:
                answer = self._ask(
                    self._client.get_log_events,
                    logGroupName=GROUP,
                    logStreamName=stream,
                    startFromHead=True,
                    **more,
                )
            except Exception as error:
                if code_of(error) == "ResourceNotFoundException":
                    return lines
                raise
            for event in answer["events"]:
                texts = event["message"].split("\n")
                texts = texts[:-1] if texts[-1] == "" else texts
                lines += [Line(event["timestamp"] / 1000, text, machine) for text in texts]
            self._tokens[stream] = answer["nextForwardToken"]
            if answer["nextForwardToken"] == token:
                break
        return lines

    def _append(self, texts: list[str]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab") as file:
            file.write("".join(f"{text}\n" for text in texts).encode("utf-8", "replace"))
            file.flush()
            self._size = file.tell()

    def _cut_back(self, size: int) -> bool:
        """Cut off what was appended and not remembered; whether there was any."""
        try:
            if self._file.stat().st_size <= size:
                return False
            os.truncate(self._file, size)
        except OSError:
            return False
        return True
