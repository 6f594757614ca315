"""The Jobs page: the list of jobs, and one job as it runs."""
