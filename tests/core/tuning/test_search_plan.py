"""The four strategies: what they try, what they learn, when they stop a trial."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import random
import statistics
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SpecError
from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, Scaling, combinations
from core.jobs.specs import MetricDefinition, Objective, Strategy, TrainingSpec, TuningSpec
from core.tuning.search_plan import longest_training, search_plan
from training_scripts.stopping import StopTable, is_beyond
from training_scripts.strategies.dimensions import grid_point
from training_scripts.strategies.plan import SearchPlan
from training_scripts.strategies.search import Observation, Search
from training_scripts.strategies.stop_rules import MIN_CURVES, Halving, MedianRule

RATE = ContinuousRange("learning_rate", 1e-4, 1e-1)
BATCH = IntegerRange("batch_size", 8, 64)
HEAD = CategoricalRange("head", ("linear", "deep"))


def spec(*ranges, strategy=Strategy.BAYESIAN, maximize=False, hyperparameters=None, **changes) -> TuningSpec:
    metric = MetricDefinition("Average loss", "Average loss: ([0-9.]+)")
    training = TrainingSpec("tune", {}, hyperparameters or {}, (metric,), Objective("Average loss", maximize))
    return TuningSpec(training, ranges or (RATE, BATCH, HEAD), strategy, **{"max_jobs": 20, **changes})


def search_of(spec: TuningSpec, *known, **named) -> Search:
    return Search(search_plan(spec), *known, **named)


def loss(point: dict[str, str]) -> float:
    """Best at learning_rate 3e-3, linear head."""
    rate = float(point.get("learning_rate", "3e-3"))
    return abs(math.log10(rate / 3e-3)) + (0.0 if point.get("head") != "deep" else 0.5)


def run(search, trials: int) -> list[dict[str, str]]:
    points = []
    for _ in range(trials):
        asked = search.ask()
        if asked is None:
            break
        points.append(asked.hyperparameters)
        search.tell(asked.number, loss(asked.hyperparameters))
    return points


@pytest.mark.parametrize("strategy", [Strategy.BAYESIAN, Strategy.RANDOM, Strategy.HYPERBAND])
def test_every_point_lies_within_the_ranges(strategy):
    for point in run(search_of(spec(strategy=strategy)), 30):
        assert set(point) == {"learning_rate", "batch_size", "head"}
        assert RATE.low <= float(point["learning_rate"]) <= RATE.high
        assert BATCH.low <= int(point["batch_size"]) <= BATCH.high
        assert point["head"] in HEAD.values


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_same_seed_gives_the_same_search(strategy):
    ranges = (BATCH, HEAD) if strategy is Strategy.GRID else ()
    points = [search_of(spec(*ranges, strategy=strategy, seed=seed)) for seed in (7, 7, 8)]
    first, again, other = (run(search, 12) for search in points)
    assert first == again
    assert first != other


def test_bayesian_finds_more_than_random():
    def best(strategy: Strategy) -> float:
        return statistics.fmean(
            min(loss(point) for point in run(search_of(spec(strategy=strategy, seed=seed, max_jobs=25)), 25)[-10:])
            for seed in range(8)
        )

    assert best(Strategy.BAYESIAN) < 0.75 * best(Strategy.RANDOM)


def test_bayesian_is_a_gaussian_process_where_trials_take_long():
    search = search_of(spec(RATE, max_jobs=9, hyperparameters={"mode": "fine_tune"}))
    rates = [float(point["learning_rate"]) for point in run(search, 9)]
    assert min(abs(math.log10(rate / 3e-3)) for rate in rates[-4:]) < 0.1


def test_maximize_searches_the_other_way():
    search = search_of(spec(RATE, maximize=True, max_jobs=30))
    points = []
    for _ in range(30):
        asked = search.ask()
        points.append(float(asked.hyperparameters["learning_rate"]))
        search.tell(asked.number, math.log10(points[-1]))
    assert statistics.median(points[-8:]) > 2e-2


def test_grid_takes_every_combination_once_and_ends():
    search = search_of(spec(IntegerRange("a", 1, 4), HEAD, strategy=Strategy.GRID, max_jobs=99))
    points = []
    while (asked := search.ask()) is not None:
        points.append(tuple(sorted(asked.hyperparameters.items())))
    assert len(points) == len(set(points)) == 8


def test_a_part_of_a_vast_grid_is_drawn_without_listing_it():
    ranges = [IntegerRange(f"n{number}", 1, 10**6) for number in range(5)]
    search = search_of(spec(*ranges, strategy=Strategy.GRID, max_jobs=50))
    points = {tuple(search.ask().hyperparameters.values()) for _ in range(50)}
    assert len(points) == 50


def test_a_grid_goes_on_where_it_was():
    ranges = (IntegerRange("a", 1, 3), HEAD)
    first = search_of(spec(*ranges, strategy=Strategy.GRID, max_jobs=6))
    done = [Observation(first.ask().hyperparameters, 1.0, number=number) for number in range(4)]
    rest = search_of(spec(*ranges, strategy=Strategy.GRID, max_jobs=6), done)
    left = [rest.ask(), rest.ask(), rest.ask()]
    assert left[2] is None
    assert [asked.number for asked in left[:2]] == [4, 5]
    seen = [tuple(item.hyperparameters.items()) for item in (*done, *left[:2])]
    assert len(set(seen)) == 6


def test_grid_refuses_what_it_cannot_count():
    with pytest.raises(SpecError) as caught:
        search_of(spec(strategy=Strategy.GRID))
    assert caught.value.field == "learning_rate"


def test_hyperband_and_early_stopping_exclude_each_other():
    with pytest.raises(SpecError):
        search_of(spec(strategy=Strategy.HYPERBAND, early_stopping=True))


def observations(count: int = 15) -> list[Observation]:
    rates = [10 ** (-4 + 3 * place / (count - 1)) for place in range(count)]
    points = [{"learning_rate": repr(rate), "batch_size": "32", "head": "linear"} for rate in rates]
    return [Observation(point, loss(point), [(1, loss(point))], number) for number, point in enumerate(points)]


def test_what_is_known_already_guides_the_search():
    known = observations()
    informed, blind = [], []
    for seed in range(8):
        warm = [Observation(item.hyperparameters, item.objective, item.curve) for item in known]
        informed += [loss(point) for point in run(search_of(spec(max_jobs=30, seed=seed), warm=warm), 5)]
        blind += [loss(point) for point in run(search_of(spec(max_jobs=30, seed=seed)), 5)]
    assert statistics.fmean(informed) < 0.75 * statistics.fmean(blind)


@pytest.mark.parametrize("changes", [{}, {"strategy": Strategy.HYPERBAND}, {"early_stopping": True}])
@pytest.mark.parametrize("at_once", [3, 16])
def test_the_trials_are_the_same_whatever_the_number_at_once_and_the_order_of_their_ends(changes, at_once):
    given = {"hyperparameters": {"num_epochs": "9"}, "seed": 3, "max_jobs": 30, **changes}
    assert _shuffled(search_of(spec(**given)), 30, at_once) == _shuffled(search_of(spec(**given)), 30, 1)


def _shuffled(search: Search, trials: int, at_once: int) -> list[object]:
    """Run trials side by side, whichever of them ends first; returns what was asked for, and where it was stopped."""
    draw, running, found = random.Random(at_once), [], {}
    while len(found) < trials or running:
        if len(found) < trials and len(running) < at_once and search.is_ready:
            asked = search.ask()
            running.append(asked)
            found[asked.number] = asked
            continue
        asked = running.pop(draw.randrange(len(running)))
        curve = []
        for epoch in range(1, 10):
            curve.append((epoch, loss(asked.hyperparameters) + 1 / epoch))
            if is_beyond(asked.limits, epoch, curve[-1][1], maximize=False):
                break
        search.tell(asked.number, curve[-1][1], curve)
    return [(number, asked.hyperparameters, dict(asked.limits)) for number, asked in sorted(found.items())]


def test_a_resumed_search_asks_for_what_the_whole_one_would_have():
    whole, first = search_of(spec(seed=5)), search_of(spec(seed=5))
    expected = run(whole, 20)
    points = run(first, 12)
    done = [Observation(point, loss(point), number=number) for number, point in enumerate(points) if number != 9]
    again = search_of(spec(seed=5), done)
    rates = [float(point["learning_rate"]) for point in (expected[9], *expected[12:])]
    assert [float(point["learning_rate"]) for point in run(again, 9)] == pytest.approx(rates, rel=1e-4)


def test_a_search_waits_for_the_results_that_the_next_trial_must_know():
    search = search_of(spec(max_jobs=30))
    startup = search_plan(spec(max_jobs=30)).startup_trials
    asked = [search.ask() for _ in range(startup)]
    for item in asked[1:]:
        search.tell(item.number, 0.5)
    assert not search.is_ready
    search.tell(0, 0.5)
    assert search.is_ready


def test_a_warm_start_outside_the_ranges_is_left_out():
    strange = [Observation({"learning_rate": "5", "batch_size": "9999", "head": "odd"}, 0.0)]
    assert search_of(spec(), warm=strange).ask() is not None


def test_a_sampler_that_breaks_is_replaced(monkeypatch, caplog):
    import optuna

    def broken(*arguments, **keywords):
        raise RuntimeError("singular matrix")

    search = search_of(spec())
    monkeypatch.setattr(optuna.samplers.TPESampler, "sample_relative", broken)
    monkeypatch.setattr(optuna.samplers.TPESampler, "sample_independent", broken)
    with caplog.at_level(logging.ERROR):
        points = run(search, 4)
    assert len(points) == 4
    assert "at random" in caplog.text


def test_failed_and_diverged_trials_do_not_disturb_it():
    search = search_of(spec())
    for number in range(12):
        search.tell(search.ask().number, (None, math.nan, math.inf, 0.5)[number % 4])
    assert search.ask() is not None


def test_optuna_says_nothing(capfd):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(search_of(spec()), 15)
        run(search_of(spec(strategy=Strategy.HYPERBAND, hyperparameters={"num_epochs": "9"})), 5)
    assert caught == []
    assert capfd.readouterr() == ("", "")


def test_hyperband_stops_the_bad_and_keeps_the_good():
    search = search_of(spec(RATE, strategy=Strategy.HYPERBAND, hyperparameters={"num_epochs": "27"}, max_jobs=60))
    epochs = {"good": [], "bad": []}
    for _ in range(60):
        asked = search.ask()
        quality, curve = loss(asked.hyperparameters), []
        for epoch in range(1, 28):
            curve.append((epoch, quality + 1 / epoch))
            if is_beyond(asked.limits, *curve[-1], maximize=False):
                break
        search.tell(asked.number, quality, curve)
        epochs["good" if quality < 0.3 else "bad"].append(epoch)
    assert statistics.fmean(epochs["bad"]) < 0.7 * statistics.fmean(epochs["good"])
    assert max(epochs["good"]) == 27


def test_hyperband_lets_a_third_of_a_bracket_go_on():
    rule = Halving(0, maximize=True, longest=9)
    number = next(number for number in range(99) if 1 in rule._epochs(rule._bracket(number)))
    assert dict(rule.limits(number)) == {}
    for value in (0.1, 0.2, 0.3, 0.4, 0.5):
        rule.learn(number, [(1, value)])
    assert dict(rule.limits(number)) == {1: 0.4}, "itself among six: the best two"


def test_early_stopping_is_the_median_rule():
    rule = MedianRule()
    for value in (0.2, 0.4, 0.6, 0.8):  # averages 0.6 … 0.9
        rule.learn(0, [(1, 1.0), (2, value)])
    assert dict(rule.limits(9)) == {}, "the median of fewer than five says little"
    rule.learn(0, [(2, 1.0), (1, 1.0)])
    rule.learn(0, [(1, math.nan)])
    assert rule.limits(9) == {1: 1.0, 2: pytest.approx(0.8)}


def test_a_limit_holds_after_its_epoch():
    assert not is_beyond({2: 0.8}, 2, 0.8, maximize=False)
    assert is_beyond({2: 0.8}, 2, 0.81, maximize=False)
    assert is_beyond({2: 0.8}, 2, 0.79, maximize=True)
    assert is_beyond({2: 0.8}, 2, math.nan, maximize=False)
    assert not is_beyond({2: 0.8}, 3, 9.0, maximize=False)


def test_a_script_reads_its_limits_from_its_environment():
    table = StopTable({3: 0.5}, r"Average loss: ([0-9\.]+)", False)
    again = StopTable.from_environment(table.to_environment())
    assert again == table
    assert again.is_beyond(3, "epoch=3/9 Average loss: 0.600000")
    assert again.is_beyond(3, "epoch=3/9 Average loss: nan")
    assert not again.is_beyond(3, "epoch=3/9 Average loss: 0.500000")
    assert not again.is_beyond(2, "epoch=2/9 Average loss: 0.600000")
    assert StopTable.from_environment({}) == StopTable()


def test_early_stopping_acts_in_any_search():
    search = search_of(spec(RATE, strategy=Strategy.RANDOM, early_stopping=True))
    for _ in range(MIN_CURVES + 3):
        asked = search.ask()
        assert not asked.limits
        search.tell(asked.number, 0.5, [(1, 0.5)])
    assert dict(search.ask().limits) == {1: 0.5}


def test_the_longest_training_is_read_from_where_it_is_said():
    assert longest_training(spec(RATE, hyperparameters={"num_epochs": "12"})) == 12
    assert longest_training(spec(RATE, IntegerRange("epochs", 3, 30))) == 30
    assert longest_training(spec(RATE, CategoricalRange("num_epochs", ("5", "20")))) == 20
    assert longest_training(spec(RATE)) is None


ends = st.floats(1e-6, 1e6)
continuous = st.builds(
    lambda a, b, scaling: ContinuousRange("x", min(a, b), max(a, b), scaling),
    ends,
    ends,
    st.sampled_from([Scaling.AUTO, Scaling.LINEAR, Scaling.LOGARITHMIC]),
) | st.builds(
    lambda a, b: ContinuousRange("x", min(a, b), max(a, b), Scaling.REVERSE_LOGARITHMIC),
    st.floats(0, 0.999999),
    st.floats(0, 0.999999),
)
integers = st.builds(
    lambda a, b, scaling: IntegerRange("n", min(a, b), max(a, b), scaling),
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.sampled_from([Scaling.AUTO, Scaling.LINEAR, Scaling.LOGARITHMIC]),
)


@given(continuous | integers, st.integers(0, 2**31))
def test_any_range_can_be_drawn_from_and_read_back(item, seed):
    search = search_of(spec(item, strategy=Strategy.RANDOM, seed=seed))
    text = search.ask().hyperparameters[item.name]
    assert item.low <= float(text) <= item.high
    value = item.dimension.encode(text)
    assert value is not None
    distribution = item.dimension.distribution()
    assert distribution._contains(distribution.to_internal_repr(value))
    assert float(item.dimension.decode(value)) == pytest.approx(float(text), rel=1e-5)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_grid_points_are_all_different(sizes):
    ranges = [IntegerRange(f"n{place}", 0, size - 1) for place, size in enumerate(sizes)]
    total = combinations(ranges)
    assert total == math.prod(sizes)
    dimensions = [item.dimension for item in ranges]
    assert len({tuple(grid_point(dimensions, place).values()) for place in range(total)}) == total


def test_reverse_logarithmic_crowds_at_the_upper_end():
    item = ContinuousRange("momentum", 0.0, 0.999, Scaling.REVERSE_LOGARITHMIC)
    search = search_of(spec(item, strategy=Strategy.RANDOM))
    values = [float(search.ask().hyperparameters["momentum"]) for _ in range(200)]
    assert 0.55 < sum(value > 0.9 for value in values) / 200 < 0.8  # two of three decades


def test_logarithmic_spreads_over_the_decades():
    search = search_of(spec(RATE, strategy=Strategy.RANDOM))
    values = [float(search.ask().hyperparameters["learning_rate"]) for _ in range(200)]
    assert 0.25 < sum(value < 1e-3 for value in values) / 200 < 0.42  # one of three decades


@given(continuous | integers)
def test_a_plan_comes_back_from_json_as_it_was(item):
    plan = search_plan(spec(item, HEAD, target=0.5, patience=4))
    assert SearchPlan.from_json(json.loads(json.dumps(dataclasses.asdict(plan)))) == plan
