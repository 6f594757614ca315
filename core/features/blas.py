"""How many threads numpy multiplies matrices with in the processes that help with labels: one.

The products of a refit take a millisecond. On a busy machine the threads of OpenBLAS spin while they wait for each
other: with two threads on two busy cores a refit took twenty times the processor's time of one thread. The search for
neighbours and clusters, which grows with the pictures, is cut into blocks for threads of our own, which sleep when they
wait; the main directions, which are computed once for a dataset, take one core.
"""

from __future__ import annotations

from functools import cache


@cache
def one_thread() -> None:
    """Let numpy use one thread from now on, in this process."""
    import numpy  # noqa: F401  # only libraries that are loaded are limited
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")
