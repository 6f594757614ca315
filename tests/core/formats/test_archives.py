"""Archives: what is taken out, once and within bounds, and the attacks that are refused."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from core.dataset import scan
from core.errors import Cancelled, DatasetError
from core.formats.archives import is_archive, unpack
from core.formats.opened_source import open_source
from core.progress import CancelToken
from tests.core.dataset.conftest import encode

NAMES = {f"pets/{label}/{at}.jpg": 10 * at + len(label) for label in ("cat", "kitten") for at in range(3)}


def zipped(path: Path, content: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, data in content.items():
            packed.writestr(name, data)
    return path


def taped(path: Path, content: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as packed:  # type: ignore[call-overload]
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return path


def dataset() -> dict[str, bytes]:
    return {name: encode(number) for name, number in NAMES.items()}


def names_in(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz", "no ending"])
def test_archives_are_unpacked_and_read(tmp_path: Path, kind: str) -> None:
    if kind in ("zip", "no ending"):
        archive = zipped(tmp_path / ("pets" if kind == "no ending" else "pets.zip"), dataset(), zipfile.ZIP_DEFLATED)
    else:
        archive = taped(tmp_path / f"pets.{kind}", dataset(), f"w:{kind[4:]}")
    found = open_source(archive, None, tmp_path / "home")
    assert names_in(found.folder) == set(NAMES)
    assert scan(found.folder).classes == ("cat", "kitten")


def test_an_archive_is_unpacked_once(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "pets.zip", dataset())
    folder = unpack(archive, tmp_path / "home")
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    assert unpack(archive, tmp_path / "home") == folder
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before
    zipped(archive, dataset() | {"pets/cat/9.jpg": encode(99)})
    assert unpack(archive, tmp_path / "home") != folder
    assert [name for name in os.listdir(tmp_path / "home") if name.startswith(".")] == []


def test_archives_in_an_archive_and_what_is_no_data(tmp_path: Path) -> None:
    inner = zipped(tmp_path / "train.zip", {"cat.0.jpg": encode(1), "dog.0.jpg": encode(2)}).read_bytes()
    more = {"train.zip": inner, "setup.exe": b"MZ", "__MACOSX/._a.jpg": b"x", ".git/config": b"x", "labels.csv": b"a,b"}
    folder = unpack(zipped(tmp_path / "all.zip", more), tmp_path / "home")
    assert names_in(folder) == {"train/cat.0.jpg", "train/dog.0.jpg", "labels.csv"}


@pytest.mark.parametrize(
    "name", ["../evil.jpg", "a/../../evil.jpg", "/etc/evil.jpg", "..\\evil.jpg", "C:\\evil.jpg", "\\\\host\\evil.jpg"]
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path, name: str, kind: str) -> None:
    content = {"a/1.jpg": encode(1), name: encode(2)}
    archive = zipped(tmp_path / "x.zip", content) if kind == "zip" else taped(tmp_path / "x.tar.gz", content)
    with pytest.raises(DatasetError, match="outside of its folder"):
        unpack(archive, tmp_path / "deep" / "home")
    assert list((tmp_path / "deep" / "home").iterdir()) == []
    assert list(tmp_path.rglob("evil*")) == []


def test_links_and_devices_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    with tarfile.open(tmp_path / "x.tar", "w") as packed:
        for name, kind in (
            ("link.jpg", tarfile.SYMTYPE),
            ("hard.jpg", tarfile.LNKTYPE),
            ("pipe.jpg", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(tmp_path / "secret.jpg")
            packed.addfile(info)
        folder = tarfile.TarInfo("out")
        folder.type, folder.linkname = tarfile.SYMTYPE, str(tmp_path)
        packed.addfile(folder)
        for name in ("out/written.jpg", "link.jpg", "good.jpg"):
            data = encode(1)
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    made = unpack(tmp_path / "x.tar", tmp_path / "home")
    assert names_in(made) == {"out/written.jpg", "link.jpg", "good.jpg"}
    assert not any(path.is_symlink() for path in made.rglob("*"))
    assert (tmp_path / "secret.jpg").read_bytes() == b"secret"
    assert not (tmp_path / "written.jpg").exists()


def test_links_in_a_zip_are_passed_over(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        info = zipfile.ZipInfo("link.jpg")
        info.external_attr = 0o120777 << 16
        packed.writestr(info, "/etc/passwd")
        packed.writestr("good.jpg", encode(1))
    assert names_in(unpack(tmp_path / "x.zip", tmp_path / "home")) == {"good.jpg"}


@pytest.mark.parametrize("kind", ["zip", "tar", "nested"])
def test_bombs_are_stopped_while_they_are_unpacked(tmp_path: Path, kind: str) -> None:
    zeros = {"a.jpg": bytes(30 << 20)}
    if kind == "tar":
        archive = taped(tmp_path / "x.tar.gz", zeros)
    else:
        archive = zipped(tmp_path / "x.zip", zeros, zipfile.ZIP_DEFLATED)
    if kind == "nested":
        archive = zipped(tmp_path / "y.zip", {"x.zip": archive.read_bytes()}, zipfile.ZIP_DEFLATED)
    with pytest.raises(DatasetError, match="out of all proportion"):
        unpack(archive, tmp_path / "home", small=1 << 20)
    assert list((tmp_path / "home").iterdir()) == []


def test_too_many_files_are_stopped(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="out of all proportion"):
        unpack(zipped(tmp_path / "x.zip", dataset()), tmp_path / "home", most_files=3)


def test_archives_nested_without_end_are_unpacked_to_a_depth(tmp_path: Path) -> None:
    data = encode(1)
    for at in range(6):
        data = zipped(tmp_path / "inner.zip", {f"{at}.jpg": encode(at), "deeper.zip": data}).read_bytes()
    folder = unpack(tmp_path / "inner.zip", tmp_path / "home")
    assert names_in(folder) == {"5.jpg", "deeper/4.jpg", "deeper/deeper/3.jpg"}


@pytest.mark.parametrize("damage", ["cut", "bytes"])
def test_damaged_archives_are_refused_in_plain_words(tmp_path: Path, damage: str) -> None:
    whole = bytearray(zipped(tmp_path / "x.zip", dataset(), zipfile.ZIP_DEFLATED).read_bytes())
    if damage == "cut":
        del whole[len(whole) // 2 :]
    else:
        whole[200:260] = bytes(60)
    (tmp_path / "x.zip").write_bytes(whole)
    with pytest.raises(DatasetError, match=r"x.zip cannot be unpacked\."):
        unpack(tmp_path / "x.zip", tmp_path / "home")
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("name", ["d/" * 3000 + "a.jpg", "a/" + "n" * 300 + ".jpg", "b.jpg/a.jpg"])
def test_names_that_the_system_refuses_are_said_without_a_path_of_ours(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "x.zip", {"b.jpg": encode(1), name: encode(2)})
    with pytest.raises(DatasetError, match="cannot be unpacked") as refused:
        unpack(archive, tmp_path / "home")
    assert str(tmp_path) not in str(refused.value)
    assert "Errno" not in str(refused.value)
    assert len(str(refused.value)) < 250
    assert list((tmp_path / "home").iterdir()) == []


def test_a_cancelled_archive_leaves_nothing(tmp_path: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        unpack(zipped(tmp_path / "x.zip", dataset()), tmp_path / "home", cancel=cancel)
    assert list((tmp_path / "home").iterdir()) == []


def test_what_is_no_archive_is_refused_with_what_can_be_opened(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    assert not is_archive(tmp_path / "a.pdf")
    with pytest.raises(DatasetError, match="neither an archive"):
        open_source(tmp_path / "a.pdf", None, tmp_path / "home")


def test_a_file_of_labels_stands_for_its_folder(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("image,label\n", encoding="utf-8")
    found = open_source(tmp_path / "labels.csv", None, tmp_path / "home")
    assert (found.folder, found.options.labels) == (tmp_path, "labels.csv")
