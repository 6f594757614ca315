"""Watches over the endpoints deployed from this machine: each is deleted at the end of its life, while Sagehound runs.

A closed laptop deletes nothing; what is overdue goes when Sagehound runs the next time. `daily_usd` is for who asks
before closing.
"""

from __future__ import annotations

import logging
import threading
import time

from core.engines.sagemaker.aws import Aws
from core.engines.sagemaker.endpoints import Endpoints
from core.engines.sagemaker.place import read_json, write_json
from core.errors import UserFacingError
from core.paths import AppPaths

FILE = "endpoints.json"
_EVERY_S = 30.0
_logger = logging.getLogger(__name__)


class Guardian:
    """The endpoints with an end of life that this machine knows of. Thread-safe."""

    def __init__(self, paths: AppPaths, aws: Aws, hosted: Endpoints) -> None:
        self._file, self._aws, self._hosted = paths.home / FILE, aws, hosted
        self._lock = threading.Lock()
        self._swept = 0.0

    def remember(self, name: str, expires: float) -> None:
        """Watch an endpoint of the region in use; `expires` in Unix seconds."""
        with self._lock:
            known = read_json(self._file)
            known[f"{self._aws.region} {name}"] = expires
            write_json(self._file, known)

    def forget(self, name: str) -> None:
        """Watch it no longer."""
        with self._lock:
            known = read_json(self._file)
            if known.pop(f"{self._aws.region} {name}", None) is not None:
                write_json(self._file, known)

    def is_needed(self) -> bool:
        """Whether there is an endpoint to watch; asks nobody."""
        return bool(read_json(self._file))

    def sweep(self, now: float | None = None) -> list[str]:
        """Delete the endpoints whose life is over; returns their names. At most twice a minute it does something.

        Raises:
            EngineError: AWS refused; they are tried again.
        """
        moment = time.time() if now is None else now
        if now is None and time.monotonic() - self._swept < _EVERY_S:
            return []
        self._swept = time.monotonic()
        gone = []
        for key, expires in read_json(self._file).items():
            region, _, name = key.partition(" ")
            if region != self._aws.region or float(expires) > moment:
                continue
            try:
                self._hosted.delete(name)
                gone.append(name)
                _logger.info("the endpoint %s is deleted: its life is over", name)
            except UserFacingError:
                if self._hosted.get(name) is not None:
                    raise
            self.forget(name)
        return gone


def daily_usd(hosted: Endpoints) -> dict[str, float]:
    """What our running endpoints cost a day, by name; serverless ones cost nothing while nobody asks."""
    running = [endpoint for endpoint in hosted.all() if endpoint.ours and endpoint.hourly_usd is not None]
    return {endpoint.name: 24 * (endpoint.hourly_usd or 0.0) for endpoint in running}
