"""The item models behind the Jobs tab, each under Qt's own model tester."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import pytest
from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QFontMetrics

from core.jobs.records import MetricEvent, TrainingJob, TuningJob
from core.jobs.status import JobStatus
from gui.jobs.job_list import caption_for, weakest_text
from gui.jobs.jobs_model import JobRole, JobsFilter, JobsModel, _headings
from gui.jobs.log_model import LogLevel, LogModel, LogRole
from gui.jobs.metric_series import Curves
from gui.jobs.trials_model import TrialRole, TrialsModel
from gui.shared.theme import font

NUMBER, OBJECTIVE = 0, 2


def tuning(number: int, status: JobStatus = JobStatus.COMPLETED, best: float | None = 0.5) -> TuningJob:
    return TuningJob(f"pets-{number:04d}", status, 1000.0 + number, best_objective=best, max_jobs=20)


def trial(number: int, objective: float | None = None, **hyperparameters: str) -> TrainingJob:
    return TrainingJob(
        f"pets-{number:03d}-0123abcd",
        JobStatus.COMPLETED if objective is not None else JobStatus.IN_PROGRESS,
        float(number),
        started=10.0,
        ended=12.5 if objective is not None else None,
        hyperparameters=hyperparameters,
        metrics={} if objective is None else {"Average loss": objective},
        objective=objective,
        tuning_job="pets",
    )


@pytest.fixture
def jobs(qtmodeltester):
    model = JobsModel()
    qtmodeltester.check(model, force_py=False)
    return model


@pytest.fixture
def trials(qtmodeltester):
    model = TrialsModel()
    qtmodeltester.check(model, force_py=False)
    model.set_frame("Average loss", ("learning_rate", "optimizer"))
    return model


def shown(model) -> list[str]:
    return [model.index(row, 0).data() for row in range(model.rowCount())]


def column(model, at: int) -> list[str]:
    return [model.index(row, at).data() for row in range(model.rowCount())]


def test_jobs_model_takes_new_changed_and_removed_jobs_without_a_reset(jobs, qtbot):
    jobs.set_jobs([tuning(2), tuning(1)])
    kept = QPersistentModelIndex(jobs.index(1))
    with qtbot.assertNotEmitted(jobs.modelReset):
        jobs.set_jobs([tuning(4), tuning(3), tuning(2, JobStatus.FAILED), tuning(1)])
        assert shown(jobs) == ["pets-0004", "pets-0003", "pets-0002", "pets-0001"]
        assert jobs.index(2).data(JobRole.JOB).status is JobStatus.FAILED
        jobs.set_jobs([tuning(4), tuning(1)])
    assert shown(jobs) == ["pets-0004", "pets-0001"]
    assert kept.data() == "pets-0001"


def test_jobs_model_survives_another_order(jobs):
    jobs.set_jobs([tuning(1), tuning(2)])
    jobs.set_jobs([tuning(2), tuning(1), tuning(5)])
    assert shown(jobs) == ["pets-0002", "pets-0001", "pets-0005"]


def test_unchanged_jobs_tell_views_nothing(jobs, qtbot):
    jobs.set_jobs([tuning(1), tuning(2)])
    with qtbot.assertNotEmitted(jobs.dataChanged):
        jobs.set_jobs([tuning(1), tuning(2)])


def test_jobs_speak_to_screen_readers(jobs):
    jobs.set_jobs([tuning(1, best=0.25)])
    jobs.set_issues("pets-0001", 2)
    sentence = jobs.index(0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert sentence.startswith("pets-0001; tuning job; Completed")
    assert "best objective 0.25" in sentence
    assert "2 rule issues" in sentence


def test_the_headings_of_jobs_are_made_once_for_all_rows(jobs, monkeypatch):
    made = []

    def headings(datasets):
        made.append(datasets)
        return _headings(datasets)

    monkeypatch.setattr("gui.jobs.jobs_model._headings", headings)
    datasets = {f"pets-{number:04d}": f"/{number % 3}/pets" for number in range(40)} | {"pets-0000": "/x/flowers"}
    shown_jobs = [tuning(number) for number in range(40)]
    jobs.set_jobs(shown_jobs, datasets)
    assert {jobs.index(row).data(JobRole.GROUP) for row in range(40)} == {
        "flowers",
        "pets (/0)",
        "pets (/1)",
        "pets (/2)",
    }
    jobs.set_jobs(shown_jobs, datasets)
    assert made == [set(datasets.values())]


def test_a_narrow_row_of_the_list_says_the_whole_status(theme):
    metrics = QFontMetrics(font("caption"))

    def captions(job):
        wide = caption_for(job, metrics, 400)
        return wide, caption_for(job, metrics, metrics.horizontalAdvance(wide) - 1)

    assert captions(TrainingJob("a", JobStatus.COMPLETED, 1.0)) == ("Training job · Completed", "Completed")
    assert captions(tuning(1, JobStatus.STOPPED)) == ("0 of 20 trials · Stopped", "Stopped")
    running = TuningJob("a", JobStatus.IN_PROGRESS, 1.0, max_jobs=20, best_objective=0.21)
    assert captions(running) == ("0 of 20 trials, best 0.2100", "0 of 20 trials")
    judged = TrainingJob(
        "a", JobStatus.COMPLETED, 1.0, metrics={"test:accuracy": 0.75, "test:count": 4.0}, weakest="fish"
    )
    assert weakest_text(judged) == "weakest: fish"
    assert not weakest_text(replace(judged, weakest=""))


def test_jobs_filter_by_text_and_status(jobs, qtmodeltester):
    proxy = JobsFilter()
    proxy.setSourceModel(jobs)
    qtmodeltester.check(proxy, force_py=False)
    jobs.set_jobs([tuning(n, JobStatus.FAILED if n % 2 else JobStatus.COMPLETED) for n in range(10)])
    proxy.set_filter("PETS-0003")
    assert shown(proxy) == ["pets-0003"]
    proxy.set_filter("", frozenset({JobStatus.FAILED}))
    assert shown(proxy) == [f"pets-{n:04d}" for n in (1, 3, 5, 7, 9)]


def test_trials_sort_by_number_not_by_text_and_leave_missing_values_last(trials):
    trials.update_trials([trial(1, 10.0), trial(2, 9.0), trial(3), trial(4, math.nan), trial(5, 0.5)])
    trials.sort(OBJECTIVE, Qt.SortOrder.AscendingOrder)
    assert column(trials, NUMBER) == ["5", "2", "1", "3", "4"]
    trials.sort(OBJECTIVE, Qt.SortOrder.DescendingOrder)
    assert column(trials, NUMBER) == ["1", "2", "5", "3", "4"]


def test_trials_sort_hyperparameters_as_numbers_or_as_words(trials):
    trials.update_trials(
        [
            trial(1, 1.0, learning_rate="1e-2", optimizer="sgd"),
            trial(2, 1.0, learning_rate="0.0005", optimizer="adam"),
            trial(3, 1.0, learning_rate="0.1", optimizer="adamw"),
        ]
    )
    trials.sort(4)
    assert column(trials, 0) == ["2", "1", "3"]
    trials.sort(5, Qt.SortOrder.DescendingOrder)
    assert column(trials, 5) == ["sgd", "adamw", "adam"]


def test_the_order_is_kept_while_trials_arrive_and_change(trials):
    trials.sort(OBJECTIVE)
    trials.update_trials([trial(1, 0.9), trial(2)])
    kept = QPersistentModelIndex(trials.index(trials.row_of(trial(2).name), 0))
    trials.update_trials([trial(1, 0.9), trial(2, 0.1), trial(3, 0.5)], best=trial(2).name)
    assert column(trials, 0) == ["2", "3", "1"]
    assert kept.row() == 0
    assert trials.index(0, 0).data(TrialRole.IS_BEST)
    assert trials.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole) == "2 (best trial)"


def test_trials_filter_by_words_and_follow_changes(trials):
    trials.update_trials([trial(n, 0.1 * n, optimizer="adam" if n % 2 else "sgd") for n in range(1, 6)])
    trials.set_filter("optimizer=sgd")
    assert column(trials, 0) == ["2", "4"]
    trials.update_trials([trial(1, 0.1, optimizer="sgd"), trial(6, 0.2, optimizer="sgd"), trial(7, 0.2, optimizer="x")])
    assert column(trials, 0) == ["1", "2", "4", "6"]
    trials.set_filter("")
    assert trials.rowCount() == 7


def test_csv_has_the_rows_as_shown_with_unrounded_values(trials):
    trials.update_trials([trial(1, 0.123456789, learning_rate="0.01", optimizer='a,"b'), trial(2)])
    trials.sort(NUMBER, Qt.SortOrder.DescendingOrder)
    rows = list(csv.DictReader(io.StringIO(trials.to_csv())))
    assert [row["trial"] for row in rows] == [trial(2).name, trial(1).name]
    assert rows[1]["Average loss"] == rows[1]["objective"] == "0.123456789"
    assert rows[1]["optimizer"] == 'a,"b'
    assert rows[0]["objective"] == ""
    judged = replace(trial(3, 0.5), metrics={"test:accuracy": 0.75, "test:count": 4.0, "valid:right": 3.0})
    trials.update_trials([judged])  # counts of pictures are no metrics, as in every other view
    assert not {"test:count", "valid:right"} & {*next(csv.reader(io.StringIO(trials.to_csv())))}


def test_two_thousand_trials_stay_in_order(trials):
    trials.update_trials([trial(n, 1.0 / n, learning_rate=str(n)) for n in range(1, 2001)])
    trials.sort(OBJECTIVE)
    assert trials.rowCount() == 2000
    assert trials.index(0, 0).data() == "2000"
    assert trials.name_at(1999) == trial(1).name
    assert trials.name_at(2000) is None


def test_log_levels_a_traceback_is_one_error(qtmodeltester):
    model = LogModel()
    qtmodeltester.check(model, force_py=False)
    model.append(
        [
            "loading 300 pictures",
            "epoch=1/10 Average loss: 0.5 seconds=0.1",
            "UserWarning: a picture was left out",
            "Traceback (most recent call last):",
            '  File "train.py", line 3, in main',
            "ValueError: no pictures",
            "done",
        ]
    )
    levels = [model.index(row).data(LogRole.LEVEL) for row in range(model.rowCount())]
    L = LogLevel
    assert levels == [L.INFO, L.METRIC, L.WARNING, L.ERROR, L.ERROR, L.ERROR, L.INFO]
    model.set_filter("", LogLevel.ERROR)
    assert model.rowCount() == 3
    assert model.index(2).data(LogRole.NUMBER) == 6
    model.set_filter("NO PICTURES", LogLevel.INFO)
    assert model.text() == "ValueError: no pictures"


def test_log_filter_applies_to_lines_that_come_later(qtmodeltester):
    model = LogModel()
    qtmodeltester.check(model, force_py=False)
    model.set_filter("epoch")
    model.append(["epoch=1", "other"])
    model.append(["other", "epoch=2"])
    assert shown(model) == ["epoch=1", "epoch=2"]
    assert model.total == 4
    model.clear()
    assert model.rowCount() == model.total == 0


def test_a_log_longer_than_the_limit_loses_its_oldest_lines():
    model = LogModel(limit=1000)
    model.append([f"line {n}" for n in range(1, 1051)])
    assert model.total == 1050
    assert model.rowCount() == 900
    assert model.index(0).data() == "line 151"
    assert model.index(0).data(LogRole.NUMBER) == 151
    assert not model.index(900).isValid() or model.data(QModelIndex()) is None


def test_curves_put_events_in_order_and_take_repeats_once():
    curves = Curves()
    curves.add(MetricEvent("a", "Average loss", 1.0 / epoch, 0.0, epoch=epoch) for epoch in (1, 3, 2, 3))
    curves.add([MetricEvent("a", "train:batch_loss", 0.5, 0.0, epoch=1, step=120)])
    x, y = curves.series("Average loss")["a"].arrays()
    assert list(x) == [1.0, 2.0, 3.0]
    assert list(y) == pytest.approx([1.0, 0.5, 1 / 3])
    assert list(curves.series("train:batch_loss")["a"].x) == [120.0]
    curves.add([MetricEvent("a", "Average loss", 9.0, 0.0, epoch=4)])
    assert curves.series("Average loss")["a"].arrays()[1][-1] == 9.0


def test_an_axis_is_of_the_scale_that_the_range_was_searched_on():
    from gui.jobs.search_axis import Axis

    texts = ["0.001", "0.007071", "0.05"]
    assert Axis.of("learning_rate", texts, True).unit == pytest.approx([0, 0.5, 1], abs=1e-4)
    assert Axis.of("learning_rate", texts, False).unit == pytest.approx([0, 0.1239, 1], abs=1e-3)
    assert Axis.of("learning_rate", ["0.0001", "0.01"]).ticks(3)[1][1] == "0.001"
