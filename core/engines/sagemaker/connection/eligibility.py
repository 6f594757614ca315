"""Whether an account has AWS's managed Debugger: closed to new customers since 2026-07-30, and no call tells.

So AWS is asked by a job that wants it, and its answer is remembered for the account, until the user resets it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from core.cloud.managed import Answer, ManagedRefused
from core.engines.sagemaker.connection.failures import code_of, message_of
from core.engines.sagemaker.connection.json_files import read_json, write_json
from core.errors import EngineError
from core.locks import lock_of
from core.paths import AppPaths
from core.translation import tr

FILE = "aws-debugger.json"
_CODES = ("ValidationException", "AccessDeniedException", "UnsupportedOperationException", "InvalidParameterValue")
_NAMED = re.compile(r"debug|profiler|rule ?configuration|new customers", re.IGNORECASE)
# A request that is wrong is not a refusal: the account may well have the Debugger.
_MALFORMED = re.compile(r"validation errors? detected|failed to satisfy constraint", re.IGNORECASE)
# Names that people gave, which may well have "debug" in them.
_NAMES = re.compile(r"\S*(?:arn:|s3://|\.dkr\.ecr\.)\S*")


class Eligibility:
    """AWS's answers, by account, in a file of the application's home. Safe in several threads and processes."""

    def __init__(self, paths: AppPaths) -> None:
        self._file = paths.home / FILE

    def of(self, account: str) -> Answer | None:
        """Return what AWS said to this account the last time; None: it was never asked, or that was forgotten."""
        known = read_json(self._file).get(account)
        try:
            return Answer(bool(known["taken"]), float(known["when"]), str(known["said"])) if known else None
        except (TypeError, KeyError, ValueError):
            return None  # written by another version

    def forget(self, account: str) -> None:
        """Let the next job ask again."""
        self._write(account, None)

    def check(self, account: str, job: str) -> None:
        """Raise `ManagedRefused` where AWS is known to refuse, without asking it again."""
        answer = self.of(account)
        if answer is not None and not answer.taken:
            raise _refused(job, answer.sentence)

    @contextmanager
    def asking(self, account: str, job: str) -> Iterator[None]:
        """Remember AWS's answer to the creation of a job that wants the Debugger.

        Raises:
            ManagedRefused: AWS refused for that; other errors pass as they are.
        """
        from botocore.exceptions import ClientError

        try:
            yield
        except ClientError as error:
            if not is_refusal(code_of(error), message_of(error), job):
                raise
            self._write(account, Answer(False, time.time(), message_of(error)))
            raise _refused(
                job,
                tr("AWS refused its managed Debugger: {message_of}.").format(message_of=message_of(error).rstrip(".")),
            ) from error
        with suppress(OSError, EngineError):  # the job runs: that this is not remembered must not look like a failure
            self._write(account, Answer(True, time.time()))

    def _write(self, account: str, answer: Answer | None) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with lock_of(self._file, 30, tr("What AWS said of its Debugger cannot be noted")):
            known = read_json(self._file)
            known.pop(account, None)
            if answer is not None:
                known[account] = {"taken": answer.taken, "when": answer.when, "said": answer.said[:500]}
            write_json(self._file, known)


def is_refusal(code: str, message: str, job: str = "") -> bool:
    """Whether an error of CreateTrainingJob says that the account may not have the Debugger that was asked for.

    AWS documents no wording: an invalid or denied request whose message names Debugger, profiler or new customers.
    """
    said = _NAMES.sub("", message.replace(job, "") if job else message)
    return code in _CODES and not _MALFORMED.search(said) and _NAMED.search(said) is not None


def _refused(job: str, why: str) -> ManagedRefused:
    fix = tr("Start it without: Sagehound's own rules and profiler need nothing of AWS's.")
    return ManagedRefused(tr("{job} was not started.").format(job=job), why, fix)
