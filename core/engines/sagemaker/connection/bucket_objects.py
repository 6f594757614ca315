"""Single objects in the bucket of a workspace: read, written, looked for."""

from __future__ import annotations

import base64
import hashlib

from core.engines.sagemaker.connection.aws import Aws
from core.engines.sagemaker.connection.failures import code_of, translated
from core.engines.sagemaker.connection.workspace import Workspace
from core.translation import tr

_MISSING = ("404", "NoSuchKey")


class BucketObjects:
    """Reads and writes objects by their keys. Every call raises `EngineError` where S3 refuses."""

    def __init__(self, aws: Aws, workspace: Workspace) -> None:
        self._aws, self._workspace = aws, workspace

    def get(self, key: str, bucket: str = "") -> bytes | None:
        """Return the content of an object, in the workspace's bucket or another; None where there is none."""
        from botocore.exceptions import ClientError

        with translated(tr("The bucket could not be read."), self._aws.profile):
            try:
                found = self._aws.client("s3").get_object(Bucket=bucket or self._workspace.bucket, Key=key)
                return bytes(found["Body"].read())
            except ClientError as error:
                if code_of(error) in _MISSING:
                    return None
                raise

    def exists(self, key: str) -> bool:
        """Whether an object is there."""
        from botocore.exceptions import ClientError

        with translated(tr("The bucket could not be read."), self._aws.profile):
            try:
                self._aws.client("s3").head_object(Bucket=self._workspace.bucket, Key=key)
                return True
            except ClientError as error:
                if code_of(error) in _MISSING:
                    return False
                raise

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the sizes of the objects below a prefix, by what follows it in their keys."""
        with translated(tr("The bucket could not be read."), self._aws.profile):
            pages = self._aws.client("s3").get_paginator("list_objects_v2")
            return {
                str(item["Key"])[len(prefix) :]: int(item["Size"])
                for page in pages.paginate(Bucket=self._workspace.bucket, Prefix=prefix)
                for item in page.get("Contents", ())
            }

    def put(self, key: str, content: bytes) -> None:
        """Write an object, in place of one that is there."""
        with translated(tr("The bucket could not be written."), self._aws.profile):
            self._aws.client("s3").put_object(
                Bucket=self._workspace.bucket, Key=key, Body=content, **self._workspace.encryption
            )

    def put_once(self, key: str, content: bytes) -> None:
        """Write an object whose key says its content, if it is not there."""
        if self.exists(key):
            return
        checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
        with translated(tr("The job's files could not be put into S3."), self._aws.profile):
            self._aws.client("s3").put_object(
                Bucket=self._workspace.bucket,
                Key=key,
                Body=content,
                ChecksumSHA256=checksum,
                **self._workspace.encryption,
            )
