"""What AWS's errors and failure reasons mean in words for people, by the table of `failure_table`.

What is in no row is shown as it came. The user's own exception, where a log has one, says more than any row:
`traceback_of`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from core.engines.sagemaker.connection.failure_table import INVALID, LOGIN_CODES, TABLE, THROTTLED_CODES, Failure
from core.errors import EngineError, UserFacingError
from core.translation import tr

_NOT_SENT = ("ParamValidationError", "NoCredentialsError", "PartialCredentialsError", "NoRegionError", *LOGIN_CODES)
_LISTED = 8


class LoginNeeded(EngineError):
    """The AWS session has ended; nothing is lost, and it continues after a new login."""


def explain(code: str, message: str, what: str = tr("AWS refused."), profile: str = "") -> EngineError:
    """Return an error of AWS in words; unknown ones are shown as they came."""
    login = f"aws sso login --profile {profile}" if profile else "aws sso login"
    row, groups = find(code, message)
    message = _few(message)
    if row is None:
        return EngineError(what, _sentence(f"{code}: {message}" if code else message), "")
    kind = LoginNeeded if row.codes is LOGIN_CODES else EngineError
    # What AWS finds invalid it says in more detail than any table can.
    own = _sentence(message) if code in (*INVALID, "ParamValidationError") and message else ""
    why = f"{own} {_fill(row.meaning, groups)}".strip()
    return kind(what, why, _fill(row.fix, groups).replace("{login}", login))


def _few(message: str) -> str:
    """Return AWS's sentence with the first few of the many values that it lists, of instance types above all."""

    def first(found: re.Match[str]) -> str:
        values = found[1].split(", ")
        return found[0] if len(values) <= _LISTED else f"[{', '.join(values[:_LISTED])}, …]"

    return re.sub(r"\[([^\[\]]+)\]", first, message)


def explain_reason(reason: str) -> str:
    """Return a job's failure reason: what AWS says, and what that means where it is known."""
    reason = reason.strip()
    row, groups = find("", reason)
    if row is None or not reason:
        return reason
    return f"{_sentence(reason)} {_fill(row.meaning, groups)} {_fill(row.fix, groups)}"


def explain_stop(secondary_status: str) -> str:
    """Return why a job was stopped without anyone asking, by its secondary status; "" where that says nothing."""
    row = next((row for row in TABLE if secondary_status in row.codes), None)
    return f"{row.meaning} {row.fix}" if row is not None else ""


def find(code: str, message: str) -> tuple[Failure | None, tuple[str, ...]]:
    """Return the first row that fits, and what its pattern's groups caught.

    A row that names codes needs one of them.
    """
    for row in TABLE:
        if row.codes and code not in row.codes:
            continue
        found = re.search(row.pattern, message)
        if found:
            return row, tuple(group or "" for group in found.groups())
    return None, ()


def code_of(error: BaseException) -> str:
    """Return the error code of a botocore error: AWS's own, else the exception's name."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def message_of(error: BaseException) -> str:
    """Return AWS's own sentence."""
    response: Any = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Message", "")) or str(error)
    return str(error)


def is_unanswered(error: BaseException) -> bool:
    """Whether an error leaves open what AWS did: no answer came, or AWS itself broke."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
    return isinstance(error, BotoCoreError) and code_of(error) not in _NOT_SENT


def is_passing(error: BaseException) -> bool:
    """Whether an error of AWS, translated or not, may be over in a while: asking again is of use."""
    cause = error.__cause__ if isinstance(error, UserFacingError) and error.__cause__ is not None else error
    return is_unanswered(cause) or code_of(cause) in THROTTLED_CODES


@contextmanager
def translated(what: str, profile: str = "") -> Iterator[None]:
    """Turn botocore's errors into `EngineError`s that say what failed, why, and what to do."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except UserFacingError:
        raise
    except (BotoCoreError, ClientError) as error:
        raise explain(code_of(error), message_of(error), what, profile) from error


def _fill(text: str, groups: Sequence[str]) -> str:
    for number, group in enumerate(groups, 1):
        text = text.replace(f"{{{number}}}", group)
    return text


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
