"""Where the connection to AWS is remembered between runs, and the engine that it gives. No secret is among it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from core.engines.sagemaker.connection.place import Place
from core.errors import EngineError
from core.settings import SettingsFile

if TYPE_CHECKING:
    from core.engines.sagemaker.engine import SageMakerEngine
    from core.paths import AppPaths
    from core.store import Store

KEY = "sagemaker"


@dataclass(frozen=True, slots=True)
class Connection:
    """Profile ("": the default credentials), region ("": the profile's), bucket, role, prefix, image and KMS key."""

    profile: str = ""
    region: str = ""
    bucket: str = ""
    role: str = ""
    prefix: str = "sagehound"
    image: str = ""
    kms_key: str = ""

    @classmethod
    def recall(cls, settings: SettingsFile) -> Connection:
        """Return the connection used last."""
        data = settings.recall(KEY, {})
        known = {key: str(value) for key, value in data.items() if key in cls.__dataclass_fields__}
        return cls(**known) if isinstance(data, dict) else cls()

    def remember(self, settings: SettingsFile) -> None:
        """Use this one from now on, where no other is named."""
        settings.remember(KEY, asdict(self))

    @property
    def place(self) -> Place:
        """Return where jobs of this connection run and lie."""
        return Place(self.bucket, self.role, self.prefix, self.image, self.kms_key)

    def changed(self, **given: Any) -> Connection:
        """This connection with what was given (not None) in its place."""
        return replace(self, **{key: value for key, value in given.items() if value is not None})


def open_engine(connection: Connection, paths: AppPaths, store: Store, background: bool = True) -> SageMakerEngine:
    """Return the engine of a connection; nothing is sent yet.

    `background`: what has to be done when nobody looks is left to a process of its own.

    Raises:
        EngineError: bucket or role are not chosen.
    """
    from core.engines.sagemaker.connection.aws import Aws
    from core.engines.sagemaker.engine import SageMakerEngine

    for name, value, option in (("bucket", connection.bucket, "--bucket"), ("role", connection.role, "--role")):
        if not value:
            raise EngineError(
                f"No {name} is chosen for SageMaker.",
                "Jobs there read from and write to a bucket of yours, with the rights of an execution role.",
                f"Give {option}; `sagehound preflight --{name}s` lists what there is.",
            )
    aws = Aws(connection.profile, connection.region)
    if not background:
        return SageMakerEngine(paths, store, aws, connection.place)
    from core.engines.sagemaker.tracking.background import starter

    return SageMakerEngine(paths, store, aws, connection.place, in_background=starter(paths, connection))
