"""Connecting the window to an account, and back; what is said when the login has ended."""

from __future__ import annotations

import json

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget

from core.cloud.account import Account, Bucket, Connection, Identity, Role
from core.engines.clouds import cloud_provider
from core.engines.sagemaker.connection.connect import trust_policy
from core.workbench import Workbench
from gui.cloud.aws_dialog import AwsDialog
from gui.cloud.cloud_session import CloudSession
from gui.cloud.connect_form import ConnectForm
from gui.cloud.policies import PoliciesDialog
from gui.window.status_bar import WindowStatus

ARN = "arn:aws:iam::1:role/R"
LEFT = Qt.MouseButton.LeftButton


def account(buckets=("mine",), roles=("R",), notes=()):
    return Account(
        Identity("1", "arn:aws:iam::1:user/dev", "eu-west-1"),
        tuple(Bucket(name, "eu-west-1") for name in buckets),
        tuple(Role(name, f"arn:aws:iam::1:role/{name}", True) for name in roles),
        "sagehound-eu-west-1-1",
        notes,
    )


@pytest.fixture
def dialog(qtbot, session, bridge, role):
    parent = QWidget()
    qtbot.addWidget(parent)
    made = AwsDialog(parent, session, bridge)
    made.show()
    yield made
    made.reject()


def test_nothing_is_sent_before_connect_is_pressed(dialog, bridge, cloud, qtbot, workbench):
    asked = len(cloud.requests)
    qtbot.waitUntil(lambda: bridge.idle)
    assert len(cloud.requests) == asked
    assert not dialog.use.isEnabled()
    assert "Connect first" in dialog.reason.text()
    assert not dialog.form.bucket.isVisible()
    assert workbench.settings.current.engine == "local"


@pytest.fixture
def second_role(aws, role):
    """Another role that SageMaker may take on, so that one has to be chosen."""
    iam, name = aws.client("iam"), "AnotherExecution"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_policy("123456789012"))
    yield
    iam.delete_role(RoleName=name)


def test_from_nothing_to_a_connection(dialog, session, workbench, aws, qtbot, role, second_role):
    chosen = []
    dialog.chosen.connect(chosen.append)
    dialog.form.region.setCurrentText("us-east-1")
    qtbot.mouseClick(dialog.form.look, LEFT)
    assert dialog.progress.isVisible()
    qtbot.waitUntil(lambda: dialog.form.account is not None, timeout=30_000)
    assert dialog.form._who.text().startswith("Account 123456789012 · us-east-1")
    roles = [dialog.form.role.itemText(row) for row in range(dialog.form.role.count())]
    assert "SagehoundExecution" in roles
    assert "SomeFunction" not in roles
    dialog.form.role.setCurrentText("SagehoundExecution")
    dialog.form.bucket.setCurrentText("made-in-the-window")
    assert "create it" in dialog.reason.text()
    assert not dialog.use.isEnabled()
    qtbot.mouseClick(dialog.form.make_bucket, LEFT)
    qtbot.waitUntil(lambda: dialog.use.isEnabled(), timeout=30_000)
    assert "made-in-the-window" in [item["Name"] for item in aws.client("s3").list_buckets()["Buckets"]]
    assert aws.client("s3").get_public_access_block(Bucket="made-in-the-window")
    qtbot.mouseClick(dialog.use, LEFT)
    assert chosen == [Connection("", "us-east-1", "made-in-the-window", role)]


def test_a_login_that_has_ended_is_one_sentence_with_what_to_do(dialog, cloud, qtbot, monkeypatch):
    from core.engines.sagemaker.connection import inventory as module
    from core.engines.sagemaker.connection.failures import explain

    def ended(aws):
        raise explain("ExpiredToken", "The token is expired.", "AWS could not be asked who you are.", "work")

    monkeypatch.setattr(module, "identity", ended)
    dialog.look()
    qtbot.waitUntil(lambda: dialog.error.isVisible(), timeout=20_000)
    assert "aws sso login --profile work" in dialog.error.text
    assert dialog.form.look.isEnabled()
    assert not dialog.progress.isVisible()


def test_another_profile_is_another_account(dialog, qtbot):
    dialog.form.show_account(account())
    dialog.form.bucket.setCurrentText("mine")
    assert dialog.use.isEnabled()
    dialog.form.profile.setCurrentText("other")
    assert dialog.form.account is None
    assert not dialog.use.isEnabled()


@pytest.mark.parametrize(
    ("found", "bucket", "role"),
    [
        (account(buckets=(), roles=()), "sagehound-eu-west-1-1", ""),
        (account(buckets=("a", "sagehound-eu-west-1-1")), "sagehound-eu-west-1-1", ARN),
        (account(buckets=("a", "b"), roles=("Q", "S")), "", ""),
        (account(buckets=("a", "before"), roles=("Q", "R")), "before", ARN),
    ],
)
def test_what_is_proposed(qtbot, found, bucket, role):
    form = ConnectForm(Connection("", "eu-west-1", "before", ARN), [])
    qtbot.addWidget(form)
    form.show_account(found)
    assert form.connection.bucket == bucket
    assert form.connection.role == (role if found.roles else ARN)
    assert form.connection.region == "eu-west-1"


def test_what_may_not_be_listed_can_be_typed(qtbot):
    form = ConnectForm(Connection(), [])
    qtbot.addWidget(form)
    form.show_account(account(buckets=(), roles=(), notes=("The buckets could not be listed.",)))
    form.bucket.setCurrentText("theirs")
    form.role.setCurrentText("Theirs")
    assert form.missing == ""
    assert (form.connection.bucket, form.connection.role) == ("theirs", "Theirs")
    assert "could not be listed" in form._notes.text()


def test_the_policies_are_filled_in_and_copied(qtbot):
    dialog = PoliciesDialog(None, cloud_provider().policies(Connection("", "us-east-1", "mine", ARN), "1"))
    qtbot.addWidget(dialog)
    texts = []
    for at in range(dialog.choice.count()):
        dialog.choice.setCurrentIndex(at)
        texts.append(json.loads(dialog.text.toPlainText()))
    assert ARN in str(texts[0])
    assert "arn:aws:s3:::mine/*" in str(texts[0])
    assert "arn:aws:s3:::mine/*" in str(texts[1])
    assert texts[2]["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    copy = next(child for child in dialog.findChildren(QWidget) if getattr(child, "text", str)() == "Copy")
    qtbot.mouseClick(copy, LEFT)
    assert json.loads(QApplication.clipboard().text()) == texts[2]


def test_switching_to_aws_and_back_is_remembered(connected, workbench, connection, bridge, qtbot, paths):
    assert connected.active
    assert connected.identity.account == "123456789012"
    assert workbench.engine.name == "sagemaker"
    assert workbench.settings.current.engine == "sagemaker"
    later = Workbench(paths)
    again = CloudSession(later, bridge)
    with qtbot.waitSignal(again.switched, timeout=20_000):
        again.start(pytest.fail)
    assert again.connection == connection
    assert (later.engine.name, later.cloud.workspace.bucket) == ("sagemaker", connection.bucket)
    with qtbot.waitSignal(again.switched, timeout=20_000):
        again.use_local(pytest.fail)
    assert (later.engine.name, again.active) == ("local", False)
    assert later.cloud is not None, "the jobs on AWS are followed as before"
    again.stop()
    later.close()
    assert Workbench(paths).settings.current.engine == "local"


def test_an_incomplete_connection_changes_nothing(session, workbench, qtbot):
    errors = []
    session.use(Connection(bucket="b"), errors.append)
    qtbot.waitUntil(lambda: bool(errors), timeout=10_000)
    assert "role" in str(errors[0])
    assert (session.active, workbench.engine.name) == (False, "local")


def test_the_engines_notice_comes_and_goes_by_itself(connected, workbench, qtbot):
    bar = WindowStatus()
    qtbot.addWidget(bar)
    bar.show()
    connected.notice_changed.connect(bar.show_notice)
    workbench.cloud._poller.notice = "Your AWS session has ended. Log in."
    qtbot.waitUntil(lambda: bar._notices.isVisible(), timeout=5_000)
    assert bar._notice.text().startswith("Your AWS session has ended.")
    workbench.cloud._poller.notice = ""
    qtbot.waitUntil(lambda: not bar._notices.isVisible(), timeout=5_000)


def test_after_a_new_login_it_goes_on_by_itself(session, connection, qtbot, monkeypatch):
    from core.engines.sagemaker.connection import connect
    from core.engines.sagemaker.connection.failures import explain

    whole, refused = connect.identity, []

    def identity(aws):
        if len(refused) < 2:
            refused.append(aws)
            raise explain("ExpiredToken", "The token is expired.", "AWS could not be asked who you are.")
        return whole(aws)

    monkeypatch.setattr("core.engines.sagemaker.engine.identity", identity)
    session.retry_ms = 50
    notices = []
    session.notice_changed.connect(notices.append)
    session.use(connection, pytest.fail)
    qtbot.waitUntil(lambda: session.identity is not None, timeout=20_000)
    assert "aws sso login" in notices[0]
    qtbot.waitUntil(lambda: notices[-1] == "", timeout=5_000)
    assert len(refused) == 2


def test_the_status_bar_names_account_and_region(qtbot):
    bar = WindowStatus()
    qtbot.addWidget(bar)
    bar.show_engine("sagemaker")
    bar.show_account("123456789012", "eu-west-1")
    assert bar.engine.text() == "AWS 123456789012 · eu-west-1"
    with qtbot.waitSignal(bar.engine_asked):
        bar.engine.click()
