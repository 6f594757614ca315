"""The checks, by what they look at: loop, optimizer, model, loss, data, machine, numbers."""

from __future__ import annotations

from collections.abc import Sequence

from ..check_base import Check
from ..session import Session
from .batches import BatchOrder, Scaling
from .loop import Clipping, GradientOrder, Scheduling
from .loss_inputs import Labels, LossInputs
from .machine import Memory, Replicas, Starvation
from .numbers import Guessing, NotFinite, Overflow
from .parameters import Holding, Motion
from .resting import Resting
from .splits import Leaks, Loaders
from .train_mode import Modes


def all_checks(session: Session) -> Sequence[Check]:
    """Return one of every check, for one training."""
    kinds = (
        GradientOrder,
        Scheduling,
        Clipping,
        Holding,
        Resting,
        Motion,
        Modes,
        LossInputs,
        Labels,
        BatchOrder,
        Loaders,
        Scaling,
        Leaks,
        NotFinite,
        Overflow,
        Guessing,
        Starvation,
        Memory,
        Replicas,
    )
    return [kind(session) for kind in kinds]
