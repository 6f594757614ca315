"""The Debugger tab: on trainings that really ran, on an engine whose outcomes a test writes, and its dialog."""

import dataclasses
import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pyqtgraph import InfiniteLine
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from core.debugger.choice import keep_config, project_config
from core.debugger.evaluate_rules import evaluate
from core.jobs.records import RuleOutcome, TrainingJob, TuningJob
from core.jobs.specs import DebuggerConfig
from core.jobs.status import JobStatus, RuleStatus
from core.workbench import Workbench
from gui.debugger import debugger_tab
from gui.debugger.debug_source import AddressDialog
from gui.debugger.debug_view import load_job
from gui.debugger.debugger_tab import DebuggerTab
from gui.debugger.rules_dialog import RulesDialog
from gui.debugger.rules_model import RuleRole, RulesModel, summary
from gui.debugger.what_if import WhatIf
from gui.feed import JobsFeed
from tests.gui.fakes import FakeEngine, training_spec

ROOT = Path(__file__).resolve().parents[3]
TRAINING = (  # in a process of its own: torch has no place in the window's
    "import sys, torch; torch.manual_seed(0); torch.set_num_threads(1);"
    "from pathlib import Path; from tests.training_scripts.debugger.faults import head_training;"
    "head_training(50.0, epochs=4).run(Path(sys.argv[1]))"
)
FOUND, FINE, RUNNING = RuleStatus.ISSUES_FOUND, RuleStatus.NO_ISSUES_FOUND, RuleStatus.IN_PROGRESS


def outcome(rule, status=FINE, job="job-1", time=1.0, **values):
    evidence = ((0, 1.0, 2.0), (5, 3.0, 2.0))
    return RuleOutcome(job, rule, status, time, evaluated=2, values=evidence, meaning="M.", advice="A.", **values)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folder of a job with a learning rate of 50, as the local engine leaves it."""
    folder = tmp_path_factory.mktemp("saved") / "high-rate"
    subprocess.run(
        [sys.executable, "-c", TRAINING, str(folder / "output" / "tensors")], cwd=ROOT, check=True, timeout=600
    )
    rules = folder / "output" / "rules"
    rules.mkdir()
    for found in evaluate(folder):
        (rules / f"{found.rule}.json").write_text(json.dumps(dataclasses.asdict(found)))
    return folder


class FolderEngine(FakeEngine):
    """An engine whose jobs lie in folders of the test."""

    def __init__(self):
        super().__init__()
        self.folders = {}

    def job_folder(self, name):
        return self.folders.get(name)


@pytest.fixture
def engine():
    return FolderEngine()


@pytest.fixture
def tab(qtbot, paths, engine, bridge):
    workbench = Workbench(paths, engine)
    feed = JobsFeed(lambda: engine, bridge)
    made = DebuggerTab(workbench, bridge, feed)
    made.feed = feed
    qtbot.addWidget(made)
    made.resize(1200, 780)
    made.show()
    yield made
    feed.stop()
    workbench.close()


def rules_of(tab):
    rows = [tab.rules.index(row) for row in range(tab.rules.rowCount())]
    return {index.data(): index.data(RuleRole.OUTCOME).status for index in rows if index.data(RuleRole.OUTCOME)}


def test_the_model_groups_by_state_and_keeps_qts_rules(qtmodeltester):
    model = RulesModel()
    model.set_outcomes([outcome("Overfit", FOUND), outcome("AllZero"), outcome("DeadRelu")])
    qtmodeltester.check(model)
    shown = [model.index(row).data() for row in range(model.rowCount())]
    assert shown == ["Issues found", "Overfit", "No issues found", "AllZero", "DeadRelu"]
    assert model.flags(model.index(0)) == Qt.ItemFlag.NoItemFlags
    assert model.row_of("DeadRelu") == 4


@pytest.mark.parametrize("watched", [False, True])
def test_a_finding_about_a_users_own_script_leads_to_no_setting_of_ours(engine, watched):
    engine.put(TrainingJob("job-1", JobStatus.COMPLETED, 1.0, watched=watched), training_spec("job-1"))
    engine.tell([outcome("LearningRateTooHigh", FOUND, setting="learning_rate")])
    shown = load_job(engine, "job-1", with_tensors=False).outcomes[0]
    assert (shown.setting, shown.advice) == ("" if watched else "learning_rate", "A.")


def test_a_parameter_without_a_value_is_no_mistake_before_it_is_touched(qtbot):
    row = WhatIf()
    qtbot.addWidget(row)
    row.show_rule(RuleOutcome("job-1", "WeightUpdateRatio", FINE, 1.0))
    assert row.value.text() != ""
    row.parameter.setCurrentText("num_steps")
    assert (row.value.text(), bool(row.value.property("invalid")), row.evaluate.isEnabled()) == ("", False, False)
    row.value.setText("many")
    assert row.value.property("invalid")
    row.value.setText("3")
    assert (row.value.property("invalid"), row.evaluate.isEnabled()) == (False, True)


def test_new_values_of_the_same_rules_reset_nothing(qtbot):
    model = RulesModel()
    model.set_outcomes([outcome("Overfit"), outcome("AllZero")])
    with qtbot.assertNotEmitted(model.modelReset), qtbot.waitSignal(model.dataChanged):
        model.set_outcomes([outcome("Overfit"), outcome("AllZero", details="New.")])
    with qtbot.waitSignal(model.modelReset):
        model.set_outcomes([outcome("AllZero", FOUND), outcome("Overfit")])


def test_a_rule_says_one_sentence():
    assert summary(outcome("Overfit", details="It overfits.")) == "It overfits."
    assert summary(outcome("Overfit")) == "Looked 2 times."
    waiting = dataclasses.replace(outcome("Overfit", RUNNING), evaluated=0)
    assert summary(waiting) == "Waiting for the first saved tensors."


def test_without_a_job_it_says_so(tab):
    assert tab.empty.isVisible()
    assert not tab.export.isEnabled()
    assert tab.export.toolTip().startswith("There is nothing to export before")


def test_a_finished_job_with_its_rules_evidence_and_tensors(tab, engine, saved, qtbot):
    engine.folders["high-rate"] = saved
    engine.put(TrainingJob("high-rate", JobStatus.COMPLETED, 1.0))
    tab.feed.start()
    qtbot.waitUntil(lambda: bool(rules_of(tab)), timeout=60_000)
    assert rules_of(tab)["LearningRateTooHigh"] is FOUND
    assert rules_of(tab)["NotANumber"] is FINE
    assert tab.detail.outcome.status is FOUND
    tab.list.choose("LearningRateTooHigh")
    assert "instead of 50" in tab.detail._advice.text()
    assert tab.detail.plot.isVisible()
    curves = tab.detail.plot.getPlotItem().listDataItems()
    assert len(curves) == 2
    assert max(curves[1].getOriginalDataset()[1]) > 10
    qtbot.waitUntil(lambda: tab.below.histograms._shown is not None, timeout=60_000)
    assert tab.below.histograms.kind.currentText() == "Weights"
    shown = tab.below.histograms._shown
    assert shown.shares.sum(axis=1) == pytest.approx(1)
    tab.below.histograms.kind.setCurrentText("Gradients")
    qtbot.waitUntil(lambda: tab.below.histograms._shown.name.startswith("gradient/"), timeout=60_000)


def test_a_threshold_is_moved_and_evaluated_again_on_what_was_saved(tab, engine, saved, qtbot):
    engine.folders["high-rate"] = saved
    engine.put(TrainingJob("high-rate", JobStatus.COMPLETED, 1.0))
    tab.feed.start()
    qtbot.waitUntil(lambda: bool(rules_of(tab)), timeout=60_000)
    tab.list.choose("ClassCollapse")
    detail, what_if = tab.detail, tab.detail.what_if
    assert (what_if.parameter.currentText(), what_if.value.text()) == ("share", "0.98")
    assert not what_if.keep.isVisible()
    kept = {file.name: file.read_bytes() for file in (saved / "output" / "rules").iterdir()}
    (line,) = [item for item in detail.plot.getPlotItem().items if isinstance(item, InfiniteLine)]
    line.setValue(0.01)
    line.sigPositionChangeFinished.emit(line)
    qtbot.waitUntil(lambda: detail._pill.text == "Issues found", timeout=60_000)
    assert "With these parameters: an issue. As the job ran it: no issue." in detail._details.text()
    assert detail.outcome.status is FINE
    assert {file.name: file.read_bytes() for file in (saved / "output" / "rules").iterdir()} == kept
    what_if.keep.click()
    memory = tab._workbench.settings
    qtbot.waitUntil(lambda: "ClassCollapse" in project_config(memory, "").rules, timeout=60_000)
    assert project_config(memory, "").rules["ClassCollapse"]["share"] == "0.01"
    what_if.back.click()
    assert detail._pill.text != "Issues found"
    assert what_if.value.text() == "0.98"
    what_if.value.setText("much")
    assert not what_if.evaluate.isEnabled()
    tab.list.choose("LearningRateTooHigh")
    with qtbot.waitSignal(tab.setting_asked) as asked:
        detail.setting.click()
    assert asked.args == ["learning_rate"]


def test_a_running_job_is_followed(tab, engine, qtbot):
    engine.put(TrainingJob("job-1", JobStatus.IN_PROGRESS, 1.0))
    engine.tell([outcome("Overfit", RUNNING)])
    tab.feed.start()
    qtbot.waitUntil(lambda: rules_of(tab) == {"Overfit": RUNNING}, timeout=60_000)
    engine.tell([outcome("Overfit", FOUND, time=2.0, first_step=7, details="It overfits.")])
    tab.feed.refresh()
    qtbot.waitUntil(lambda: rules_of(tab) == {"Overfit": FOUND}, timeout=60_000)
    assert tab.detail._when.text().startswith("step 7")


def test_the_watchers_files_are_newer_than_the_events(tab, engine, qtbot, tmp_path):
    rules = tmp_path / "job-1" / "output" / "rules"
    rules.mkdir(parents=True)
    (rules / "Overfit.json").write_text(json.dumps(dataclasses.asdict(outcome("Overfit", FOUND, time=5.0))))
    (rules / "AllZero.json").write_text('{"torn": ')
    engine.folders["job-1"] = tmp_path / "job-1"
    engine.put(TrainingJob("job-1", JobStatus.IN_PROGRESS, 1.0))
    engine.tell([outcome("Overfit", RUNNING, time=1.0)])
    tab.feed.start()
    qtbot.waitUntil(lambda: rules_of(tab) == {"Overfit": FOUND}, timeout=60_000)


def test_trials_of_a_search_with_their_issues(tab, engine, qtbot):
    names = [f"tune-{number:03}-0000000{number}" for number in (1, 2, 3)]
    engine.put(TuningJob("tune", JobStatus.COMPLETED, 1.0, best_trial=names[1]))
    for name in names:
        engine.put(TrainingJob(name, JobStatus.COMPLETED, 1.0, tuning_job="tune"))
        engine.tell([outcome("Overfit", FOUND if name == names[2] else FINE, job=name)])
    tab.feed.start()
    qtbot.waitUntil(lambda: tab.source.trials.count() == 3, timeout=60_000)
    assert [tab.source.trials.itemData(at) for at in range(3)] == [names[1], names[2], names[0]]
    assert "1 issue" in tab.source.trials.itemText(1)
    qtbot.waitUntil(lambda: rules_of(tab) == {"Overfit": FINE}, timeout=60_000)
    tab.source.trials.setCurrentIndex(1)
    qtbot.waitUntil(lambda: rules_of(tab) == {"Overfit": FOUND}, timeout=60_000)


def test_an_earlier_job_is_evaluated_here(tab, saved, tmp_path, qtbot):
    folder = tmp_path / "aws-job" / "debug-output"
    shutil.copytree(saved / "output" / "tensors", folder)
    (folder / "training_job_end.ts").unlink()
    tab.open_earlier(str(tmp_path / "aws-job"))
    qtbot.waitUntil(lambda: rules_of(tab).get("LearningRateTooHigh") is FOUND, timeout=60_000)
    assert not tab.progress.isVisible()
    assert tab.view.name == "aws-job"


def test_a_folder_without_tensors_is_said(tab, tmp_path, qtbot):
    tab.open_earlier(str(tmp_path))
    qtbot.waitUntil(lambda: tab.error.isVisible(), timeout=60_000)
    assert "There are no saved tensors" in tab.error.text


def test_it_looks_right_in_both_schemes(tab, engine, saved, theme, qtbot):
    engine.folders["high-rate"] = saved
    engine.put(TrainingJob("high-rate", JobStatus.COMPLETED, 1.0))
    tab.feed.start()
    qtbot.waitUntil(lambda: tab.below is not None and tab.below.histograms._shown is not None, timeout=60_000)
    backgrounds = set()
    for scheme in ("light", "dark"):
        theme.choose(scheme)
        picture = tab.grab().toImage()
        backgrounds.add(picture.pixelColor(4, 4).name())
        plot = tab.detail.plot
        corner = plot.mapTo(tab, plot.rect().topRight())
        card = tab.detail.mapTo(tab, tab.detail.rect().center())
        inside, beside = (
            picture.pixelColor(corner.x() - 3, corner.y() + 2),
            picture.pixelColor(card.x(), corner.y() - 12),
        )
        assert abs(inside.lightness() - beside.lightness()) <= 3
    assert len(backgrounds) == 2


def test_the_tab_is_marked_until_someone_looks(qtbot, paths, engine, bridge, theme):
    from gui.window.main_window import MainWindow

    workbench = Workbench(paths, engine)
    window = MainWindow(workbench, bridge, theme)
    qtbot.addWidget(window)
    at = window._keys.index("debugger")
    window.feed.events.emit((outcome("Overfit", FINE),))
    assert not window.rail.is_marked(at)
    window.feed.events.emit((outcome("Overfit", FOUND),))
    assert window.rail.is_marked(at)
    assert window.rail.accessibleTabName(at) == "Debugger, a rule found an issue"
    window.show_page("debugger")
    assert not window.rail.is_marked(at)
    window.feed.events.emit((outcome("AllZero", FOUND),))
    assert not window.rail.is_marked(at)
    window.close()
    workbench.close()


def test_the_newest_job_is_shown_until_one_is_chosen(tab, engine, qtbot):
    for number in (1, 2):
        engine.put(TrainingJob(f"job-{number}", JobStatus.COMPLETED, float(number)))
    tab.feed.start()
    qtbot.waitUntil(lambda: tab.source.jobs.count() == 2, timeout=60_000)
    newest = tab.source.jobs.itemText(0)
    assert tab.source.job == newest
    tab.source.choose_job(tab.source.jobs.itemText(1))
    chosen = tab.source.job
    engine.put(TrainingJob("job-3", JobStatus.IN_PROGRESS, 3.0))
    tab.feed.refresh()
    qtbot.waitUntil(lambda: tab.source.jobs.count() == 3, timeout=60_000)
    assert tab.source.job == chosen != newest


def test_only_s3_addresses_are_taken(qtbot):
    dialog = AddressDialog(None)
    qtbot.addWidget(dialog)
    dialog.field.setText("bucket/job")
    assert not dialog.go.isEnabled()
    dialog.field.setText(" s3://bucket/job ")
    assert dialog.go.isEnabled()
    assert dialog.address == "s3://bucket/job"


# The dialog ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def dialog(qtbot):
    kept = []
    made = RulesDialog(None, DebuggerConfig(), {"mode": "head"}, kept.append)
    made.kept = kept
    qtbot.addWidget(made)
    made.show()
    return made


def test_a_choice_is_kept_per_project(workbench):
    memory = workbench.settings
    keep_config(memory, "/flowers", DebuggerConfig(save_interval=3))
    keep_config(memory, "/cars", DebuggerConfig(save_interval=9))
    assert project_config(memory, "/flowers").save_interval == 3
    assert project_config(memory, "/cars").save_interval == 9
    assert project_config(memory, "/new").save_interval == 9
    memory.remember("debugger.projects", {"/old": {"rules": {"NoSuchRule": {}}}, "/odd": 3})
    assert project_config(memory, "/old") == DebuggerConfig()


# Imported jobs of AWS's --------------------------------------------------------------------------------------------


def test_aws_own_verdicts_stand_beside_our_rules_with_the_profile(tab, tmp_path, qtbot):
    from tests.aws_job import make_aws_job

    job = make_aws_job(tmp_path / "photos")
    tab.open_earlier(str(job))
    qtbot.waitUntil(lambda: "LowGPUUtilization (AWS)" in rules_of(tab), timeout=60_000)
    found = rules_of(tab)
    assert found.pop("LowGPUUtilization (AWS)") is FOUND
    assert {status for name, status in found.items() if name.endswith("(AWS)")} == {FINE}
    assert {"VanishingGradient", "VanishingGradient (AWS)"} <= set(found)
    assert tab.list.choose("LowGPUUtilization (AWS)")
    assert tab.detail.outcome.triggered == 9
    assert not tab.detail.plot.isVisibleTo(tab)
    assert tab.list.indexAt(tab.list.viewport().rect().topLeft()).data() == "Issues found"
    qtbot.waitUntil(tab.export.isEnabled, timeout=60_000)
    before = tab.split.sizes()[1]
    tab.below.show_profile()
    assert tab.split.sizes()[1] > before


def test_an_mlflow_server_is_asked_for_and_what_it_says_is_shown(tab, tmp_path, qtbot):
    from tests.aws_job import make_aws_job

    tab.open_earlier(str(make_aws_job(tmp_path / "photos")))
    qtbot.waitUntil(lambda: "LowGPUUtilization (AWS)" in rules_of(tab), timeout=60_000)
    tab.below.show_profile()
    assert tab.export.isEnabled()
    dialog = tab.ask_server()
    dialog.setTextValue(" http://127.0.0.1:1 ")
    dialog.accept()
    qtbot.waitUntil(tab.error.isVisible, timeout=60_000)
    assert "The MLflow server http://127.0.0.1:1 does not answer." in tab.error.text


def test_rule_output_alone_is_a_job_too(tab, tmp_path, qtbot):
    reports = tmp_path / "job" / "rule-output" / "ProfilerReport-1795300020" / "profiler-output" / "profiler-reports"
    reports.mkdir(parents=True)
    (reports / "BatchSize.json").write_text('{"RuleTriggered": 3, "Violations": 3, "Datapoints": 9}')
    tab.open_earlier(str(tmp_path / "job"))
    qtbot.waitUntil(lambda: rules_of(tab) == {"BatchSize (AWS)": FOUND}, timeout=60_000)
    assert tab.view.groups == {}


def test_evidence_with_a_zero_in_it_is_still_drawn_on_a_logarithmic_axis():
    import numpy as np

    from gui.debugger.rule_detail import _facts, _lifted, _needs_log

    limits = np.full(4, 3.4)
    assert _needs_log(np.array([1.7, 7000.0, 20.0, 0.0]), limits)
    assert not _needs_log(np.array([1.7, 2.0, 0.0, 3.0]), limits)
    assert not _needs_log(np.array([-1.0, 7000.0, 20.0, 1.0]), limits)
    values, _ = _lifted(np.array([1.7, 7000.0, 20.0, 0.0]), limits)
    np.testing.assert_allclose(values, [1.7, 7000.0, 20.0, 0.17])
    found = dataclasses.replace(
        outcome("LearningRateTooHigh", FOUND), values=((0, 1.7, 3.4), (1, 7e3, 3.4), (2, 0, 3.4))
    )
    assert "Zeros are drawn at the foot" in _facts(found)
    assert "Zeros" not in _facts(outcome("Overfit", FOUND))


def test_another_job_with_the_same_tensors_has_its_own_histograms(qtbot):
    """Trials of one search have the same network, so the same names."""
    from gui.debugger.tensor_histograms import TensorHistograms

    widget = TensorHistograms()
    qtbot.addWidget(widget)
    groups = {"Weights": ["head.weight", "head.bias"]}
    with qtbot.waitSignal(widget.tensor_asked):
        widget.set_groups(groups)
    widget.forget()
    with qtbot.waitSignal(widget.tensor_asked) as asked:
        widget.set_groups(groups)
    assert asked.args == ["head.weight"]


def sentences(widget):
    return [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]


def test_nothing_is_said_to_be_missing_before_it_was_looked_for(tab, engine, qtbot, tmp_path, monkeypatch):
    assert "Looking for your jobs…" in sentences(tab)
    tab.feed.start()
    qtbot.waitUntil(lambda: "No job has been debugged yet." in sentences(tab))
    folder = tmp_path / "watched"
    folder.mkdir()
    engine.folders["watched"] = folder
    read = threading.Event()
    real = debugger_tab.load_job
    monkeypatch.setattr(debugger_tab, "load_job", lambda *arguments: (read.wait(60), real(*arguments))[1])
    running = TrainingJob("watched", JobStatus.IN_PROGRESS, 5.0)
    engine.put(running)
    tab.feed.refresh()
    qtbot.waitUntil(lambda: debugger_tab.READING in sentences(tab))
    read.set()
    qtbot.waitUntil(lambda: "No rule has said anything of this job yet." in sentences(tab))
    qtbot.waitUntil(lambda: "No tensors are saved yet. They come with the first steps." in sentences(tab))
    engine.put(dataclasses.replace(running, status=JobStatus.COMPLETED))
    tab.feed.refresh()
    qtbot.waitUntil(lambda: "No tensors were saved for this job." in sentences(tab))
    assert "No rule ran on this job." in sentences(tab)
    assert not tab.detail.isVisible(), "a rule is asked for where there is none"
