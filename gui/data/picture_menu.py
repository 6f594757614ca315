"""The menu of the chosen pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtWidgets import QMenu, QWidget

from core.dataset.records import SPLITS
from core.translation import tr

MOST_CLASSES = 30


@dataclass(frozen=True, slots=True)
class MenuActions:
    """What the menu's entries do."""

    label: Callable[[str | None], None]
    name: Callable[[], None]
    accept: Callable[[], None]
    leave_out: Callable[[], None]
    put_back: Callable[[], None]
    move: Callable[[str | None], None]
    similar: Callable[[], None]
    choose_similar: Callable[[], None]
    why: Callable[[], None]
    show_file: Callable[[], None]
    copy_path: Callable[[], None]


def picture_menu(
    parent: QWidget,
    actions: MenuActions,
    classes: Sequence[tuple[str, str]],
    *,
    left_out: bool,
    suggested: str,
    similar: bool,
    why: bool,
) -> QMenu:
    """Return the menu; `classes` are names with their keys, `suggested` is the class that can be accepted."""
    menu = QMenu(parent)
    menu.setAccessibleName(tr("Chosen pictures"))

    def add(to: QMenu, text: str, do: Callable[[], None], keys: str = "", *, enabled: bool = True) -> None:
        action = to.addAction(f"{text}\t{keys}" if keys else text)
        action.triggered.connect(lambda _checked=False: do())
        action.setEnabled(enabled)

    if suggested:
        add(menu, tr("Accept “{suggested}”").format(suggested=suggested), actions.accept, "Y")
    label_as = menu.addMenu(tr("Label as"))
    for name, key in classes[:MOST_CLASSES]:
        add(label_as, name.replace("&", "&&"), lambda name=name: actions.label(name), key.upper())  # type: ignore[misc]
    label_as.addSeparator()
    add(label_as, tr("Another or a new class…"), actions.name, "Return")
    add(menu, tr("Take the label away"), lambda: actions.label(None), "Backspace")
    if left_out:
        add(menu, tr("Put back"), actions.put_back)
    else:
        add(menu, tr("Leave out"), actions.leave_out, "Delete")
    move_to = menu.addMenu(tr("Move to"))
    for split in SPLITS:
        add(move_to, split, lambda split=split: actions.move(split))  # type: ignore[misc]
    add(move_to, tr("where the shares put it"), lambda: actions.move(None))
    menu.addSeparator()
    add(menu, tr("Show similar pictures"), actions.similar, enabled=similar)
    add(menu, tr("Choose all like this"), actions.choose_similar, enabled=similar)
    if why:
        add(menu, tr("Why?"), actions.why)
    menu.addSeparator()
    add(menu, tr("Show in its folder"), actions.show_file)
    add(menu, tr("Copy path"), actions.copy_path)
    return menu
