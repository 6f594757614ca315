"""The system libraries that Qt needs on Linux, and Debian's packages of them.

Qt names one missing library at a time, or ends the process; this finds all of them at once.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable, Mapping

from core.translation import tr

QT = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11.so.6": "libx11-6",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libxkbcommon.so.0": "libxkbcommon0",
}
"""What Qt needs to be loaded, with or without a display."""

X11 = {
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
"""What a window on X11 needs besides."""

WAYLAND = {
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
}
"""What a window on Wayland needs besides."""


def loads(library: str) -> bool:
    """Whether the dynamic linker finds a library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_packages(needed: Mapping[str, str], found: Callable[[str], bool] = loads) -> list[str]:
    """Return Debian's packages of those of the `needed` libraries that cannot be loaded."""
    return [package for library, package in needed.items() if not found(library)]


def apt_line(packages: Iterable[str]) -> str:
    """Return the command that installs packages on Debian or Ubuntu."""
    return f"sudo apt-get install -y {' '.join(packages)}"


def main() -> int:
    """Say which libraries the tests lack, if any; 1 then."""
    packages = missing_packages(QT) if sys.platform == "linux" else []
    if packages:
        print(
            tr("Qt needs system libraries that are not installed. On Debian or Ubuntu run: {apt_line}").format(
                apt_line=apt_line(packages)
            )
        )
    return 1 if packages else 0


if __name__ == "__main__":
    sys.exit(main())
