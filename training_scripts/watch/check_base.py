"""What a check of a watched training is, and the calling of those there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from .code_site import NOWHERE, Site
from .findings import Findings

if TYPE_CHECKING:
    from .session import Session

EVENTS = (
    "before_forward",
    "after_forward",
    "computed",
    "before_backward",
    "after_backward",
    "made_optimizer",
    "before_step",
    "after_step",
    "stepped",
    "began_pass",
    "loaded",
    "scheduled",
    "clipped",
    "scaled",
    "dropped_out",
    "saved",
    "restored",
    "ended",
)


STEP_EVENTS = frozenset(
    {
        "before_forward",
        "after_forward",
        "computed",
        "before_backward",
        "after_backward",
        "before_step",
        "after_step",
        "stepped",
    }
)
"""What happens in every step: all checks are called only where it is looked at."""

NO_CONTEXT: AbstractContextManager[None] = nullcontext()


class Check:
    """One look at a training. A check has those of the methods that it needs; no others are called.

    Those of a step (`STEP_EVENTS`) are called in the steps and batches that are looked at; those that it names in
    `always`, in every one.
    """

    always: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, session: Session) -> None:
        self.session = session

    @property
    def is_busy(self) -> bool:
        """Whether it waits for what follows on what it has looked at."""
        return False

    def found(
        self,
        rule: str,
        cause: str,
        details: str,
        remedy: str,
        at: Site = NOWHERE,
        values: Sequence[tuple[int, float, float | None]] = (),
        tensors: Sequence[str] = (),
    ) -> None:
        """Report a broken invariant; only the first time counts."""
        self.session.findings.found(rule, self.session.step, cause, details, remedy, at, values, tensors)

    def looked(self, rule: str) -> None:
        """Say that an invariant was looked at and held."""
        self.session.findings.looked(rule)


class Checks:
    """The checks of one training. One that breaks is left out: it may neither fail the script nor hold it up."""

    def __init__(self, checks: Sequence[Check], findings: Findings) -> None:
        self._findings = findings
        self._all: dict[str, list[Callable[..., None]]] = {}
        self._always: dict[str, list[Callable[..., None]]] = {}
        self._busy = [check for check in checks if type(check).is_busy is not Check.is_busy]
        for check in checks:
            for event in EVENTS:
                method = getattr(check, event, None)
                if method is not None:
                    self._all.setdefault(event, []).append(method)
                    if event not in STEP_EVENTS or event in check.always:
                        self._always.setdefault(event, []).append(method)

    @property
    def is_busy(self) -> bool:
        """Whether one of them waits for what follows."""
        return any(check.is_busy for check in self._busy)

    def notify(self, event: str, looking: bool, *values: Any) -> None:
        """Call the checks that an event is for: all where it is looked at closely, else those for every step."""
        methods = (self._all if looking else self._always).get(event)
        if not methods:
            return
        # What is called in every step computes nothing that could be part of the graph.
        with torch.no_grad() if looking else NO_CONTEXT:
            for method in tuple(methods):
                try:
                    method(*values)
                except Exception as error:
                    for table in (self._all, self._always):
                        if method in table.get(event, ()):
                            table[event].remove(method)
                    self._findings.broken(getattr(method, "__self__", method), event, error)
