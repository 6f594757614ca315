"""What AWS's errors and failure reasons mean, as a table, in words for people.

The signals are AWS's own wordings; where several fit, the first in the table counts. What is in no row is shown as it
came. The user's own exception, where a log has one, says more than any of them: `traceback_of`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from core.errors import EngineError, UserFacingError

LOGIN_CODES = (
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "UnauthorizedSSOTokenError",
    "SSOTokenLoadError",
    "TokenRetrievalError",
    "CredentialRetrievalError",
)
"""Codes and exception names of a session that has ended: log in again and continue."""


THROTTLED_CODES = ("ThrottlingException", "Throttling", "TooManyRequestsException", "SlowDown", "RequestLimitExceeded")
"""AWS is asked too often at the moment."""

_NOT_SENT = ("ParamValidationError", "NoCredentialsError", "PartialCredentialsError", "NoRegionError", *LOGIN_CODES)


class LoginNeeded(EngineError):
    """The AWS session has ended; nothing is lost, and it continues after a new login."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A row: `codes` are error codes or exception names (empty: any), `pattern` is searched in the message.

    `meaning` and `fix` are one sentence each; {1}, {2} stand for the pattern's groups.
    """

    codes: tuple[str, ...]
    pattern: str
    meaning: str
    fix: str


_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403")
_INVALID = ("ValidationException", "ValidationError")

TABLE: tuple[Failure, ...] = (
    Failure(
        ("ResourceLimitExceeded",),
        r"Number of instances across all processing jobs",
        "Debugger rules run on processing instances, and your account's quota for those is used up.",
        "Choose fewer of AWS's rules, or raise that quota in Service Quotas.",
    ),
    Failure(
        ("ResourceLimitExceeded",),
        r"service limit '(.+?)' is (\d+)",
        "Your account's quota “{1}” is {2}.",
        "Choose another instance type, fewer jobs at once, or ask for more of “{1}” in Service Quotas.",
    ),
    Failure(
        ("ResourceLimitExceeded",),
        r"",
        "A quota of your account is used up.",
        "Wait for other jobs to end, choose less, or ask for more in Service Quotas.",
    ),
    Failure(
        (),
        r"requested resource \S*?/?(ml\.[\w.]+) is not available in this region",
        "{1} is not offered in this region.",
        "Choose another instance type or another region.",
    ),
    Failure(
        (),
        r"CapacityError|Unable to provision requested ML compute capacity|InsufficientInstanceCapacity",
        "AWS has no such machine free at the moment; this is not your quota.",
        "Try later, or choose another instance type; for spot, on-demand or a longer wait.",
    ),
    Failure(
        _DENIED,
        r"not authorized to perform: iam:PassRole on resource: (\S+)",
        "Your user may not hand the role {1} to SageMaker.",
        "Give your user iam:PassRole on that role; `sagehound preflight --policies` prints the policy.",
    ),
    Failure(
        _DENIED,
        r"explicit deny|service control policy",
        "A policy of your organisation forbids this.",
        "Ask the administrator of the AWS account.",
    ),
    Failure(
        _DENIED,
        r"not authorized to perform: ([\w-]+:\w+)",
        "Your AWS user lacks the permission {1}.",
        "Add {1} to its policy; `sagehound preflight --policies` prints the one that is needed.",
    ),
    Failure(
        _DENIED,
        r"",
        "AWS denied the access.",
        "See which permission is missing with `sagehound preflight`.",
    ),
    Failure(
        (),
        r"Could not assume role (\S+)",
        "SageMaker could not take on the role {1}: its trust policy lacks sagemaker.amazonaws.com, or it is brand new.",
        "Correct the trust policy, or wait half a minute and try again.",
    ),
    Failure(
        (),
        r"No S3 objects found under S3 URL \"?(s3://[^\"\s]+)",
        "SageMaker finds nothing under {1}: a wrong place, a wrong region, or the role may not list the bucket.",
        "Check these three in that order; uploading the dataset again is cheap.",
    ),
    Failure(
        ("PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"),
        r"",
        "The bucket lies in another region.",
        "Choose a bucket of the region in use.",
    ),
    Failure(
        (),
        r"BucketRegionError|bucket must be in the same region",
        "The bucket lies in another region than the job.",
        "Choose a bucket of the job's region.",
    ),
    Failure(("NoSuchBucket",), r"", "There is no such bucket.", "Choose another one, or let Sagehound create it."),
    Failure(
        ("NoSuchEntity",),
        r"",
        "IAM knows nothing of that name in this account.",
        "Choose one that exists; `sagehound preflight --roles` lists the roles.",
    ),
    Failure(
        ("BucketAlreadyExists",), r"", "Someone else has a bucket of that name.", "Choose another name for the bucket."
    ),
    Failure(
        _INVALID,
        r"MaxWaitTimeInSeconds",
        "The longest wait belongs to spot training and must not be shorter than the longest run time.",
        "Set both for spot, or none.",
    ),
    Failure(
        ("ResourceInUse",), r"", "The name is taken; SageMaker never gives a job's name twice.", "Choose another name."
    ),
    Failure(
        _INVALID, r"Cannot create already existing", "Something of that name exists already.", "Choose another name."
    ),
    Failure(
        (*_INVALID, "ResourceNotFound", "ResourceNotFoundException"),
        r"Could not find|not found|does not exist",
        "It does not exist (any more), or it lies in another region.",
        "Check the name and the region.",
    ),
    Failure(
        ("ParamValidationError", *_INVALID),
        r"at '[\w.]*[nN]ame' failed to satisfy constraint",
        "AWS does not take the name.",
        "Names are letters, digits and hyphens, at most 63 characters, 32 for a tuning job.",
    ),
    Failure(
        ("ParamValidationError", *_INVALID),
        r"regular expression pattern|Parameter validation failed|validation errors? detected",
        "AWS does not take one of the values.",
        "Correct the value that it names.",
    ),
    Failure(
        THROTTLED_CODES,
        r"",
        "AWS is asked too often at the moment.",
        "Wait a little; Sagehound tries again by itself.",
    ),
    Failure(LOGIN_CODES, r"", "Your AWS session has ended; jobs go on untouched.", "Log in again, with `{login}`."),
    Failure(
        ("UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure"),
        r"",
        "AWS does not know these credentials.",
        "Configure the profile again, with `aws configure`.",
    ),
    Failure(
        ("SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed"),
        r"",
        "The secret key is wrong, or this computer's clock is.",
        "Set the clock, or configure the profile again.",
    ),
    Failure(
        ("NoCredentialsError", "PartialCredentialsError"),
        r"",
        "There are no AWS credentials on this computer.",
        "Choose a profile, or run `aws configure` or `aws sso login`.",
    ),
    Failure(
        ("ProfileNotFound",), r"", "There is no such AWS profile.", "Choose another, or make it with `aws configure`."
    ),
    Failure(
        (
            *("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError"),
            *("SSLError", "ProxyConnectionError", "HTTPClientError", "ConnectionError"),
        ),
        r"",
        "AWS does not answer.",
        "Check the network, the proxy and the region's name.",
    ),
    Failure(
        ("OptInRequired", "SubscriptionRequiredException"),
        r"",
        "The account is not active, or this region is not enabled for it.",
        "Enable the region in the AWS console.",
    ),
    Failure(
        (),
        r"CUDA out of memory|OutOfMemoryError",
        "The GPU's memory was not enough.",
        "Choose a smaller batch_size or a bigger instance type.",
    ),
    Failure(
        (),
        r"[Ee]xit ?[Cc]ode:? ?137\b|SIGKILL",
        "The machine's memory was not enough, so the script was killed.",
        "Choose a bigger instance type or a smaller batch_size.",
    ),
    Failure((), r"No space left on device", "The volume was full.", "Ask for a bigger volume."),
    Failure(
        (),
        r"unrecognized arguments: (.+)",
        "The training script does not know the arguments {1}.",
        "Remove those hyperparameters.",
    ),
    Failure(
        (),
        r"Cannot find repository|manifest unknown|CannotPullContainer",
        "The container image does not exist there.",
        "Check the image's address and its region.",
    ),
    Failure(
        (),
        r"InstallRequirementsError|No matching distribution found for",
        "The container could not install what requirements.txt names: it reaches no package index, as in subnets "
        "without a way out, or a package is not there.",
        "Let its subnets reach a package index, or name an image that has the packages.",
    ),
    Failure(
        (),
        r"AlgorithmError",
        "The training script ended with an error.",
        "See the end of the log, where its traceback is.",
    ),
    Failure(
        (),
        r"InternalServerError|We encountered an internal error|InternalFailure|ServiceUnavailable",
        "AWS broke, or the machine died, often for want of memory.",
        "Try once more, then a bigger instance type.",
    ),
    Failure(
        (),
        r"did not pass the ping health check",
        "The endpoint's container did not start.",
        "See the endpoint's log; a rehearsal on this computer finds most causes.",
    ),
    Failure(
        ("ModelNotReadyException",), r"", "The serverless endpoint is still waking up.", "Wait a little and ask again."
    ),
    Failure(
        ("ModelError",),
        r"client error \(4\d\d\).*? message \"(.+?)\.?\"",
        "The endpoint refused the picture: {1}.",
        "Send a picture that can be read.",
    ),
    Failure(
        ("ModelError",),
        r"",
        "The model's code at the endpoint raised an error.",
        "See the endpoint's log in the list of endpoints, or with `sagehound endpoints NAME`.",
    ),
    Failure(
        ("413", "RequestEntityTooLarge"), r"", "The picture is larger than the endpoint takes.", "Send a smaller one."
    ),
    Failure(
        ("MaxRuntimeExceeded",),
        r"",
        "It was stopped at its longest run time; what it had saved until then is kept.",
        "Allow it more time, or take fewer epochs or a faster instance type.",
    ),
    Failure(
        ("MaxWaitTimeExceeded",),
        r"",
        "It was given up at its longest wait: AWS had no spare machine for it in time.",
        "Allow a longer wait, or take on-demand machines or another instance type.",
    ),
    Failure(
        ("Interrupted",),
        r"",
        "AWS took the spare machine back, and had no other one for it.",
        "Start it again, or take on-demand machines.",
    ),
    Failure(
        (),
        r"No objective metrics? found|objective metric was not found",
        "The regex of the objective matched no line of the log.",
        "Test the regex against the log.",
    ),
)


def explain(code: str, message: str, what: str = "AWS refused.", profile: str = "") -> EngineError:
    """Return an error of AWS in words; unknown ones are shown as they came."""
    login = f"aws sso login --profile {profile}" if profile else "aws sso login"
    row, groups = find(code, message)
    if row is None:
        return EngineError(what, _sentence(f"{code}: {message}" if code else message), "")
    kind = LoginNeeded if row.codes is LOGIN_CODES else EngineError
    # What AWS finds invalid it says in more detail than any table can.
    own = _sentence(message) if code in (*_INVALID, "ParamValidationError") and message else ""
    why = f"{own} {_fill(row.meaning, groups)}".strip()
    return kind(what, why, _fill(row.fix, groups).replace("{login}", login))


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
