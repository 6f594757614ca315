"""Scan a folder: find its pictures, check every one of them, and say what is wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

from core.dataset.cache import Key, ScanCache
from core.dataset.dataset_problems import find_problems
from core.dataset.probe import Probe, probe
from core.dataset.records import Picture, ReadOptions, Scan
from core.dataset.tree import Candidate, Tree, read_tree
from core.errors import DatasetError
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr

_CHUNK = 64
"""Files per task: enough that handing them out costs nothing, few enough that progress and cancel come often."""

_SETTLED_NS = 2_000_000_000
"""A file changed less than this long before the scan may change again within one tick of its file system's clock."""

OnFound = Callable[[Sequence[Picture]], None]


def scan(
    folder: Path,
    *,
    cache: Path | None = None,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    on_found: OnFound | None = None,
    options: ReadOptions | None = None,
    unlabelled: bool = False,
) -> Scan:
    """Scan a dataset folder; a file that cannot be read becomes a problem and never stops the scan.

    Args:
        folder: holds class folders, or pictures and labels in any form that core.formats reads.
        cache: a file that keeps what was found, so that unchanged pictures are not read again.
        on_found: called from this thread with readable pictures as they are found, in no order.
        options: how to read it where its content leaves a choice.
        unlabelled: take pictures without a class along, with the label "": a folder is opened to be labelled.

    Raises:
        DatasetError: there is nothing to train on (or to label), or the layout is not understood.
        Cancelled: through `cancel`; what was read so far is kept in the cache.
    """
    cancel = cancel or CancelToken()
    on_progress(Progress(0, None, tr("Listing the folder"), "pictures"))
    tree = read_tree(folder, cancel, options, unlabelled=unlabelled)
    cancel.raise_if_cancelled()
    store = ScanCache(cache)
    work = _Work(tree, cancel, on_progress, on_found, store.undecodable())
    known = store.load(tree.root)
    started = time.time_ns()
    try:
        work.take_known(known)
        cached = len(work.probes)
        work.probe_rest()
    finally:
        new = {key: work.probes[key] for key in work.probes.keys() - known.keys() if key[2] < started - _SETTLED_NS}
        here = {file.path for file in tree.files}
        store.update(tree.root, new, {key[0] for key in known} - here)
    cancel.raise_if_cancelled()
    return _result(tree, work, cached, unlabelled=unlabelled)


class _Work:
    """Probes the files of a tree with a pool of threads; reading, hashing and decoding run outside Python's lock."""

    def __init__(
        self,
        tree: Tree,
        cancel: CancelToken,
        on_progress: OnProgress,
        on_found: OnFound | None,
        undecodable: Mapping[str, str],
    ) -> None:
        self.files, self.undecodable = tree.files, undecodable
        self.cancel, self.report, self.on_found = cancel, on_progress, on_found
        self.probes: dict[Key, Probe] = {}
        self.pictures: list[Picture] = []
        self.bad: list[tuple[Candidate, Probe]] = []
        self._done = 0

    def take_known(self, known: dict[Key, Probe]) -> None:
        """Settle the files that have not changed since an earlier scan."""
        hits = [(file, found) for file in self.files if (found := known.get(_key(file))) is not None]
        self._settle(hits)

    def probe_rest(self) -> None:
        """Read and check every file that is not settled yet."""
        rest = [file for file in self.files if _key(file) not in self.probes]
        if not rest:
            return
        threads = min(8, (os.cpu_count() or 1) + 1)
        pool = ThreadPoolExecutor(threads, thread_name_prefix="scan")
        try:
            chunks = [pool.submit(self._probe_chunk, rest[at : at + _CHUNK]) for at in range(0, len(rest), _CHUNK)]
            for future in as_completed(chunks):
                self.cancel.raise_if_cancelled()
                self._settle(future.result())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _probe_chunk(self, files: list[Candidate]) -> list[tuple[Candidate, Probe]]:
        return [(file, probe(file.full)) for file in files if not self.cancel.cancelled]

    def _settle(self, found: list[tuple[Candidate, Probe]]) -> None:
        if not found:
            return
        good = []
        for file, result in found:
            self.probes[_key(file)] = result
            if (reason := self.undecodable.get(result.sha256)) and not result.fault:
                result = replace(result, fault="unreadable", reason=reason)
            if result.fault:
                self.bad.append((file, result))
            else:
                good.append(_picture(file, result))
        self.pictures += good
        self._done += len(found)
        self.report(Progress(self._done, len(self.files), tr("Checking pictures"), "pictures"))
        if good and self.on_found is not None:
            self.on_found(good)


def _result(tree: Tree, work: _Work, cached: int, *, unlabelled: bool) -> Scan:
    pictures = tuple(sorted(work.pictures, key=lambda picture: picture.path))
    classes = tuple(sorted({picture.label for picture in pictures if picture.label}))
    if len(classes) < 2 and not (unlabelled and pictures):
        raise _nothing_to_train_on(tree, len(pictures), classes)
    return Scan(
        root=tree.root,
        layout=tree.layout,
        classes=classes,
        pictures=pictures,
        unreadable=tuple(sorted(file.path for file, _ in work.bad)),
        problems=find_problems(tree, pictures, work.bad),
        ignored=len(tree.ignored),
        cached=cached,
        options=tree.options,
        format=tree.format,
        seen=tree.seen,
    )


def _nothing_to_train_on(tree: Tree, pictures: int, classes: tuple[str, ...]) -> DatasetError:
    what = tr("There is nothing to train on in {root}.").format(root=tree.root)
    if classes and tree.format != "folders":
        return DatasetError(
            what,
            tr("All {pictures:,} pictures have one label, {classes}.").format(pictures=pictures, classes=classes[0]),
            tr("It takes two classes at least."),
        )
    if classes:
        return DatasetError(
            what,
            tr("All {pictures:,} pictures lie in one class folder, {classes}. {hint}")
            .format(pictures=pictures, classes=classes[0], hint=tree.hint)
            .rstrip(),
            tr("Put the pictures of each class into a folder named after it; it takes two classes at least."),
        )
    foreign = next((problem for problem in tree.problems if problem.kind == "unsupported-format"), None)
    why = foreign.message if foreign else tr("Its class folders hold no pictures.")
    if tree.files:
        why = tr("None of its {files:,} pictures can be read.").format(files=len(tree.files))
    return DatasetError(what, why, tr("Choose a folder with one folder of JPEG or PNG pictures per class."))


def _key(file: Candidate) -> Key:
    return file.path, file.size, file.mtime_ns


def _picture(file: Candidate, found: Probe) -> Picture:
    return Picture(
        file.path,
        file.label,
        file.split,
        file.size,
        found.width,
        found.height,
        found.format,
        found.sha256,
        file.mtime_ns,
        found.levels,
        file.group,
    )
