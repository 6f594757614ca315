"""Keeps what goes wrong in the watching from the script, which is worth more."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

_P = ParamSpec("_P")
_S = TypeVar("_S", bound=Any)
"""What has `findings`."""
_T = TypeVar("_T")


def harmless(hook: Callable[Concatenate[_S, _P], _T]) -> Callable[Concatenate[_S, _P], _T | None]:
    """Return a hook that the script can call: what it raises goes to the job's log, and its answer is None then."""

    @functools.wraps(hook)
    def guarded(session: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        try:
            return hook(session, *args, **kwargs)
        except Exception as error:
            session.findings.broken(session, hook.__name__, error)
            return None

    return guarded
