"""Frozen records of jobs, trials, metrics and statuses, and the container contract."""
