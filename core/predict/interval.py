"""How sure a share is that was counted on few pictures."""

from __future__ import annotations

import math

_Z95 = 1.959963984540054
"""The normal distribution's 97.5 % quantile."""


def wilson(right: int, count: int, z: float = _Z95) -> tuple[float, float]:
    """Return the 95 % interval of a share, low and high in 0…1 (Wilson 1927, without continuity correction).

    It holds for small counts and for shares near 0 and 1, where the textbook's normal interval does not. Of nothing
    counted nothing is known: (0, 1).
    """
    if count <= 0:
        return 0.0, 1.0
    share, shrink = right / count, 1 + z * z / count
    middle = (share + z * z / (2 * count)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)
