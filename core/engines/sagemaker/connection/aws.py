"""The connection to one AWS account and region: sessions and clients, made when they are first needed.

Credentials come from AWS's default chain or a named profile; none is read, kept or logged here.
"""

from __future__ import annotations

import threading
from typing import Any

from core.engines.sagemaker.connection.failures import translated
from core.errors import EngineError
from core.translation import tr

_POOL = 48


class Aws:
    """Clients of one profile and region. Thread-safe; clients are shared by threads, as botocore allows.

    Args:
        profile: a profile's name; "" for the default credentials of this computer.
        region: a region's name; "" for that of the profile.
    """

    def __init__(self, profile: str = "", region: str = "") -> None:
        self.profile = profile
        self._wanted_region = region
        self._lock = threading.RLock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._account = ""

    @property
    def session(self) -> Any:
        """Return the boto3 session.

        Raises:
            EngineError: there is no such profile, or no region is known.
        """
        with self._lock:
            if self._session is None:
                import boto3

                with translated(tr("The AWS profile cannot be used.")):
                    self._session = boto3.Session(
                        profile_name=self.profile or None, region_name=self._wanted_region or None
                    )
            if not self._session.region_name:
                raise EngineError(
                    tr("No AWS region is chosen."),
                    tr("Neither the settings nor the profile name one."),
                    tr("Choose a region, for instance eu-west-1."),
                )
            return self._session

    @property
    def region(self) -> str:
        """Return the region in use."""
        return str(self.session.region_name)

    def client(self, service: str, region: str = "") -> Any:
        """Return a boto3 client that retries what is throttled or broken, with backoff."""
        key = f"{service} {region}"
        with self._lock:
            if key not in self._clients:
                config = _config(service)
                with translated(tr("AWS cannot be reached.")):
                    self._clients[key] = self.session.client(service, region_name=region or self.region, config=config)
            return self._clients[key]

    @property
    def sagemaker(self) -> Any:
        """Return the SageMaker client of the SDK.

        Requests go through it as they are written: the SDK's own serialiser drops values that are false, a
        RandomSeed of 0 among them (`sagemaker.core.utils.utils._serialize_shape`).
        """
        with self._lock:
            if "sdk" not in self._clients:
                from sagemaker.core.utils.utils import SageMakerClient

                with translated(tr("AWS cannot be reached.")):
                    self._clients["sdk"] = SageMakerClient(
                        session=self.session, region_name=self.region, config=_config("sagemaker")
                    )
            return self._clients["sdk"].get_client("sagemaker")

    def renew(self) -> None:
        """Forget session and clients, so that the next call reads the credentials again (after a new login)."""
        with self._lock:
            if "sdk" in self._clients:
                from sagemaker.core.utils.utils import SageMakerClient

                SageMakerClient.reset()  # it keeps every session that it ever had
            self._clients.clear()  # not closed: other threads may be in the middle of a call
            self._session = None
            self._account = ""

    def close(self) -> None:
        """Release the connections; who asks again gets new ones."""
        self.renew()

    @property
    def account(self) -> str:
        """Return the number of the account.

        Raises:
            EngineError: AWS does not know these credentials.
        """
        if not self._account:
            with translated(tr("The AWS account could not be asked for.")):
                self._account = str(self.client("sts").get_caller_identity()["Account"])
        return self._account


def _config(service: str) -> Any:
    from botocore.config import Config

    mode = "adaptive" if service == "s3" else "standard"
    # Who one is, is asked before anything else: a proxy that does not answer must not take minutes to be found out.
    attempts, patience_s = (2, 10) if service == "sts" else (5, 70)
    return Config(
        retries={"mode": mode, "total_max_attempts": attempts},
        max_pool_connections=_POOL,
        connect_timeout=5,
        read_timeout=patience_s,
        user_agent_extra="sagehound",
    )
