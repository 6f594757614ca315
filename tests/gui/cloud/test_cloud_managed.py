"""AWS's managed Debugger in the window: chosen, refused, started without, asked again, its statuses and its report."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QWidget

from core.dataset import scan, split
from core.engines.clouds import cloud_provider
from core.engines.sagemaker import engine as engine_module
from core.engines.sagemaker.jobs.training_source import Source
from core.errors import SpecError
from core.jobs.ranges import IntegerRange
from core.jobs.specs import DebuggerConfig, ManagedDebugger, MetricDefinition, Objective, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.settings import SettingsFile
from gui.debugger.debugger_tab import DebuggerTab
from gui.feed import JobsFeed
from gui.shared.dialogs import Decision
from gui.tuning.cost_panel import CostPanel
from gui.tuning.forecast_card import ForecastCard
from gui.tuning.job_starting import JobStarter
from gui.tuning.managed_form import ManagedDialog
from gui.tuning.resources_form import ResourcesForm
from tests.cloud.rule_jobs import CLOSED, wants_managed
from tests.gui.fakes import press

METRIC = MetricDefinition("Average loss", r"Average loss: ([0-9\.]+)")
SCRIPT = b"print('epoch=1/1 Average loss: 0.500000 seconds=0.01')"


@pytest.fixture
def form(qtbot, tmp_path):
    made = ResourcesForm(SettingsFile(tmp_path / "form.json"), cloud_provider().check)
    qtbot.addWidget(made)
    made.show()
    return made


def training(name="pets"):
    return TrainingSpec(name, {}, {"weights": "none"}, (METRIC,), Objective(METRIC.name), debugger=DebuggerConfig())


def test_it_is_chosen_remembered_and_off_where_it_cannot_be(form, qtbot, tmp_path):
    managed = form.managed
    assert form.apply(training()).cloud.managed is None
    managed.check.setChecked(True)
    assert form.apply(training()).cloud.managed == ManagedDebugger()
    dialog = ManagedDialog(form, ManagedDebugger())
    qtbot.addWidget(dialog)
    dialog.set_rule("Overfit", True, "patience=much")
    dialog.accept()
    assert "patience must be a number" in dialog.error.text
    dialog.set_rule("Overfit", True, "patience=3, ratio_threshold=0.2")
    dialog.set_rule("LossNotDecreasing", False)
    dialog.report.setChecked(False)
    dialog.accept()
    assert dialog.managed.rules == {"Overfit": {"patience": "3", "ratio_threshold": "0.2"}, "VanishingGradient": {}}
    managed.show_managed(dialog.managed)
    managed.show_tuning(True)
    assert "cannot attach it to trials" in managed.why
    tuning = TuningSpec(training(), (IntegerRange("batch_size", 8, 64),))
    assert form.apply(tuning).training.cloud.managed is None
    form.save()
    again = ResourcesForm(SettingsFile(tmp_path / "form.json"), cloud_provider().check)
    qtbot.addWidget(again)
    assert again.managed.value == dialog.managed
    again.managed.show_refusal("AWS refused it.")
    assert again.managed.value is None
    assert not again.managed.check.isEnabled()
    assert not again.managed.check.isChecked()
    assert again.managed.check.accessibleDescription() == "AWS refused it."
    managed.show_tuning(False)
    with pytest.raises(SpecError, match="wait for tensors in vain"):
        form.apply(TrainingSpec("x", {}, {}, (METRIC,), debugger=DebuggerConfig(enabled=False)))


@pytest.fixture
def launching(qtbot, workbench, bridge, form):
    window = QWidget()
    qtbot.addWidget(window)
    card, cost = ForecastCard(), CostPanel(workbench, bridge)
    card.setParent(window)
    cost.setParent(window)
    made = JobStarter(workbench, bridge, card, cost)
    made.refusal_known.connect(form.managed.show_refusal)
    form.managed.reset_asked.connect(lambda: made.look_at_refusal(forget=True))
    yield made
    cost.cancel()


@pytest.fixture
def tiny_jobs(monkeypatch, quick_engine):
    """Jobs of a script in miniature."""
    whole = engine_module.SageMakerEngine.__init__

    def quick(self, paths, store, aws, workspace, in_background=None):
        source = Source({"mini.py": SCRIPT}, program="mini.py", features="")
        whole(self, paths, store, aws, workspace, source)

    monkeypatch.setattr(engine_module.SageMakerEngine, "__init__", quick)


def test_a_refused_job_is_offered_again_and_one_that_is_taken_shows_what_aws_says(
    tiny_jobs, connected, launching, form, workbench, bridge, qtbot, cloud, dataset_folder, monkeypatch
):
    manifest = split(scan(dataset_folder), (0.6, 0.2, 0.2), 0)
    cloud.faults.add("CreateTrainingJob", CLOSED, when=wants_managed)
    form.managed.check.setChecked(True)
    started = []
    launching.started.connect(started.append)
    launching.start(form.apply(training("refused")), manifest)
    window = launching.parent().window()
    qtbot.waitUntil(lambda: bool(window.findChildren(Decision)), timeout=60_000)
    (asked,) = window.findChildren(Decision)
    assert asked.windowTitle() == "Start refused without AWS's Debugger?"
    qtbot.waitUntil(lambda: form.managed.why != "", timeout=10_000)
    assert "AWS refused its managed Debugger to this account on" in form.managed.why
    assert form.apply(training()).cloud.managed is None
    qtbot.mouseClick(asked.buttons["without"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: started == ["refused"], timeout=60_000)
    press(qtbot, form.managed.again)
    qtbot.waitUntil(lambda: form.managed.why == "", timeout=10_000)

    cloud.training.rules.verdicts = {"Overfit": ("IssuesFound", "RuleEvaluationConditionMet: at step 4")}
    cloud.training.rules.go_on.clear()
    launching.start(form.apply(training("taken")), manifest)
    qtbot.waitUntil(lambda: started == ["refused", "taken"], timeout=60_000)
    qtbot.waitUntil(lambda: workbench.engine.job("taken").status is JobStatus.COMPLETED, timeout=60_000)
    feed = JobsFeed(lambda: workbench.engine, bridge)
    tab = DebuggerTab(workbench, bridge, feed)
    qtbot.addWidget(tab)
    tab.show()
    feed.start()
    try:
        qtbot.waitUntil(lambda: tab.source.jobs.findData("taken") >= 0, timeout=20_000)
        tab.show_job("taken")
        words = lambda: {item.rule: str(item.status) for item in tab.view.outcomes}  # noqa: E731
        qtbot.waitUntil(lambda: words().get("Overfit (AWS)") == "InProgress", timeout=30_000)
        assert not tab.aws_report.isVisible()
        cloud.training.rules.go_on.set()
        qtbot.waitUntil(lambda: words().get("Overfit (AWS)") == "IssuesFound", timeout=30_000)
        assert tab.rules.data(tab.rules.index(tab.rules.row_of("Overfit (AWS)"))) == "Overfit (AWS)"
        qtbot.waitUntil(tab.aws_report.isVisible, timeout=20_000)
        opened = []
        monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()) or True)
        press(qtbot, tab.aws_report)
        qtbot.waitUntil(lambda: bool(opened), timeout=20_000)
        assert opened[0].endswith("profiler-report.html")
        place = f"{workbench.cloud.workspace.uri('jobs')}/taken"
        tab.open_earlier(place)  # the same from S3: fetched when it is asked for
        qtbot.waitUntil(lambda: tab.view.aws_report.startswith("s3://"), timeout=30_000)
        press(qtbot, tab.aws_report)
        qtbot.waitUntil(lambda: opened[-1].endswith("taken-aws-report.html"), timeout=20_000)
    finally:
        feed.stop()
