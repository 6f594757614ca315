"""The four strategies: what they try, what they learn, when they stop a trial."""

from __future__ import annotations

import logging
import math
import statistics
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SpecError
from core.jobs.specs import MetricDefinition, Objective, Strategy, TrainingSpec, TuningSpec
from core.tuning.encoding import decode, distribution, encode, grid_point
from core.tuning.ranges import CategoricalRange, ContinuousRange, IntegerRange, Scaling, combinations
from core.tuning.search import MIN_CURVES, Observation, longest_training, open_search, worse_than_median

RATE = ContinuousRange("learning_rate", 1e-4, 1e-1)
BATCH = IntegerRange("batch_size", 8, 64)
HEAD = CategoricalRange("head", ("linear", "deep"))


def spec(*ranges, strategy=Strategy.BAYESIAN, maximize=False, hyperparameters=None, **changes) -> TuningSpec:
    metric = MetricDefinition("Average loss", "Average loss: ([0-9.]+)")
    training = TrainingSpec("tune", {}, hyperparameters or {}, (metric,), Objective("Average loss", maximize))
    return TuningSpec(training, ranges or (RATE, BATCH, HEAD), strategy, **{"max_jobs": 20, **changes})


def loss(point: dict[str, str]) -> float:
    """Best at learning_rate 3e-3, linear head."""
    return abs(math.log10(float(point["learning_rate"]) / 3e-3)) + (0.0 if point.get("head") != "deep" else 0.5)


def run(search, trials: int) -> list[dict[str, str]]:
    points = []
    for _ in range(trials):
        asked = search.ask()
        if asked is None:
            break
        number, point = asked
        points.append(point)
        search.tell(number, loss(point))
    return points


@pytest.mark.parametrize("strategy", [Strategy.BAYESIAN, Strategy.RANDOM, Strategy.HYPERBAND])
def test_every_point_lies_within_the_ranges(strategy):
    for point in run(open_search(spec(strategy=strategy)), 30):
        assert set(point) == {"learning_rate", "batch_size", "head"}
        assert RATE.low <= float(point["learning_rate"]) <= RATE.high
        assert BATCH.low <= int(point["batch_size"]) <= BATCH.high
        assert point["head"] in HEAD.values


@pytest.mark.parametrize("strategy", list(Strategy))
def test_the_same_seed_gives_the_same_search(strategy):
    ranges = (BATCH, HEAD) if strategy is Strategy.GRID else ()
    points = [open_search(spec(*ranges, strategy=strategy, seed=seed)) for seed in (7, 7, 8)]
    first, again, other = ([search.ask() for _ in range(12)] for search in points)
    assert first == again
    assert first != other


def test_bayesian_finds_more_than_random():
    def best(strategy: Strategy) -> float:
        return statistics.fmean(
            min(loss(point) for point in run(open_search(spec(strategy=strategy, seed=seed, max_jobs=25)), 25)[-10:])
            for seed in range(8)
        )

    assert best(Strategy.BAYESIAN) < 0.75 * best(Strategy.RANDOM)


def test_bayesian_is_a_gaussian_process_where_trials_take_long():
    search = open_search(spec(RATE, max_jobs=9, hyperparameters={"mode": "fine_tune"}))
    rates = [float(point["learning_rate"]) for point in run(search, 9)]
    assert min(abs(math.log10(rate / 3e-3)) for rate in rates[-4:]) < 0.1


def test_maximize_searches_the_other_way():
    search = open_search(spec(RATE, maximize=True, max_jobs=30))
    points = []
    for _ in range(30):
        number, point = search.ask()
        points.append(float(point["learning_rate"]))
        search.tell(number, math.log10(points[-1]))
    assert statistics.median(points[-8:]) > 2e-2


def test_grid_takes_every_combination_once_and_ends():
    search = open_search(spec(IntegerRange("a", 1, 4), HEAD, strategy=Strategy.GRID, max_jobs=99))
    points = []
    while (asked := search.ask()) is not None:
        points.append(tuple(sorted(asked[1].items())))
    assert len(points) == len(set(points)) == 8


def test_a_part_of_a_vast_grid_is_drawn_without_listing_it():
    ranges = [IntegerRange(f"n{number}", 1, 10**6) for number in range(5)]
    search = open_search(spec(*ranges, strategy=Strategy.GRID, max_jobs=50))
    points = {tuple(search.ask()[1].values()) for _ in range(50)}
    assert len(points) == 50


def test_a_grid_goes_on_where_it_was():
    ranges = (IntegerRange("a", 1, 3), HEAD)
    first = open_search(spec(*ranges, strategy=Strategy.GRID, max_jobs=6))
    done = [Observation(first.ask()[1], 1.0, number=number) for number in range(4)]
    rest = open_search(spec(*ranges, strategy=Strategy.GRID, max_jobs=6), done)
    left = [rest.ask(), rest.ask(), rest.ask()]
    assert left[2] is None
    assert [number for number, _ in left[:2]] == [4, 5]
    seen = [tuple(item.hyperparameters.items()) for item in done] + [tuple(point.items()) for _, point in left[:2]]
    assert len(set(seen)) == 6


def test_grid_refuses_what_it_cannot_count():
    with pytest.raises(SpecError) as caught:
        open_search(spec(strategy=Strategy.GRID))
    assert caught.value.field == "learning_rate"


def test_hyperband_and_early_stopping_exclude_each_other():
    with pytest.raises(SpecError):
        open_search(spec(strategy=Strategy.HYPERBAND, early_stopping=True))


def observations(count: int = 15) -> list[Observation]:
    rates = [10 ** (-4 + 3 * place / (count - 1)) for place in range(count)]
    points = [{"learning_rate": repr(rate), "batch_size": "32", "head": "linear"} for rate in rates]
    return [Observation(point, loss(point), [(1, loss(point))], number) for number, point in enumerate(points)]


@pytest.mark.parametrize("how", ["done", "warm"])
def test_what_is_known_already_guides_the_search(how):
    known = observations()
    warm = [Observation(item.hyperparameters, item.objective, item.curve) for item in known]
    informed, blind = [], []
    for seed in range(8):
        search = open_search(
            spec(max_jobs=30, seed=seed), known if how == "done" else (), warm if how == "warm" else ()
        )
        number, first = search.ask()
        assert number == (15 if how == "done" else 0)
        search.tell(number, loss(first))
        informed += [loss(point) for point in (first, *run(search, 4))]
        blind += [loss(point) for point in run(open_search(spec(max_jobs=30, seed=seed)), 5)]
    assert statistics.fmean(informed) < 0.75 * statistics.fmean(blind)


def test_a_resumed_search_does_not_repeat_itself():
    first = open_search(spec(strategy=Strategy.RANDOM))
    done = [Observation(first.ask()[1], 0.5, number=number) for number in range(5)]
    second = open_search(spec(strategy=Strategy.RANDOM), done)
    again = [second.ask()[1] for _ in range(5)]
    assert not [point for point in again if point in [item.hyperparameters for item in done]]


def test_a_warm_start_outside_the_ranges_is_left_out():
    strange = [Observation({"learning_rate": "5", "batch_size": "9999", "head": "odd"}, 0.0)]
    assert open_search(spec(), warm=strange).ask() is not None


def test_a_sampler_that_breaks_is_replaced(monkeypatch, caplog):
    import optuna

    def broken(*arguments, **keywords):
        raise RuntimeError("singular matrix")

    search = open_search(spec())
    monkeypatch.setattr(optuna.samplers.TPESampler, "sample_relative", broken)
    monkeypatch.setattr(optuna.samplers.TPESampler, "sample_independent", broken)
    with caplog.at_level(logging.ERROR):
        points = run(search, 4)
    assert len(points) == 4
    assert "at random" in caplog.text


def test_failed_and_diverged_trials_do_not_disturb_it():
    search = open_search(spec())
    for number in range(12):
        asked, _ = search.ask()
        search.tell(asked, (None, math.nan, math.inf, 0.5)[number % 4])
    assert search.ask() is not None


def test_optuna_says_nothing(capfd):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(open_search(spec()), 15)
        run(open_search(spec(strategy=Strategy.HYPERBAND, hyperparameters={"num_epochs": "9"})), 5)
    assert caught == []
    assert capfd.readouterr() == ("", "")


def test_hyperband_stops_the_bad_and_keeps_the_good():
    search = open_search(spec(RATE, strategy=Strategy.HYPERBAND, hyperparameters={"num_epochs": "27"}, max_jobs=60))
    epochs = {"good": [], "bad": []}
    for _ in range(60):
        number, point = search.ask()
        quality = loss(point)
        for epoch in range(1, 28):
            if search.report(number, epoch, quality + 1 / epoch):
                break
        search.tell(number, quality)
        epochs["good" if quality < 0.3 else "bad"].append(epoch)
    assert statistics.fmean(epochs["bad"]) < 0.7 * statistics.fmean(epochs["good"])
    assert max(epochs["good"]) == 27


def test_early_stopping_is_the_median_rule():
    curves = [[(1, 1.0), (2, value)] for value in (0.2, 0.4, 0.6, 0.8, 1.0)]  # averages 0.6 … 1.0, median 0.8
    assert not worse_than_median(0.8, 2, curves, maximize=False)
    assert worse_than_median(0.81, 2, curves, maximize=False)
    assert worse_than_median(0.79, 2, curves, maximize=True)
    assert worse_than_median(math.nan, 2, curves, maximize=False)
    assert not worse_than_median(9.0, 3, curves, maximize=False), "no earlier trial got to epoch 3"
    assert not worse_than_median(9.0, 2, curves[: MIN_CURVES - 1], maximize=False)


def test_early_stopping_acts_in_any_search():
    search = open_search(spec(RATE, strategy=Strategy.RANDOM, early_stopping=True))
    for _ in range(MIN_CURVES):
        number, _ = search.ask()
        assert not search.report(number, 1, 0.5)
        search.tell(number, 0.5)
    number, _ = search.ask()
    assert search.report(number, 1, 0.6)
    assert not search.report(number, 1, 0.4)


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
    search = open_search(spec(item, strategy=Strategy.RANDOM, seed=seed))
    _, point = search.ask()
    text = point[item.name]
    assert item.low <= float(text) <= item.high
    value = encode(item, text)
    assert value is not None
    assert distribution(item)._contains(distribution(item).to_internal_repr(value))
    assert float(decode(item, value)) == pytest.approx(float(text), rel=1e-5)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_grid_points_are_all_different(sizes):
    ranges = [IntegerRange(f"n{place}", 0, size - 1) for place, size in enumerate(sizes)]
    total = combinations(ranges)
    assert total == math.prod(sizes)
    assert len({tuple(grid_point(ranges, place).values()) for place in range(total)}) == total


def test_reverse_logarithmic_crowds_at_the_upper_end():
    item = ContinuousRange("momentum", 0.0, 0.999, Scaling.REVERSE_LOGARITHMIC)
    search = open_search(spec(item, strategy=Strategy.RANDOM))
    values = [float(search.ask()[1]["momentum"]) for _ in range(200)]
    assert 0.55 < sum(value > 0.9 for value in values) / 200 < 0.8  # two of three decades


def test_logarithmic_spreads_over_the_decades():
    search = open_search(spec(RATE, strategy=Strategy.RANDOM))
    values = [float(search.ask()[1]["learning_rate"]) for _ in range(200)]
    assert 0.25 < sum(value < 1e-3 for value in values) / 200 < 0.42  # one of three decades


def test_early_stopping_learns_the_epochs_that_came_with_the_end():
    search = open_search(spec(RATE, strategy=Strategy.RANDOM, early_stopping=True))
    for _ in range(MIN_CURVES):
        number, _ = search.ask()
        search.report(number, 1, 0.5)
        search.tell(number, 0.1, [(1, 0.5), (2, 0.3), (3, 0.1)])
    number, _ = search.ask()
    assert search.report(number, 3, 0.4)
