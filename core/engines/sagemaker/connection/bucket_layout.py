"""Where things are in the bucket.

<prefix>/datasets/<version>/<channel>/<class>/<file>   with a manifest.json beside the class folders
<prefix>/features/<key>/<features job>/                frozen features, a channel; complete.json beside it names it
<prefix>/features/<key>/<features job>/parts/…         what several machines computed of them (jobs/many_machines.py)
<prefix>/lists/<sha256>/<split>.json                   the pictures that they divide, a channel
<prefix>/weights/<sha256>/<file>                       pretrained weights, a channel
<prefix>/code/<sha256>/sourcedir.tar.gz                training_scripts
<prefix>/jobs/<job>/output/model.tar.gz                as SageMaker writes it
<prefix>/models/<job>/<sha256>/model.tar.gz            of a job that ran on this machine, once it is deployed
<prefix>/searches/<sha256>/search.json                 what a packed search is asked for, a channel
<prefix>/checkpoints/<job>/<training job>/             synced while a job runs: checkpoint, tensors, profiler files
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath

from core.dataset.manifest import CHANNEL_FILE, Entry, Manifest, levels_to_json
from core.errors import UsageError
from core.translation import tr


def split_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of an s3:// address, the key as it is: S3 takes every slash for a part of it.

    Raises:
        UsageError: it is none.
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket:
        raise UsageError(tr("{uri!r} is not an S3 address.").format(uri=uri), fix="Write s3://BUCKET/PREFIX.")
    return bucket, key


def join(*parts: str) -> str:
    """Return a key from its parts, with one slash between them, however many were given."""
    return "/".join(name for part in parts for name in part.split("/") if name)


def channel_keys(manifest: Manifest, split: str) -> dict[str, Entry]:
    """Return the pictures of a channel by their key inside it, `<class>/<file>`; subfolders of a class stay.

    Names are kept exactly. Where two pictures would get one key, the later has its content's hash before the ending.
    """
    keys: dict[str, Entry] = {}
    for entry in manifest.of(split):
        key = _inside(entry.path, manifest.classes[entry.label])
        if key in keys:
            path = PurePosixPath(key)
            key = str(path.with_name(f"{path.stem}-{entry.sha256[:12]}{path.suffix}"))
        keys[key] = entry
    return keys


def channel_manifest(manifest: Manifest, keys: Mapping[str, Entry]) -> bytes:
    """Return the manifest.json of a channel in S3: what a job reads its pictures, classes and version from."""
    data = {
        "format": 1,
        "root": ".",
        "dataset_version": manifest.version,
        "classes": list(manifest.classes),
        "levels": levels_to_json(manifest.levels),
        "pictures": [{"path": key, "label": e.label, "sha256": e.sha256} for key, e in keys.items()],
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _inside(path: str, label: str) -> str:
    parts = path.split("/")
    rest = parts[parts.index(label) + 1 :] if label in parts[:-1] else parts[-1:]
    return "/".join((label, *rest))


__all__ = ["CHANNEL_FILE", "channel_keys", "channel_manifest", "join", "split_uri"]
