"""How everything looks: the tokens of both schemes, the fonts, and the switch between light and dark.

Widgets that paint themselves ask `tokens()` while painting; it follows the application's palette, so a repaint after
a switch (Qt sends `QEvent.PaletteChange`) is right by itself. Everything else is styled by resources/themes/*.qss.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from string import Template
from typing import Literal

from PySide6.QtCore import QDir, QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontInfo, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from gui.shared.resource_files import read_text, resource

Choice = Literal["system", "light", "dark"]
FontRole = Literal["body", "strong", "title", "card", "caption", "figures", "large", "mono"]

GRID = 8
MARGIN = 16
CARD_PADDING = 12
RADIUS = 8
ICON_SIZE = 18


@dataclass(frozen=True, slots=True)
class Tokens:
    """The colours of one scheme, as #RRGGBB. Text colours have at least 4.5:1 on page and card alike."""

    scheme: Literal["light", "dark"]
    page: str
    rail: str
    card: str
    raised: str
    hover: str
    line: str
    control_line: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    on_accent: str
    accent_tint: str
    running: str
    done: str
    failed: str
    stopped: str
    warning: str
    running_tint: str
    done_tint: str
    failed_tint: str
    stopped_tint: str
    warning_tint: str
    selection: str


LIGHT = Tokens(
    scheme="light",
    page="#F6F7F5",
    rail="#EDEFEB",
    card="#FFFFFF",
    raised="#F3F5F1",
    hover="#E9ECE6",
    line="#E1E5DF",
    control_line="#8A948C",
    text="#1C211D",
    muted="#5C665E",
    accent="#29734D",
    accent_hover="#225F40",
    on_accent="#FFFFFF",
    accent_tint="#E3F0E8",
    running="#1D63B8",
    done="#1D7643",
    failed="#B3261E",
    stopped="#5F6A62",
    warning="#8A5A00",
    running_tint="#E3EDFA",
    done_tint="#E2F2E8",
    failed_tint="#FBE7E5",
    stopped_tint="#ECEFEB",
    warning_tint="#FCF0D8",
    selection="#DFEFE6",
)

DARK = Tokens(
    scheme="dark",
    page="#161917",
    rail="#111412",
    card="#1E2220",
    raised="#262B28",
    hover="#2B312D",
    line="#2F3632",
    control_line="#737F77",
    text="#E8ECE9",
    muted="#9AA59D",
    accent="#6FC597",
    accent_hover="#86D2A9",
    on_accent="#10130F",
    accent_tint="#22382C",
    running="#7FB2F0",
    done="#74CC98",
    failed="#F28B82",
    stopped="#A4AEA7",
    warning="#E5B567",
    running_tint="#1F2E42",
    done_tint="#1F3529",
    failed_tint="#432624",
    stopped_tint="#2A302C",
    warning_tint="#3B301C",
    selection="#213A2D",
)

_SERIES = {
    "light": ("#005A8C", "#B97D00", "#008A64", "#D55E00", "#B8608F", "#3D8FC2", "#877F00", "#767676"),
    "dark": ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#999999"),
}
"""Colours of curves and parts, distinguished by colour-blind people too (Okabe and Ito 2008; grey for their black).

On a light ground they are darker, so that a thin line has a contrast of 3 at least."""

_SPLITS = {"train": 0, "valid": 1, "test": 2}


def tokens() -> Tokens:
    """Return the colours in use now."""
    window = QGuiApplication.palette().color(QPalette.ColorRole.Window)
    return DARK if window.lightness() < 128 else LIGHT


def series_colour(index: int) -> QColor:
    """Return the colour of the curve number `index`; they repeat after eight."""
    series = _SERIES[tokens().scheme]
    return QColor(series[index % len(series)])


def split_colour(split: str) -> QColor:
    """Return the colour of a part of a dataset, wherever it is drawn; grey for what is in none."""
    return series_colour(_SPLITS.get(split, 7))


_SIZES: dict[FontRole, tuple[int, QFont.Weight]] = {
    "body": (13, QFont.Weight.Normal),
    "strong": (13, QFont.Weight.DemiBold),
    "title": (20, QFont.Weight.DemiBold),
    "card": (15, QFont.Weight.DemiBold),
    "caption": (11, QFont.Weight.Normal),
    "figures": (13, QFont.Weight.Normal),
    "large": (24, QFont.Weight.DemiBold),
    "mono": (12, QFont.Weight.Normal),
}


_USUAL_PX = 13
_text_scale = 1.0


def scaled(pixels: int) -> int:
    """Return a height that holds text, in the size that text has now."""
    return round(pixels * _text_scale)


def font(role: FontRole) -> QFont:
    """Return the system's UI font in the size and weight of `role`; figures, large, mono have digits of one width."""
    size, weight = _SIZES[role]
    made = QFont(QApplication.font())
    if role == "mono":
        made = QFont("monospace")
        made.setStyleHint(QFont.StyleHint.Monospace)
    made.setPixelSize(scaled(size))
    made.setWeight(weight)
    if role in ("figures", "large"):
        made.setFeature(QFont.Tag("tnum"), 1)
    return made


class Theme(QObject):
    """Dresses the application in one scheme, by choice or as the system has it, and changes at run time.

    Signals:
        changed(): colours are others now; after every widget has them.
    """

    changed = Signal()

    def __init__(self, app: QApplication, choice: Choice = "system") -> None:
        super().__init__(app)
        self._app = app
        self._choice: Choice = choice
        self._shown: Tokens | None = None
        app.setStyle("Fusion")
        # A system whose text is larger than usual has its reason; ours is never smaller than it was drawn for.
        self._system_scale = min(2.0, max(1.0, QFontInfo(app.font()).pixelSize() / _USUAL_PX))
        self.set_text_percent(100)
        app.styleHints().colorSchemeChanged.connect(self._on_system_changed)
        self.choose(choice)

    def set_text_percent(self, percent: int) -> None:
        """Make all text larger or smaller, in percent of the system's size; rows grow with what is made later."""
        global _text_scale
        _text_scale = self._system_scale * percent / 100
        base = QFont(self._app.font())
        base.setPixelSize(scaled(_USUAL_PX))
        self._app.setFont(base)
        if self._shown is not None:
            self._app.setStyleSheet(style_sheet(self._shown))  # what it styles keeps its font until then
        self._dress_labels()

    def _dress_labels(self) -> None:
        """Give the labels their fonts: a style sheet takes them back to those that they were made with."""
        for widget in self._app.allWidgets():
            if widget.property("fontRole"):
                widget.setFont(font(widget.property("fontRole")))

    @contextmanager
    def undressed(self) -> Iterator[None]:
        """Give what is made in the body its looks once, at the end, and not each time that a layout takes it in."""
        self._app.setStyleSheet("")
        try:
            yield
        finally:
            if self._shown is not None:
                self._app.setStyleSheet(style_sheet(self._shown))
            self._dress_labels()

    @property
    def choice(self) -> Choice:
        """Return what was chosen: a scheme, or to follow the system."""
        return self._choice

    def choose(self, choice: Choice) -> None:
        """Take a scheme, or follow the system."""
        self._choice = choice
        hints = self._app.styleHints()
        if choice == "system":
            hints.unsetColorScheme()
        else:
            # The platform gets it too, so that title bars and file dialogs match.
            hints.setColorScheme(Qt.ColorScheme.Dark if choice == "dark" else Qt.ColorScheme.Light)
        self._apply(self._wanted())

    def _wanted(self) -> Tokens:
        if self._choice != "system":
            return DARK if self._choice == "dark" else LIGHT
        return DARK if self._app.styleHints().colorScheme() is Qt.ColorScheme.Dark else LIGHT

    def _on_system_changed(self, _scheme: Qt.ColorScheme) -> None:
        self._apply(self._wanted())

    def _apply(self, wanted: Tokens) -> None:
        # The platform resets the palette with its scheme: compare with what is shown, not with what was set last.
        if self._shown is wanted and tokens() is wanted:
            return
        self._shown = wanted
        self._app.setPalette(_palette(wanted))
        self._app.setStyleSheet(style_sheet(wanted))
        self._dress_labels()
        self.changed.emit()


def style_sheet(colours: Tokens) -> str:
    """Return the QSS files in the order of their numbers, filled with `colours`."""
    opposite = "light" if colours.scheme == "dark" else "dark"
    for scheme in (colours.scheme, opposite):
        QDir.setSearchPaths(scheme, [str(resource("themes", scheme))])
    values = {**asdict(colours), "opposite": opposite}  # what stands on the accent has the other scheme's colours
    files = sorted(path.name for path in resource("themes").glob("*.qss"))
    return "\n".join(Template(read_text("themes", name)).substitute(values) for name in files)


def _palette(colours: Tokens) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    for which, value in {
        role.Window: colours.page,
        role.WindowText: colours.text,
        role.Base: colours.card,
        role.AlternateBase: colours.raised,
        role.Text: colours.text,
        role.Button: colours.card,
        role.ButtonText: colours.text,
        role.BrightText: colours.text,
        role.ToolTipBase: colours.card,
        role.ToolTipText: colours.text,
        role.PlaceholderText: colours.muted,
        role.Highlight: colours.selection,
        role.HighlightedText: colours.text,
        role.Accent: colours.accent,
        role.Link: colours.accent,
        role.LinkVisited: colours.accent,
        role.Light: colours.card,
        role.Midlight: colours.raised,
        role.Mid: colours.line,
        role.Dark: colours.line,
        role.Shadow: colours.line,
    }.items():
        palette.setColor(which, QColor(value))
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor(colours.control_line))
    return palette
