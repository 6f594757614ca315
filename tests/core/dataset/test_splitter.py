"""Splitting: a partition, stratified, deterministic, with copies together."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.dataset import Manifest, Scan, split
from core.dataset.splitter import check_fractions
from core.errors import DatasetError, SpecError

MakeScan = Callable[..., Scan]
relaxed = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])

fractions = st.tuples(st.integers(1, 20), st.integers(0, 10), st.integers(0, 10)).map(
    lambda parts: tuple(part / sum(parts) for part in parts)
)
sizes = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 60), min_size=2)


def distinct(counts: dict[str, int]) -> list[tuple[str, str | None, int]]:
    return [(label, None, hash((label, at))) for label, count in counts.items() for at in range(count)]


@relaxed
@given(counts=sizes, shares=fractions, seed=st.integers(0, 5))
def test_every_class_is_divided_to_within_one_picture(
    make_scan: MakeScan, counts: dict[str, int], shares: tuple[float, float, float], seed: int
) -> None:
    scan = make_scan(distinct(counts))
    manifest = split(scan, shares, seed)
    assert sorted(entry.path for entry in manifest.pictures) == sorted(picture.path for picture in scan.pictures)
    for label, total in counts.items():
        of_label = manifest.counts()[label]
        assert of_label["train"] >= 1
        for name, share in zip(("train", "valid", "test"), shares, strict=True):
            assert abs(of_label[name] - share * total) <= 1 + 1e-6 * total


@relaxed
@given(
    contents=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 25)), min_size=4, max_size=80),
    seed=st.integers(0, 5),
)
def test_copies_stay_together(make_scan: MakeScan, contents: list[tuple[str, int]], seed: int) -> None:
    scan = make_scan([(label, None, content) for label, content in contents])
    labels: dict[int, set[str]] = {}
    for label, content in contents:
        labels.setdefault(content, set()).add(label)
    sound = [content for _, content in contents if len(labels[content]) == 1]
    if not sound:
        with pytest.raises(DatasetError, match="in more than one class"):
            split(scan, seed=seed)
        return
    manifest = split(scan, seed=seed)
    where: dict[str, set[str]] = {}
    for entry in manifest.pictures:
        where.setdefault(entry.sha256, set()).add(entry.split)
    assert all(len(splits) == 1 for splits in where.values())
    assert len(manifest.pictures) == len(sound)


@relaxed
@given(counts=sizes, order=st.randoms(use_true_random=False))
def test_names_and_order_do_not_matter(make_scan: MakeScan, counts: dict[str, int], order: random.Random) -> None:
    triples = distinct(counts)
    shuffled = list(triples)
    order.shuffle(shuffled)
    one, two = split(make_scan(triples)), split(make_scan(shuffled, prefix="moved/"))
    assert {e.sha256: e.split for e in one.pictures} == {e.sha256: e.split for e in two.pictures}
    assert one.version == two.version


def test_the_seed_decides(make_scan: MakeScan) -> None:
    scan = make_scan(distinct({"a": 40, "b": 40}))
    assert split(scan, seed=1).version == split(scan, seed=1).version
    assert split(scan, seed=1).version != split(scan, seed=2).version


def test_one_more_picture_moves_hardly_any_other(make_scan: MakeScan) -> None:
    before = distinct({"a": 100, "b": 100})
    one, two = split(make_scan(before)), split(make_scan([*before, ("a", None, 12345)]))
    first, second = ({e.sha256: e.split for e in m.pictures} for m in (one, two))
    assert sum(first[sha] != second[sha] for sha in first) <= 2


def given_folders(train: int, valid: int, test: int) -> list[tuple[str, str | None, int]]:
    contents = iter(range(10_000))
    return [
        (label, name, next(contents))
        for label in "ab"
        for name, count in (("train", train), ("valid", valid), ("test", test))
        for _ in range(count)
    ]


def test_split_folders_are_kept(make_scan: MakeScan) -> None:
    scan = make_scan(given_folders(20, 5, 7))
    manifest = split(scan, (0.5, 0.25, 0.25))
    assert {e.path: e.split for e in manifest.pictures} == {p.path: p.split for p in scan.pictures}
    assert manifest.notices == ()


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        ((80, 0, 20), {"train": 66, "valid": 14, "test": 20}),
        ((80, 20, 0), {"train": 66, "valid": 20, "test": 14}),
        ((100, 0, 0), {"train": 70, "valid": 15, "test": 15}),
    ],
)
def test_a_missing_split_is_carved_out_of_train(
    make_scan: MakeScan, folders: tuple[int, int, int], expected: dict[str, int]
) -> None:
    manifest = split(make_scan(given_folders(*folders)))
    assert manifest.counts() == {"a": expected, "b": expected}
    assert len(manifest.notices) == folders.count(0)
    assert all("taken out of train" in notice for notice in manifest.notices)
    kept = {e.split for e in manifest.pictures if e.path.startswith("test/")}
    assert kept <= {"test"}


def test_a_missing_split_with_no_share_stays_missing(make_scan: MakeScan) -> None:
    manifest = split(make_scan(given_folders(30, 0, 10)), (0.8, 0.0, 0.2))
    assert manifest.splits == ("train", "test")
    assert manifest.notices == ()


def test_a_copy_in_test_is_left_out_of_train(make_scan: MakeScan) -> None:
    leaking = [*given_folders(20, 5, 5), ("a", "train", 77_777), ("a", "test", 77_777), ("a", "valid", 77_777)]
    manifest = split(make_scan(leaking))
    assert manifest.counts()["a"] == {"train": 20, "valid": 5, "test": 6}
    assert manifest.notices == (
        "1 picture is left out of train, because the same content is in valid or test.",
        "1 picture is left out of valid, because the same content is in test.",
    )
    assert max(Counter(e.sha256 for e in manifest.pictures).values()) == 1


def test_too_few_of_a_class_for_every_split_is_said(make_scan: MakeScan) -> None:
    manifest = split(make_scan(distinct({"a": 100, "b": 2})))
    assert manifest.counts()["b"] == {"train": 2, "valid": 0, "test": 0}
    assert manifest.notices == (
        "There are no pictures of b in valid: too few of them for its share.",
        "There are no pictures of b in test: too few of them for its share.",
    )


def test_nothing_left_in_train(make_scan: MakeScan) -> None:
    with pytest.raises(DatasetError, match="nothing to train on"):
        split(make_scan([("a", "test", 1), ("b", "test", 2), ("a", "train", 1), ("b", "train", 2)]))


@pytest.mark.parametrize(
    "shares", [(0.0, 0.5, 0.5), (0.5, 0.2, 0.2), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5), (0.5, 0.5)]
)
def test_fractions_that_make_no_whole(make_scan: MakeScan, shares: tuple[float, ...]) -> None:
    with pytest.raises(SpecError) as caught:
        split(make_scan(distinct({"a": 9, "b": 9})), shares)  # type: ignore[arg-type]
    assert caught.value.field == "fractions"


def test_good_fractions_pass() -> None:
    check_fractions((0.7, 0.15, 0.15))
    check_fractions((1.0, 0.0, 0.0))


def test_the_result_says_how_it_was_made(make_scan: MakeScan) -> None:
    manifest = split(make_scan(distinct({"a": 9, "b": 9})), (0.6, 0.2, 0.2), 7)
    assert isinstance(manifest, Manifest)
    assert (manifest.seed, manifest.fractions) == (7, (0.6, 0.2, 0.2))


@relaxed
@given(count=st.integers(2, 6), classes=st.integers(2, 60), seed=st.integers(0, 5))
def test_many_small_classes_together_have_the_shares_asked_for(
    make_scan: MakeScan, count: int, classes: int, seed: int
) -> None:
    scan = make_scan([(f"c{of:02d}", None, of * 100 + at) for of in range(classes) for at in range(count)])
    counts = Counter(entry.split for entry in split(scan, seed=seed).pictures)
    for name, share in (("train", 0.7), ("valid", 0.15), ("test", 0.15)):
        assert abs(counts[name] - share * count * classes) <= 1


def test_a_picture_in_two_classes_is_in_no_split(make_scan: MakeScan) -> None:
    triples: list[tuple[str, str | None, int]] = [("a", None, at) for at in range(20)]
    scan = make_scan([*triples, *(("b", None, at) for at in range(18, 40))])
    manifest = split(scan)
    assert manifest.notices[0] == "4 files are left out, because the same pictures are in more than one class."
    assert len(manifest.pictures) == 38
    assert {label: sum(of.values()) for label, of in manifest.counts().items()} == {"a": 18, "b": 20}
