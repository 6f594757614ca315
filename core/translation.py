"""Sentences for people in the language of the system, where resources/locale has a catalogue of it; else in English.

A sentence is one literal, `tr("{name} is loaded.").format(name=name)`, never put together from parts: another language
has another order. What follows a number is `plural`. `make catalogue` writes the template that translators start from.
"""

from __future__ import annotations

from gettext import translation
from pathlib import Path
from typing import Any

_LOCALE = Path(__file__).resolve().parent.parent / "resources" / "locale"
_catalogue = translation("sagehound", _LOCALE, fallback=True)


def tr(sentence: str) -> str:
    """Return a sentence in the user's language."""
    return _catalogue.gettext(sentence)


def plural(one: str, many: str, count: int, **values: Any) -> str:
    """Return the form of a sentence that goes with `count`, which fills `{count}`; `values` fill the rest."""
    return _catalogue.ngettext(one, many, count).format(count=count, **values)
