"""When a search wants another trial, and how it ends."""

from __future__ import annotations

from training_scripts.strategies.course import COMPLETED, FAILED, STOPPED, TIME_OVER, Course, TrialEnd
from training_scripts.strategies.dimensions import Dimension
from training_scripts.strategies.plan import SearchPlan

RATE = Dimension("rate", low=0.0, high=1.0)


def ended(course, status=COMPLETED, objective=1.0, reason=""):
    asked = course.ask()
    course.tell(TrialEnd(asked.number, asked.hyperparameters, status, objective, reason))


def test_it_ends_after_its_trials_those_of_an_earlier_run_included():
    done = [TrialEnd(0, {"rate": "0.5"}, COMPLETED, 1.0), TrialEnd(2, {"rate": "0.1"}, FAILED, None, "broken")]
    course = Course(SearchPlan((RATE,), max_jobs=4), done)
    numbers = []
    while course.wants_more:
        numbers.append(course.ask().number)
    assert numbers == [1, 3]
    assert course.verdict() == (COMPLETED, "Completed", "")


def test_a_search_of_nothing_but_failures_is_given_up_and_says_the_first_reason():
    course = Course(SearchPlan((RATE,), max_jobs=99))
    for number in range(5):
        assert course.wants_more
        ended(course, FAILED, None, f"reason {number}\n\na traceback")
    assert not course.wants_more
    assert course.verdict() == (FAILED, "Failed", "All 5 trials failed, the first because: reason 0")


def test_target_and_patience_end_it():
    course = Course(SearchPlan((RATE,), max_jobs=99, target=0.2))
    ended(course, objective=0.3)
    assert course.wants_more
    ended(course, objective=0.2)
    assert course.target_met
    assert not course.wants_more
    patient = Course(SearchPlan((RATE,), max_jobs=99, patience=2, maximize=True))
    for objective in (0.5, 0.4, 0.6, 0.1):
        ended(patient, objective=objective)
        assert patient.wants_more
    ended(patient, STOPPED, None)  # says nothing
    assert patient.wants_more
    ended(patient, objective=0.6)
    assert not patient.wants_more


def test_its_longest_time_ends_it_and_is_said():
    now = [0.0]
    course = Course(SearchPlan((RATE,), max_jobs=9, max_search_s=60), clock=lambda: now[0])
    ended(course)
    assert course.wants_more
    now[0] = 60.0
    assert not course.wants_more
    assert course.verdict() == (COMPLETED, TIME_OVER, "")


def test_a_grid_ends_with_its_last_point():
    course = Course(SearchPlan((Dimension("head", ("a", "b")),), tries_all=True, max_jobs=9))
    for _ in range(2):
        ended(course)
    assert course.ask() is None
    assert not course.wants_more
