"""A saved trial in S3, read piece by piece: listings, index files and the ranges of tensors that rules ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from core.errors import UserFacingError
from core.translation import tr
from training_scripts.debugger.writer import END_MARKER

_THREADS = 16
_SMALL = (".json",)
T = TypeVar("T")


class S3Storage:
    """The `Storage` of a trial under s3://bucket/prefix. `client` is a boto3 S3 client; else the default credentials.

    Raises:
        UserFacingError: from any method, when S3 cannot be reached or refuses.
    """

    def __init__(self, root: str, client: Any | None = None) -> None:
        self.root = root
        bucket, _, prefix = root.removeprefix("s3://").partition("/")
        self._bucket, self._prefix = bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = client
        self._small: dict[str, bytes] = {}

    def index_files(self) -> Sequence[str]:
        """See `Storage.index_files`. Their content comes along, many at once, for each is read right after."""
        return self._listed("index/")

    def collection_files(self) -> Sequence[str]:
        """See `Storage.collection_files`."""
        return self._listed("collections/")

    def ended(self) -> bool:
        """See `Storage.ended`."""
        return END_MARKER in self._list(END_MARKER)

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """See `Storage.read`."""
        if name in self._small:
            return self._small[name][start:][:length]
        kind: dict[str, str] = {}
        if start or length is not None:
            kind["Range"] = f"bytes={start}-{'' if length is None else start + length - 1}"

        def get(s3: Any) -> bytes:
            return bytes(s3.get_object(Bucket=self._bucket, Key=self._prefix + name, **kind)["Body"].read())

        return self._asked(get)

    def files(self, ending: str) -> dict[str, float]:
        """Return all files below the root whose names end like this, and when each was written (Unix seconds)."""
        return {name: changed for name, changed in self._list("").items() if name.endswith(ending)}

    def _listed(self, part: str) -> list[str]:
        names = list(self._list(part))
        wanted = [name for name in names if name.endswith(_SMALL) and name not in self._small]
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="sagehound-s3") as pool:
            # Another one in place of the old: a copy of this storage, which goes with its trial, keeps what it reads.
            self._small = {**self._small, **dict(zip(wanted, pool.map(self.read, wanted), strict=True))}
        return names

    def _list(self, part: str) -> dict[str, float]:
        def pages(s3: Any) -> dict[str, float]:
            found = s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix + part)
            entries = [entry for page in found for entry in page.get("Contents", ())]
            return {entry["Key"].removeprefix(self._prefix): entry["LastModified"].timestamp() for entry in entries}

        return self._asked(pages)

    def _asked(self, request: Callable[[Any], T]) -> T:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._client is None:
                config = Config(max_pool_connections=_THREADS, retries={"mode": "adaptive", "max_attempts": 5})
                self._client = boto3.client("s3", config=config)
            return request(self._client)
        except (BotoCoreError, ClientError) as error:
            raise UserFacingError(
                tr("The tensors under {root} could not be read.").format(root=self.root),
                f"{error}".rstrip(".") + ".",
                tr("Check the address, the region and that your credentials may list and read the bucket."),
            ) from error
