"""How many issues of rules stand at a job: of before the window, of its history, and as they come."""

from __future__ import annotations

from core.jobs.records import RuleOutcome
from core.jobs.status import JobStatus, RuleStatus
from core.workbench import Workbench
from gui.jobs.jobs_tab import JobsTab
from tests.gui.fakes import add_search, make_trial, start_jobs


def test_issues_of_earlier_times_are_counted_when_the_job_is_shown(tab, engine, feed, qtbot):
    job = add_search(engine, "pets", trials=2)
    engine.tell([RuleOutcome(engine.trials("pets")[0].name, "Overfit", RuleStatus.ISSUES_FOUND, 0.0)])
    start_jobs(tab, feed, qtbot)
    assert "1 rule issue" in tab.model._sentence(job)


def test_issues_from_before_the_window_mark_jobs_that_were_never_opened(engine, paths, bridge, feed, qtbot):
    workbench = Workbench(paths, engine)
    trial = make_trial("older", 1, JobStatus.COMPLETED, 1.0).name
    found = [RuleOutcome(trial, rule, RuleStatus.ISSUES_FOUND, 0.0) for rule in ("Overfit", "DeadRelu")]
    workbench.store.record([*found, RuleOutcome("pets", "Overfit", RuleStatus.NO_ISSUES_FOUND, 0.0)])
    older = add_search(engine, "older", created=1.0)
    pets = add_search(engine, "pets")
    tab = JobsTab(workbench, bridge, feed)
    qtbot.addWidget(tab)
    start_jobs(tab, feed, qtbot)
    qtbot.waitUntil(lambda: "2 rule issues" in tab.model._sentence(older))
    assert "rule issue" not in tab.model._sentence(pets)
    engine.tell([RuleOutcome(trial, "DeadRelu", RuleStatus.NO_ISSUES_FOUND, 1.0)])
    qtbot.waitUntil(lambda: "1 rule issue" in tab.model._sentence(older), timeout=10_000)
    workbench.close()


def test_rule_issues_are_counted_at_the_job(tab, engine, feed, qtbot):
    job = add_search(engine, "pets", trials=2)
    start_jobs(tab, feed, qtbot)
    trial = engine.trials("pets")[0].name
    engine.tell([RuleOutcome(trial, "Overfit", RuleStatus.ISSUES_FOUND, 0.0)])
    qtbot.waitUntil(lambda: "1 rule issue" in tab.model._sentence(job), timeout=10_000)
    engine.tell([RuleOutcome(trial, "Overfit", RuleStatus.NO_ISSUES_FOUND, 0.0)])
    qtbot.waitUntil(lambda: "rule issue" not in tab.model._sentence(job), timeout=10_000)
