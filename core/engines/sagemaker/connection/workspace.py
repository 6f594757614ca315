"""Where jobs run and their files are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.engines.sagemaker.connection.bucket_layout import join


@dataclass(frozen=True, slots=True)
class Workspace:
    """The bucket, the prefix in it, the execution role (name or ARN), and the image ("": AWS's for PyTorch).

    `kms_key` (an id, alias or ARN) encrypts what is put into the bucket, and a job's output and disk where its spec
    names no other; "": the bucket's own encryption.
    """

    bucket: str
    role: str
    prefix: str = "sagehound"
    image: str = ""
    kms_key: str = ""

    @property
    def encryption(self) -> dict[str, Any]:
        """Return the arguments of PutObject and CopyObject."""
        return encryption(self.kms_key)

    def uri(self, *parts: str) -> str:
        """Return the s3:// address of something below the prefix."""
        return f"s3://{self.bucket}/{join(self.prefix, *parts)}"

    def key(self, *parts: str) -> str:
        """Return its key in the bucket."""
        return join(self.prefix, *parts)


def encryption(kms_key: str) -> dict[str, Any]:
    """Return the arguments of PutObject and CopyObject that encrypt with a KMS key; none: the bucket's own."""
    if not kms_key:
        return {}
    # A bucket key asks KMS once for many objects: it is paid by the request.
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key, "BucketKeyEnabled": True}
