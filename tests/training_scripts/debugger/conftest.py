"""Rules on our own base: smdebug is imported in processes of its own only (smdebug_check.py)."""

import os

import pytest

os.environ.setdefault("SAGEHOUND_RULE_BASE", "own")


@pytest.fixture(autouse=True)
def _one_thread():
    """The same training in every run, whatever ran before: from one seed, and summed up in one order."""
    import torch

    torch.manual_seed(1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
