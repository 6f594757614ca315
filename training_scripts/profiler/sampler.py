"""Samples the machine a job runs on, into SageMaker's system-metric files.

A daemon thread, not a process: it cannot outlive the job, needs no start-up of its own, and one sample costs about a
millisecond every half second. Every file is a minute of one node, one JSON object per line, appended sample by sample,
so that a job that is killed loses at most the sample in flight.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from .gpu import GpuProbe
from .own_use import OwnUse

try:
    import psutil
except ImportError:  # the job matters more; its steps are traced all the same
    psutil = None

INTERVAL_S = 0.5
"""SageMaker's default, 500 ms."""
FIRST_SAMPLE_S = 0.05
"""Rates need a moment to be measured over; trials of a third of a second must still have a first and a last sample."""
_SHORTEST_S = 0.01
PATIENCE_S = 0.5
"""So long the end of a job waits for the last sample."""
_MAX_FAILURES = 20

Metric = tuple[str, str, str, float]
"""Type, name, dimension, value."""


class Sampler:
    """Writes a sample every `interval_s` seconds into `<output_dir>/profiler/system/incremental/` until `close`.

    It never raises and never waits for long: where something cannot be read or written, that much is missing.
    """

    def __init__(self, output_dir: Path, node: str, interval_s: float, patience_s: float = PATIENCE_S) -> None:
        self._folder = Path(output_dir) / "profiler" / "system"
        self._node = node_name(node)
        self._interval_s, self._patience_s = interval_s, patience_s
        self._stop = threading.Event()
        self._owner = os.getpid()
        self._thread = threading.Thread(target=self._run, name="sagehound-sampler", daemon=True)

    @classmethod
    def start(
        cls, output_dir: Path, node: str = "", interval_s: float = INTERVAL_S, patience_s: float = PATIENCE_S
    ) -> Sampler:
        """Begin to sample. In a job of several processes per node only the one of local rank 0 does."""
        sampler = cls(output_dir, node or os.environ.get("SM_CURRENT_HOST", ""), interval_s, patience_s)
        if os.environ.get("LOCAL_RANK", "0") in ("", "0"):
            try:
                sampler._thread.start()
            except RuntimeError:  # no thread to be had: the job matters more
                sampler._stop.set()
        return sampler

    def close(self) -> None:
        """Take the last sample and end; returns within half a second, whatever the machine does."""
        if self._owner != os.getpid():  # a forked loader worker has the object but not the thread
            return
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(self._patience_s)

    def _run(self) -> None:
        try:
            with _MinuteFiles(self._folder / "incremental", self._node) as files:
                self._sample_until_stopped(files)
            (self._folder / "training_job_end.ts").touch()
        except Exception:  # a job is never harmed by being watched
            return

    def _sample_until_stopped(self, files: _MinuteFiles) -> None:
        machine = Machine()
        failures, last = 0, time.monotonic()
        due = last + min(FIRST_SAMPLE_S, self._interval_s)
        while failures < _MAX_FAILURES:
            stopping = self._stop.wait(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            if now - last >= _SHORTEST_S or not files.written:
                try:
                    files.write(time.time(), machine.read())
                    failures = 0
                except Exception:
                    failures += 1
                last = now
            if stopping:
                break
            due = max(due + self._interval_s, now + _SHORTEST_S)
        machine.close()


class Machine:
    """The counters of this machine; rates are over the time since the last `read`."""

    def __init__(self) -> None:
        if psutil is None:
            raise OSError("psutil is not installed")
        self._gpus = GpuProbe()
        self._own = _own_use()
        self._last = self._counters()

    def read(self) -> list[Metric]:
        """Return one sample: every metric this machine has."""
        before, now = self._last, self._counters()
        self._last = now
        seconds = max(now["time"] - before["time"], 1e-3)
        metrics = list(_cpu(before["cpu"], now["cpu"]))
        metrics.append(("memory", "MemoryUsedPercent", "", float(psutil.virtual_memory().percent)))
        if now["disk"] is not None and before["disk"] is not None:
            names = ("IOPS", "ReadThroughputInBytesPerSecond", "WriteThroughputInBytesPerSecond")
            for name, new, old in zip(names, now["disk"], before["disk"], strict=True):
                metrics.append(("i/o", name, "", max(0.0, (new - old) / seconds)))
        if now["network"] is not None and before["network"] is not None:
            for name, new, old in zip(
                ("ReceiveBytesPerSecond", "TransmitBytesPerSecond"), now["network"], before["network"], strict=True
            ):
                metrics.append(("network", name, "Algorithm", max(0.0, (new - old) / seconds)))
        if self._own is not None:
            used, resident = self._own.read(seconds)
            metrics.append(("process", "job", "CPUUtilization", used))
            metrics.append(("process", "job", "MemoryUsedPercent", resident))
        for index, (busy, filled) in enumerate(self._gpus.read()):
            metrics.append(("gpu", f"gpu{index}", "GPUUtilization", busy))
            metrics.append(("gpu", f"gpu{index}", "GPUMemoryUtilization", filled))
        return metrics

    def close(self) -> None:
        """Release the GPU driver."""
        self._gpus.close()

    def _counters(self) -> dict[str, Any]:
        return {
            "time": time.monotonic(),
            "cpu": psutil.cpu_times(percpu=True),
            "disk": self._disk(),
            "network": self._network(),
        }

    def _disk(self) -> tuple[int, int, int] | None:
        try:
            disk = psutil.disk_io_counters()
        except Exception:  # some containers hide them
            return None
        return None if disk is None else (disk.read_count + disk.write_count, disk.read_bytes, disk.write_bytes)

    def _network(self) -> tuple[int, int] | None:
        try:
            cards = psutil.net_io_counters(pernic=True)
        except Exception:
            return None
        outside = [card for name, card in cards.items() if name not in ("lo", "lo0") and "loopback" not in name.lower()]
        return sum(card.bytes_recv for card in outside), sum(card.bytes_sent for card in outside)


class _MinuteFiles:
    """The files of one node: `incremental/<YYYYMMDDHH>/<Unix second of the minute>.<node>.json`, times in UTC."""

    def __init__(self, folder: Path, node: str) -> None:
        self._folder, self._node = folder, node
        self._minute = -1
        self._file: BinaryIO | None = None
        self.written = 0

    def __enter__(self) -> _MinuteFiles:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, when: float, metrics: list[Metric]) -> None:
        """Append one sample, whole, in one write."""
        file = self._open(int(when) // 60 * 60)
        stamp = round(when, 6)
        lines = [
            json.dumps(
                {
                    "Type": kind,
                    "Name": name,
                    "Dimension": dimension,
                    "Value": round(value, 2),
                    "NodeId": self._node,
                    "Timestamp": stamp,
                },
                separators=(",", ":"),
            )
            for kind, name, dimension, value in metrics
        ]
        file.write(("\n".join(lines) + "\n").encode())
        self.written += 1

    def _open(self, minute: int) -> BinaryIO:
        if self._file is None or minute != self._minute:
            if self._file is not None:
                self._file.close()
            folder = self._folder / time.strftime("%Y%m%d%H", time.gmtime(minute))
            folder.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what is written survives a killed job.
            self._file = (folder / f"{minute:010d}.{self._node}.json").open("ab", buffering=0)
            self._minute = minute
        return self._file


def _own_use() -> OwnUse | None:
    try:
        return OwnUse()
    except Exception:  # some containers hide their own processes
        return None


def node_name(node: str) -> str:
    """Return `node` if it is a name that SageMaker gives (algo-1, algo-2, …), else algo-1."""
    return node if re.fullmatch(r"algo-\d+", node) else "algo-1"


def _cpu(before: list[Any], now: list[Any]) -> Iterator[Metric]:
    """Return busy and I/O-wait percent of each core; waiting for I/O is idle time, as in SageMaker."""
    for index, (old, new) in enumerate(zip(before, now, strict=False)):
        spent = {field: max(0.0, getattr(new, field) - getattr(old, field)) for field in new._fields}
        # Linux counts guests' time in user time as well.
        total = sum(value for field, value in spent.items() if field not in ("guest", "guest_nice"))
        wait = spent.get("iowait", 0.0)
        busy = total - spent.get("idle", 0.0) - wait
        share = 100.0 / total if total > 0 else 0.0
        yield "cpu", f"cpu{index}", "CPUUtilization", busy * share
        if "iowait" in spent:
            yield "cpu", f"cpu{index}", "I/OWaitPercentage", wait * share
