"""The report of a job, a tuning job, or two runs side by side: one document, in one of several formats.

`export` writes the report of one run, `export_tuning` one over the trials of a tuning job, `export_comparison` one over
two runs, `export_findings` what rules said of any number of jobs; `export_aws_report` saves AWS's own. Nothing here
imports matplotlib before it needs it.
"""

from __future__ import annotations

from core.report.export import export, export_aws_report, export_comparison, export_findings, export_tuning
from core.report.reported_run import Run

__all__ = ["Run", "export", "export_aws_report", "export_comparison", "export_findings", "export_tuning"]
