"""Instances, cost, checks, uploads and adopted jobs, each part of the window by itself."""

from __future__ import annotations

import dataclasses
import threading
import time

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget

from core.cloud.account import Check, Verdict
from core.cloud.money import Bill, CloudForecast, Cost, Machines, Price, Way
from core.dataset import scan, split
from core.engines.clouds import cloud_provider
from core.errors import EngineError, SpecError
from core.jobs.ranges import IntegerRange
from core.jobs.records import TrainingJob
from core.jobs.specs import CloudResources, MetricDefinition, Strategy, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.progress import Progress
from core.settings import SettingsFile
from gui.cloud.adopt_dialog import AdoptDialog
from gui.data.s3_panel import S3Panel
from gui.jobs.cloud_job import CloudJobPanel
from gui.shared.cost_text import confirmation, cost_rows, cost_text, dollars, packed_offer, source_text, time_text
from gui.shared.preflight_list import PreflightList
from gui.tuning.cost_panel import CostPanel
from gui.tuning.extras_dialog import ExtrasDialog
from gui.tuning.resources_form import ResourcesForm
from tests.gui.fakes import press

PRICE = Price(0.23, "AWS's price list", exact=True)
METRIC = (MetricDefinition("Average loss", "loss: ([0-9.]+)"),)
CHECK = cloud_provider().check
TRAINING = TrainingSpec("pets", {}, {}, METRIC, cloud=CloudResources("ml.c5.xlarge"), max_runtime_s=3600)
TUNING = TuningSpec(TRAINING, (IntegerRange("batch_size", 8, 64),), max_jobs=4)


@pytest.fixture
def file(tmp_path):
    return SettingsFile(tmp_path / "settings.json")


@pytest.fixture
def form(qtbot, file):
    made = ResourcesForm(file, CHECK)
    qtbot.addWidget(made)
    made.show()
    return made


# Instances


def test_resources_reach_the_spec_and_are_remembered(form, file, qtbot):
    form.instance.setCurrentText("ml.g4dn.xlarge")
    form.hours.setValue(2.5)
    form.volume.setValue(64)
    form.spot.setChecked(True)
    form.limit.setValue(7.5)
    assert form.fields["max_wait_s"].isVisible()
    form.wait.setValue(6.0)
    form.count.setValue(2)
    together = dataclasses.replace(TRAINING, hyperparameters={"mode": "fine_tune"})
    assert form.apply(together).cloud.instance_count == 2
    with pytest.raises(SpecError) as raised:
        form.apply(TUNING)  # frozen features
    form.show_error(raised.value)
    assert "trains on one instance" in form.fields["instance_count"].problem
    form.count.setValue(1)
    made = form.apply(TUNING)
    assert made.training.cloud == CloudResources(
        "ml.g4dn.xlarge", volume_gb=64, spot=True, max_wait_s=21600, cap_usd=7.5
    )
    assert made.training.max_runtime_s == 9000
    form.save()
    again = ResourcesForm(SettingsFile(file._path), CHECK)
    qtbot.addWidget(again)
    assert (again.resources, again.max_runtime_s) == (form.resources, 9000)
    file.remember("tuning_resources", {"volume_gb": "much"})
    spoilt = ResourcesForm(file, CHECK)
    qtbot.addWidget(spoilt)
    assert spoilt.resources == CloudResources()


def test_what_sagemaker_cannot_do_is_said_at_its_field(form):
    with pytest.raises(SpecError, match="Grid cannot search batch_size"):
        form.apply(TuningSpec(TRAINING, TUNING.ranges, strategy=Strategy.GRID))
    form.instance.setCurrentText("my laptop")
    with pytest.raises(SpecError) as raised:
        form.apply(TRAINING)
    form.show_error(raised.value)
    assert form.fields["instance_type"].problem.startswith("'my laptop' is not an instance type")
    form.show_error(None)
    assert not form.fields["instance_type"].problem


def test_a_jobs_resources_come_back(form):
    form.show_spec(TRAINING)
    assert (form.instance.currentText(), form.hours.value()) == ("ml.c5.xlarge", 1.0)
    form.show_spec(TrainingSpec("local", {}, {}, METRIC))
    assert form.instance.currentText() == "ml.c5.xlarge", "a job of this computer has none"


def test_network_key_and_tags(qtbot):
    dialog = ExtrasDialog(None, CloudResources())
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.subnets.setText("subnet-1, subnet-2")
    dialog.tags.setPlainText("project=pets\nnonsense")
    dialog._on_done()
    assert "nonsense is not a tag" in dialog.tags_field.problem
    assert "A VPC needs both" in dialog.groups_field.problem
    dialog.groups.setText("sg-1")
    dialog.tags.setPlainText("project=pets")
    dialog.output_key.setText("alias/mine")
    dialog.volume_key.setText("alias/disks")
    dialog.isolation.setChecked(True)
    dialog.traffic.setChecked(True)
    dialog._on_done()
    assert dialog.extras == CloudResources(
        subnets=("subnet-1", "subnet-2"),
        security_groups=("sg-1",),
        network_isolation=True,
        encrypt_traffic=True,
        output_kms_key="alias/mine",
        volume_kms_key="alias/disks",
        tags={"project": "pets"},
    )
    assert not dialog.isVisible()


# Cost


def test_cost_in_words():
    known = CloudForecast(Cost(PRICE, 0.04, 1.84, 8, True), Way(755, 600, 0.04), Way(2400, 2300, 0.15))
    assert cost_text(known) == "Likely $0.04, at most $1.84"
    assert dict(cost_rows(known))["Features once"] == "12 min 35 s, $0.04"
    assert dict(cost_rows(known))["In every trial"] == "40 min 0 s, $0.15"
    assert time_text(known).startswith("About 12 min 35 s")
    assert "Spot instances usually cost far less" in source_text(known)
    unknown = CloudForecast(Cost(Price(None, "ml.x is not listed"), None, None, 8, False), None, None)
    assert cost_text(unknown) == "Not known: no price was found"
    assert "not known" in " ".join(confirmation(TUNING, unknown))
    assert cost_text(None) == "Asking for the price…"
    assert [dollars(amount) for amount in (None, 0, 0.003, 0.07, 1234.5)] == [
        "—",
        "$0.00",
        "$0.0030",
        "$0.07",
        "$1,234.50",
    ]
    capped = dataclasses.replace(TRAINING, cloud=CloudResources("ml.c5.xlarge", cap_usd=5.0))
    told = " ".join(confirmation(dataclasses.replace(TUNING, training=capped), known))
    assert "2 at once, each on one ml.c5.xlarge" in told
    assert "At most it costs $1.84: every job is ended after 1 h 0 min." in told
    assert "stopped once it has cost about $5.00" in told
    assert confirmation(TRAINING, known)[0] == "One training job, on one ml.c5.xlarge in your AWS account."


def test_one_job_is_offered_where_it_costs_less_and_ends_sooner():
    cost = Cost(PRICE, 0.04, 1.84, 8, False)
    found = CloudForecast(cost, None, Way(2700, 2300, 1.40), Way(360, 200, 0.09), trials=20)
    assert "20 jobs: about 45 min, $1.40; as one job: about 6 min, $0.09. Add --packed" in found.text
    assert packed_offer(found) == "Run it as one job"
    assert dict(cost_rows(found))["As one job"] == "6 min 0 s, $0.09"
    dearer = dataclasses.replace(found, packed=Way(360, 2400, 1.50))
    assert (packed_offer(dearer), "--packed" in dearer.text) == ("", False)
    asked = dataclasses.replace(found, is_packed=True, cost=dataclasses.replace(cost, jobs=1))
    assert (packed_offer(asked), "Add" in asked.text) == ("", False)
    assert time_text(asked).startswith("About 6 min 0 s")
    assert dict(cost_rows(asked))["At most"] == "$1.84 if it takes its longest run"
    told = confirmation(dataclasses.replace(TUNING, packed=True), asked)[0]
    assert told.startswith("One job with all trials, on one ml.")


def test_more_machines_are_offered_and_taken_into_the_form(form, qtbot, workbench, bridge):
    asked = Machines(1, "ml.m5.xlarge", Way(6150, 6060, 0.39))
    offered = Machines(5, "ml.c5.2xlarge", Way(750, 3300, 0.37))
    way, cost = Way(7000, 7000, 0.5), Cost(PRICE, 0.04, 1.84, 8, False, features=True)
    found = CloudForecast(cost, way, way, machines=asked, proposed=offered)
    assert dict(cost_rows(found))["Features on"] == "1 x ml.m5.xlarge: 1 h 42 min, $0.39"
    costs = CostPanel(workbench, bridge)
    qtbot.addWidget(costs)
    costs.machines_asked.connect(form.take_machines)
    costs._show(found)
    assert costs.more_machines.text() == "Features on 5 x ml.c5.2xlarge:\n12 min 30 s, $0.37"
    assert costs.minimumSizeHint().width() <= 246, "it is wider than its card is inside"
    costs.more_machines.click()
    spec = form.apply(TUNING)
    assert (spec.training.cloud.feature_machines, spec.training.cloud.feature_instance_type) == (5, "ml.c5.2xlarge")
    told = confirmation(spec, found)[0]
    assert "Before them, one job on 5 ml.c5.2xlarge computes the frozen features, and one more those that it" in told
    single = spec.with_training(cloud=dataclasses.replace(spec.training.cloud, feature_machines=1))
    assert "Before them, one job on one ml.c5.2xlarge computes the frozen features." in confirmation(single, found)[0]
    form.show_resources(CloudResources(), 3600)
    assert form.resources == CloudResources()
    form.show_spec(spec)
    assert form.resources == spec.training.cloud
    form.feature_instance.setCurrentText("c5.large")
    with pytest.raises(SpecError) as raised:
        form.apply(TUNING)
    assert raised.value.field == "feature_instance_type"
    costs._show(dataclasses.replace(found, machines=offered, proposed=None))
    assert costs.more_machines.isHidden()


@pytest.fixture
def panel(qtbot, workbench, bridge, monkeypatch):
    """A panel over an account that bills what the test says."""

    class Account:
        def spent(self, name):
            return 0.031

        def bill(self, name):
            return Bill(480, 0.0123, 0.6)

        def differences(self, name):
            return ("VolumeSizeInGB: asked 30, AWS recorded 25.",)

    monkeypatch.setattr(type(workbench), "cloud", property(lambda self: Account()))
    made = CloudJobPanel(workbench, bridge)
    qtbot.addWidget(made)
    made.show()
    made.heard = []
    made.cost_changed.connect(lambda value, caption: made.heard.append((value, caption)))
    return made


def test_the_meter_then_the_bill_and_what_aws_recorded_otherwise(panel, qtbot):
    running = TrainingJob("a", JobStatus.IN_PROGRESS, time.time(), engine="sagemaker")
    panel.show_job(running)
    qtbot.waitUntil(lambda: panel.heard[-1] == ("$0.03", "Cost so far, about"), timeout=5_000)
    assert panel.differences.isVisible()
    assert "1 setting otherwise than asked. VolumeSizeInGB" in panel.differences._text.text()
    panel.show_job(TrainingJob("a", JobStatus.COMPLETED, running.created, engine="sagemaker"))
    qtbot.waitUntil(lambda: panel.heard[-1] == ("$0.01", "Billed for 8 min 0 s (spot saved 60%)"), timeout=5_000)
    assert not panel._timer.isActive()
    panel.show_job(TrainingJob("b", JobStatus.COMPLETED, 0.0))
    assert panel.heard[-1] == ("Free", "Cost")
    assert not panel.differences.isVisible()


# Checks


def test_checks_appear_one_by_one_with_what_to_do(qtbot, bridge):
    go_on = threading.Event()

    def checks():
        yield Check("Identity", Verdict.PASS, "user/dev.")
        go_on.wait(10)
        yield Check("Quota", Verdict.FAIL, "It is 0.", "Ask for more: https://example.com/quota")
        yield Check("Debugger", Verdict.UNKNOWN, "It cannot be asked.")

    shown = PreflightList(bridge)
    qtbot.addWidget(shown)
    shown.show()
    shown.run(checks)
    qtbot.waitUntil(lambda: len(shown.rows) == 1, timeout=5_000)
    assert shown.progress.isVisible()
    with qtbot.waitSignal(shown.finished, timeout=5_000) as finished:
        go_on.set()
    assert finished.args == [False]
    assert shown.summary.text() == "Jobs would fail as it is. Passed: 1, Failed: 1, Not checked: 1."
    assert shown.rows[1].accessibleName().startswith("Failed: Quota. It is 0.")
    press(qtbot, shown.rows[1].copy)
    assert QApplication.clipboard().text() == "Ask for more: https://example.com/quota"
    assert not hasattr(shown.rows[0], "copy")
    shown.clear()
    assert shown.checks == ()


# Uploads


@pytest.fixture
def s3(qtbot, workbench, bridge, dataset_folder, connected):
    made = S3Panel(workbench, bridge)
    qtbot.addWidget(made)
    made.show_engine()
    made.set_manifest(split(scan(dataset_folder), (0.6, 0.2, 0.2), 0))
    return made


def test_a_dataset_is_uploaded_once(s3, qtbot, aws, connection):
    assert s3.isVisible()
    press(qtbot, s3.upload)
    assert s3.pause.isVisible()
    qtbot.waitUntil(lambda: "pictures in S3" in s3.said.text(), timeout=60_000)
    assert "30 sent" in s3.said.text()
    found = aws.client("s3").list_objects_v2(Bucket=connection.bucket, Prefix="sagehound/datasets/")["Contents"]
    assert sum(item["Key"].endswith(".png") for item in found) == 30
    press(qtbot, s3.upload)
    qtbot.waitUntil(lambda: "30 there already" in s3.said.text(), timeout=60_000)


def test_an_upload_can_be_paused_and_cancelled(s3, qtbot, workbench, monkeypatch):
    seen = []

    def upload(self, manifest, on_progress, cancel, paused):
        while not cancel.wait(0.02):
            seen.append(paused())
            on_progress(Progress(len(seen), 1000, "Uploading, 1.0 of 9.0 MB, 0.5 MB/s, 16 s left", "files"))

    monkeypatch.setattr(type(workbench.data), "upload", upload)
    press(qtbot, s3.upload)
    qtbot.waitUntil(lambda: "16 s left" in s3.progress._message.text(), timeout=5_000)
    press(qtbot, s3.pause)
    assert s3.pause.text() == "Continue"
    qtbot.waitUntil(lambda: bool(seen) and seen[-1], timeout=5_000)
    press(qtbot, s3.pause)
    qtbot.waitUntil(lambda: not seen[-1], timeout=5_000)
    qtbot.mouseClick(s3.progress._cancel, Qt.MouseButton.LeftButton)
    assert s3.said.text().startswith("Cancelled.")
    assert s3.upload.isVisible()


def test_an_upload_that_fails_says_why(s3, qtbot, workbench, monkeypatch):
    def upload(self, manifest, on_progress, cancel, paused):
        raise EngineError("S3 refused.", "The right is missing.")

    monkeypatch.setattr(type(workbench.data), "upload", upload)
    press(qtbot, s3.upload)
    qtbot.waitUntil(s3.error.isVisible, timeout=5_000)
    assert "S3 refused." in s3.error.text
    assert s3.upload.isVisible()


# Adopting


def test_a_job_of_the_account_is_adopted(connected, workbench, bridge, qtbot, cloud, aws, connection):
    aws.sagemaker.create_training_job(
        TrainingJobName="someone-elses",
        AlgorithmSpecification={"TrainingImage": "1.dkr.ecr.us-east-1.amazonaws.com/x:1", "TrainingInputMode": "File"},
        RoleArn=connection.role,
        OutputDataConfig={"S3OutputPath": f"s3://{connection.bucket}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    parent = QWidget()
    qtbot.addWidget(parent)
    dialog = AdoptDialog(parent, workbench, bridge)
    dialog.open()
    qtbot.waitUntil(lambda: dialog.list.topLevelItemCount() > 0, timeout=30_000)
    (item,) = [dialog.list.topLevelItem(at) for at in range(dialog.list.topLevelItemCount())]
    assert (item.text(0), item.text(1)) == ("someone-elses", "Training job")
    dialog.name.setText("nobodys")
    press(qtbot, dialog.adopt)
    qtbot.waitUntil(dialog.error.isVisible, timeout=30_000)
    assert "There is no job called nobodys" in dialog.error.text
    dialog.list.setCurrentItem(item)
    with qtbot.waitSignal(dialog.adopted, timeout=30_000) as heard:
        press(qtbot, dialog.adopt)
    assert heard.args == ["someone-elses"]
    assert "someone-elses" in {job.name for job in workbench.engine.jobs()}
    job = workbench.engine.job
    qtbot.waitUntil(lambda: job("someone-elses").status.is_final, timeout=60_000)
