import numpy as np
import pytest

from core.errors import Cancelled
from core.features.alike import flat, look_alikes, most_alike, of_a_kind, principal
from core.features.neighbours import kmeans
from core.progress import CancelToken


def blobs(kinds, each, dim=64, noise=0.5, seed=0):
    """Features of length 1 in clear kinds, shuffled, and the kind of each."""
    random = np.random.default_rng(seed)
    kind = random.permutation(np.repeat(np.arange(kinds), each))
    rows = random.standard_normal((kinds, dim))[kind] + noise * random.standard_normal((len(kind), dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), kind


def test_look_alikes_stand_side_by_side_in_cohorts_of_one_kind():
    features, kind = blobs(8, 48)
    found = look_alikes(features)
    assert sorted(found.order.tolist()) == list(range(len(kind)))
    assert np.mean(kind[found.order][1:] == kind[found.order][:-1]) > 0.95
    in_order = found.cohort[found.order]
    assert (np.diff(in_order) >= 0).all(), "cohorts are numbered in the order in which they come"
    pure = [len(set(kind[found.cohort == cohort])) == 1 for cohort in set(found.cohort.tolist())]
    assert np.mean(pure) > 0.9
    again = look_alikes(features)
    assert (again.order == found.order).all()


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_pictures_have_an_order_and_places_too(count):
    features, _ = blobs(1, count) if count else (np.zeros((0, 8), np.float32), None)
    assert sorted(look_alikes(features).order.tolist()) == list(range(count))
    places = flat(features)
    assert places.shape == (count, 2)
    assert ((places >= 0) & (places <= 1)).all()


def test_equal_pictures_do_not_break_it():
    features = np.tile(np.eye(8, dtype=np.float32)[0], (40, 1))
    assert sorted(look_alikes(features).order.tolist()) == list(range(40))
    assert np.isfinite(flat(features)).all()


def test_neighbours_on_the_map_are_of_one_kind_where_two_principal_components_cannot_tell():
    features, kind = blobs(10, 40, noise=0.9)

    def purity(places):
        away = ((places[:, None] - places[None]) ** 2).sum(axis=2)
        np.fill_diagonal(away, np.inf)
        return np.mean(kind[np.argsort(away, axis=1)[:, :5]] == kind[:, None])

    places = flat(features)
    assert places.min() >= 0
    assert places.max() <= 1
    assert purity(places) > 0.95
    assert purity(places) > purity(principal(features, 2)) + 0.1
    assert (flat(features) == places).all()


def test_the_likest_come_first_and_those_of_a_kind_end_at_the_gap():
    features, kind = blobs(6, 30)
    order, cosines = most_alike(features, 7)
    assert order[0] == 7
    assert (np.diff(cosines) <= 1e-6).all()
    count = of_a_kind(cosines)
    assert set(kind[order[: count + 1]]) == {kind[7]}
    assert count > 20


def test_without_a_gap_few_are_of_a_kind():
    """Cosines that fall evenly, as of photographs: the cut in their middle would choose 145 of 290."""
    assert of_a_kind(np.linspace(1, 0.3, 290, dtype=np.float32)) <= 24
    assert of_a_kind(np.array([1, 0.9, 0.9, 0.2, 0.1, 0.1], np.float32)) == 2, "of few pictures too there is a gap"
    assert of_a_kind(np.ones(1, np.float32)) == 0


@pytest.mark.parametrize("alike", [24, 25, 60, 120])
@pytest.mark.parametrize("spread", [0.0, 1e-6, 0.02])
def test_all_of_a_kind_are_found_however_far_the_rest_is_spread(alike, spread):
    random = np.random.default_rng(0)
    near, rest = 0.99 - spread * random.random(alike), 0.2 + 0.4 * random.random(450)
    falling = -np.sort(-np.concatenate([[1.0], near, rest])).astype(np.float32)
    assert of_a_kind(falling) == alike
    if spread < 0.01:
        assert of_a_kind(falling[: alike + 1]) == alike, "copies of one picture are not cut"


def test_principal_components_are_those_of_numpy_but_for_their_sign():
    features, _ = blobs(4, 30, dim=20)
    centred = features - features.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(principal(features, 3)), np.abs((left * sizes)[:, :3]), atol=1e-2)


def test_it_stops_when_it_is_cancelled():
    cancel = CancelToken()
    cancel.cancel()
    features, _ = blobs(4, 30)
    with pytest.raises(Cancelled):
        flat(features, cancel)
    with pytest.raises(Cancelled):
        look_alikes(features, cancel)
    with pytest.raises(Cancelled):
        kmeans(features, 4, rounds=0, cancel=cancel)  # where each of many rows belongs takes longest


def test_each_row_belongs_to_the_centre_that_is_nearest():
    features, _ = blobs(6, 1500, dim=8)
    centres, member = kmeans(features, 6)
    assert np.array_equal(member, (features @ centres.T).argmax(axis=1))
