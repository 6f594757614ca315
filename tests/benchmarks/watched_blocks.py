"""Runs a script that is watched, with the hooks in and out in turn: `watched_blocks.py SCRIPT BLOCK [ARGUMENTS…]`.

It is started by `sagehound watch` (bench_watch.py). Some steps of the script are watched and as many are not, in blocks
that follow each other, so that both meet the same machine; the watching counts its own steps alone. A last line says in
JSON what either kind took. Evaluations are blocks of their own.
"""

from __future__ import annotations

import json
import resource
import runpy
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any


class Turns:
    """Puts hooks in and out, and adds up what training and evaluation take with and without."""

    def __init__(self, start: Any, block: int) -> None:
        self._start, self._block = start, block
        self._session: Any = None
        self._install: Any = None
        self._patches: Any = None
        self._key = ("", False)
        self._batches = 0
        self._next = {"training": True, "evaluation": True}
        self._began = (0.0, 0.0)
        self.blocks: dict[tuple[str, bool], list[tuple[int, float, float]]] = defaultdict(list)

    def hook(self, settings: Any) -> None:
        """Begin to watch, in place of what `sagehound watch` would do by itself."""
        self._listen()
        self._session, self._patches = self._start.watch(settings)
        self._install = sys.modules["_sagehound_scripts.watch.patches"].install

    def _listen(self) -> None:
        """Change where a batch is asked for: between two steps. Below the hooks, which are put over these two."""
        import torch
        from torch.utils import data
        from torch.utils.data import dataloader

        loaders: Any = data.DataLoader
        iterators: Any = dataloader._BaseDataLoaderIter
        iterate, advance = loaders.__iter__, iterators.__next__

        def begin(loader: Any) -> Any:
            iterator = iterate(loader)
            if self._patches is None:  # the pass is known, whichever block it begins in
                iterator._sagehound = self._session.began_pass(loader)
            return iterator

        def following(iterator: Any) -> Any:
            self._turn("training" if torch.is_grad_enabled() else "evaluation")
            return advance(iterator)

        loaders.__iter__, iterators.__next__ = begin, following

    def _turn(self, mode: str) -> None:
        if mode == self._key[0] and (mode == "evaluation" or self._batches < self._block):
            self._batches += 1
            return
        self.end()
        on, self._next[mode] = self._next[mode], not self._next[mode]
        if on and self._patches is None:
            self._patches = self._install(self._session)
        elif not on and self._patches is not None:
            self._patches.close()
            self._patches = None
        self._key, self._batches = (mode, on), 1
        self._began = time.process_time(), time.perf_counter()

    def end(self) -> None:
        """End the block."""
        if self._batches:
            cpu, wall = time.process_time() - self._began[0], time.perf_counter() - self._began[1]
            self.blocks[self._key].append((self._batches, cpu, wall))
        self._batches = 0


def main(script: str, block: int) -> None:
    """Run the script and say what its blocks took."""
    start: Any = sys.modules["_sagehound_scripts.watch.start"]
    turns = Turns(start, block)
    start._hook = turns.hook
    sys.path[0] = str(Path(script).parent)
    runpy.run_path(script, run_name="__main__")
    turns.end()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    told = {f"{mode} {'watched' if on else 'plain'}": blocks for (mode, on), blocks in turns.blocks.items()}
    print(json.dumps({"blocks": told, "cpu": sum(item.ru_utime + item.ru_stime for item in used)}), flush=True)


if __name__ == "__main__":
    program, count = sys.argv[1], int(sys.argv[2])
    sys.argv = sys.argv[1:2] + sys.argv[3:]
    main(program, count)
