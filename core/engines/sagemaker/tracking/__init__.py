"""Follow jobs: status, logs, artifacts, adopted jobs."""
