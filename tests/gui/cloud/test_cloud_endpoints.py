"""Deploying from the window, the endpoints that are there, what closing says about them, and asking one."""

from __future__ import annotations

import dataclasses
import time

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QWidget

from core.cloud.hosting import Container, Hosting, Rehearsal
from core.engine import Endpoint
from core.engines.sagemaker.endpoints import deployer
from core.errors import EngineError
from core.jobs.records import TrainingJob
from core.jobs.specs import MetricDefinition, TrainingSpec
from core.jobs.status import JobStatus
from core.models import ModelAddress
from gui.cloud import endpoint_text
from gui.cloud.cloud_controller import CloudController
from gui.cloud.deploy_dialog import DeployDialog
from gui.cloud.endpoint_list import EndpointsDialog
from gui.cloud.endpoint_watch import EndpointWatch
from gui.predict.predict_tab import PredictTab
from gui.shared.dialogs import Decision
from gui.shared.preflight_list import PreflightDialog
from gui.window.main_window import MainWindow
from training_scripts.artifact import package

LEFT = Qt.MouseButton.LeftButton
NOW = 1_000_000.0
INSTANCE = Endpoint("busy", "InService", NOW - 7200, "job", "ml.m5.large", 0.115, NOW + 60)
SLEEPER = Endpoint("sleeper", "InService", NOW - 60, "job", "serverless")
OTHER = Endpoint("theirs", "InService", NOW, "", "ml.m5.large", 0.115, ours=False)
FAILED = Endpoint("broken", "Failed", NOW, "job", "ml.g5.xlarge", None, None, True, "The container did not start.")


@pytest.fixture
def deployable(connected, workbench, connection, aws, trained_job, tmp_path, cloud):
    """A finished job whose model lies in S3; what a test deploys is deleted."""
    archive = package(trained_job.model, tmp_path / "archive" / "model.tar.gz")
    aws.client("s3").upload_file(str(archive), connection.bucket, "models/model.tar.gz")
    spec = TrainingSpec("colours", {}, {}, (MetricDefinition("Average loss", "loss: ([0-9.]+)"),))
    uri = f"s3://{connection.bucket}/models/model.tar.gz"
    workbench.store.add_job(TrainingJob("colours", JobStatus.IN_PROGRESS, time.time(), engine="sagemaker"), spec)
    workbench.store.update_job("colours", status=JobStatus.COMPLETED, artifact=uri)
    yield workbench
    cloud.forget()


@pytest.fixture
def parent(qtbot):
    made = QWidget()
    made.resize(900, 700)
    qtbot.addWidget(made)
    made.show()
    return made


def make(workbench, name, hosting=None):
    """An endpoint without the rehearsal."""
    hosting = hosting or Hosting("ml.m5.large")
    uri = workbench.store.job("colours").artifact
    workbench.cloud.hosted.create(name, "colours", uri, workbench.cloud.workspace.role, hosting)


def until_in_service(qtbot, workbench, name):
    def ready():
        return workbench.cloud.hosted.get(name).status == "InService"

    qtbot.waitUntil(ready, timeout=60_000)


def test_the_words_about_money():
    assert endpoint_text.hourly(INSTANCE) == "$0.12 an hour"
    assert endpoint_text.so_far(INSTANCE, NOW) == "$0.23"
    assert endpoint_text.hourly(SLEEPER) == "only while it answers"
    assert endpoint_text.end(INSTANCE, NOW) == "deleted in 1 min 0 s while this computer runs"
    assert endpoint_text.end(SLEEPER, NOW) == "stays until you delete it"
    assert endpoint_text.bill([INSTANCE, SLEEPER, INSTANCE]) == "$0.23 an hour"
    assert endpoint_text.costly([INSTANCE, SLEEPER, OTHER, FAILED]) == (INSTANCE, FAILED)
    assert endpoint_text.daily_sentence(INSTANCE) == "busy costs $2.76 a day on ml.m5.large."
    assert "not known" in endpoint_text.daily_sentence(FAILED)


@pytest.mark.long
def test_from_a_job_to_an_endpoint_and_back(deployable, parent, bridge, qtbot, trained_job, cloud):
    dialog = DeployDialog(parent, deployable, bridge, "colours")
    dialog.open()
    assert not dialog.deploy.isEnabled(), "there is no picture to rehearse with"
    dialog.picture.setText(str(trained_job.picture("red")))
    assert "nothing while it is not asked" in dialog.form.price.text(), "serverless is proposed first"
    assert dialog.hosting.lifetime_s == 7200
    form = dialog.form
    assert "no security patches since 2026-06-30" in form.why.text(), "the choice is explained"
    form.kind.setCurrentIndex(form.kind.findData("ml.m5.large"))
    assert "AWS supports and patches" in form.why.text()
    assert dialog.hosting.container == Container.RAY_SERVE
    qtbot.waitUntil(lambda: "$2.76 a day" in form.price.text(), timeout=20_000)
    assert dialog.deploy.text() == "Rehearse and deploy, $0.12 an hour"
    qtbot.mouseClick(form.more, LEFT)
    assert form.network.isVisible()
    form.subnets.setText("subnet-0a, subnet-0b")
    with pytest.raises(EngineError, match="needs both"):
        assert dialog.hosting
    form.groups.setText("sg-0c")
    form.key.setText("alias/ours")
    form.name.setText("colours-live")
    qtbot.mouseClick(dialog.check, LEFT)
    checked = dialog.findChild(PreflightDialog)
    names = lambda: {item.name for item in checked.list.checks}  # noqa: E731
    qtbot.waitUntil(lambda: "Quota “ml.m5.large for endpoint usage”" in names(), timeout=30_000)
    checked.accept()
    with qtbot.waitSignal(dialog.deployed, timeout=60_000):
        qtbot.mouseClick(dialog.deploy, LEFT)
    assert dialog.outcome.isVisible()
    assert "the archive says red" in dialog.outcome._text.text()
    assert cloud.asked("CreateEndpoint")[-1]["EndpointName"] == "colours-live"
    vpc = {"Subnets": ["subnet-0a", "subnet-0b"], "SecurityGroupIds": ["sg-0c"]}
    assert cloud.asked("CreateModel")[-1]["VpcConfig"] == vpc
    assert cloud.asked("CreateEndpointConfig")[-1]["KmsKeyId"] == "alias/ours"
    qtbot.mouseClick(dialog.deploy, LEFT)
    assert not dialog.isVisible()
    watch = EndpointWatch(deployable, bridge)
    listed = EndpointsDialog(parent, watch)
    listed.open()
    qtbot.waitUntil(lambda: bool(listed.rows) and listed.rows[0].use.isEnabled(), timeout=60_000)
    assert "$0.12 an hour" in listed.rows[0].facts
    assert "deleted in 1 h 59 min" in listed.rows[0].facts
    assert "On ml.m5.large, Ray Serve" in listed.rows[0].facts
    qtbot.mouseClick(listed.rows[0].show_log_button, LEFT)
    qtbot.waitUntil(lambda: listed.rows[0].log_text != "", timeout=20_000)
    assert listed.rows[0].web_log.url.endswith("$252Faws$252Fsagemaker$252FEndpoints$252Fcolours-live")
    qtbot.mouseClick(listed.rows[0].delete, LEFT)
    qtbot.waitUntil(lambda: listed.empty.isVisible(), timeout=20_000)
    assert cloud.asked("DeleteModel")
    listed.accept()
    watch.stop()


def test_a_refusal_creates_nothing_and_says_why(deployable, parent, bridge, qtbot, tmp_path, cloud):
    dialog = DeployDialog(parent, deployable, bridge, "colours")
    dialog.open()
    (tmp_path / "no.jpg").write_bytes(b"no picture")
    dialog.picture.setText(str(tmp_path / "no.jpg"))
    made = len(cloud.asked("CreateModel"))
    dialog._on_deploy()
    qtbot.waitUntil(dialog.error.isVisible, timeout=60_000)
    assert "rehearsal with no.jpg" in dialog.error.text
    assert len(cloud.asked("CreateModel")) == made
    assert dialog.deploy.isEnabled()
    dialog.reject()


def test_an_endpoint_whose_life_is_over_is_deleted_and_that_is_said(deployable, bridge, qtbot):
    make(deployable, "short", Hosting("ml.m5.large", lifetime_s=0.0))
    until_in_service(qtbot, deployable, "short")
    watch = EndpointWatch(deployable, bridge)
    with qtbot.waitSignal(watch.expired, timeout=20_000) as heard:
        watch.look()
    assert heard.args == ["short"]
    assert watch.ours == ()
    watch.stop()


def test_what_is_not_ours_has_no_delete_button_and_a_failure_its_reason(parent, workbench, bridge, monkeypatch, qtbot):
    watch = EndpointWatch(workbench, bridge)
    monkeypatch.setattr(watch, "look", lambda: None)
    watch.endpoints = (INSTANCE, FAILED, OTHER)
    dialog = EndpointsDialog(parent, watch)
    dialog.open()
    ours, failed, other = dialog.rows
    assert ours.delete.isVisible()
    assert not other.delete.isVisible()
    assert "Not made by Sagehound" in other.facts
    assert dialog._others.isVisible(), "listed apart"
    assert not failed.use.isEnabled()
    texts = [child.text() for child in failed.findChildren(QWidget) if hasattr(child, "text")]
    assert "The container did not start." in texts
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()) or len(opened) > 1)
    opened, page = [], "https://a.console.aws.amazon.com/cloudwatch/home?region=a#logsV2:log-groups/log-group/$252Fx"
    failed.web_log.set_url(page)
    for _ in range(2):
        qtbot.mouseClick(failed.web_log.button, LEFT)
    assert opened == [page, page]
    assert QGuiApplication.clipboard().text() == page, "no browser: the address is copied"
    dialog.accept()


def test_another_model_goes_behind_an_endpoint(
    deployable, parent, bridge, qtbot, trained_job, cloud, monkeypatch, tmp_path
):
    """The models were trained here, and say nothing: rehearsal and answers are tested elsewhere."""
    cloud.serving.handler = "miniature"
    monkeypatch.setattr(deployer, "rehearse", lambda *_: Rehearsal((("red", 1.0),), 0.0, 0.0))
    for name in ("first", "home-made"):
        code = tmp_path / name / "code"
        code.mkdir(parents=True)
        (code / "inference.py").write_text("def model_fn(folder): return 1\n", encoding="utf-8")
        artifact = package(code.parent, tmp_path / f"{name}-job" / "model.tar.gz")
        spec = dataclasses.replace(deployable.store.spec("colours"), name=name)
        deployable.store.add_job(TrainingJob(name, JobStatus.IN_PROGRESS, time.time()), spec)
        deployable.store.update_job(name, status=JobStatus.COMPLETED, artifact=str(artifact))
    hosting = Hosting("ml.m5.large", container=Container.PYTORCH)
    deployable.cloud.deploy("first", "colours-live", hosting, tmp_path)
    until_in_service(qtbot, deployable, "colours-live")
    dialog = DeployDialog(parent, deployable, bridge, "home-made")
    dialog.open()
    form = dialog.form
    dialog.picture.setText(str(trained_job.picture("red")))
    qtbot.waitUntil(lambda: form.target.findData("colours-live") > 0, timeout=20_000)
    form.target.setCurrentIndex(form.target.findData("colours-live"))
    assert not dialog.deploy.isEnabled(), "how it is served now is not known yet"
    qtbot.waitUntil(dialog.deploy.isEnabled, timeout=20_000)
    assert (dialog.hosting.instance_type, dialog.hosting.container) == ("ml.m5.large", Container.PYTORCH)
    # The moment of its end stands in a tag, rounded to a second.
    assert dialog.hosting.lifetime_s == pytest.approx(7200, abs=200), "its life stays as it is"
    assert dialog.deploy.text().startswith("Rehearse and update")
    with qtbot.waitSignal(dialog.deployed, timeout=60_000):
        qtbot.mouseClick(dialog.deploy, LEFT)
    assert "updated, and answers as before meanwhile" in dialog.outcome._text.text()
    dialog.accept()
    watch = EndpointWatch(deployable, bridge)
    listed = EndpointsDialog(parent, watch)
    listed.open()
    qtbot.waitUntil(lambda: bool(listed.rows) and "Serves home-made" in listed.rows[0].facts, timeout=60_000)
    assert cloud.asked("CreateModel")[-1]["PrimaryContainer"]["ModelDataUrl"].split("/")[4] == "models", "uploaded"
    listed.accept()
    watch.stop()


def test_a_deletion_that_has_to_wait_says_so_and_can_be_taken_back(deployable, parent, bridge, qtbot, cloud):
    cloud.serving.released.clear()
    role = deployable.cloud.workspace.role
    deployable.cloud.hosted.create("busy", "colours", "s3://nowhere/model.tar.gz", role, Hosting("ml.m5.large"))
    watch = EndpointWatch(deployable, bridge)
    dialog = EndpointsDialog(parent, watch)
    dialog.open()
    qtbot.waitUntil(lambda: bool(dialog.rows), timeout=20_000)
    for again in (True, False):
        qtbot.mouseClick(dialog.rows[0].delete, LEFT)
        qtbot.waitUntil(lambda: dialog.rows[0].keep.isVisible(), timeout=20_000)
        assert "deleted as soon as AWS lets it" in dialog.rows[0].facts
        assert not dialog.rows[0].delete.isVisible()
        if again:
            qtbot.mouseClick(dialog.rows[0].keep, LEFT)
            qtbot.waitUntil(lambda: dialog.rows[0].delete.isVisible(), timeout=20_000)
    cloud.serving.released.set()

    def gone():
        watch.look()
        qtbot.waitUntil(lambda: watch._asking is None, timeout=20_000)
        return dialog.empty.isVisible()

    qtbot.waitUntil(gone, timeout=60_000)
    dialog.accept()
    watch.stop()


@pytest.fixture
def window(workbench, bridge, theme, qtbot, monkeypatch):
    """The window over an account with endpoints that nobody looks for."""
    monkeypatch.setattr(EndpointWatch, "look", lambda self: None)
    made = MainWindow(workbench, bridge, theme)
    qtbot.addWidget(made)
    made.show()
    made.cloud.watch.endpoints = (INSTANCE, SLEEPER, OTHER)
    made.cloud.watch.changed.emit(made.cloud.watch.endpoints)
    yield made
    made.quit_quietly()


def test_closing_names_what_goes_on_costing_money(window, qtbot):
    assert window.status.endpoints.text() == "2 endpoints, $0.12 an hour"
    assert not window.close()
    (dialog,) = window.findChildren(Decision)
    assert dialog.windowTitle() == "busy keeps costing money"
    assert "costs $2.76 a day" in " ".join(c.text() for c in dialog.findChildren(QWidget) if hasattr(c, "text"))
    qtbot.mouseClick(dialog.buttons["cancel"], LEFT)
    assert window.isVisible()
    assert not window.close()
    dialog = window.findChildren(Decision)[-1]
    qtbot.mouseClick(dialog.buttons["keep"], LEFT)
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=5_000)


def test_closing_can_delete_them_first(window, qtbot, monkeypatch):
    asked = []
    monkeypatch.setattr(EndpointWatch, "delete", lambda self, names, on_done, *_: (asked.append(names), on_done()))
    window.close()
    qtbot.mouseClick(window.findChildren(Decision)[0].buttons["delete"], LEFT)
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=5_000)
    assert asked == [("busy",)]


def test_a_deletion_that_fails_keeps_the_window_open(window, qtbot, monkeypatch):
    shown = []
    monkeypatch.setattr(
        EndpointWatch, "delete", lambda self, names, on_done, on_error, *_: on_error(EngineError("AWS refused."))
    )
    monkeypatch.setattr(MainWindow, "show_error", lambda self, error: shown.append(error))
    window.close()
    qtbot.mouseClick(window.findChildren(Decision)[0].buttons["delete"], LEFT)
    qtbot.waitUntil(lambda: bool(shown), timeout=5_000)
    assert window.isVisible()


def test_serverless_endpoints_do_not_keep_the_window_from_closing(window):
    window.cloud.watch.endpoints = (SLEEPER, OTHER)
    assert isinstance(window.cloud, CloudController)
    assert window.cloud.may_close()


def test_a_picture_given_to_predict_goes_to_the_endpoint(deployable, bridge, qtbot, trained_job):
    from gui.feed import JobsFeed

    make(deployable, "colours-live")
    until_in_service(qtbot, deployable, "colours-live")
    feed = JobsFeed(lambda: deployable.engine, bridge)
    tab = PredictTab(deployable, bridge, feed)
    qtbot.addWidget(tab)
    tab.resize(1000, 700)
    tab.show()
    qtbot.waitUntil(lambda: tab.chooser.count() > 0, timeout=20_000)
    tab.set_endpoints(deployable.cloud.endpoints())
    tab.use_endpoint("colours-live")
    assert tab.chooser.chosen == ModelAddress.endpoint("colours-live")
    tab.take([trained_job.picture("green")])
    qtbot.waitUntil(lambda: tab.pages.currentWidget() is tab.answer, timeout=60_000)
    assert tab.answer._headline.text() == "green"
    assert "endpoint on ml.m5.large" in tab.answer._model.text()
    assert not tab.answer.why_button.isVisible(), "an endpoint cannot say where it looked"
    pictures = [trained_job.picture(label) for label in trained_job.classes]
    tab.take(pictures)
    qtbot.waitUntil(lambda: tab.pages.currentWidget() is tab.table and not tab.session.busy, timeout=60_000)
    assert [tab.table.model.answer(at).label for at in range(3)] == list(trained_job.classes)
    tab.set_endpoints([])
    assert tab.chooser.chosen != ModelAddress.endpoint("colours-live")
