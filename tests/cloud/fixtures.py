"""Fixtures of the stand-in cloud, for every test folder (tests/conftest.py names this module as a plugin).

moto and boto3 are imported when the first test asks for the cloud, not before.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.guard import SocketGuard

if TYPE_CHECKING:
    from tests.cloud.server import Cloud

UPDATE_VARIABLE = "SAGEHOUND_UPDATE_GOLDEN"
_GOLDEN = Path(__file__).with_name("golden")


@pytest.fixture(scope="session")
def socket_guard() -> SocketGuard:
    """Refuses and records connects to what is not loopback; switched on with the cloud."""
    return SocketGuard()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, socket_guard: SocketGuard) -> Iterator[Cloud]:
    """The stand-in cloud, with the variables that lead boto3 and the SDK there, and the guard on."""
    from botocore.loaders import JSONFileLoader

    from tests.cloud.server import Cloud

    # Each of hundreds of sessions would read AWS's models of its services again, 0.2 s of processor time at a time.
    load = cache(JSONFileLoader().load_file)
    JSONFileLoader.load_file = lambda _, path: load(path)  # type: ignore[method-assign]
    cloud = Cloud(tmp_path_factory.mktemp("cloud"))
    before = dict(os.environ)
    os.environ.update(cloud.environment())
    socket_guard.active = True
    yield cloud
    socket_guard.active = False
    cloud.close()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def _nothing_outside(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that uses the cloud fails if anything of it asked for an address that is not loopback."""
    if "cloud" not in request.fixturenames:
        yield
        return
    guard: SocketGuard = request.getfixturevalue("socket_guard")
    before = len(guard.refused)
    yield
    assert guard.refused[before:] == []


@pytest.fixture
def fresh_cloud(cloud: Cloud) -> Iterator[Cloud]:
    """The cloud with no jobs, endpoints, faults or recorded calls, before and after."""
    cloud.forget()
    yield cloud
    cloud.forget()


@pytest.fixture
def bucket(cloud: Cloud, unique: str) -> Iterator[Any]:
    """An empty bucket of the stand-in cloud, as boto3's resource; it is gone after the test.

    moto's own `mock_aws` would wipe the process's one moto, and the stand-in with it.
    """
    import boto3

    bucket = boto3.resource("s3").create_bucket(Bucket=unique)
    yield bucket
    bucket.objects.all().delete()
    bucket.delete()


@pytest.fixture
def unique() -> str:
    """A prefix that no other test has: lower-case letters and digits."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture
def golden() -> Callable[[str, Any, dict[str, str]], None]:
    """Compares a request with tests/cloud/golden/NAME.json; `SAGEHOUND_UPDATE_GOLDEN=1` writes the file instead.

    The third argument maps what differs from run to run (names, buckets) to words that stay.
    """

    def compare(name: str, request: Any, names: dict[str, str]) -> None:
        text = json.dumps(request, indent=2, sort_keys=True, ensure_ascii=False)
        for changing, constant in names.items():
            text = text.replace(changing, constant)
        text = re.sub(r"\b[0-9a-f]{16,64}\b", "<hash>", text) + "\n"
        path = _GOLDEN / f"{name}.json"
        if os.environ.get(UPDATE_VARIABLE):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        assert json.loads(text) == json.loads(path.read_text(encoding="utf-8"))

    return compare
