"""Faults by plan: what goes wrong, on which call, how often."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.exceptions import ServiceException


class AwsError(ServiceException):
    """An error as AWS would answer it: a code, a message, an HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


THROTTLED = ("ThrottlingException", "Rate exceeded", 400)
SERVER_ERROR = ("InternalFailure", "We encountered an internal error. Please try again.", 500)
EXPIRED = ("ExpiredTokenException", "The security token included in the request is expired", 400)


def access_denied(action: str, resource: str = "*") -> tuple[str, str, int]:
    """AWS's refusal of an action."""
    return (
        "AccessDeniedException",
        f"User: arn:aws:iam::123456789012:user/dev is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action",
        400,
    )


def quota_zero(resource: str) -> tuple[str, str, int]:
    """AWS's answer where an account's quota for `resource` is 0."""
    return (
        "ResourceLimitExceeded",
        f"The account-level service limit '{resource}' is 0 Instances, with current utilization of 0 Instances and a "
        "request delta of 1 Instances. Please use AWS Service Quotas to request an increase for this quota.",
        400,
    )


@dataclass
class Fault:
    """One planned fault: the next `times` calls of `operation` that satisfy `when` fail with `error`."""

    operation: str
    error: tuple[str, str, int]
    times: int = 1
    when: Callable[[Mapping[str, Any]], bool] = field(default=lambda request: True)


class Faults:
    """The plan of one stand-in cloud. Thread-safe."""

    def __init__(self) -> None:
        self._plan: list[Fault] = []
        self._lock = threading.Lock()
        self.raised: list[str] = []

    def add(
        self,
        operation: str,
        error: tuple[str, str, int],
        times: int = 1,
        when: Callable[[Mapping[str, Any]], bool] = lambda request: True,
    ) -> None:
        """Let the next `times` calls of `operation` (CamelCase) fail with (code, message, HTTP status)."""
        with self._lock:
            self._plan.append(Fault(operation, error, times, when))

    def clear(self) -> None:
        """Forget what is planned and what was raised."""
        with self._lock:
            self._plan.clear()
            self.raised.clear()

    def check(self, operation: str, request: Mapping[str, Any]) -> None:
        """Raise what is planned for this call."""
        with self._lock:
            for fault in self._plan:
                if fault.operation == operation and fault.times > 0 and fault.when(request):
                    fault.times -= 1
                    self.raised.append(operation)
                    raise AwsError(*fault.error)
