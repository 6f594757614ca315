"""Who may ask, how much and how often."""

from __future__ import annotations

import hmac
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.translation import tr


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server bears.

    Attributes:
        body: bytes of a request, SageMaker's own limit for real-time endpoints.
        waiting: pictures that may wait for their answer at once.
        connections: connections open at once.
        per_second, burst: requests of one address other than this machine's.
        silence_s: how long a connection may say nothing.
    """

    body: int = 25_000_000
    waiting: int = 256
    connections: int = 64
    per_second: float = 20.0
    burst: int = 40
    silence_s: float = 30.0


class Rates:
    """How often each address may ask: a bucket of `burst` that fills by `per_second`. Thread-safe."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def allows(self, address: str) -> bool:
        """Whether this address may ask now; asking counts. This machine's own addresses always may."""
        if is_loopback(address):
            return True
        with self._lock:
            now = self._clock()
            left, since = self._buckets.get(address, (float(self._limits.burst), now))
            left = min(float(self._limits.burst), left + (now - since) * self._limits.per_second)
            if len(self._buckets) > 10_000:  # those that are full again say nothing
                self._buckets.clear()
            self._buckets[address] = (max(left - 1, 0.0), now)
            return left >= 1


class Access:
    """Whether a request may be answered: no other site's page may ask, and who has the token may where one is set.

    A page of another site can send requests to this machine from its reader's browser, by address or by a name that it
    lets point here. Its requests carry its own name as Origin or as Host.
    """

    def __init__(self, host: str, token: str = "") -> None:
        self._token = token
        self._names = {"localhost", host.lower(), socket.gethostname().lower()}

    def refusal(self, headers: Mapping[str, str]) -> str:
        """Return why a request is refused, "" where it is not."""
        asked = headers.get("Host", "")
        name = (urlsplit(f"//{asked}").hostname or "").lower()
        if name not in self._names and not _is_address(name):
            return tr("This server does not go by that name.")
        origin = headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != asked.lower():
            return tr("Pages of other sites may not ask this server.")
        if headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Mode") != "navigate":
            return tr("Pages of other sites may not ask this server.")
        return ""

    def knows(self, headers: Mapping[str, str]) -> bool:
        """Whether a request has the token.

        As `Authorization: Bearer TOKEN`, or, from SageMaker's clients, which sign that header themselves, as the custom
        attribute `token=TOKEN`.
        """
        if not self._token:
            return True
        given = (headers.get("Authorization", ""), headers.get("X-Amzn-SageMaker-Custom-Attributes", ""))
        wanted = (f"Bearer {self._token}", f"token={self._token}")
        matches = [hmac.compare_digest(one.encode(), other.encode()) for one, other in zip(given, wanted, strict=True)]
        return any(matches)


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, which no other can reach."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
