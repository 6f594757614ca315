"""Become the first process of a container: `unshare … python boot.py ROOT HOST HOSTS ISOLATED [COMMAND …]`.

In the namespaces that `unshare` made, ROOT is mounted as /opt/ml, the hosts' names lead to the loopback, and an
isolated container has no other network. Then this process becomes COMMAND, or the stand-in's own toolkit.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

OPT, ML = Path("/opt"), Path("/opt/ml")
_BIND, _RECURSIVE = 0x1000, 0x4000
_SET_FLAGS, _IS_UP = 0x8914, 0x1


def main(root: str, host: str, hosts: str, isolated: str, *command: str) -> int:
    """Set the container up and run what it is for."""
    names = Path(root, "hosts")
    names.write_text(f"127.0.0.1 localhost {' '.join(hosts.split(','))}\n", encoding="utf-8")
    if not ML.is_dir():
        _make_room(Path(root, "opt"))
    _mount(names, Path("/etc/hosts"))
    _mount(Path(root), ML)
    socket.sethostname(host)
    if isolated == "1":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14x", b"lo", _IS_UP))
    os.chdir(ML)
    if command:
        os.execvp(command[0], command)
    import toolkit

    return toolkit.main(ML)


def _make_room(aside: Path) -> None:
    """Let /opt have a folder `ml` beside what it has, in this container alone."""
    aside.mkdir()
    _mount(OPT, aside)
    _mount(Path("tmpfs"), OPT, kind=b"tmpfs")
    ML.mkdir()
    for entry in aside.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            (OPT / entry.name).mkdir()
            _mount(entry, OPT / entry.name)


def _mount(source: Path, target: Path, kind: bytes | None = None) -> None:
    flags = 0 if kind else _BIND | _RECURSIVE
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(os.fsencode(source), os.fsencode(target), kind, flags, None):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(target))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
