"""The profiler report: what a job wrote of its speed, what that means, and the report of it as HTML or PDF.

`analyse` reads and judges a profile; `export` writes its report; `export_tuning` one over the trials of a tuning job.
Nothing here imports matplotlib or boto3 before it needs them.
"""

from __future__ import annotations

from core.profiler.analysis import analyse
from core.profiler.read import find_report
from core.profiler.report import export, export_analysis, export_aws_report, export_tuning
from core.profiler.results import ProfilerAnalysis

__all__ = [
    "ProfilerAnalysis",
    "analyse",
    "export",
    "export_analysis",
    "export_aws_report",
    "export_tuning",
    "find_report",
]
