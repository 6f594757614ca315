"""Which line of the user's code is being executed: the nearest frame that belongs to no library."""

from __future__ import annotations

import os
import sys
import sysconfig
from typing import NamedTuple

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Site(NamedTuple):
    """A place in the user's code; `line` is None where it is not known."""

    file: str
    line: int | None


NOWHERE = Site("", None)


def _libraries() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    found = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    torch = sys.modules.get("torch")
    if torch is not None and torch.__file__:
        found.add(os.path.dirname(os.path.dirname(os.path.abspath(torch.__file__))))
    return (f"{_OURS}{os.sep}", "<frozen", *(f"{path}{os.sep}" for path in found))


_roots: tuple[str, ...] = ()
_known: dict[str, bool] = {}


def site() -> Site:
    """Return where the user's code is."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        users = _known.get(file)
        if users is None:
            users = _known[file] = _is_users(file)
        if users:
            return Site(file, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return NOWHERE


def _is_users(file: str) -> bool:
    global _roots
    _roots = _roots or _libraries()
    return not os.path.abspath(file).startswith(_roots) and not file.startswith(("<frozen", "<string>", "<__array"))


def strip_own_frames(traceback: object) -> object:
    """Return a traceback without our own frames: what the user sees is the script's."""
    while traceback is not None and _is_ours(traceback):
        traceback = traceback.tb_next  # type: ignore[attr-defined]
    at = traceback
    while at is not None:
        while at.tb_next is not None and _is_ours(at.tb_next):  # type: ignore[attr-defined]
            at.tb_next = at.tb_next.tb_next  # type: ignore[attr-defined]
        at = at.tb_next  # type: ignore[attr-defined]
    return traceback


def _is_ours(traceback: object) -> bool:
    return bool(traceback.tb_frame.f_code.co_filename.startswith(f"{_OURS}{os.sep}"))  # type: ignore[attr-defined]
