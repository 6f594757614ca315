"""Refuse every address that is not loopback, and remember who asked."""

from __future__ import annotations

import sys
from typing import Any

_LOOPBACK = ("127.", "localhost", "::1")


class SocketGuard:
    """An audit hook on connects and name look-ups. Hooks cannot be removed, so one guard is made per process."""

    def __init__(self) -> None:
        self.active = False
        self.refused: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event == "socket.connect":
            address = arguments[1]
            host = address[0] if isinstance(address, tuple) else ""  # a Unix socket has a path, not a host
        elif event == "socket.getaddrinfo":
            host = arguments[0] or ""
        else:
            return
        host = host.decode() if isinstance(host, bytes) else str(host)
        if host and not host.startswith(_LOOPBACK):
            self.refused.append(host)
            raise OSError(f"the socket guard refuses {host}")
