"""Uploads through a connection: one that loses its login on the way waits for a new one, and continues by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.cloud.interface import UploadResult
from core.engines.sagemaker.connection.failure_table import LOGIN_CODES
from core.engines.sagemaker.connection.failures import LoginNeeded, explain
from core.engines.sagemaker.upload.upload import upload
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest
    from core.engines.sagemaker.connection.aws import Aws
    from core.engines.sagemaker.connection.workspace import Workspace

LOGIN_PAUSE_S = 15.0


def stage(
    manifest: Manifest,
    aws: Aws,
    workspace: Workspace,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    paused: Callable[[], bool] = lambda: False,
) -> UploadResult:
    """Upload a dataset version to where the engine keeps datasets; see `send`."""
    return send(
        manifest, aws, workspace.bucket, workspace.key("datasets"), workspace.kms_key, on_progress, cancel, paused
    )


def send(
    manifest: Manifest,
    aws: Aws,
    bucket: str,
    prefix: str,
    kms_key: str = "",
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
    paused: Callable[[], bool] = lambda: False,
) -> UploadResult:
    """Call `upload`, over logins that end meanwhile.

    Raises:
        LoginNeeded: there was no login to begin with.
        Others: as `upload` does.
    """
    cancel, begun = cancel or CancelToken(), False

    def heard(progress: Progress) -> None:
        nonlocal begun
        begun = begun or progress.total is not None
        on_progress(progress)

    while True:
        try:
            client, session = aws.client("s3"), aws.session
            return upload(
                manifest, client, bucket, prefix, heard, cancel, paused=paused, kms_key=kms_key, session=session
            )
        except LoginNeeded:
            if not begun:
                raise
        waiting = explain(LOGIN_CODES[0], "", tr("The upload waits, and what was sent stays."), aws.profile)
        on_progress(Progress(0, None, str(waiting)))
        cancel.wait(LOGIN_PAUSE_S)
        cancel.raise_if_cancelled()
        aws.renew()
