"""Statuses, in SageMaker's own words."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """The status of a training job, a trial or a tuning job."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED)


class RuleStatus(StrEnum):
    """The evaluation status of a Debugger rule."""

    IN_PROGRESS = "InProgress"
    NO_ISSUES_FOUND = "NoIssuesFound"
    ISSUES_FOUND = "IssuesFound"
    ERROR = "Error"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
