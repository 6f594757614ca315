"""The file of the store: damage, unusable places, migrations."""

from __future__ import annotations

import sqlite3

import pytest

from core.errors import StoreError
from core.store import Store
from core.store.database import MIGRATIONS, Database
from tests.core.store.made import add, metric, training


@pytest.mark.parametrize(
    "content", [b"this is no database at all, but a shopping list" * 40, b"SQLite format 3\0" * 99]
)
def test_a_damaged_file_is_moved_aside(path, content):
    path.write_bytes(content)
    store = Store(path)
    try:
        assert store.jobs() == []
        assert "moved aside" in store.notice
        (aside,) = path.parent.glob("results.damaged-*.sqlite3")
        assert aside.read_bytes() == content
    finally:
        store.close()


def test_a_torn_page_is_found_at_the_next_start(path):
    store = Store(path)
    add(store, training("one"))
    store.record([metric("one", float(number)) for number in range(4000)])
    store.close()
    data = bytearray(path.read_bytes())
    data[4096 * 10 : 4096 * 14] = b"\xff" * 4096 * 4
    path.write_bytes(data)
    again = Store(path)
    try:
        assert again.jobs() == []
        assert again.notice
    finally:
        again.close()


def test_a_sound_file_is_left_alone(path):
    store = Store(path)
    add(store, training("one"))
    store.close()
    again = Store(path)
    try:
        assert again.notice == ""
        assert [job.name for job in again.jobs()] == ["one"]
    finally:
        again.close()


def test_an_unusable_place_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        Store(tmp_path / "file" / "results.sqlite3")
    assert caught.value.fix


def test_using_a_closed_store_is_a_clear_error(path):
    store = Store(path)
    store.close()
    store.close()
    with pytest.raises(StoreError):
        store.jobs()


def test_a_newer_schema_is_refused_and_kept(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(StoreError, match="newer"):
        Store(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (999,)
    connection.close()


def test_an_older_schema_is_migrated_and_keeps_its_rows(path):
    store = Store(path)
    add(store, training("one"))
    store.close()
    newer = Database(path, (*MIGRATIONS, "ALTER TABLE jobs ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'"))
    try:
        rows = newer.read("SELECT name, colour FROM jobs")
        assert [tuple(row) for row in rows] == [("one", "blue")]
        assert newer.read("PRAGMA user_version")[0][0] == len(MIGRATIONS) + 1
    finally:
        newer.close()


def test_jobs_of_the_first_schema_have_no_code_version(path):
    old = Database(path, MIGRATIONS[:1])
    with old.write() as connection:
        columns = "name, kind, engine, status, created, note, spec"
        values = ("one", "training", "local", "Completed", 1.0, "mine", "{}")
        connection.execute(f"INSERT INTO jobs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    old.close()
    store = Store(path)
    assert (store.job("one").code_version, store.job("one").note) == ("", "mine")
    store.close()


def test_a_migration_that_fails_changes_nothing(path):
    Store(path).close()
    with pytest.raises(StoreError):
        Database(path, (*MIGRATIONS, "CREATE TABLE half (x); CREATE TABLE jobs (x)"))
    database = Database(path)
    try:
        assert database.read("SELECT count(*) FROM sqlite_master WHERE name = 'half'")[0][0] == 0
    finally:
        database.close()


def test_a_failed_transaction_leaves_no_trace(path):
    database = Database(path)
    try:
        with pytest.raises(StoreError), database.write() as connection:
            connection.execute("INSERT INTO speeds VALUES ('x', 1, 1)").execute("INSERT INTO nowhere VALUES (1)")
        assert database.read("SELECT * FROM speeds") == []
    finally:
        database.close()
