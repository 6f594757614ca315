"""Watches over the endpoints deployed from this machine, so that none is forgotten.

Each is deleted at the end of its life. One that AWS keeps, as it is being created or updated, is deleted as soon as AWS
lets it. After an update, what is no longer used is removed. What is to be done is kept in a file: a closed
laptop does nothing, and what is overdue is done when Sagehound runs the next time.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from core.cloud.hosting import PATIENCE_S, EndpointBusy
from core.engine import Endpoint
from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.json_files import read_json, write_json
from core.engines.sagemaker.endpoints.endpoints import Endpoints
from core.engines.sagemaker.endpoints.hosting_request import Update
from core.engines.sagemaker.timing import Timing
from core.errors import Cancelled, UserFacingError
from core.locks import lock_of
from core.paths import AppPaths
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr

FILE = "endpoints.json"
_EVERY_S = 30.0
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Watched:
    """What is to be done about an endpoint: its end of life, a deletion that waits, an update that is under way.

    `notice` says what became of the last update, where it failed.
    """

    expires: float | None = None
    deletion_pending: bool = False
    others_too: bool = False
    update: Update | None = None
    notice: str = ""

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to be done, ever."""
        return self.expires is None and not self.deletion_pending and self.update is None


class EndpointLifetimes:
    """The endpoints that this machine has something to do about. Thread-safe, and safe beside other processes."""

    def __init__(self, paths: AppPaths, aws: Aws, hosted: Endpoints, retry_s: float = Timing().delete) -> None:
        self._file, self._aws, self._hosted = paths.home / FILE, aws, hosted
        self._lock = threading.RLock()
        self._swept, self._retry_s = 0.0, retry_s

    def remember(self, name: str, expires: float) -> None:
        """Watch an endpoint of the region in use; `expires` in Unix seconds."""
        self._change(name, lambda watched: dataclasses.replace(watched, expires=expires))

    def follow(self, update: Update) -> None:
        """Watch an update; the endpoint lives as long as it says."""
        self._change(update.endpoint, lambda _: Watched(update.expires, update=update))

    def cancel_deletion(self, name: str) -> bool:
        """Do not delete an endpoint after all; False where that was not to be."""
        deletion_pending = self.watched(name).deletion_pending
        self._change(name, lambda watched: dataclasses.replace(watched, deletion_pending=False, others_too=False))
        return deletion_pending

    def restore(self, name: str, before: Watched) -> None:
        """Watch an endpoint as it was watched before."""
        self._change(name, lambda _: before)

    def forget(self, name: str) -> None:
        """Watch it no longer."""
        self._change(name, lambda _: Watched())

    def watched(self, name: str) -> Watched:
        """Return what is to be done about an endpoint."""
        return _read(read_json(self._file).get(self._key(name)))

    def marked(self, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
        """Return the endpoints with what this machine knows of them."""
        known = read_json(self._file)
        found = []
        for endpoint in endpoints:
            watched = _read(known.get(self._key(endpoint.name)))
            deletion_pending = watched.deletion_pending and endpoint.status != "Deleting"
            found.append(dataclasses.replace(endpoint, deletion_pending=deletion_pending, notice=watched.notice))
        return found

    def is_needed(self, region: str = "") -> bool:
        """Whether there is an endpoint to watch, in one region or anywhere; without asking."""
        known = read_json(self._file).items()
        return any(key.startswith(f"{region} " if region else "") and not _read(entry).is_idle for key, entry in known)

    def delete(
        self,
        name: str,
        others_too: bool = False,
        on_progress: OnProgress = ignore_progress,
        cancel: CancelToken | None = None,
        wait_s: float = PATIENCE_S,
    ) -> None:
        """Delete an endpoint with configuration and model, at once or as soon as AWS lets it.

        Raises:
            EndpointBusy: AWS does not let it yet, after `wait_s` seconds; it is deleted later.
            Cancelled: through `cancel`; it is deleted later, but for `cancel_deletion`.
            EngineError: there is none, it is not ours, or AWS refused.
        """
        deadline = time.monotonic() + wait_s
        while True:
            try:
                self._delete(name, others_too)
                return
            except EndpointBusy as busy:
                self._change(
                    name, lambda watched: dataclasses.replace(watched, deletion_pending=True, others_too=others_too)
                )
                if time.monotonic() >= deadline:
                    raise
                on_progress(Progress(0, None, tr("{what} It is deleted right after that").format(what=busy.what)))
            pause = min(self._retry_s, max(0.0, deadline - time.monotonic()))
            if cancel is None:
                time.sleep(pause)
            elif cancel.wait(pause):
                raise Cancelled
            if not self.watched(name).deletion_pending:
                raise Cancelled  # it is kept after all

    def run_due(self, now: float | None = None) -> list[str]:
        """Do what is due; returns the names of the endpoints deleted. At most twice a minute it does something.

        Raises:
            EngineError: AWS refused; it is tried again.
        """
        moment = time.time() if now is None else now
        if now is None and time.monotonic() - self._swept < _EVERY_S:
            return []
        self._swept = time.monotonic()
        gone, failure = [], None
        for key, entry in read_json(self._file).items():
            region, _, name = key.partition(" ")
            if region != self._aws.region:
                continue
            try:
                if self._attend(name, _read(entry), moment):
                    gone.append(name)
            except EndpointBusy:
                continue  # the next time
            except UserFacingError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return gone

    def _attend(self, name: str, watched: Watched, moment: float) -> bool:
        """Do what is due about one endpoint; whether it was deleted."""
        if watched.update is not None:
            said = self._hosted.settle(watched.update)
            if said is None:
                return False
            if said:
                _logger.warning("%s: %s", name, said)
            self._change(name, lambda known: dataclasses.replace(known, update=None, notice=said))
        if not watched.deletion_pending and (watched.expires is None or watched.expires > moment):
            return False
        if self._hosted.get(name) is None:
            self.forget(name)
            return False
        self._delete(name, watched.others_too)
        _logger.info(
            "the endpoint %s is deleted: %s", name, "as asked" if watched.deletion_pending else "its life is over"
        )
        return True

    def _delete(self, name: str, others_too: bool) -> None:
        update = self.watched(name).update
        self._hosted.delete(name, others_too)
        if update is not None:
            self._hosted.settle(update)  # what it left behind, of both sides
        self.forget(name)

    def _change(self, name: str, change: Callable[[Watched], Watched]) -> None:
        with (
            self._lock,
            lock_of(self._file, 30, tr("How long the endpoint {name} may live cannot be noted").format(name=name)),
        ):
            known = read_json(self._file)
            watched = change(_read(known.get(self._key(name))))
            if watched.is_idle and not watched.notice:
                known.pop(self._key(name), None)
            else:
                known[self._key(name)] = dataclasses.asdict(watched)
            write_json(self._file, known)

    def _key(self, name: str) -> str:
        return f"{self._aws.region} {name}"


def _read(entry: Any) -> Watched:
    """Return an entry of the file; earlier versions wrote the end of life alone, or `doomed`."""
    if isinstance(entry, int | float):
        return Watched(float(entry))
    if not isinstance(entry, dict):
        return Watched()
    known = {key: value for key, value in entry.items() if key in Watched.__dataclass_fields__}
    known.setdefault("deletion_pending", entry.get("doomed", False))
    update = entry.get("update")
    return Watched(**{**known, "update": Update(**update) if update else None})


def daily_usd(hosted: Endpoints) -> dict[str, float]:
    """Return what our running endpoints cost a day, by name; serverless ones cost nothing while they are not asked."""
    running = [endpoint for endpoint in hosted.all() if endpoint.ours and endpoint.hourly_usd is not None]
    return {endpoint.name: 24 * (endpoint.hourly_usd or 0.0) for endpoint in running}
