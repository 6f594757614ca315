"""The profile of a job: what it wrote of its speed, read and judged.

`analyse` reads and judges a profile; `find_report` finds the one that AWS's own profiler wrote. `core.report` makes a
document of it. Nothing here imports boto3 before it needs it.
"""

from __future__ import annotations

from core.profiler.analysis import analyse
from core.profiler.read import find_report
from core.profiler.results import ProfilerAnalysis

__all__ = ["ProfilerAnalysis", "analyse", "find_report"]
