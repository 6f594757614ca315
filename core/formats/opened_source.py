"""What a user names as a dataset (a folder, a file of labels, an archive, a prefix in S3), as the folder it is in."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from core.errors import DatasetError
from core.formats.records import ReadOptions
from core.progress import CancelToken, OnProgress, ignore_progress
from core.translation import tr

ARCHIVES = (".zip", ".tm", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""Endings of archives."""

LABEL_FILES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml", ".txt", ".lst", ".parquet")
"""Endings of files that stand for the dataset in whose folder they are."""


def may_be_dataset(path: Path) -> bool:
    """Whether a file stands for a dataset by its ending."""
    return path.name.lower().endswith((*ARCHIVES, *LABEL_FILES))


@dataclass(frozen=True, slots=True)
class OpenedSource:
    """The folder of a dataset, and how it is to be read."""

    folder: Path
    options: ReadOptions


def open_source(
    path: Path,
    options: ReadOptions | None,
    imports: Path,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> OpenedSource:
    """Return the folder of what was named; an archive is unpacked into `imports`, s3://BUCKET/PREFIX is fetched there.

    Of a file of labels it is the folder that it is in, and the file is the one to read.

    Raises:
        DatasetError: it is none of these, or cannot be unpacked or fetched.
        Cancelled: through `cancel`.
    """
    from core.formats.bucket import fetch, is_bucket_address

    if is_bucket_address(path):
        return OpenedSource(fetch(path, imports, on_progress, cancel), options or ReadOptions())
    options, path = options or ReadOptions(), path.expanduser()
    if not path.is_file():
        return OpenedSource(path, options)
    if path.suffix.lower() in LABEL_FILES:
        return OpenedSource(path.parent, dataclasses.replace(options, labels=options.labels or path.name))
    from core.formats.archives import is_archive, unpack

    if is_archive(path):
        return OpenedSource(unpack(path, imports, on_progress, cancel), options)
    raise DatasetError(
        tr("{path} cannot be read as a dataset.").format(path=path),
        tr("It is a file, but neither an archive (zip, tar) nor a file of labels (CSV, JSON, XML, a list of paths)."),
        tr("Choose the folder that holds the pictures, or such a file."),
    )
