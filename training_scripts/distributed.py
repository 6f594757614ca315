"""One training in several processes (torchrun), on one machine or several: each takes its share of every batch.

The numbers are those of one process: a batch is the same set of pictures, its loss is the mean over all of them, and
DistributedDataParallel adds the gradients up. Only a batch norm that learns its statistics (the one in the head
linear_dropout_batchnorm, those of an untrained network) sees its own share alone; on GPUs they are synchronised.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from training_scripts.watchdog import OTHERS_S

TIMEOUT = timedelta(seconds=OTHERS_S)
"""How long a process waits for the others."""


@dataclass(frozen=True, slots=True)
class World:
    """This process among `size`; `local_rank` and `local_size` count those of this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> World:
        """Return what torchrun set; one process alone where it set nothing."""
        rank, size, local_rank, local_size = (
            int(environ.get(name, default))
            for name, default in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0), ("LOCAL_WORLD_SIZE", 1))
        )
        return cls(rank, size, local_rank, local_size)

    @property
    def is_main_process(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.rank == 0

    def join(self, stack: ExitStack) -> None:
        """Meet the other processes; leaving `stack` leaves them."""
        if self.size > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=TIMEOUT)
            stack.callback(dist.destroy_process_group)

    def device(self) -> torch.device:
        """Return this process's GPU, or the CPU."""
        if not torch.cuda.is_available():
            return torch.device("cpu")
        torch.cuda.set_device(self.local_rank)
        return torch.device("cuda", self.local_rank)

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return `model` with its gradients averaged over all processes."""
        if self.size == 1:
            return model
        if torch.cuda.is_available():
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        ids = [self.local_rank] if torch.cuda.is_available() else None
        return nn.parallel.DistributedDataParallel(model, device_ids=ids, broadcast_buffers=False)

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of every process's `values`, in each of them."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def gather(self, item: Any) -> list[Any]:
        """Return every process's `item`, by rank."""
        if self.size == 1:
            return [item]
        items: list[Any] = [None] * self.size
        dist.all_gather_object(items, item)
        return items

    def from_first(self, item: Any) -> Any:
        """Return the first process's `item`, in each of them."""
        if self.size == 1:
            return item
        items = [item]
        dist.broadcast_object_list(items, src=0)
        return items[0]


def torchrun(script: str, arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> list[str] | None:
    """Return the command that starts one process per GPU of each machine of a SageMaker job.

    None where there is nothing to distribute, or torchrun runs already. AWS's containers start a plain
    `python train.py` on every machine, in jobs and in trials alike.
    """
    if "WORLD_SIZE" in environ:
        return None
    hosts = _hosts(environ)
    processes = max(int(environ.get("SM_NUM_GPUS", "0") or 0), 1)
    if len(hosts) * processes == 1:
        return None
    place = hosts.index(environ.get("SM_CURRENT_HOST", hosts[0]))
    port = environ.get("SM_MASTER_PORT", "7777")
    settings = {
        "nnodes": len(hosts),
        "node-rank": place,
        "nproc-per-node": processes,
        "master-addr": environ.get("SM_MASTER_ADDR", hosts[0]),
        "master-port": port,
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    return [sys.executable, "-m", "torch.distributed.run", *options, str(Path(script).resolve()), *arguments]


def first_host(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this is the first machine of a job."""
    hosts = _hosts(environ)
    return environ.get("SM_CURRENT_HOST", hosts[0]) == hosts[0]


def _hosts(environ: Mapping[str, str]) -> list[str]:
    return sorted(json.loads(environ.get("SM_HOSTS", "[]"))) or ["localhost"]
