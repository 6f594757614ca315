"""The database in the hands of a process that stands still."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.errors import StoreError
from core.store.database import Database

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who holds a lock")

ROOT = Path(__file__).resolve().parents[3]

IN_A_TRANSACTION = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from core.store.database import Database
with Database(Path(sys.argv[1])).write() as connection:
    connection.execute("INSERT INTO speeds VALUES ('theirs', 1.0, 1)")
    print("held", flush=True)
    sys.stdin.read()
"""
AT_THE_OPENING = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1] + ".lock"):
    print("held", flush=True)
    sys.stdin.read()
"""
ANOTHER_PROGRAM = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def stopped(code: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process to where it says that it holds the database, and stop it there."""
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.send_signal(signal.SIGSTOP)
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Database(tmp_path / "store.db").close()
    return tmp_path / "store.db"


def open_soon(path: Path) -> Database:
    return Database(path, busy_s=0.2, stuck_s=0.5)


def speeds(database: Database) -> list[str]:
    return [row["what"] for row in database.read("SELECT what FROM speeds")]


def test_others_go_on_when_one_stands_still_in_a_transaction(path: Path) -> None:
    database = open_soon(path)
    with stopped(IN_A_TRANSACTION, str(path), str(ROOT)) as holder:
        with database.write() as connection:
            connection.execute("INSERT INTO speeds VALUES ('ours', 1.0, 1)")
        assert holder.wait(30) == -signal.SIGKILL
    assert speeds(database) == ["ours"]  # what it had begun is rolled back
    database.close()


def test_others_go_on_when_one_stands_still_at_the_opening(path: Path) -> None:
    with stopped(AT_THE_OPENING, str(path), str(ROOT)) as holder:
        open_soon(path).close()
        assert holder.wait(30) == -signal.SIGKILL


def test_another_program_is_left_alone(path: Path) -> None:
    database = open_soon(path)
    with stopped(ANOTHER_PROGRAM, str(path)) as holder:
        with pytest.raises(StoreError, match="close that program"), database.write():
            pass
        assert holder.poll() is None
    database.close()
