"""What a person does to labels: kept, undone, redone, also in another session."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import ClassVar

import pytest

from core.dataset import split
from core.dataset.records import Scan
from core.errors import DatasetError
from core.labels.events import Kind, LabelEvent
from core.labels.label_state import Fold
from core.labels.labelling import Labelling
from core.store import Store

CAT, DOG, OPEN = "cat/000.jpg", "dog/003.jpg", "/006.jpg"


def labels(labelling: Labelling) -> dict[str, str]:
    state = labelling.state
    return {picture.path: "+".join(sorted(state.labels_of(picture))) for picture in labelling.scan.pictures}


def test_a_label_is_kept_undone_and_redone_in_another_session(store: Store, scan: Scan) -> None:
    first = Labelling(store, scan)
    change = first.label([OPEN, CAT], "bird")
    assert change.summary == "Labelled 2 pictures bird"
    assert change.paths == (OPEN, CAT, "/007.jpg")  # the copy too
    second = Labelling(store, scan)
    assert labels(second)[CAT] == labels(second)["/007.jpg"] == "bird"
    assert re.fullmatch(r"Labelled 2 pictures bird \(\d{4}-\d\d-\d\d \d\d:\d\d\)", second.can_undo)
    assert second.undo().summary.startswith("Undone: Labelled 2 pictures bird (")
    first.refresh()
    assert labels(first)[CAT] == "cat"
    assert labels(first)[OPEN] == ""
    assert set(first.redo().paths) == set(change.paths)
    assert labels(first)[OPEN] == "bird"
    assert not first.can_redo


def test_undo_takes_back_what_was_done_here_and_not_what_others_did_meanwhile(store: Store, scan: Scan) -> None:
    Labelling(store, scan).label([DOG], "wolf")  # before both
    window, command = Labelling(store, scan), Labelling(store, scan)
    window.label([CAT, OPEN], "bird")
    command.rename_class("bird", "finch")
    command.label([OPEN], "dog")
    undone = window.undo()
    assert undone.summary == "Undone: Labelled 2 pictures bird"
    assert set(undone.others) >= {CAT, OPEN}, "the window has to show them too"
    assert labels(window)[CAT] == "cat"
    assert labels(window)[OPEN] == "dog", "what the other said"
    assert not command.label([OPEN], "dog").paths
    assert window.redo().summary == "Redone: Labelled 2 pictures bird"
    assert labels(window)[CAT] == labels(window)[OPEN] == "bird"
    window.undo()
    assert window.undo().summary.startswith("Undone: Labelled 1 picture wolf (")
    assert not window.undo().paths
    assert command.undo().summary == "Undone: Labelled 1 picture dog"
    assert command.undo().summary == "Undone: Renamed bird to finch"
    assert labels(Labelling(store, scan)) == labels(command) == labels_of_folders(scan)


def test_what_others_left_out_and_moved_beside_a_rename_is_seen(store: Store, scan: Scan) -> None:
    window, command = Labelling(store, scan), Labelling(store, scan)
    command.rename_class("cat", "lynx")
    command.exclude([DOG])
    command.move_to_split(["dog/004.jpg"], "test")
    cats = {picture.path for picture in scan.pictures if picture.label == "cat"}
    assert set(window.label([OPEN], "bird").others) >= cats | {DOG, "dog/004.jpg"}


def test_a_look_tells_what_others_changed_and_nothing_twice(store: Store, scan: Scan) -> None:
    window, command = Labelling(store, scan), Labelling(store, scan)
    assert not window.refresh().summary
    command.label([CAT, OPEN], "bird")
    seen = window.refresh()
    assert seen.summary == "Changed elsewhere: Labelled 2 pictures bird"
    assert set(seen.others) == {CAT, OPEN, "/007.jpg"}
    assert not seen.paths
    assert labels(window)[CAT] == "bird"
    assert not window.can_undo, "it is not ours"
    assert not window.refresh().summary
    command.undo()
    command.add_class("wolf")
    seen = window.refresh()
    assert seen.summary == "2 changes elsewhere"
    assert CAT in seen.others
    assert window.state.added == {"wolf"}


def test_one_action_of_several_is_taken_back(labelling: Labelling) -> None:
    first = labelling.label([CAT], "bird")
    labelling.label([DOG], "wolf")
    assert labelling.undo(first.action).paths == first.paths
    assert (labels(labelling)[CAT], labels(labelling)[DOG]) == ("cat", "wolf")
    assert not labelling.undo(first.action).paths


def labels_of_folders(scan: Scan) -> dict[str, str]:
    return {picture.path: picture.label for picture in scan.pictures}


class Counted(str):
    """A name of an action that counts with how many it is compared."""

    __slots__ = ()
    compared: ClassVar[list[object]] = []

    def __eq__(self, other: object) -> bool:
        self.compared.append(other)
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_undo_and_redo_of_the_last_of_many_actions_look_at_no_others() -> None:
    fold, actions = Fold(), [Counted(number) for number in range(1000)]
    fold.add(LabelEvent(action, Kind.LABEL, (), ("cat",), action) for action in actions)
    last = actions[-5:]
    Counted.compared.clear()
    fold.add(LabelEvent(f"undo {action}", Kind.UNDO, (action,), ()) for action in reversed(last))
    fold.add(LabelEvent(f"redo {action}", Kind.REDO, (), (action,)) for action in last)
    compared = len(Counted.compared)
    assert list(fold.done) == actions
    assert compared < 50


def test_what_comes_after_an_undo_takes_the_place_of_what_was_undone(labelling: Labelling) -> None:
    labelling.label([OPEN], "cat")
    labelling.undo()
    labelling.label([OPEN], "dog")
    assert not labelling.redo().paths
    assert labels(labelling)[OPEN] == "dog"
    assert [(entry.summary, entry.undone) for entry in labelling.history()] == [
        ("Labelled 1 picture cat", True),
        ("Labelled 1 picture dog", False),
    ]


def test_a_change_that_changes_nothing_is_no_event(labelling: Labelling) -> None:
    assert not labelling.label([CAT], "cat").paths
    assert not labelling.restore([CAT]).paths
    assert not labelling.undo().paths
    assert labelling.events() == []


def test_a_class_is_renamed_and_merged_and_brought_back(labelling: Labelling) -> None:
    labelling.label([OPEN], "cat")
    labelling.rename_class("cat", "lynx")
    assert labels(labelling)[OPEN] == labels(labelling)[CAT] == "lynx"
    assert labelling.classes() == ("dog", "lynx")
    labelling.rename_class("lynx", "dog")
    assert labelling.classes() == ("dog",)
    labelling.undo()
    labelling.undo()
    assert labelling.classes() == ("cat", "dog")
    assert labels(labelling)[OPEN] == "cat"


def test_a_name_that_was_given_away_can_be_used_for_another_class(labelling: Labelling) -> None:
    labelling.rename_class("cat", "lynx")
    labelling.label([DOG], "cat")
    labelling.rename_class("cat", "tiger")
    assert labels(labelling)[CAT] == "lynx"
    assert labels(labelling)[DOG] == "tiger"


def test_a_class_is_known_by_any_case_and_must_be_able_to_be_a_folder(labelling: Labelling) -> None:
    labelling.label([OPEN], "Cat")
    assert labels(labelling)[OPEN] == "cat"
    for name in ("a/b", "", "..", "nul\0", "x" * 300, ".hidden", "CON", "nul.txt", "Unlabelled", "Test"):
        with pytest.raises(DatasetError, match="is not a name for a class"):
            labelling.label([DOG], name or " ")
    labelling.add_class("bird")
    assert "bird" in labelling.classes()
    labelling.undo()
    assert "bird" not in labelling.classes()


def test_what_is_left_out_is_one_file_and_comes_back(labelling: Labelling) -> None:
    labelling.label([OPEN], "dog")
    labelling.exclude([CAT, OPEN])
    kept = {picture.path for picture in labelling.labelled_scan().pictures}
    assert CAT not in kept
    assert OPEN not in kept
    labelling.restore([OPEN])
    assert OPEN in {picture.path for picture in labelling.labelled_scan().pictures}


def test_training_sees_the_labels_and_the_split_that_a_picture_was_moved_to(labelling: Labelling) -> None:
    before = split(labelling.labelled_scan())
    labelling.label([OPEN], "dog")
    labelling.move_to_split([OPEN, CAT], "test")
    state = labelling.state
    after = split(state.apply(labelling.scan), moves=state.splits)
    of = {entry.path: (after.classes[entry.label], entry.split) for entry in after.pictures}
    assert of[OPEN] == ("dog", "test")
    assert of[CAT] == ("cat", "test")
    assert after.version != before.version
    labelling.undo()
    labelling.undo()
    assert split(labelling.labelled_scan()).version == before.version
    with pytest.raises(DatasetError, match="no split"):
        labelling.move_to_split([CAT], "holdout")


def test_a_move_to_a_split_that_the_folder_lacks_leaves_the_others_where_they_are(store: Store, scan: Scan) -> None:
    pictures = tuple(replace(picture, split="train") for picture in scan.pictures if picture.label)
    labelling = Labelling(store, replace(scan, layout="splits", pictures=pictures))
    before = {entry.path: entry.split for entry in split(labelling.labelled_scan()).pictures}
    labelling.move_to_split([CAT], "valid")
    state = labelling.state
    after = {entry.path: entry.split for entry in split(state.apply(labelling.scan), moves=state.splits).pictures}
    assert after == before | {CAT: "valid"}


def test_what_a_file_says_yields_to_what_a_person_said(labelling: Labelling) -> None:
    labelling.label([OPEN], "dog")
    given = {OPEN: ["cat"], DOG: ["wolf"], "gone.jpg": ["cat"]}
    assert labelling.import_labels(given, "labels.csv", {DOG: "test"}) == 3
    assert labelling.import_labels(given, "labels.csv", {DOG: "test"}) == 0
    assert labels(labelling)[OPEN] == "dog"
    assert labels(labelling)[DOG] == "wolf"
    assert labelling.state.split_of(next(p for p in labelling.scan.pictures if p.path == DOG)) == "test"
    labelling.rename_class("wolf", "fox")
    assert labels(labelling)[DOG] == "fox"
    labelling.undo()
    labelling.undo()  # the person's label: what a file said is passed over
    assert labels(labelling)[OPEN] == "cat"
    assert not labelling.can_undo


def test_the_version_is_of_the_labels_and_not_of_the_way_there(labelling: Labelling) -> None:
    start = labelling.state.version(labelling.scan)
    labelling.label([OPEN], "dog")
    changed = labelling.state.version(labelling.scan)
    labelling.label([OPEN], "cat")
    labelling.label([OPEN], "dog")
    assert labelling.state.version(labelling.scan) == changed != start


def test_a_picture_that_is_not_there_is_named(labelling: Labelling) -> None:
    with pytest.raises(DatasetError, match=r"nowhere\.jpg is not in the dataset"):
        labelling.label(["nowhere.jpg"], "cat")
