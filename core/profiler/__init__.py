"""The profiler report."""
