"""On a container's path where the system lets us make no namespaces: no socket of its Python reaches another one."""

import socket
from typing import Any, NoReturn


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise OSError(101, "Network is unreachable")


socket.getaddrinfo = socket.gethostbyname = _refuse
socket.socket.connect = socket.socket.connect_ex = _refuse  # type: ignore[method-assign]
