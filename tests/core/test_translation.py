"""Sentences that are translated: each is one literal, and a language may put its parts into another order."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from core import translation
from core.paths import ROOT
from core.translation import plural, tr

TRANSLATED = ("gui",)
"""Where all sentences are translated."""

_WORDS = re.compile(r"[A-Za-z]{2,}[,.;:]? [A-Za-z]{2,}")


def files(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def is_translated(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("tr", "plural")


def sentences_outside(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the sentences below a node that no call translates; docstrings are not shown."""
    for child in ast.iter_child_nodes(node):
        if is_translated(child) or (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
            continue
        text = child.value if isinstance(child, ast.Constant) else ""
        if isinstance(child, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in child.values)
        if isinstance(text, str) and _WORDS.search(text):
            yield child
        else:
            yield from sentences_outside(child)


@pytest.fixture
def language(monkeypatch):
    """A catalogue of another language, made of (sentence, translation) pairs."""

    def use(locale: str, *pairs: tuple[str | tuple[str, str], str | tuple[str, ...]]) -> None:
        catalogue, file = Catalog(locale=locale), io.BytesIO()
        for sentence, translated in pairs:
            catalogue.add(sentence, translated)
        write_mo(file, catalogue)
        file.seek(0)
        monkeypatch.setattr(translation, "_catalogue", GNUTranslations(file))

    return use


def test_what_is_translated_is_a_literal():
    found = [(path, call) for path, tree in files("core", "gui") for call in ast.walk(tree) if is_translated(call)]
    assert len(found) > 100
    for path, call in found:
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Name)
        texts = call.args[: 2 if call.func.id == "plural" else 1]
        assert all(isinstance(text, ast.Constant) and isinstance(text.value, str) for text in texts), (
            f"{path}:{call.lineno}: a sentence that is put together cannot be translated"
        )


def test_all_sentences_of_these_rooms_are_translated():
    shown = [ast.unparse(node) for _, tree in files(*TRANSLATED) for node in sentences_outside(tree)]
    assert not shown


def test_another_language_has_another_order(language):
    sentence = "{name} costs {dollars} a day on {instance_type}."
    language("de", (sentence, "Auf {instance_type} kostet {name} {dollars} am Tag."))
    said = tr(sentence).format(name="cats", dollars="$2.40", instance_type="ml.m5.large")
    assert said == "Auf ml.m5.large kostet cats $2.40 am Tag."
    assert tr("Not in the catalogue") == "Not in the catalogue"


def test_another_language_has_other_plurals(language):
    one, many = "{count:,} picture is taken back.", "{count:,} pictures are taken back."
    assert [plural(one, many, count) for count in (1, 2000)] == [
        "1 picture is taken back.",
        "2,000 pictures are taken back.",
    ]
    language("pl", ((one, many), ("{count} zdjęcie", "{count} zdjęcia", "{count} zdjęć")))
    assert [plural(one, many, count) for count in (1, 3, 5)] == ["1 zdjęcie", "3 zdjęcia", "5 zdjęć"]
