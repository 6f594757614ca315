"""What a cloud says of its own Debugger: it was taken by an account, or refused to it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from core.errors import EngineError
from core.translation import tr


class ManagedRefused(EngineError):
    """AWS does not give this account its managed Debugger; the same job can be started without."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What AWS said when a job asked for its Debugger: taken or not, when (Unix seconds), in which words."""

    taken: bool
    when: float
    said: str = ""

    @property
    def sentence(self) -> str:
        """Return the answer in words."""
        day = time.strftime("%Y-%m-%d", time.localtime(self.when))
        if self.taken:
            return tr("AWS took a job with its managed Debugger in this account on {day}.").format(day=day)
        return tr("AWS refused its managed Debugger to this account on {day}: {said}.").format(
            day=day, said=self.said.rstrip(".")
        )
