"""Which steps are looked at, with the share of the time that users have, on a clock that is turned by hand."""

import pytest

from training_scripts.watch import state
from training_scripts.watch.pace import CLOSE_STEPS, FIRST_EVALUATIONS, MOST_EVALUATED, Pace
from training_scripts.watch.state import FREE_S, SHARE


@pytest.fixture
def now(monkeypatch):
    """The time, in seconds."""
    now = [1.0]
    monkeypatch.setattr(state.time, "perf_counter", lambda: now[0])
    return now


def train(pace, now, steps, step_s=0.01, look_s=0.001, teacher_s=0.0):
    """Return the steps that were watched, those that were heavy, and the looks at what was asked without gradients."""
    watched, heavy, evaluated = [], [], 0
    pace.clock.begin()
    for step in steps:
        pace.choose(step)
        now[0] += step_s
        if teacher_s:
            pace.evaluates("model")
            if pace.is_close(False):
                pace.count(teacher_s, False)
                evaluated += 1
        watched += [step] * pace.watching
        heavy += [step] * pace.heavy
        if pace.is_close(True):
            pace.count(look_s, True)
        pace.trains()
    return watched, heavy, evaluated


def test_the_first_steps_cost_what_they_cost_and_the_later_ones_are_looked_at_all_the_same(now):
    watched, heavy, _ = train(Pace(SHARE), now, range(2000), step_s=0.02, look_s=0.0)
    slow = Pace(SHARE)
    train(slow, now, range(CLOSE_STEPS), look_s=1.0)
    later = train(slow, now, range(CLOSE_STEPS, 2000), step_s=0.02, look_s=0.0)
    assert list(range(CLOSE_STEPS)) + later[0] == watched
    assert later[1] == [step for step in heavy if step >= CLOSE_STEPS] != []


def test_a_step_that_cannot_be_afforded_waits_for_one_that_can(now):
    pace = Pace(SHARE)
    train(pace, now, range(30))
    pace.count(FREE_S + 1.0, True)  # a second is earned again after 200
    watched, heavy, _ = train(pace, now, range(30, 400), step_s=1.0, look_s=0.0)
    assert watched[0] == heavy[0] == 230  # the heavy steps 30 to 200 are taken at once, not left to 300
    assert heavy[1:] == [300]


def test_what_is_asked_without_gradients_in_each_step_leaves_the_training_its_looks(now):
    pace = Pace(SHARE)
    watched, heavy, evaluated = train(pace, now, range(4000), step_s=0.002, teacher_s=0.0005)
    assert evaluated < 200
    assert watched[-1] > 3500
    assert heavy[-1] == 3500


def test_only_the_first_batches_of_an_evaluation_are_looked_at(now):
    pace, looks = Pace(SHARE), []
    for _ in range(60):
        looks.append(0)
        pace.choose(1000)
        pace.watching = pace.heavy = False
        for _ in range(100):
            pace.evaluates("model")
            looks[-1] += pace.is_close(False)
        pace.trains()
    assert looks[:FIRST_EVALUATIONS] == [MOST_EVALUATED] * FIRST_EVALUATIONS
    assert set(looks[FIRST_EVALUATIONS:40]) == {4}
    assert looks[50:] == [4, 0] * 5  # later ones at intervals of a twentieth


def test_a_batch_that_goes_through_several_models_is_one(now):
    pace, looks = Pace(SHARE), 0
    pace.choose(1000)
    pace.watching = pace.heavy = False
    for _ in range(100):
        for model in ("encoder", "decoder"):
            pace.evaluates(model)
            looks += pace.is_close(False)
    assert looks == 2 * MOST_EVALUATED


def test_an_evaluation_that_cannot_be_afforded_leaves_its_turn_to_the_next(now):
    pace, looked = Pace(SHARE), []
    pace.clock.begin()
    for at in range(110):
        if at == 99:
            pace.count(FREE_S + 2.0, True)
        pace.choose(1000 + at)
        pace.watching = pace.heavy = False
        pace.evaluates("model")
        looked += [at] * pace.is_close(False)
        pace.trains()
        now[0] += 1.0 if at < 102 else 500.0
    assert [at for at in looked if at >= 90] == [93, 97, 103, 108]  # 101 and 102 cannot be afforded


def test_what_cannot_be_afforded_is_asked_again_a_few_steps_later(now):
    pace = Pace(SHARE)
    train(pace, now, range(40))
    assert pace.next_look(40) == 40
    pace.count(FREE_S + 1.0, True)
    pace.choose(40)
    assert pace.next_look(40) == 56
