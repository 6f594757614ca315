"""Archives are read to their ends: what is damaged is refused, and what promises too much as well."""

from __future__ import annotations

import gzip
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from training_scripts.artifact import check, looks_whole, package, unpack
from training_scripts.durable import is_whole, sealed
from training_scripts.job import JobError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "model.pth").write_bytes(random.Random(3).randbytes(512 * 200))
    (folder / "model.json").write_text('{"format": 1}')
    (folder / "code" / "inference.py").write_text("x = 1\n")
    return package(folder, tmp_path / "model.tar.gz")


def test_a_whole_archive_unpacks_into_a_sealed_folder(archive: Path, tmp_path: Path) -> None:
    assert looks_whole(archive)
    check(archive)
    folder = unpack(archive, tmp_path / "out")
    assert set(sealed(folder)) == {"model.pth", "model.json", "code/inference.py"}
    assert is_whole(folder)
    # Packed again it is the same archive: the seal stays here.
    assert package(folder, tmp_path / "again.tar.gz").read_bytes() == archive.read_bytes()


def test_no_damage_goes_unnoticed(archive: Path, tmp_path: Path) -> None:
    """Bits, torn pages and cuts anywhere: refused, or (in the few bytes that say nothing) the same content."""
    whole, chance = archive.read_bytes(), random.Random(7)
    good, damaged, refused = sealed(unpack(archive, tmp_path / "good")), tmp_path / "damaged.tar.gz", 0
    for number in range(60):
        content, at = bytearray(whole), chance.randrange(len(whole))
        if number % 3 == 0:
            content[at] ^= 1 << chance.randrange(8)
        elif number % 3 == 1:
            content[at : at + 4096] = bytes(len(content[at : at + 4096]))
        else:
            del content[at:]
        damaged.write_bytes(content)
        try:
            assert sealed(unpack(damaged, tmp_path / "out")) == good
        except JobError:
            refused += 1
    assert refused >= 57
    assert not list(tmp_path.glob(".out-*")), "nothing half unpacked stays"


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"\x1f\x8b", b"\x1f\x8b" + b"\0" * 5000])
def test_what_a_power_cut_leaves_does_not_look_whole(content: bytes, archive: Path) -> None:
    archive.write_bytes(content)
    assert not looks_whole(archive)


def test_a_cut_off_archive_does_not_look_whole(archive: Path) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    assert not looks_whole(archive)


def _zeros(bomb: gzip.GzipFile) -> None:
    member = tarfile.TarInfo("zeros")
    member.size = 1 << 40
    bomb.write(member.tobuf())
    for _ in range(30):
        bomb.write(bytes(1 << 20))


def _long_header(bomb: gzip.GzipFile) -> None:
    member = tarfile.TarInfo("header")
    member.type, member.size = tarfile.XHDTYPE, 1 << 32
    bomb.write(member.tobuf())
    for _ in range(20):
        bomb.write(bytes(1 << 20))


def _many_files(bomb: gzip.GzipFile) -> None:
    bomb.write(b"".join(tarfile.TarInfo(f"{number}").tobuf() for number in range(300)))


def _behind_the_end(bomb: gzip.GzipFile) -> None:
    for _ in range(30):
        bomb.write(bytes(1 << 20))


def _headers_of_headers(bomb: gzip.GzipFile) -> None:
    member = tarfile.TarInfo("name")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 512
    bomb.write((member.tobuf() + b"a" * 512) * 5000)


def _negative(bomb: gzip.GzipFile) -> None:
    header = bytearray(tarfile.TarInfo("backwards").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 11 + b"\x00"  # -256, as GNU tar writes large numbers
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    bomb.write(bytes(header) + bytes(1024))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_zeros, "would unpack to more than"),
        (_long_header, "absurd length"),
        (_many_files, "more than 200 files"),
        (_behind_the_end, "would unpack to more than"),
        (_headers_of_headers, "recursion"),
        (_negative, "negative size"),
    ],
)
def test_bombs(make: Callable[[gzip.GzipFile], None], why: str, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.tar.gz"
    with gzip.open(bomb, "wb", 9) as opened:
        make(opened)
    with pytest.raises(JobError, match=why):
        unpack(bomb, tmp_path / "out", most_members=200, most_bytes=16 << 20)
    assert list(tmp_path.iterdir()) == [bomb]


def test_members_of_full_blocks_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tarfile looks back one byte after each member, for which gzip would start from the beginning."""
    packed = tmp_path / "many.tar.gz"
    with gzip.open(packed, "wb", 1) as opened:
        for number in range(64):
            member = tarfile.TarInfo(f"{number}.bin")
            member.size = 16384
            opened.write(member.tobuf() + bytes(16384))
        opened.write(bytes(1024))
    read = gzip.GzipFile.read
    amount = [0]

    def counted(self: gzip.GzipFile, size: int | None = -1) -> bytes:
        content = read(self, size)
        amount[0] += len(content)
        return content

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    monkeypatch.setattr(gzip.GzipFile, "seek", lambda *_: pytest.fail("starts again"))
    unpack(packed, tmp_path / "out")
    assert amount[0] == 64 * (512 + 16384) + 1024
