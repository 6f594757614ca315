"""An AWS connection to the stand-in cloud."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engines.sagemaker.aws import Aws
from core.engines.sagemaker.connect import create_bucket
from tests.cloud.server import Cloud


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path_factory.mktemp("cloud"))
    before = dict(os.environ)
    os.environ.update(cloud.environment())
    yield cloud
    cloud.close()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def aws(cloud: Cloud) -> Aws:
    return Aws(region="us-east-1")


@pytest.fixture
def bucket(aws: Aws, tmp_path: Path) -> str:
    return create_bucket(aws, f"bench-{abs(hash(str(tmp_path)))}").name
