"""Sentences that are translated: each is one literal, and a language may put its parts into another order."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from functools import cache
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from core import translation
from core.paths import ROOT
from core.translation import plural, tr

SHOWN: dict[str, tuple[int | str, ...]] = {
    # Qt's own
    **dict.fromkeys(("setText", "setToolTip", "setStatusTip", "setWhatsThis", "setPlaceholderText", "setTitle"), (0,)),
    **dict.fromkeys(("setWindowTitle", "setLabelText", "setAccessibleName", "setAccessibleDescription"), (0,)),
    **dict.fromkeys(("setSuffix", "setSpecialValueText", "setHorizontalHeaderLabels", "addItems", "addMenu"), (0,)),
    **dict.fromkeys(("addTab", "addItem", "addAction", "QAction"), (0, 1)),
    **dict.fromkeys(("addRow", "QLabel", "QPushButton", "QCheckBox", "QRadioButton", "QGroupBox", "QMenu"), (0,)),
    **dict.fromkeys(("insertItem", "setTabText", "setItemText", "setItemData", "getExistingDirectory"), (1,)),
    **dict.fromkeys(("QFileDialog", "getOpenFileName", "getOpenFileNames", "getSaveFileName"), (1, 3)),
    **dict.fromkeys(("information", "question", "critical", "about", "getText", "getItem"), (1, 2)),
    # What the pages are made of
    **dict.fromkeys(("label", "ElidedLabel", "Card", "Banner", "Pick", "set_text", "set_context", "say", "_say"), (0,)),
    **dict.fromkeys(("PageHeader", "Plot", "SearchField", "set_labels", "show_trial"), (0, 1)),
    **dict.fromkeys(("icon_button", "Option", "StatusPill", "announce", "set_mark"), (1,)),
    **dict.fromkeys(("Decision", "EmptyState", "set_figure"), (1, 2, 3)),
    "Progress": (2, 3),
    "Field": (0, 2),
    "button": (0, "tip"),
    "set_texts": (0, 1, 2),
    **dict.fromkeys(("UserFacingError", "SpecError", "ModelError", "PictureError"), (0, 1, 2, "why", "fix")),
}
"""By the name of what is called, the arguments that users read."""

SAME_EVERYWHERE = "|".join(
    (
        r"(s3://|subnet-|project=)\S*",  # examples of what a service wants
        r"sg-…",
        r"subnet-…, subnet-…",
        r"CSV \(\*\.csv\)",
        r" ?(TB|GB|MB|ms|min)| h  min",
        r"sagehound: ",  # before what is written to a terminal
        r"last_block, all|none, light, strong|Average loss.*",  # values and metrics of the training script
        r"epoch or step| to ",  # heads of columns in CSV
        r"QToolButton::.*",
        r"<span .*",
    )
)
"""What no language says otherwise, though it looks like words."""

_SENTENCE = re.compile(r"[A-Za-z]{2,}[,.;:]? [A-Za-z]{2,}")
_WORD = re.compile(r"[A-Za-z]{2,}")
_FIELD = re.compile(r"\{[^}]*\}")


@cache
def files(*folders: str) -> list[tuple[Path, ast.Module]]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [(path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def is_translated(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("tr", "plural")


def words_of(node: ast.AST) -> str:
    """Return the text of a literal, its fields left out; "" of anything else, and of what is the same everywhere."""
    if isinstance(node, ast.JoinedStr):
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    else:
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    if not _WORD.search(text):
        return ""
    return "" if re.fullmatch(SAME_EVERYWHERE, _FIELD.sub("", text)) else text


def is_logged(node: ast.AST) -> bool:
    logger = getattr(getattr(node, "func", None), "value", None)
    return isinstance(logger, ast.Name) and logger.id in ("_log", "log", "logging")


def sentences_outside(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the sentences below a node that no call translates; docstrings and logs are not shown."""
    for child in ast.iter_child_nodes(node):
        if is_translated(child) or is_logged(child):
            continue
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        text = words_of(child)
        if _WORD.search(_FIELD.sub("", text)) and _SENTENCE.search(_FIELD.sub("Xx", text)):
            yield child
        elif not isinstance(child, ast.JoinedStr):
            yield from sentences_outside(child)


def words_in(shown: ast.AST) -> Iterator[ast.AST]:
    """Yield the literals with words in what a call shows, but for the arguments of calls inside and for conditions."""
    if is_translated(shown) or isinstance(shown, (ast.Compare, ast.Subscript, ast.Lambda)):
        return
    if _WORD.search(_FIELD.sub("", words_of(shown))):
        yield shown
    elif isinstance(shown, ast.JoinedStr):
        for part in shown.values:
            yield from words_in(part) if isinstance(part, ast.FormattedValue) else ()
    elif isinstance(shown, ast.Call):
        if isinstance(shown.func, ast.Attribute):
            yield from words_in(shown.func.value)
        if isinstance(shown.func, ast.Attribute) and shown.func.attr == "join":
            for argument in shown.args:
                yield from words_in(argument)
    elif isinstance(shown, ast.IfExp):
        yield from words_in(shown.body)
        yield from words_in(shown.orelse)
    else:
        for child in ast.iter_child_nodes(shown):
            yield from words_in(child)


def untranslated(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what users read and no call translates: sentences anywhere, and words where a call shows them."""
    yield from sentences_outside(tree)
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            for at, argument in (*enumerate(call.args), *((keyword.arg, keyword.value) for keyword in call.keywords)):
                if at in SHOWN.get(name, ()):
                    yield from words_in(argument)


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


def test_all_that_the_window_shows_is_translated():
    found = [(path, node) for path, tree in files("gui") for node in untranslated(tree)]
    assert not [f"{path}:{node.lineno}: {ast.unparse(node)}" for path, node in found if isinstance(node, ast.expr)]


@pytest.mark.parametrize(
    "code",
    [
        'self.setToolTip("Scan again")',
        'self.go.setText("Go" if ready else tr("Wait"))',
        'self.said.setText(f"{count} pictures")',
        'self.said.setText("{count} found".format(count=2))',
        'self.said.setText(", ".join(["left out", *more]))',
        'start = button(tr("Start"), tip="Start now")',
        'Field(tr("Name"), field, f"Not {name}")',
        'reason = "There is no dataset yet."',
        'raise SpecError(tr("It has no name."), fix="Type one.")',
    ],
)
def test_what_is_not_translated_is_found(code):
    assert list(untranslated(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        'self.setToolTip(tr("Scan again"))',
        'self.go.setText(tr("Go") if kind == "ready" else f"{name}: {count:,}")',
        'self.address.setPlaceholderText("s3://bucket/path")',
        'self.go.setObjectName("primary")',
        'start = button(tr("Start"), icon_name="play", kind="primary")',
    ],
)
def test_what_is_translated_or_not_shown_is_not_found(code):
    assert not list(untranslated(ast.parse(code)))


def test_sentences_are_whole():
    """Another language may put a part that is added at an end into the middle, or needs no space there."""
    for path, tree in files("core", "gui"):
        for node in ast.walk(tree):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
                sides = [getattr(getattr(side, "func", None), "value", side) for side in (node.left, node.right)]
                assert not any(map(is_translated, sides)), f"{path}:{node.lineno}: {ast.unparse(node)}"
            if isinstance(node, ast.Call) and is_translated(node):
                texts = [text.value for text in node.args if isinstance(text, ast.Constant)]
                parts = [text for text in texts if isinstance(text, str) and (text != text.strip() or text[:1] in ",;")]
                assert not parts, f"{path}:{node.lineno}: {parts}"
            if isinstance(node, ast.JoinedStr):  # `make catalogue` does not look into one before Python 3.12
                assert not any(map(is_translated, ast.walk(node))), f"{path}:{node.lineno}: {ast.unparse(node)}"


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
