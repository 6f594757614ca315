"""What a user can set, declared once: `Settings` holds values, titles and bounds; `SettingsFile` is the file.

The settings dialog and the checks are both made from the declaration. The file also remembers free-form state of the
window (sizes, the last form), which is no one's setting: `recall` and `remember`.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from core.engine_names import ENGINES, LOCAL
from core.errors import UserFacingError
from core.translation import tr
from training_scripts.durable import write_text
from training_scripts.outside import UNUSABLE, read_json

VERSION = 1
ENGINE_SECTION = "Engine"


@dataclass(frozen=True, slots=True)
class Declared:
    """How a setting is shown and what it may be. `choices` are (value, words) pairs; `low` and `high` are inclusive."""

    section: str
    title: str
    description: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    low: float | None = None
    high: float | None = None
    suffix: str = ""


def _setting(default: Any, section: str, title: str, description: str = "", **rest: Any) -> Any:
    return field(default=default, metadata={"declared": Declared(section, title, description, **rest)})


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a user can set.

    Raises:
        UserFacingError: a value is out of its bounds or of the wrong kind.
    """

    theme: str = _setting(
        "system",
        tr("Appearance"),
        tr("Colours"),
        tr("System follows the scheme of the desktop."),
        choices=(("system", tr("System")), ("light", tr("Light")), ("dark", tr("Dark"))),
    )
    text_percent: int = _setting(
        100,
        tr("Appearance"),
        tr("Text size"),
        tr("In percent of the system's own text size."),
        low=75,
        high=200,
        suffix=" %",
    )
    engine: str = _setting(
        LOCAL,
        ENGINE_SECTION,
        "Engine",
        tr("Local trains on this computer and costs nothing. SageMaker runs paid jobs in your AWS account."),
        choices=tuple(ENGINES.items()),
    )
    valid_percent: int = _setting(
        15,
        tr("New datasets"),
        tr("Valid share"),
        tr("How much of a dataset picks the best trial."),
        low=5,
        high=45,
        suffix=" %",
    )
    test_percent: int = _setting(
        15,
        tr("New datasets"),
        tr("Test share"),
        tr("How much is kept aside for the last word."),
        low=5,
        high=45,
        suffix=" %",
    )
    split_seed: int = _setting(
        0,
        tr("New datasets"),
        tr("Split seed"),
        tr("The same seed splits the same pictures alike."),
        low=0,
        high=2**31 - 1,
    )
    on_close: str = _setting(
        "ask",
        tr("Window"),
        tr("Closing while jobs run"),
        tr("Local jobs can continue without the window."),
        choices=(("ask", tr("Ask")), ("continue", tr("Let them continue")), ("stop", tr("Stop them"))),
    )
    notify: bool = _setting(
        True, tr("Window"), tr("Tell when a job ends"), tr("A short message in the corner of the window.")
    )
    preload_model: bool = _setting(
        True, tr("Window"), tr("Load the best model at start"), tr("The first picture is then answered at once.")
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name), item.default, declared(item.name))

    @property
    def fractions(self) -> tuple[float, float, float]:
        """Return the default split: train, valid and test; they add up to 1."""
        valid, test = self.valid_percent / 100, self.test_percent / 100
        return (1 - valid - test, valid, test)


def declared(name: str) -> Declared:
    """Return how the setting `name` is shown and bounded."""
    item = next(item for item in fields(Settings) if item.name == name)
    return cast(Declared, item.metadata["declared"])


class SettingsFile:
    """The settings and the remembered state in one JSON file, written atomically.

    A file that cannot be read is set aside as `settings.json.bad` and the defaults are taken: `problem` says so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problem = ""
        self._settings, self._state = self._load()

    @property
    def current(self) -> Settings:
        """Return the settings as they are now."""
        return self._settings

    def change(self, **changes: Any) -> Settings:
        """Change some settings and save; returns them all.

        Raises:
            UserFacingError: a value is not allowed (nothing is changed), or the file cannot be written.
        """
        self._settings = dataclasses.replace(self._settings, **changes)
        self._save()
        return self._settings

    def recall(self, key: str, default: Any = None) -> Any:
        """Return some remembered state: what JSON can hold."""
        return self._state.get(key, default)

    def remember(self, key: str, value: Any) -> None:
        """Remember some state; None forgets it.

        Raises:
            UserFacingError: the file cannot be written.
        """
        if self._state.get(key) == value:
            return
        if value is None:
            del self._state[key]
        else:
            self._state[key] = value
        self._save()

    def _load(self) -> tuple[Settings, dict[str, Any]]:
        try:
            data = migrate(read_json(self._path))
            return _settings_from(data["settings"]), dict(data["state"])
        except FileNotFoundError:
            return Settings(), {}
        except UNUSABLE:
            with suppress(OSError):
                os.replace(self._path, self._path.with_suffix(".json.bad"))
            self.problem = tr(
                "The settings could not be read; the defaults are used and the old file was kept beside it."
            )
            return Settings(), {}

    def _save(self) -> None:
        data = {"version": VERSION, "settings": dataclasses.asdict(self._settings), "state": self._state}
        try:
            write_text(self._path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
        except OSError as error:
            raise UserFacingError(
                tr("The settings could not be saved."),
                f"{error.strerror or error} ({self._path}).",
                tr("Make room or give yourself the right to write there."),
            ) from error


def migrate(data: Mapping[str, Any]) -> dict[str, Any]:
    """Bring a settings file of any earlier version to this one.

    Raises:
        ValueError: it is of a later version.
    """
    version = data.get("version", 0)
    if version > VERSION:
        raise ValueError(f"settings of version {version}")
    if version == 0:
        # Version 0 was a bare mapping of settings.
        data = {"version": 1, "settings": {k: v for k, v in data.items() if k != "version"}, "state": {}}
    return dict(data)


def _settings_from(values: Mapping[str, Any]) -> Settings:
    """Return settings from a file: unknown names are dropped, and what is not allowed falls back to its default."""
    made = Settings()
    for item in fields(Settings):
        if item.name in values:
            with suppress(UserFacingError):
                made = dataclasses.replace(made, **{item.name: values[item.name]})
    return made


def _check(name: str, value: Any, default: Any, how: Declared) -> None:
    # bool is a kind of int in Python, and a setting must stay what it was declared as.
    if type(value) is not type(default):
        raise UserFacingError(
            tr("{title} must be {kind}, not {value!r}.").format(
                title=how.title, kind=type(default).__name__, value=value
            ),
            fix=tr("Set it again."),
        )
    if how.choices and value not in {choice for choice, _ in how.choices}:
        allowed = ", ".join(choice for choice, _ in how.choices)
        raise UserFacingError(
            tr("{value!r} is not a choice for {title}.").format(value=value, title=how.title),
            fix=tr("Choose one of {allowed}.").format(allowed=allowed),
        )
    if how.low is not None and how.high is not None and not how.low <= value <= how.high:
        raise UserFacingError(
            tr("{value} is out of bounds for {title}.").format(value=value, title=how.title),
            fix=tr("Take {low} to {high}{suffix}.").format(low=how.low, high=how.high, suffix=how.suffix),
        )
