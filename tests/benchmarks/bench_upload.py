"""Upload of a dataset to S3, against `aws s3 sync`, `s5cmd` and the SageMaker SDK's `Session.upload_data`.

The server is tests/benchmarks/s3_server.py, the same for all. Ours is what the window and a job do: the upload of a
scanned dataset inside a running program; each object goes with the scan's SHA-256, which S3 compares. The command
`sagehound upload`, with Python's start and a scan of all files, has rows of its own, for the rivals are commands. Of
large files the limit is measured too: bare sockets that hand whole files to the kernel, unsigned and unchecked.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from core.dataset import scan, split
from core.dataset.manifest import Entry, Manifest
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.upload.fast_s3 import FastS3
from core.engines.sagemaker.upload.upload import upload
from core.paths import ROOT
from tests.benchmarks.harness import Sample, in_turn, print_table
from tests.benchmarks.pictures import dataset
from tests.benchmarks.rivals import not_installed, program
from tests.benchmarks.s3_server import s3_server

SMALL, SIZE, FEWER = 5000, (160, 120), 500  # upload_data sees fewer: it takes them one by one
LARGE, LARGE_BYTES = 8, 25_000_000
LATE_S, LATE_RUNS = 0.02, 3
REACH = {"aws s3 sync": 1.5, "s5cmd": 1.0, "upload_data": 5.0}
REACH_UNCHANGED = 10.0
BUCKET = "bench"
LIMIT = "the limit: bare sockets, no checksum"
_Works = dict[str, Callable[[], object]]


def main() -> None:
    """Print the table."""
    with dataset(SMALL, SIZE) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as name:
        place = Path(name)
        small, fewer = split(scan(pictures), seed=0), _fewer(pictures, place / "fewer")
        large = _large(place / "large")
        rows: list[tuple[object, ...]] = []
        with s3_server() as url, _account(url):
            client = Client(url)
            rows += _rows("5,000 small files", client, client.first(small, "aws s3 sync", "s5cmd"), SMALL)
            rows += _rows("500 of them", client, client.first(fewer, "upload_data"), FEWER)
            works = client.first(large, *REACH) | {LIMIT: lambda: _bare(large, url)}
            rows += _rows("200 MB in 8 files", client, works, LARGE)
            works = client.command(small, place) | client.first(small, "aws s3 sync")
            rows += _rows("5,000, the command", client, {name: works[name] for name in works if name != "ours"}, SMALL)
            client.fresh()
            for work in client.first(small, "aws s3 sync", "s5cmd").values():
                work()
            rows += _rows("5,000 unchanged files", None, client.again(small), SMALL)
        with s3_server(LATE_S) as url, _account(url):
            client = Client(url)
            works = client.first(small, "s5cmd")
            rows += _rows(f"5,000 small files, answers {LATE_S * 1000:.0f} ms late", client, works, SMALL, LATE_RUNS)
    kib = sum(small.path_of(entry).stat().st_size for entry in small.pictures) / SMALL / 1024
    print(f"Small files have {kib:.1f} KiB on average; all are in the page cache; in turn, five times (late: three).")
    print("\n".join(not_installed(name) for name in ("aws", "s5cmd") if program(name) is None))
    print_table(("what", "ours", "rival", "takes", "ours is faster", "reach"), rows)


def _rows(what: str, client: Client | None, works: _Works, count: int, runs: int = 5) -> list[tuple[object, ...]]:
    """One row per rival; with a client, into an empty bucket each time, and what arrived is counted."""

    def work(name: str) -> Callable[[], object]:
        def run() -> None:
            if client is not None:
                client.fresh()
            works[name]()

        return run

    if client is not None:
        for name in works:
            work(name)()
            client.check(name, count)
    times = in_turn({name: work(name) for name in works}, runs)
    (_, ours), *rivals = times.items()
    print(what, {name: str(sample) for name, sample in times.items()}, file=sys.stderr, flush=True)
    return [(what, ours, name, sample, *_ratio(what, name, ours, sample)) for name, sample in rivals]


def _ratio(what: str, name: str, ours: Sample, theirs: Sample) -> tuple[str, str]:
    ratios = [b / a for a, b in zip(ours.seconds, theirs.seconds, strict=True)]
    reach = REACH_UNCHANGED if "unchanged" in what and name == "aws s3 sync" else REACH.get(name, 0)
    verdict = f"{reach:g}x: {'met' if median(ratios) >= reach else 'NOT MET'}"
    unjudged = "late" in what or name == LIMIT
    return f"{median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})", "-" if unjudged else verdict


class Client:
    """All who upload to one server."""

    def __init__(self, url: str) -> None:
        self._url, self._aws = url, Aws(region="us-east-1")
        self._s3 = self._aws.client("s3")
        self.fresh()

    def fresh(self) -> None:
        """Empty the bucket."""
        from botocore.exceptions import ClientError

        with suppress(ClientError):  # the first time there is none
            self._s3.delete_bucket(Bucket=BUCKET)
        self._s3.create_bucket(Bucket=BUCKET)

    def check(self, name: str, count: int) -> None:
        """Every file must have arrived; ours adds manifests."""
        there = FastS3(self._aws.session, self._s3, BUCKET).keys("")
        if sum(not key.endswith((".json", ".gz")) for key in there) != count:
            raise SystemExit(f"{name} left {len(there)} objects instead of {count}.")

    def first(self, manifest: Manifest, *rivals: str) -> _Works:
        """Ours and those of the rivals that are installed."""
        root = f"{manifest.root}{os.sep}"
        works: _Works = {"ours": lambda: self._upload(manifest)}
        aws, s5cmd = program("aws"), program("s5cmd")
        if "aws s3 sync" in rivals and aws:
            works["aws s3 sync"] = lambda: self._run(
                aws, "s3", "sync", root, f"s3://{BUCKET}/aws/", "--only-show-errors"
            )
        if "s5cmd" in rivals and s5cmd:
            works["s5cmd"] = lambda: self._run(s5cmd, "--log", "error", "cp", root, f"s3://{BUCKET}/s5cmd/")
        if "upload_data" in rivals:
            session = self._sdk()
            works["upload_data"] = lambda: session.upload_data(str(manifest.root), BUCKET, "sdk")
        return works

    def again(self, manifest: Manifest) -> _Works:
        """The same where all is there already."""
        works = self.first(manifest, "aws s3 sync")
        if s5cmd := program("s5cmd"):
            root = f"{manifest.root}{os.sep}"
            works["s5cmd"] = lambda: self._run(s5cmd, "--log", "error", "sync", root, f"s3://{BUCKET}/s5cmd/")
        return works

    def command(self, manifest: Manifest, place: Path) -> _Works:
        """`sagehound upload` as a process, in a new installation each time, so that it reads and hashes every file."""
        number = iter(range(1000))
        command = [sys.executable, str(ROOT / "__main__.py"), "upload", str(manifest.root), f"s3://{BUCKET}/ours"]

        def run() -> None:
            os.environ["SAGEHOUND_HOME"] = str(place / f"home{next(number)}")
            self._run(*command)

        return {"sagehound upload": run}

    def _upload(self, manifest: Manifest) -> None:
        upload(manifest, self._s3, BUCKET, "ours", session=self._aws.session)

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise SystemExit(f"{command[0]} failed:\n{done.stdout[-500:]}{done.stderr[-1000:]}")

    def _sdk(self) -> Any:
        from sagemaker.core.helper.session_helper import Session

        return Session(boto_session=self._aws.session)


def _bare(manifest: Manifest, url: str) -> None:
    """Send every file over a connection of its own, all at once."""
    where = urlsplit(url)

    def put(entry: Entry) -> None:
        file = manifest.path_of(entry)
        size = file.stat().st_size
        head = f"PUT /{BUCKET}/bare/{file.name} HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: {size}\r\n\r\n"
        with socket.create_connection((where.hostname, where.port)) as connection, file.open("rb") as opened:
            connection.sendall(head.encode())
            connection.sendfile(opened)
            if b" 200 " not in connection.recv(1000):
                raise SystemExit("The server did not take a bare request.")

    with ThreadPoolExecutor(LARGE) as pool:
        list(pool.map(put, manifest.pictures))


@contextmanager
def _account(url: str) -> Iterator[None]:
    """The variables that lead every client to the server, and to nothing of the user's."""
    before = dict(os.environ)
    os.environ |= {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark", "AWS_REGION": "us-east-1"}
    os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": url}
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "S3_ENDPOINT_URL": url}
    os.environ.pop("AWS_PROFILE", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _fewer(pictures: Path, root: Path) -> Manifest:
    """Some of the files."""
    for file in sorted(pictures.rglob("*.jpg"))[:: SMALL // FEWER]:
        target = root / file.relative_to(pictures)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return split(scan(root), seed=0)


def _large(root: Path) -> Manifest:
    """Large files that nobody could compress, as one class."""
    (root / "class0").mkdir(parents=True)
    entries = []
    for number in range(LARGE):
        content = os.urandom(LARGE_BYTES)
        (root / "class0" / f"{number}.bin").write_bytes(content)
        entries.append(Entry(f"class0/{number}.bin", 0, "train", hashlib.sha256(content).hexdigest()))
    return Manifest.build(root, ("class0",), entries)


if __name__ == "__main__":
    main()
