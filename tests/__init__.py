"""The tests; `tests.cloud` is the stand-in SageMaker, `tests.benchmarks` what `make bench` runs."""
