"""Reads a trial folder in smdebug's layout, with the interface of smdebug's `Trial`, and never waits for anything.

Where smdebug's trial sleeps until a step or a file appears, this one says what is there now; `refresh` looks again.
It reads what smdebug's hook wrote as well as ours, of one worker or many, whole or cut short.
"""

from __future__ import annotations

import json
import logging
import re
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from training_scripts.debugger.base import (
    InvalidWorker,
    ModeKeys,
    NoMoreData,
    StepNotYetAvailable,
    StepState,
    StepUnavailable,
    TensorUnavailable,
    TensorUnavailableForStep,
)
from training_scripts.debugger.storage import INDEX_FILE, FolderStorage, Storage
from training_scripts.debugger.tensor import Collection, Location, Step, Tensor
from training_scripts.debugger.tfevents import Array, DamagedRecord, decode
from training_scripts.debugger.writer import REDUCTIONS_PREFIX
from training_scripts.outside import UNUSABLE, parse_json

CACHE_BYTES = 64 << 20
"""What is kept in memory of the values that were read."""


class Trial:
    """A saved trial as it is now. Not thread-safe.

    Every method that smdebug's `Trial` has too behaves as there, except that nothing blocks. `damaged` names the files
    that could not be read, and says why; `reads` and `failed_reads` count the tensors asked for, with success and in
    vain.
    """

    def __init__(
        self,
        storage: Storage,
        name: str = "",
        range_steps: tuple[int | None, int | None] = (None, None),
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """Read the steps of `range_steps`: the first global step that is read, and the first that is not any more."""
        self._cache_bytes = cache_bytes
        self.storage = storage
        self.name = name or storage.root
        self.path = storage.root
        self.logger = logging.getLogger("sagehound.rules")
        self.dynamic_refresh = False
        self.loaded_all_steps = False
        self.damaged: dict[str, str] = {}
        self.reads = self.failed_reads = 0
        self._tensors: dict[str, Tensor] = {}
        self._steps: dict[int, Step] = {}
        self._by_mode: dict[str, dict[int, int]] = {}
        self._ordered: list[int] = []
        self._collections: dict[str, Collection] = {}
        self._first_step, self._end_step = range_steps
        self._workers: set[str] = set()
        self._said_workers = 0
        self._seen: set[str] = set()
        self._matches: dict[tuple[str, str], bool] = {}
        self._cache: OrderedDict[tuple[str, int], Array] = OrderedDict()
        self._cached = 0
        self.refresh()

    @classmethod
    def open(
        cls, folder: str | Path, name: str = "", range_steps: tuple[int | None, int | None] = (None, None)
    ) -> Trial:
        """Return the trial in a folder, which need not exist yet."""
        return cls(FolderStorage(Path(folder)), name, range_steps)

    def refresh(self) -> list[int]:
        """Look for new steps; returns them, in order."""
        ended = self.storage.ended()
        self._read_collections()
        known = set(self._steps)
        unread = [name for name in self.storage.index_files() if name not in self._seen]
        for name in sorted(unread, key=lambda item: item.rsplit("/", 1)[-1]):
            matched = INDEX_FILE.fullmatch(name.rsplit("/", 1)[-1])
            if matched and self._in_range(int(matched[1])):
                self._seen.add(name)
                self._read_index(name, int(matched[1]), matched[2])
        if len(self._steps) > len(self._ordered):
            self._ordered = sorted(self._steps)
        self.loaded_all_steps = ended
        return [step for step in self._ordered if step not in known]

    def maybe_refresh(self, name: str | None = None) -> None:
        """Look for new steps if `dynamic_refresh` is set, as smdebug's trials do at each question."""
        if self.dynamic_refresh and not self.loaded_all_steps:
            self.refresh()

    def has_tensor(self, tname: str) -> bool:
        """Whether it was saved at any step."""
        self.maybe_refresh()
        return tname in self._tensors

    def tensor(self, tname: str) -> Tensor:
        """Return one tensor; raises TensorUnavailable."""
        self.maybe_refresh()
        if tname not in self._tensors:
            raise TensorUnavailable(tname)
        return self._tensors[tname]

    def tensor_names(
        self,
        show_prefixed_tensors: bool = False,
        *,
        step: int | None = None,
        mode: Any = ModeKeys.GLOBAL,
        regex: str | Sequence[str] | None = None,
        collection: str | Collection | None = None,
    ) -> list[str]:
        """Return names of the tensors saved (at a step, in a mode) that match a regex or belong to a collection.

        Raises:
            ValueError: both are given.
        """
        if regex is not None and collection is not None:
            raise ValueError("either regex or collection may be given")
        self.maybe_refresh()
        names: Iterable[str]
        if step is not None:
            saved = self._steps.get(self.to_global(step, mode))
            names = saved.tensors if saved else ()
        elif mode.name == "GLOBAL":
            names = self._tensors
        else:
            names = set().union(*(item.tensors for item in self._steps.values() if item.mode == mode.name))
        if regex is not None:
            patterns = [regex] if isinstance(regex, str) else list(regex)
            names = [name for name in names if any(self._match(pattern, name) for pattern in patterns)]
        elif collection is not None:
            known = collection if isinstance(collection, Collection) else self._collections.get(collection)
            chosen = known or Collection("")
            names = [name for name in names if chosen.holds(name)]
        return sorted(names)

    def collections(self) -> dict[str, Collection]:
        """Return the collections of the trial by name."""
        self.maybe_refresh()
        return dict(self._collections)

    def collection(self, coll_name: str) -> Collection:
        """Return one collection, an empty one if there is none of that name yet."""
        self.maybe_refresh()
        return self._collections.setdefault(coll_name, Collection(coll_name))

    def workers(self) -> list[str]:
        """Return the workers that saved anything, by name."""
        self.maybe_refresh()
        return sorted(self._workers)

    @property
    def num_workers(self) -> int:
        """Return how many workers save: as many as the trial says, or as were met."""
        return max(self._said_workers, len(self._workers))

    def check_worker(self, worker: str | None) -> None:
        """Raise InvalidWorker for one that saved nothing."""
        if worker is not None and worker not in self._workers:
            raise InvalidWorker(worker)

    def steps(self, mode: Any = ModeKeys.GLOBAL, show_incomplete_steps: bool = False) -> list[int]:
        """Return the saved steps: global ones, or those of a mode. Where several workers save, those of all of them."""
        self.maybe_refresh()
        steps = self._ordered if mode.name == "GLOBAL" else sorted(self._by_mode.get(mode.name, {}))
        if show_incomplete_steps or self.num_workers < 2 or self.loaded_all_steps:
            return steps
        last = self.last_complete_step
        return [step for step in steps if self.to_global(step, mode) <= last]

    @property
    def last_complete_step(self) -> int:
        """Return the last global step that all workers have saved; -1 if there is none."""
        whole = (step for step in reversed(self._ordered) if len(self._steps[step].workers) == self.num_workers)
        return next(whole, -1)

    @property
    def last_index_token(self) -> str | None:
        """Return the index file of the last complete step, its last worker's; None while there is no such step."""
        step = self.last_complete_step
        if step < 0:
            return None
        return f"{self.storage.root}/index/{step // 1000:09d}/{step:012d}_{max(self._steps[step].workers)}.json"

    def has_passed_step(self, step: int, mode: Any = ModeKeys.GLOBAL) -> Any:
        """Return whether a step is AVAILABLE, UNAVAILABLE for ever, or NOT_YET_AVAILABLE."""
        steps = self.steps(mode, show_incomplete_steps=True)
        at = bisect_left(steps, step)
        if at == len(steps):
            return StepState.UNAVAILABLE if self.loaded_all_steps else StepState.NOT_YET_AVAILABLE
        number = self.to_global(steps[at], mode)
        passed = number <= self.last_complete_step
        if steps[at] > step:
            return StepState.UNAVAILABLE if passed or self.loaded_all_steps else StepState.NOT_YET_AVAILABLE
        return StepState.AVAILABLE if passed or self.loaded_all_steps else StepState.NOT_YET_AVAILABLE

    def modes(self) -> list[Any]:
        """Return the modes there are steps of."""
        self.maybe_refresh()
        return [getattr(ModeKeys, name) for name in self._by_mode]

    def mode_modestep(self, global_step: int) -> tuple[Any, int] | tuple[None, None]:
        """Return the mode of a global step and its number in that mode."""
        self.maybe_refresh()
        saved = self._steps.get(global_step)
        return (None, None) if saved is None else (getattr(ModeKeys, saved.mode), saved.mode_step)

    def mode_step(self, global_step: int) -> int | None:
        """Return the number of a global step in its mode, None if it was not saved."""
        return self.mode_modestep(global_step)[1]

    def mode(self, global_step: int) -> Any:
        """Return the mode of a global step, None if it was not saved."""
        return self.mode_modestep(global_step)[0]

    def global_step(self, mode: Any, mode_step: int) -> int | None:
        """Return the global step of a step of a mode, None if it was not saved."""
        return mode_step if mode.name == "GLOBAL" else self._by_mode.get(mode.name, {}).get(mode_step)

    def wait_for_steps(self, required_steps: Iterable[int], mode: Any = ModeKeys.GLOBAL) -> None:
        """Return at once if all of them are there; never waits.

        Raises:
            StepUnavailable: one was not saved, and others behind it were.
            StepNotYetAvailable: it may still come.
            NoMoreData: it is behind the last step of a trial that has ended.
        """
        for step in required_steps:
            if self.to_global(step, mode) in self._steps:
                continue
            steps = self.steps(mode, show_incomplete_steps=True)
            if self.has_passed_step(step, mode) == StepState.NOT_YET_AVAILABLE:
                raise StepNotYetAvailable(step, mode)
            if self.loaded_all_steps and steps and step > steps[-1]:
                raise NoMoreData(step, mode, steps[-1])
            raise StepUnavailable(step, mode)

    def to_global(self, step: int, mode: Any) -> int:
        """Return the global step of a step of a mode; -1 if it was not saved."""
        found = self.global_step(mode, step)
        return -1 if found is None else found

    def is_mode(self, global_step: int, mode: Any) -> bool:
        """Whether a global step was of this mode."""
        return bool(self._steps[global_step].mode == mode.name)

    def step_in_mode(self, global_step: int, mode: Any) -> int:
        """Return the number that a global step has in a mode."""
        return global_step if mode.name == "GLOBAL" else self._steps[global_step].mode_step

    def training_step(self, global_step: int) -> int:
        """Return the training step reached at a global step, which is what people count in; itself without modes."""
        for at in range(bisect_right(self._ordered, global_step) - 1, -1, -1):
            saved = self._steps[self._ordered[at]]
            if saved.train_step is not None:
                return saved.train_step
            if saved.mode == "TRAIN":
                return saved.mode_step
        return global_step if "TRAIN" not in self._by_mode else 0

    def saved_at(self, global_step: int) -> float | None:
        """Return Unix seconds at which a step was saved; None if its files do not say."""
        saved = self._steps.get(global_step)
        if saved is None:
            return None
        if saved.wall_time is None:
            name = min(saved.tensors)
            location = next(iter(self._tensors[name].locations.get(global_step, {}).values()), None)
            if location is None:
                return None
            saved.wall_time = next(decode(self._read(location))).wall_time
        return saved.wall_time

    def fetch(self, tensor: Tensor, location: Location, step: int, mode: Any) -> Array:
        """Return the array at a place in an event file; the last 64 MiB read stay in memory."""
        key = (location.event_file, location.start)
        if key in self._cache:
            self._cache.move_to_end(key)
            self.reads += 1
            return self._cache[key]
        try:
            value: Array = next(decode(self._read(location))).value
        except (OSError, DamagedRecord, StopIteration) as error:
            self.damaged.setdefault(location.event_file, _why(error))
            self.failed_reads += 1
            raise TensorUnavailableForStep(tensor.name, step, mode) from None
        self.reads += 1
        self._cache[key] = value
        self._cached += value.nbytes
        while self._cached > self._cache_bytes and len(self._cache) > 1:
            self._cached -= self._cache.popitem(last=False)[1].nbytes
        return value

    def _read(self, location: Location) -> bytes:
        return self.storage.read(location.event_file, location.start, location.length)

    def _match(self, pattern: str, name: str) -> bool:
        key = (pattern, name)
        if key not in self._matches:
            self._matches[key] = re.search(pattern, name) is not None
        return self._matches[key]

    def _read_collections(self) -> None:
        for name in self.storage.collection_files():
            if name in self._seen or not name.endswith("_collections.json"):
                continue
            try:
                content = parse_json(self.storage.read(name))
                for collection, entry in content["collections"].items():
                    read = Collection(collection, set(entry.get("tensor_names") or ()))
                    read.include(*(item for item in entry.get("include_regex") or [] if item))
                    self._collections[collection] = read
                self._said_workers = int((content.get("_meta") or {}).get("num_workers") or 0)
                self._seen.add(name)
            except (*UNUSABLE, re.error) as error:
                self.damaged[name] = _why(error)

    def _in_range(self, step: int) -> bool:
        return (self._first_step or 0) <= step and (self._end_step is None or step < self._end_step)

    def _read_index(self, name: str, step: int, worker: str) -> None:
        try:
            index = parse_json(self.storage.read(name))
            meta = index["meta"]
            mode, mode_step = str(meta["mode"]).strip(), int(meta["mode_step"])
            entries = [(entry["tensorname"], _location(meta, entry)) for entry in index.get("tensor_payload") or ()]
        except UNUSABLE as error:
            self.damaged[name] = _why(error)
            return
        saved = self._steps.setdefault(step, Step(mode, mode_step, meta.get("wall_time"), meta.get("train_step")))
        saved.workers.add(worker)
        self._workers.add(worker)
        if mode != "GLOBAL":
            self._by_mode.setdefault(mode, {}).setdefault(mode_step, step)
        for tensor_name, location in entries:
            reduction = None
            if tensor_name.startswith(REDUCTIONS_PREFIX):
                kind, tensor_name = tensor_name.removeprefix(REDUCTIONS_PREFIX).split("/", 1)
                reduction = (kind.removeprefix("abs_"), kind.startswith("abs_"))
            tensor = self._tensors.setdefault(tensor_name, Tensor(tensor_name, self))
            if reduction is None:
                tensor.locations.setdefault(step, {})[worker] = location
            else:
                tensor.reductions.setdefault(step, {})[reduction] = location
            saved.tensors.add(tensor_name)


def _why(error: Exception) -> str:
    """Return why a file cannot be read, in few words."""
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    if isinstance(error, StopIteration):
        return "it holds no record"
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "it is cut short or holds something else"
    if isinstance(error, KeyError | TypeError):
        return "it says too little about its tensors"
    return str(error)


def _location(meta: dict[str, Any], entry: dict[str, Any]) -> Location:
    shape = tuple(entry["shape"]) if "shape" in entry else None
    return Location(meta["event_file_name"], int(entry["start_idx"]), int(entry["length"]), shape)
