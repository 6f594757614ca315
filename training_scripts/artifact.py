"""The model artifact: what a model folder holds, and model.tar.gz. No torch here.

model.pth   state_dict, read with weights_only=True
model.json  backbone, head, classes, preprocessing, versions, training job
known.npz   what known pictures look like (unknown.py); models of earlier versions have none
code/       inference.py and what it imports, for an endpoint; AWS's PyTorch container starts there
config.yaml, deployment.py  where AWS's Ray Serve container starts

A trial of a search over frozen features, or a single training over them, leaves its head alone, and a note of the
backbone, which all trials share:

head.pth    state_dict of what was trained
model.json, known.npz  as above
shared.json where the backbone's state_dict is, as seen from the folder, and its SHA-256

assemble.py makes the whole of it when something wants it.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from training_scripts.durable import SEAL_FILE, is_no_room, is_whole, replacing, seal, write_text
from training_scripts.job import JobError
from training_scripts.outside import UNUSABLE, read_json
from training_scripts.regular_files import open_regular

WEIGHTS_FILE = "model.pth"
CARD_FILE = "model.json"
HEAD_FILE, SHARED_FILE = "head.pth", "shared.json"
SERVING_REQUIREMENTS = "numpy\npillow\n"
"""What inference needs besides torch (and torchvision, for its backbones), which AWS's containers have."""
SERVE_CONFIG_FILE, DEPLOYMENT = "config.yaml", "deployment"
_SERVE_CONFIG = f"""applications:
  - name: sagehound
    route_prefix: /
    import_path: {DEPLOYMENT}:app
"""
_SERVING_MODULES = (
    "__init__",
    "artifact",
    "backbones",
    "dinov2",
    "durable",
    "heads",
    "inference",
    "job",
    "lite",
    "network",
    "outside",
    "pictures/__init__",
    "pictures/channels",
    "pictures/colour",
    "pictures/dicom",
    "pictures/formats",
    "pictures/jpeg",
    "pictures/jxl",
    "pictures/levels",
    "pictures/limits",
    "pictures/opening",
    "pictures/png",
    "pictures/reading",
    "pictures/structure",
    "pictures/tiff",
    "preprocess",
    "regular_files",
    "unknown",
    "weights",
)
_HERE = Path(__file__).resolve().parent

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20
MOST_MEMBERS = 20_000
MOST_BYTES = 1 << 30
"""What an archive may hold. A model or a job's results are far below; a bomb promises more."""

_MOST_TIMES = 25
_MOST_AT_ONCE = 16 << 20
# All that gzip, tarfile and zlib raise on bytes that are not what they seem; tarfile also recurses into headers.
_BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError, RecursionError)


def write_code(model_dir: Path, preprocessing: Mapping[str, Any] | None = None) -> None:
    """Put the code that serves the model into `model_dir`, with LF line ends whatever the checkout has.

    `preprocessing` is that of the model's card, which is read where it is None.
    """
    code = model_dir / "code"
    for name in _SERVING_MODULES:
        source = (_HERE / f"{name}.py").read_text(encoding="utf-8")
        write_text(code / "training_scripts" / f"{name}.py", source, flushed=False)
        if name == "inference":
            write_text(code / "inference.py", source, flushed=False)
    write_text(code / "requirements.txt", _requirements(model_dir, preprocessing), flushed=False)
    deployment = (_HERE / f"{DEPLOYMENT}.py").read_text(encoding="utf-8")
    write_text(model_dir / f"{DEPLOYMENT}.py", deployment, flushed=False)
    write_text(model_dir / SERVE_CONFIG_FILE, _SERVE_CONFIG, flushed=False)


def _requirements(model_dir: Path, preprocessing: Mapping[str, Any] | None) -> str:
    """Return what a model's container installs: a model of chosen channels reads multichannel TIFF files."""
    if preprocessing is None:
        try:
            preprocessing = read_json(model_dir / CARD_FILE)["preprocessing"]
        except UNUSABLE:
            preprocessing = {}
    return SERVING_REQUIREMENTS + ("tifffile\n" if preprocessing.get("channels") else "")


def read_card(model_dir: Path) -> dict[str, Any]:
    """Return model.json of a model folder.

    Raises:
        JobError: it is missing, damaged or of a later version.
    """
    try:
        card: dict[str, Any] = read_json(model_dir / CARD_FILE)
        if card["format"] != 1:
            raise JobError(f"The model in {model_dir} has format {card['format']}, where 1 is understood.")
        return card
    except UNUSABLE as error:
        raise JobError(f"The model in {model_dir} cannot be used: {type(error).__name__} {error}.") from error


def shared_backbone(model_dir: Path) -> tuple[Path, str]:
    """Return the backbone's file that the head in a model folder belongs to, and its SHA-256.

    Raises:
        JobError: the note of it cannot be read.
    """
    try:
        data = read_json(model_dir / SHARED_FILE)
        return model_dir / data["backbone"], str(data["sha256"])
    except UNUSABLE as error:
        raise JobError(f"The model in {model_dir} cannot be used: {type(error).__name__} {error}.") from error


def is_head_alone(model_dir: Path) -> bool:
    """Whether a model folder holds a head, whole by its seal, and its backbone is there."""
    if not (model_dir / SHARED_FILE).is_file() or not is_whole(model_dir, (HEAD_FILE, CARD_FILE, SHARED_FILE)):
        return False
    return shared_backbone(model_dir)[0].is_file()


def package(model_dir: Path, tar_path: Path, flushed: bool = True) -> Path:
    """Make model.tar.gz of a model folder, whole or not at all; the same folder gives the same bytes.

    Nothing is compressed: weights shrink by 7 %, which would cost each trial of a search five times as long as this.
    gzip's own checksum, over all that is inside, is what `unpack` and `check` go by.
    """
    with (
        replacing(tar_path, flushed) as partial,
        partial.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=0, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT, bufsize=2**20) as tar,
    ):
        for path in sorted(model_dir.rglob("*")):
            if "__pycache__" not in path.parts and path.name != SEAL_FILE:
                tar.add(path, path.relative_to(model_dir).as_posix(), recursive=False, filter=_plain)
    return tar_path


def unpack(tar_path: Path, folder: Path, most_members: int = MOST_MEMBERS, most_bytes: int = MOST_BYTES) -> Path:
    """Unpack a model.tar.gz into `folder`, which appears whole or not at all; returns it. What was there is replaced.

    The archive is read to its end and its checksum compared; the files are sealed (`durable.is_whole`).

    Raises:
        JobError: it is not a tar.gz, cut off or damaged, reaches outside the folder, or holds far more than its size.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as place:
        inside = Path(place) / "model"
        inside.mkdir()
        with _reading(tar_path, most_bytes) as tar:
            extract(tar, inside, most_members)
        seal(inside, [path.relative_to(inside).as_posix() for path in sorted(inside.rglob("*")) if path.is_file()])
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(inside, folder)
    return folder


def check(tar_path: Path) -> None:
    """Read an archive to its end.

    Raises:
        JobError: it is not there, no tar.gz, cut off or damaged.
    """
    with _reading(tar_path) as tar:
        for _ in _members(tar):
            pass


def looks_whole(tar_path: Path) -> bool:
    """Whether an archive that `package` made is there to its last byte, going by its ends alone (`check` reads it all).

    gzip ends in the length of what is inside, a tar's is a multiple of 512, and nothing of it is compressed.
    """
    with open_regular(tar_path) as file:
        if file.read(2) != _GZIP:
            return False
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 4, 0))
        inside = int.from_bytes(file.read(4), "little")
    return 0 < inside < size and inside % 512 == 0


def extract(tar: tarfile.TarFile, folder: Path, most_members: int = MOST_MEMBERS) -> None:
    """Extract an archive from outside into `folder` with tar's data filter.

    Python 3.11.2, which Debian 12 has, knows no filters; there only plain files and folders inside `folder` are taken.

    Raises:
        tarfile.TarError: a member is something else, or reaches outside.
    """
    root = folder.resolve()
    for member in _members(tar, most_members):
        if hasattr(tarfile, "data_filter"):
            tar.extract(member, folder, filter="data")
            continue
        target = (root / member.name).resolve()
        if not (member.isfile() or member.isdir()) or not target.is_relative_to(root):
            raise tarfile.ExtractError(f"{member.name} is not a plain file inside the archive's folder")
        tar.extract(_plain(member), folder)


def _members(tar: tarfile.TarFile, most: int = MOST_MEMBERS) -> Iterator[tarfile.TarInfo]:
    for number, member in enumerate(tar):
        if number >= most:
            raise tarfile.ReadError(f"it holds more than {most:,} files")
        if member.size < 0:
            raise tarfile.ReadError(f"{member.name} claims to be of negative size")
        yield member


@contextmanager
def _reading(tar_path: Path, most_bytes: int = MOST_BYTES) -> Iterator[tarfile.TarFile]:
    """Give an archive from outside, bounded in what it may unpack to, and read to its end when the block ends well."""
    try:
        with open_regular(tar_path) as raw, gzip.GzipFile(fileobj=raw) as packed:
            bounded = _Bounded(packed, max(most_bytes, _MOST_TIMES * os.fstat(raw.fileno()).st_size))
            with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r:") as tar:
                yield tar
            while bounded.read(_CHUNK):
                pass
    except _BROKEN as error:
        if isinstance(error, OSError) and is_no_room(error):
            raise
        why = "it is not there" if isinstance(error, FileNotFoundError) else str(error) or type(error).__name__
        raise JobError(f"The archive {tar_path} cannot be unpacked: {why}.") from error


class _Bounded:
    """What tarfile reads from: bounded, and forwards only.

    A few bytes can promise gigabytes, of content or of a header that is held in memory. And gzip goes back by starting
    again, which tarfile has it do for one byte after every member.
    """

    def __init__(self, packed: gzip.GzipFile, limit: int) -> None:
        self._packed, self._limit = packed, limit
        self._position, self._last, self._again = 0, b"", b""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        if size > _MOST_AT_ONCE:
            raise tarfile.ReadError("it has a header of absurd length")
        content = self._again + self._packed.read(size - len(self._again))
        self._again, self._last = b"", content[-1:]
        self._position += len(content)
        if self._position > self._limit:
            raise tarfile.ReadError(f"it would unpack to more than {self._limit / 2**30:.1f} GiB")
        return content

    def seek(self, position: int) -> int:
        """Go forwards to a position, or back by the last byte."""
        if position == self._position - 1 and self._last:
            self._again, self._last = self._last, b""
            self._position = position
        if position < self._position:
            raise tarfile.StreamError("it cannot be read in order")
        while position > self._position and self.read(min(position - self._position, _CHUNK)):
            pass
        return self._position

    def tell(self) -> int:
        """Return the position in what is unpacked."""
        return self._position


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return the entry without names or time of day: only what matters."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    member.mode = 0o755 if member.isdir() else 0o644
    return member
