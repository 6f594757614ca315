"""The profiler report: what a job wrote of its speed, what that means, and the report of it as HTML or PDF.

`analyse` reads and judges a profile; `export` writes its report; `export_tuning` one over the trials of a tuning job.
"""

from __future__ import annotations

from core.profiler.analysis import analyse

__all__ = ["analyse"]
