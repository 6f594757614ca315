"""A connection to a cloud, and what there is behind it: identity, buckets, roles, jobs, and checks of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from core.jobs.records import JobKind
from core.settings import SettingsFile

_KEY = "sagemaker"


@dataclass(frozen=True, slots=True)
class Connection:
    """Profile ("": the default credentials), region ("": the profile's), bucket, role, prefix, image and KMS key.

    It is remembered between runs; no secret is among it.
    """

    profile: str = ""
    region: str = ""
    bucket: str = ""
    role: str = ""
    prefix: str = "sagehound"
    image: str = ""
    kms_key: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether jobs can be started with it: bucket and role are chosen."""
        return bool(self.bucket and self.role)

    @classmethod
    def recall(cls, settings: SettingsFile) -> Connection:
        """Return the connection used last."""
        data = settings.recall(_KEY)
        if not isinstance(data, dict):
            return cls()
        return cls(**{key: data[key] for key in cls.__dataclass_fields__ if isinstance(data.get(key), str)})

    def remember(self, settings: SettingsFile) -> None:
        """Use this one in later runs, where no other is named."""
        settings.remember(_KEY, asdict(self))

    def changed(self, **given: Any) -> Connection:
        """Return this connection with what was given (not None) in its place."""
        return replace(self, **{key: value for key, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the cloud takes this user for."""

    account: str
    arn: str
    region: str
    profile: str = ""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and the region it is in."""

    name: str
    region: str


@dataclass(frozen=True, slots=True)
class Role:
    """A role that jobs run as; `trusted` says whether the cloud's service may take it on."""

    name: str
    arn: str
    trusted: bool


@dataclass(frozen=True, slots=True)
class Account:
    """An account as these credentials see it.

    `buckets` are in the region in use and `roles` trust the service that runs jobs. `suggested` is the bucket that
    Sagehound would create. `notes` says, a sentence each, what could not be listed; names can be typed nevertheless.
    """

    identity: Identity
    buckets: tuple[Bucket, ...]
    roles: tuple[Role, ...]
    suggested: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policies:
    """The least rights that do, as JSON to copy: of the user, of the role that jobs run as, and who may take that on.

    `role_in_vpc`: the role's, for jobs in a network of the user's own.
    """

    user: str
    role: str
    role_in_vpc: str
    trust: str


class Verdict(StrEnum):
    """How a check ended. UNKNOWN: it could not be done, which need not mean that something is wrong."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was looked at, how it is, and what to do where it is not well."""

    name: str
    verdict: Verdict
    text: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class AccountJob:
    """A job of the account; `created` in Unix seconds, `known` says whether it is in the store."""

    name: str
    kind: JobKind
    status: str
    created: float
    known: bool
