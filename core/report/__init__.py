"""The report of a job or a tuning job: one document, written as HTML or PDF.

`export` writes the report of one job, `export_tuning` one over the trials of a tuning job, `export_aws_report` saves
AWS's own. Nothing here imports matplotlib before it needs it.
"""

from __future__ import annotations

from core.report.export import export, export_analysis, export_aws_report, export_tuning

__all__ = ["export", "export_analysis", "export_aws_report", "export_tuning"]
