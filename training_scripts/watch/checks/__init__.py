"""The checks, by what they look at: loop, optimizer, model, loss, data, machine, numbers."""

from __future__ import annotations

from collections.abc import Sequence

from ..check_base import Check
from ..session import Session
from .batches import BatchOrder, Scaling
from .loop import Clipping, GradientOrder, Scheduling
from .loss_inputs import Labels, LossInputs
from .machine import Memory, Replicas, Starvation
from .near_duplicates import NearDuplicates
from .numbers import Guessing, NotFinite, Overflow
from .parameters import Holding, Motion
from .resting import Resting
from .serving import Serving
from .splits import Leaks, Loaders
from .train_mode import Modes
from .underfitting import Underfitting


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
        NearDuplicates,
        Serving,
        NotFinite,
        Overflow,
        Guessing,
        Underfitting,
        Starvation,
        Memory,
        Replicas,
    )
    return [kind(session) for kind in kinds]
