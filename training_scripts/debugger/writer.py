"""Writes a trial folder in smdebug's layout: event files, index files, the collections file and the end marker.

`<folder>/events/<step>/<step>_<worker>.tfevents` holds a step's tensors, `<folder>/index/<step//1000>/…json` says where
each begins. Both appear complete (written aside, then renamed), the index last: who sees an index can read its tensors.
Where steps are written together, those that follow are appended to the same file of events.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..clock import SteadyClock
from .tfevents_writer import TensorRecord, encode

END_MARKER = "training_job_end.ts"
MOST_TOGETHER = 1 << 20
"""Bytes from which on the next step has a file of its own again."""
REDUCTIONS_PREFIX = "smdebug/reductions/"
"""Begins the names of a tensor's reductions, as smdebug has it: `<prefix>[abs_]<reduction>/<tensor>`."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A tensor to be saved: an array of numpy's, or a tensor of torch's on the CPU.

    `shape` is that of the whole tensor when `value` is only a sample of it.
    """

    name: str
    value: Any
    shape: tuple[int, ...] | None = None


class TrialWriter:
    """The writer of one worker's tensors.

    `together`: several steps share a file, where it is this machine that reads them. A file and a folder for each of
    a short training's small steps take more of the disk, and of the time, than what is in them.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        worker: str = "worker_0",
        clock: Callable[[], float] | None = None,
        together: bool = False,
    ) -> None:
        self.folder = folder
        self.worker = worker
        self._together = together
        self._open_file = ""
        self._clock = clock or SteadyClock()  # rules judge how far apart steps are
        (folder / "index" / "000000000").mkdir(parents=True, exist_ok=True)
        self._prefixes = {"000000000"}

    def write_collections(
        self, tensor_names: Mapping[str, Iterable[str]], regexes: Mapping[str, Sequence[str]], save_interval: int
    ) -> None:
        """Say which tensors each collection holds, by name and by regular expression."""
        modes: dict[str, dict[str, object]] = {
            mode: {"save_interval": save_interval, "save_steps": [], "start_step": 0, "end_step": None}
            for mode in ("TRAIN", "EVAL", "PREDICT", "GLOBAL")
        }
        reduction = {"save_raw_tensor": True, "reductions": "", "save_shape": False}
        collections = {
            name: {
                "name": name,
                "include_regex": list(regexes.get(name, ())),
                "tensor_names": sorted(tensor_names.get(name, ())),
                "reduction_config": reduction,
                "save_config": modes,
                "save_histogram": True,
            }
            for name in (*regexes, *(name for name in tensor_names if name not in regexes))
        }
        target = self.folder / "collections" / "000000000" / f"{self.worker}_collections.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, json.dumps({"collections": collections, "_meta": {"num_workers": 1}}).encode())

    def write_step(
        self, step: int, mode: str, mode_step: int, tensors: Sequence[Saved], train_step: int | None = None
    ) -> int:
        """Save the tensors of one global step; returns the bytes written.

        `train_step` is the training step reached, which an evaluation's or an epoch's own number does not say.
        """
        now, name, payload = self._clock(), f"{step:012d}_{self.worker}", []
        parts = [encode(TensorRecord(item.name, step, item.value, mode, mode_step, now)) for item in tensors]
        records = b"".join(parts)
        event_file, start = self._write_records(f"events/{step:012d}/{name}.tfevents", records)
        for tensor, data in zip(tensors, parts, strict=True):
            entry: dict[str, object] = {"tensorname": tensor.name, "start_idx": start, "length": len(data)}
            if tensor.shape is not None and tensor.shape != tuple(tensor.value.shape):
                entry["shape"] = list(tensor.shape)
            payload.append(entry)
            start += len(data)
        meta = {"mode": mode, "mode_step": mode_step, "event_file_name": event_file, "wall_time": now}
        if train_step is not None:
            meta["train_step"] = train_step
        prefix = f"{step // 1000:09d}"
        if prefix not in self._prefixes:
            (self.folder / "index" / prefix).mkdir(parents=True, exist_ok=True)
            self._prefixes.add(prefix)
        index = json.dumps({"meta": meta, "tensor_payload": payload, "shape_payload": []}).encode()
        _write(self.folder / "index" / prefix / f"{name}.json", index)
        return len(records) + len(index)

    def _write_records(self, own_file: str, records: bytes) -> tuple[str, int]:
        """Write a step's records into a file of its own or behind those before; returns the file and their place."""
        if self._open_file:
            with open(self.folder / self._open_file, "ab") as file:
                start = file.tell()  # not counted: a write that failed may have left something
                if start < MOST_TOGETHER:
                    file.write(records)
                    return self._open_file, start
        target = self.folder / own_file
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, records)
        self._open_file = own_file if self._together else ""
        return own_file, 0

    def close(self) -> None:
        """Say that no more steps will come."""
        _write(self.folder / END_MARKER, b"")


def _write(target: Path, data: bytes) -> None:
    """Write aside and rename. The end `.tmp` keeps readers, which go by `.json` and `.tfevents`, away from it."""
    aside = f"{target}.tmp"
    with open(aside, "wb") as file:
        file.write(data)
    os.replace(aside, target)
