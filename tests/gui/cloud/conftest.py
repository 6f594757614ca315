"""The window's parts over the stand-in cloud: an account with a role, a bucket, and a connection to it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.cloud.account import Connection
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.connect import create_bucket, trust_policy
from gui.cloud.cloud_session import CloudSession

ACCOUNT = "123456789012"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Both ends of every connection are in this process; what http.server lets go of late is not the window's."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(r"ignore:unclosed <socket.socket \[closed\]:ResourceWarning"))


@pytest.fixture(scope="session")
def aws(cloud) -> Aws:
    """The stand-in's account."""
    return Aws(region="us-east-1")


@pytest.fixture(scope="session")
def role(aws) -> str:
    """An execution role that trusts SageMaker, and one that does not."""
    iam = aws.client("iam")
    other = trust_policy(ACCOUNT).replace("sagemaker.amazonaws.com", "lambda.amazonaws.com")
    names = {item["RoleName"] for item in iam.list_roles()["Roles"]}
    for name, policy in (("SagehoundExecution", trust_policy(ACCOUNT)), ("SomeFunction", other)):
        if name not in names:
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(json.loads(policy)))
    return f"arn:aws:iam::{ACCOUNT}:role/SagehoundExecution"


@pytest.fixture
def bucket(aws) -> str:
    """A new bucket."""
    return create_bucket(aws, f"window-{secrets.token_hex(6)}").name


@pytest.fixture
def connection(bucket, role) -> Connection:
    """A complete connection."""
    return Connection("", "us-east-1", bucket, role)


@pytest.fixture
def quick_engine(monkeypatch, cloud):
    """Engines that look at the stand-in ten times a second, and start no process in the background."""
    from core.engines.sagemaker import engine as module
    from core.engines.sagemaker.timing import Timing

    cloud.forget()
    whole = module.SageMakerEngine.__init__

    def quick(self, paths, store, aws, workspace, source=None, in_background=None):
        whole(self, paths, store, aws, workspace, source, Timing(0.1, 0.3, login=0.3))

    monkeypatch.setattr(module.SageMakerEngine, "__init__", quick)


@pytest.fixture
def session(workbench, bridge, quick_engine) -> Iterator[CloudSession]:
    """A session of a workbench that runs jobs here."""
    made = CloudSession(workbench, bridge)
    yield made
    made.stop()


@pytest.fixture
def connected(session, connection, qtbot) -> CloudSession:
    """A session that runs jobs on the stand-in."""
    with qtbot.waitSignal(session.switched, timeout=20_000):
        session.use(connection, pytest.fail)
    qtbot.waitUntil(lambda: session.identity is not None, timeout=20_000)
    return session
