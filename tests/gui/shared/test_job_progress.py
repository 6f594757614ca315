"""One bar for the whole job: it neither begins again nor stands at nothing, and words say what is done."""

from dataclasses import replace

from core.jobs.records import TrainingJob, TuningJob
from core.jobs.status import JobStatus
from gui.shared.job_progress import PREPARING, bar_of, progress_of, progress_text
from gui.window.status_bar import WindowStatus

SEARCH = TuningJob("pets", JobStatus.IN_PROGRESS, 0.0, "PreparingFeatures", max_jobs=20)
DONE = {JobStatus.COMPLETED: 3, JobStatus.IN_PROGRESS: 2}


def test_features_are_said_in_words_and_fill_the_beginning_of_the_bar():
    almost = replace(SEARCH, progress=0.98)
    assert progress_of(almost) is None
    assert 0.09 < bar_of(almost) < PREPARING < bar_of(replace(SEARCH, counts=DONE, progress=0.01))
    assert progress_text(almost) == "Features 98 %"
    assert bar_of(SEARCH) is None


def test_a_search_counts_its_trials_and_names_its_best():
    running = replace(SEARCH, counts=DONE, progress=0.19, best_objective=0.25)
    assert progress_of(running) == 0.19
    assert progress_text(running) == "3 of 20 trials, best 0.2500"
    assert progress_of(replace(running, progress=None)) == 3 / 20


def test_nothing_done_yet_is_not_said_to_be_zero():
    training = TrainingJob("one", JobStatus.IN_PROGRESS, 0.0, "Training", progress=0.0)
    assert progress_of(training) is None
    assert progress_text(training) == "Starting"
    assert bar_of(training) == PREPARING
    assert bar_of(replace(training, progress=None)) is None
    assert bar_of(replace(SEARCH, counts={JobStatus.IN_PROGRESS: 2})) == PREPARING
    assert progress_text(replace(training, progress=0.4)) == "Training 40 %"


def test_only_a_job_that_completed_is_at_its_end():
    training = TrainingJob("one", JobStatus.COMPLETED, 0.0, "Completed", progress=0.97)
    assert (progress_of(training), progress_text(training)) == (1.0, "100 %")
    for status in (JobStatus.FAILED, JobStatus.STOPPED):
        assert progress_text(replace(training, status=status, progress=0.4)) == "40 %"
        assert progress_text(replace(training, status=status, progress=None)) == "0 %"
        search = replace(SEARCH, status=status, secondary_status=str(status), counts=DONE)
        assert progress_of(search) == 3 / 20


def test_the_status_bar_runs_from_one_end_to_the_other_once(qtbot):
    bar = WindowStatus()
    qtbot.addWidget(bar)
    shown = []
    for job in (
        replace(SEARCH, progress=0.5),
        replace(SEARCH, progress=0.98),
        replace(SEARCH, counts=DONE, progress=0.1),
        replace(SEARCH, counts=DONE, progress=0.6),
    ):
        bar.show_jobs([job])
        shown.append((bar._bar.maximum(), bar._bar.value()) if bar._bar.maximum() else None)
    assert shown == [(1000, 50), (1000, 98), (1000, 190), (1000, 640)]
    assert bar.jobs.toolTip() == "pets: 3 of 20 trials"
