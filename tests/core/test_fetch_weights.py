"""Weights are fetched whole or not at all: against a real server on loopback that drops, lies and refuses."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core import fetch_weights as weights
from core.errors import Cancelled, SpecError, WeightsUnavailable
from core.paths import AppPaths
from core.progress import CancelToken, Progress
from training_scripts.backbones import BACKBONES

CONTENT = bytes(range(256)) * 8192  # 2 MiB


class Server:
    """Serves CONTENT; `drop_after` bytes of a response the connection is cut, `ranges` says whether it can resume."""

    def __init__(self) -> None:
        self.drop_after: list[int] = []
        self.ranges, self.status, self.content = True, 200, CONTENT
        self.requested: list[str | None] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.answer(self)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/weights.pth"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        self.requested.append(asked)
        if self.status != 200:
            request.send_error(self.status)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if start > len(self.content):
            request.send_error(416)
            return
        rest = self.content[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(rest)))
        request.end_headers()
        if self.drop_after:
            request.wfile.write(rest[: self.drop_after.pop(0)])
            request.wfile.flush()
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        request.wfile.write(rest)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(timeout=10)
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppPaths:
    """A private home; resnet18's published checksum is that of CONTENT here; no waiting between attempts."""
    spec = replace(BACKBONES["resnet18"], sha256_prefix=hashlib.sha256(CONTENT).hexdigest()[:8])
    monkeypatch.setitem(BACKBONES, "resnet18", spec)
    monkeypatch.delenv("SAGEHOUND_WEIGHTS_DIR", raising=False)
    monkeypatch.setattr(CancelToken, "wait", lambda self, seconds: self.cancelled)
    return AppPaths(tmp_path / "home").create()


def test_fetch_with_progress_then_never_again(server: Server, paths: AppPaths) -> None:
    seen: list[Progress] = []
    file = weights.ensure("resnet18", paths, seen.append, url=server.url)
    assert file == paths.weights / "resnet18-f37072fd.pth"
    assert file.read_bytes() == CONTENT
    assert (seen[0].done, seen[-1].done, seen[-1].total, seen[-1].unit) == (0, len(CONTENT), len(CONTENT), "bytes")
    assert [item.done for item in seen] == sorted(item.done for item in seen)
    assert weights.ensure("resnet18", paths, url=server.url) == file == weights.locate("resnet18", paths)
    assert len(server.requested) == 1
    assert [item.name for item in paths.weights.iterdir()] == [file.name]


def test_a_drop_in_the_middle_is_resumed(server: Server, paths: AppPaths) -> None:
    server.drop_after = [700_000, 300_000]
    assert weights.ensure("resnet18", paths, url=server.url).read_bytes() == CONTENT
    assert server.requested[0] is None
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in server.requested[1:] if asked]
    assert len(starts) == 2
    assert 0 < starts[0] < starts[1] <= 1_000_000


def test_a_server_without_ranges_sends_all_again(server: Server, paths: AppPaths) -> None:
    server.ranges, server.drop_after = False, [700_000]
    assert weights.ensure("resnet18", paths, url=server.url).read_bytes() == CONTENT


def test_a_fetch_goes_on_after_a_restart(server: Server, paths: AppPaths) -> None:
    (paths.weights / "resnet18-f37072fd.pth.part").write_bytes(CONTENT[:1_500_000])
    assert weights.ensure("resnet18", paths, url=server.url).read_bytes() == CONTENT
    assert server.requested == ["bytes=1500000-"]


def test_a_part_that_is_too_long_is_thrown_away(server: Server, paths: AppPaths) -> None:
    (paths.weights / "resnet18-f37072fd.pth.part").write_bytes(CONTENT + b"more")
    assert weights.ensure("resnet18", paths, url=server.url).read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_removed(server: Server, paths: AppPaths) -> None:
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(WeightsUnavailable, match="not those that were published") as caught:
        weights.ensure("resnet18", paths, url=server.url)
    assert "efficientnet_lite0" in caught.value.fix
    assert list(paths.weights.iterdir()) == []


def test_cancel_keeps_what_came(server: Server, paths: AppPaths) -> None:
    cancel = CancelToken()

    def stop_half_way(progress: Progress) -> None:
        if progress.done > len(CONTENT) // 2:
            cancel.cancel()

    with pytest.raises(Cancelled):
        weights.ensure("resnet18", paths, stop_half_way, cancel, url=server.url)
    part = paths.weights / "resnet18-f37072fd.pth.part"
    assert CONTENT.startswith(part.read_bytes())
    assert part.stat().st_size > len(CONTENT) // 2
    weights.ensure("resnet18", paths, url=server.url)
    assert server.requested[-1] is not None


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_refusal_names_the_ways_out(status: int, server: Server, paths: AppPaths) -> None:
    server.status = status
    with pytest.raises(WeightsUnavailable, match=f"The server answered {status}") as caught:
        weights.ensure("resnet18", paths, url=server.url)
    assert "of your own" in caught.value.fix
    assert "untrained" in caught.value.fix
    assert len(server.requested) == (1 if status < 500 else 2)


def test_no_network(paths: AppPaths) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x.pth"
        with pytest.raises(WeightsUnavailable, match="no connection"):
            weights.ensure("resnet18", paths, url=url)
    assert list(paths.weights.iterdir()) == []


def test_bundled_weights_need_no_network(paths: AppPaths) -> None:
    file = weights.ensure("efficientnet_lite0", paths)
    assert file.is_file()
    assert paths.weights not in file.parents


def test_unknown_backbone(paths: AppPaths) -> None:
    with pytest.raises(SpecError, match="resnet19"):
        weights.ensure("resnet19", paths)


def test_own_file(paths: AppPaths, tmp_path: Path) -> None:
    """The bundled weights under another name are a file of one's own; for another network, or broken, they are none."""
    bundled = weights.ensure("efficientnet_lite0", paths)
    mine = tmp_path / "mine é.pth"
    mine.write_bytes(bundled.read_bytes())
    kept = weights.import_file("efficientnet_lite0", mine, paths)
    assert kept.read_bytes() == mine.read_bytes()
    assert weights.import_file("efficientnet_lite0", mine, paths) == kept
    with pytest.raises(WeightsUnavailable, match="holds no weights for ResNet-18"):
        weights.import_file("resnet18", mine, paths)
    mine.write_bytes(b"nothing")
    with pytest.raises(WeightsUnavailable, match="cannot be read"):
        weights.import_file("efficientnet_lite0", mine, paths)
    with pytest.raises(WeightsUnavailable):
        weights.import_file("efficientnet_lite0", tmp_path / "gone.pth", paths)
