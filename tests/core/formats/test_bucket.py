"""A prefix of the stand-in cloud's S3 as a dataset: fetched once, kept up to date, and refused in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.dataset import scan
from core.errors import Cancelled, DatasetError
from core.formats.bucket import fetch, is_bucket_address
from core.formats.opened_source import open_source
from core.progress import CancelToken
from tests.core.dataset.conftest import encode


def put(bucket: Any, **content: bytes) -> None:
    for name, data in content.items():
        bucket.put_object(Key=f"pets/set one/{name.replace('__', '/')}.jpg", Body=data)


@pytest.fixture
def address(bucket: Any) -> Path:
    put(bucket, cat__1=encode(1), cat__2=encode(2), dog__1=encode(3), dog__2=encode(4))
    bucket.put_object(Key="pets/set one/setup.exe", Body=b"MZ")
    bucket.put_object(Key="pets/set one/cat/", Body=b"")
    bucket.put_object(Key="pets/set oneself/dog/9.jpg", Body=encode(9))
    return Path(f"s3://{bucket.name}/pets/set one")


def files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*.*") if file.is_file()} - {".objects.json"}


def test_a_prefix_is_fetched_once_and_kept_up_to_date(address: Path, bucket: Any, tmp_path: Path) -> None:
    assert is_bucket_address(address)
    folder = open_source(address, None, tmp_path).folder
    assert files(folder) == {"cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg"}
    assert scan(folder).classes == ("cat", "dog")
    before = {name: (folder / name).stat().st_mtime_ns for name in files(folder)}
    assert fetch(address, tmp_path) == folder
    assert {name: (folder / name).stat().st_mtime_ns for name in files(folder)} == before
    put(bucket, cat__1=encode(7), dog__3=encode(8))
    bucket.Object("pets/set one/dog/1.jpg").delete()
    fetch(address, tmp_path)
    assert files(folder) == {"cat/1.jpg", "cat/2.jpg", "dog/2.jpg", "dog/3.jpg"}
    assert (folder / "cat/1.jpg").read_bytes() == encode(7)
    assert (folder / "cat/2.jpg").stat().st_mtime_ns == before["cat/2.jpg"]


def test_what_is_not_there_and_what_leads_elsewhere_are_refused(bucket: Any, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no dataset"):
        fetch(Path(f"s3://{bucket.name}/nothing"), tmp_path)
    with pytest.raises(DatasetError, match=f"s3://{bucket.name}no/x/ cannot be read"):
        fetch(Path(f"s3://{bucket.name}no/x"), tmp_path)
    bucket.put_object(Key="a/../../evil.jpg", Body=encode(1))
    with pytest.raises(DatasetError, match="outside of its folder"):
        fetch(Path(f"s3://{bucket.name}/a"), tmp_path / "deep")
    assert list(tmp_path.rglob("evil*")) == []


def test_what_was_fetched_before_a_cancel_is_not_fetched_again(address: Path, tmp_path: Path) -> None:
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        fetch(address, tmp_path, lambda _: cancel.cancel(), cancel)
    (folder,) = tmp_path.iterdir()
    before = {name: (folder / name).stat().st_mtime_ns for name in files(folder)}
    assert before
    fetch(address, tmp_path)
    assert len(files(folder)) == 4
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before
