"""The main job on the stand-in cloud, in the real window: connect, check, upload, tune, watch, deploy, ask, delete."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QUrl

from core.jobs.ranges import Scaling
from core.jobs.status import JobStatus
from core.models import ModelAddress
from core.workbench import Workbench
from gui.cloud.deploy_dialog import DeployDialog
from gui.cloud.endpoint_list import EndpointsDialog
from gui.shared.dialogs import Decision
from gui.tuning.range_draft import Kind, RangeDraft
from gui.window.main_window import MainWindow
from tests.gui.fakes import press

LONG = 120_000


@pytest.fixture
def dataset(trained_job, tmp_path) -> Path:
    """A dataset of this test's own, so that the window may scan it."""
    return Path(shutil.copytree(trained_job.dataset, tmp_path / "colours"))


@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_main_job_on_aws(paths, bridge, theme, qtbot, drop, dataset, bucket, role, quick_engine, cloud, tmp_path):
    workbench = Workbench(paths)
    window = MainWindow(workbench, bridge, theme)
    qtbot.addWidget(window, before_close_func=lambda made: made.quit_quietly())
    window.show()
    window.start()

    # Connect, and check before anything is billed.
    dialog = window.cloud.open_dialog()
    dialog.form.region.setCurrentText("us-east-1")
    press(qtbot, dialog.form.look)
    qtbot.waitUntil(lambda: dialog.form.account is not None, timeout=LONG)
    dialog.form.bucket.setCurrentText(bucket)
    dialog.form.role.setCurrentText("SagehoundExecution")
    with qtbot.waitSignal(dialog.checks.finished, timeout=LONG) as checked:
        press(qtbot, dialog.check)
    assert checked.args == [True], [check for check in dialog.checks.checks if check.verdict == "fail"]
    press(qtbot, dialog.use)
    qtbot.waitUntil(lambda: window.status.engine.text() == "AWS 123456789012 · us-east-1", timeout=LONG)

    # Upload.
    data = window.page("data")
    data.open_folder(dataset)
    qtbot.waitUntil(lambda: data.manifest is not None, timeout=LONG)
    assert data.s3.isVisible()
    press(qtbot, data.s3.upload)
    qtbot.waitUntil(lambda: "pictures in S3" in data.s3.said.text(), timeout=LONG)
    assert f"{len(data.manifest.pictures)} sent" in data.s3.said.text()

    # Tune; the price is named first.
    press(qtbot, data.use)
    qtbot.waitUntil(lambda: window.shown == "tuning", timeout=LONG)
    tuning = window.page("tuning")
    rate = RangeDraft("learning_rate", Kind.CONTINUOUS, "0.002", "0.02", Scaling.LOGARITHMIC)
    tuning.ranges.set_drafts([rate, RangeDraft.fixed("num_epochs", "3"), RangeDraft.fixed("batch_size", "6")])
    tuning.search_form.max_jobs.setValue(2)
    tuning.resources.limit.setValue(5)
    qtbot.waitUntil(lambda: "each of 3 jobs" in tuning.cost.rows().get("At most", ""), timeout=LONG)
    assert tuning.cost.rows()["Per hour"] == "$0.23 each instance"
    assert "Features once" in tuning.cost.rows()
    qtbot.waitUntil(tuning.card.start.isEnabled, timeout=LONG)
    press(qtbot, tuning.card.start)
    qtbot.waitUntil(lambda: bool(window.findChildren(Decision)), timeout=LONG)
    (asked,) = window.findChildren(Decision)
    assert asked.buttons["start"].text() == "Start, at most $0.69"
    assert not cloud.asked("CreateTrainingJob")
    press(qtbot, asked.buttons["start"])
    qtbot.waitUntil(lambda: window.shown == "jobs", timeout=LONG)

    # Watch it to its end.
    jobs = window.page("jobs")
    qtbot.waitUntil(lambda: jobs.watch.job is not None and jobs.watch.job.status.is_final, timeout=LONG)
    assert jobs.watch.job.status is JobStatus.COMPLETED, jobs.watch.job.failure_reason
    request = cloud.asked("CreateHyperParameterTuningJob")[-1]
    assert request["TrainingJobDefinition"]["ResourceConfig"]["InstanceType"] == "ml.m5.xlarge"
    assert workbench.cloud.notes(jobs.watch.job.name).cap_usd == 5
    best = jobs.watch.job.best_trial
    qtbot.waitUntil(lambda: jobs.detail is not None and jobs.detail.figures.figure(3).startswith("$"), timeout=LONG)
    assert not jobs.detail.cloud.differences.isVisible(), "AWS recorded what was asked"

    # Read the rules, and export the report.
    window.show_page("debugger")
    debugger = window.page("debugger")
    debugger.show_job(best)
    qtbot.waitUntil(lambda: bool(debugger.view.outcomes) and bool(debugger.view.source), timeout=LONG)
    report = tmp_path / "report.html"
    debugger.export_report(report)
    qtbot.waitUntil(report.is_file, timeout=LONG)

    # Deploy the best trial.
    window.show_page("jobs")
    qtbot.waitUntil(jobs.detail.best.deploy.isVisible, timeout=LONG)
    press(qtbot, jobs.detail.best.deploy)
    (deploying,) = window.findChildren(DeployDialog)
    qtbot.waitUntil(lambda: bool(deploying.picture.text()), timeout=LONG)
    deploying.form.kind.setCurrentIndex(deploying.form.kind.findData("ml.m5.large"))
    deploying.form.name.setText("colours-live")
    qtbot.waitUntil(deploying.deploy.isEnabled, timeout=LONG)
    with qtbot.waitSignal(deploying.deployed, timeout=LONG):
        press(qtbot, deploying.deploy)
    press(qtbot, deploying.deploy)
    qtbot.waitUntil(lambda: window.status.endpoints.text() == "1 endpoint, $0.12 an hour", timeout=LONG)

    # Drop a picture on it.
    window.cloud.show_endpoints()
    (endpoints,) = window.findChildren(EndpointsDialog)
    qtbot.waitUntil(lambda: bool(endpoints.rows) and endpoints.rows[0].use.isEnabled(), timeout=LONG)
    press(qtbot, endpoints.rows[0].use)
    assert window.shown == "predict"
    predict = window.page("predict")
    assert predict.chooser.chosen == ModelAddress.endpoint("colours-live")
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(next((dataset / "test" / "green").iterdir())))])
    assert drop(predict, mime)
    qtbot.waitUntil(predict.answer.isVisible, timeout=LONG)
    assert "endpoint on ml.m5.large" in predict.answer._model.text()
    assert cloud.serving.endpoints["colours-live"]

    # CloseConfirmation names the endpoint and its daily cost; it is deleted, and nothing is left.
    assert not window.close()
    leaving = window.findChildren(Decision)[-1]
    assert leaving.windowTitle() == "colours-live keeps costing money"
    press(qtbot, leaving.buttons["delete"])
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=LONG)
    assert (cloud.serving.endpoints, cloud.serving.configs, cloud.serving.models) == ({}, {}, {})
    workbench.close()
