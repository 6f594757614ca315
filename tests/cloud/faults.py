"""Faults by plan: what goes wrong, on which call, how often. For the calls of every service, S3's among them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.exceptions import ServiceException

Error = tuple[str, str, int]
"""Code, message, HTTP status."""


class AwsError(ServiceException):
    """An error as AWS would answer it: a code, a message, an HTTP status, further members of its shape."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = members


THROTTLED: Error = ("ThrottlingException", "Rate exceeded", 400)
SERVER_ERROR: Error = ("InternalFailure", "We encountered an internal error. Please try again.", 500)
EXPIRED: Error = ("ExpiredTokenException", "The security token included in the request is expired", 403)
DENIED_BY_S3: Error = ("AccessDenied", "Access Denied", 403)
LOST_CONNECTION: Error = ("LostConnection", "", 0)
"""No answer: the connection breaks halfway through the request's body, or through the answer of a download."""
LOST_ANSWER: Error = ("LostAnswer", "", 0)
"""No answer: what was asked is done, but the connection breaks before that is said."""
SLOW: Error = ("Slow", "", 0)
"""No error: the answer comes a second later."""

_S3_SPELLING: Mapping[str, Error] = {
    THROTTLED[0]: ("SlowDown", "Please reduce your request rate.", 503),
    SERVER_ERROR[0]: ("InternalError", SERVER_ERROR[1], 500),
    EXPIRED[0]: ("ExpiredToken", "The provided token has expired.", 400),
    "AccessDeniedException": DENIED_BY_S3,
}
_QUERY_SPELLING: Mapping[str, Error] = {
    THROTTLED[0]: ("Throttling", "Rate exceeded", 400),
    EXPIRED[0]: ("ExpiredToken", EXPIRED[1], 403),
}


def access_denied(action: str, resource: str = "*") -> Error:
    """AWS's refusal of an action."""
    return (
        "AccessDeniedException",
        f"User: arn:aws:iam::123456789012:user/dev is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action",
        400,
    )


def quota_zero(resource: str) -> Error:
    """AWS's answer where an account's quota for `resource` is 0."""
    return quota_exceeded(resource, 0, 0, 1)


def quota_exceeded(resource: str, limit: int, used: int, wanted: int) -> Error:
    """AWS's answer where `wanted` instances more would exceed the quota called `resource`."""
    return (
        "ResourceLimitExceeded",
        f"The account-level service limit '{resource}' is {limit} Instances, with current utilization of {used} "
        f"Instances and a request delta of {wanted} Instances. Please use AWS Service Quotas to request an increase "
        "for this quota.",
        400,
    )


def spelled(error: AwsError, service: str) -> AwsError:
    """The same error in the words of a service: S3, IAM and STS have codes of their own."""
    table = {"s3": _S3_SPELLING, "iam": _QUERY_SPELLING, "sts": _QUERY_SPELLING}.get(service, {})
    return AwsError(*table[error.code]) if error.code in table else error


@dataclass
class Fault:
    """One planned fault: after `after` calls of `operation` that satisfy `when`, the next `times` fail with `error`."""

    operation: str
    error: Error
    times: int = 1
    when: Callable[[Mapping[str, Any]], bool] = field(default=lambda request: True)
    after: int = 0


class Faults:
    """The plan of one stand-in cloud. Thread-safe."""

    def __init__(self) -> None:
        self._plan: list[Fault] = []
        self._lock = threading.Lock()
        self._expired = False
        self.raised: list[str] = []

    def add(
        self,
        operation: str,
        error: Error,
        times: int = 1,
        when: Callable[[Mapping[str, Any]], bool] = lambda request: True,
        after: int = 0,
    ) -> None:
        """Let calls fail.

        Args:
            operation: "CreateTrainingJob", "s3:PutObject", "s3:*" or "*".
            error: one of this module's; S3, IAM and STS spell it their way.
            times: how many calls fail.
            when: which calls count, by their request (S3: Bucket and Key).
            after: how many calls pass before.
        """
        with self._lock:
            self._plan.append(Fault(operation, error, times, when, after))

    def expire(self) -> None:
        """Let the credentials expire: every call of every service is refused until `renew`."""
        self._expired = True

    def renew(self) -> None:
        """The user has logged in again."""
        self._expired = False

    def clear(self) -> None:
        """Forget what is planned and what was raised."""
        with self._lock:
            self._plan.clear()
            self.raised.clear()
            self._expired = False

    def check(self, service: str, operation: str, request: Mapping[str, Any]) -> None:
        """Raise what is planned for this call, as `AwsError`."""
        names = (operation, f"{service}:{operation}", f"{service}:*", "*")
        with self._lock:
            if self._expired:
                self.raised.append(operation)
                raise AwsError(*EXPIRED)
            for fault in self._plan:
                if fault.operation not in names or fault.times == 0 or not fault.when(request):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                fault.times -= 1
                self.raised.append(operation)
                raise AwsError(*fault.error)
