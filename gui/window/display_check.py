"""What must be there before a window can be opened; said plainly where it is not."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Mapping

from core import system_libraries
from core.errors import UserFacingError
from core.system_libraries import QT, WAYLAND, X11, apt_line, missing_packages
from core.translation import tr

HEADLESS = tr("Without a display run `make demo`: it does the same main job on the command line.")


def check(
    environment: Mapping[str, str] = os.environ,
    platform: str = sys.platform,
    loads: Callable[[str], bool] | None = None,
    answers: Callable[[], bool] | None = None,
) -> None:
    """Check the display and the system libraries that Qt needs; Qt itself would end the process without them.

    Args:
        loads: whether a library can be loaded; tried for real when None.
        answers: whether the X server can be reached; tried for real when None.

    Raises:
        UserFacingError: a window cannot be opened.
    """
    if not platform.startswith("linux"):
        return
    plugin = environment.get("QT_QPA_PLATFORM", "").partition(":")[0]
    if not plugin and not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        raise UserFacingError(tr("There is no display to open a window on."), fix=HEADLESS)
    needed, x11 = dict(QT), plugin == "xcb"
    if not plugin:
        # Qt itself falls back from Wayland to X11 where both are there.
        x11 = bool(environment.get("DISPLAY"))
        needed |= {} if x11 else WAYLAND
    needed |= X11 if x11 else {}
    missing = missing_packages(needed, loads or system_libraries.loads)
    if missing:
        raise UserFacingError(
            tr("The window needs system libraries that are not installed."),
            tr("Missing: {missing}.").format(missing=", ".join(missing)),
            tr("On Debian or Ubuntu run: {apt_line}").format(apt_line=apt_line(missing)),
        )
    if x11 and not (answers or _x11_answers)():
        raise UserFacingError(
            tr("The display {name} does not answer.").format(name=environment.get("DISPLAY", "")),
            tr("Its server is not running, or you may not use it."),
            HEADLESS,
        )


def _x11_answers() -> bool:
    """Whether a connection to the X server of `DISPLAY` can be made."""
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)
    try:
        return int(xcb.xcb_connection_has_error(connection)) == 0
    finally:
        xcb.xcb_disconnect(connection)
