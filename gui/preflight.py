"""What must be there before a window can be opened; said plainly where it is not."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Mapping

from core.errors import UserFacingError

HEADLESS = "Without a display run `make demo`: it does the same main job on the command line."

_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11.so.6": "libx11-6",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libxkbcommon.so.0": "libxkbcommon0",
}
_X11_LIBRARIES = {
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
_WAYLAND_LIBRARIES = {
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
}


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
        raise UserFacingError("There is no display to open a window on.", fix=HEADLESS)
    needed, x11 = dict(_LIBRARIES), plugin == "xcb"
    if not plugin:
        # Qt itself falls back from Wayland to X11 where both are there.
        x11 = bool(environment.get("DISPLAY"))
        needed |= {} if x11 else _WAYLAND_LIBRARIES
    needed |= _X11_LIBRARIES if x11 else {}
    found = loads or _loads
    missing = [package for library, package in needed.items() if not found(library)]
    if missing:
        raise UserFacingError(
            "The window needs system libraries that are not installed.",
            f"Missing: {', '.join(missing)}.",
            f"On Debian or Ubuntu run: sudo apt-get install -y {' '.join(missing)}",
        )
    if x11 and not (answers or _x11_answers)():
        raise UserFacingError(
            f"The display {environment.get('DISPLAY', '')} does not answer.",
            "Its server is not running, or you may not use it.",
            HEADLESS,
        )


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


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
