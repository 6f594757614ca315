"""Trainings that come out the same in every run, whatever ran before."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def _seeded_module():
    """For the fixtures of a module."""
    import torch

    torch.manual_seed(1)


@pytest.fixture(autouse=True)
def _seeded(_seeded_module):
    import torch

    torch.manual_seed(1)
