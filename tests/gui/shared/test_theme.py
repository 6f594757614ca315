import re
import subprocess
import sys

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QIcon, QImage, QPalette
from PySide6.QtWidgets import QPushButton

from gui.shared.basics import button, label
from gui.shared.icons import app_icon, icon, icon_names
from gui.shared.theme import DARK, LIGHT, font, scaled, series_colour, split_colour, style_sheet, tokens


def luminance(colour):
    def linear(part):
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(part) for part in QColor(colour).getRgbF()[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """WCAG 2.2's contrast ratio."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=lambda colours: colours.scheme)
@pytest.mark.parametrize("text", ["text", "muted", "accent", "running", "done", "failed", "stopped", "warning"])
def test_text_can_be_read_on_every_surface(colours, text):
    for surface in ("page", "card", "raised"):
        assert contrast(getattr(colours, text), getattr(colours, surface)) >= 4.5, surface


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=lambda colours: colours.scheme)
def test_pairs_that_lie_on_each_other_can_be_read(colours):
    for status in ("running", "done", "failed", "stopped", "warning"):
        assert contrast(getattr(colours, status), getattr(colours, f"{status}_tint")) >= 4.5, status
    assert contrast(colours.on_accent, colours.accent) >= 4.5
    assert contrast(colours.on_accent, colours.accent_hover) >= 4.5
    for text in ("text", "muted", "accent", "running", "done", "failed", "stopped", "warning"):
        assert contrast(getattr(colours, text), colours.selection) >= 4.5, text
    for text in ("text", "muted", "accent"):
        for ground in ("accent_tint", "hover", "rail"):
            assert contrast(getattr(colours, text), getattr(colours, ground)) >= 4.5, (text, ground)
    # The edge of a control is not text: 3:1.
    assert contrast(colours.control_line, colours.card) >= 3


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=lambda colours: colours.scheme)
def test_the_style_sheet_is_filled_and_its_pictures_exist(qapp, colours):
    from gui.shared.resource_files import resource

    sheet = style_sheet(colours)
    assert colours.accent in sheet
    assert "$" not in sheet.replace("$names", "")
    pictures = set(re.findall(rf"url\({colours.scheme}:([\w-]+\.svg)\)", sheet))
    assert pictures
    for name in pictures:
        assert resource("themes", colours.scheme, name).is_file()


def test_switching_changes_palette_style_and_painted_icons(theme, qapp, qtbot):
    heard = []
    theme.changed.connect(lambda: heard.append(tokens().scheme))
    shown = icon("check", "text")
    before = shown.pixmap(32, 32).toImage()
    theme.choose("dark")
    assert heard == ["dark"]
    assert qapp.palette().color(QPalette.ColorRole.Window).name() == DARK.page.lower()
    assert DARK.accent in qapp.styleSheet()
    after = shown.pixmap(32, 32).toImage()
    assert before != after
    theme.choose("light")
    assert tokens() is LIGHT


def test_the_system_scheme_is_followed_only_when_asked(theme, qapp):
    theme.choose("system")
    theme._on_system_changed(Qt.ColorScheme.Dark)
    expected = "dark" if qapp.styleHints().colorScheme() is Qt.ColorScheme.Dark else "light"
    assert tokens().scheme == expected
    theme.choose("dark")
    theme._on_system_changed(Qt.ColorScheme.Light)
    assert tokens().scheme == "dark"


@pytest.mark.parametrize("name", sorted(icon_names()))
def test_every_icon_paints_in_its_colour_at_both_scales(qapp, name):
    for edge in (18, 36):
        image = icon(name, "accent").pixmap(QSize(edge, edge)).toImage().convertToFormat(QImage.Format.Format_ARGB32)
        pixels = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
        solid = [colour for colour in pixels if colour.alpha() > 100]
        assert solid, "nothing was painted"
        wanted = QColor(LIGHT.accent)
        assert all(
            abs(colour.red() - wanted.red()) < 12 and abs(colour.green() - wanted.green()) < 12 for colour in solid
        )
        assert any(colour.alpha() == 0 for colour in pixels)


def test_an_icon_outlives_the_widget_that_showed_it(qtbot):
    button = QPushButton()
    qtbot.addWidget(button)
    button.setIcon(icon("data"))
    kept = QIcon(button.icon())
    button.setIcon(QIcon())
    assert not kept.pixmap(16, 16).isNull()


def test_unknown_icons_are_a_defect(qapp):
    with pytest.raises(KeyError):
        icon("no-such-icon")


def test_the_app_icon_has_sizes_up_to_256(qapp):
    assert QSize(256, 256) in app_icon().availableSizes()


@pytest.mark.parametrize("choice", ["light", "dark"])
def test_every_curve_and_part_is_seen_on_its_ground(theme, choice):
    theme.choose(choice)
    for at in range(8):
        assert contrast(series_colour(at).name(), tokens().card) >= 3, at
    for split in ("train", "valid", "test", ""):
        assert contrast(split_colour(split).name(), tokens().card) >= 3, split


def test_series_colours_repeat_after_eight_and_fonts_have_their_sizes(qapp):
    assert series_colour(8) == series_colour(0)
    assert len({series_colour(at).name() for at in range(8)}) == 8
    assert [font(role).pixelSize() for role in ("body", "title", "card", "caption")] == [13, 20, 15, 11]


def test_text_follows_a_setting_at_once(theme, qapp, qtbot):
    shown = label("Text", "strong")
    button_ = QPushButton("Press")
    for widget in (shown, button_):
        qtbot.addWidget(widget)
        widget.show()
        widget.grab()  # what the style sheet has dressed keeps its font until it is dressed again
    try:
        theme.set_text_percent(150)
        assert (shown.font().pixelSize(), font("title").pixelSize(), scaled(44)) == (20, 30, 66)
        qtbot.waitUntil(lambda: button_.font().pixelSize() == 20)
        theme.choose("dark")
        assert shown.font().pixelSize() == 20, "other colours do not change the size"
    finally:
        theme.set_text_percent(100)
    assert (shown.font().pixelSize(), scaled(44)) == (13, 44)
    qtbot.waitUntil(lambda: button_.font().pixelSize() == 13)


def test_text_is_as_large_as_the_systems(qapp):
    """In a process of its own: the size of the system is looked at once."""
    program = (
        "from PySide6.QtWidgets import QApplication; from PySide6.QtGui import QFont; app = QApplication([]);"
        "larger = QFont(app.font()); larger.setPixelSize(26); app.setFont(larger);"
        "from gui.shared.theme import Theme, font; Theme(app, 'light'); print(font('body').pixelSize())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.strip() == "26"


@pytest.mark.parametrize("kind", ["primary", "secondary", "ghost"])
@pytest.mark.parametrize("is_enabled", [True, False])
def test_a_button_without_a_menu_shows_no_arrow(qtbot, kind, is_enabled):
    """Qt draws the image of a sub-control in the middle of a button where its state stands before it."""
    made = button("", kind=kind)
    made.setStyleSheet(style_sheet(DARK))
    qtbot.addWidget(made)
    made.setEnabled(is_enabled)
    made.resize(200, 40)
    shown = made.grab().toImage()
    middle = {shown.pixelColor(x, y).rgb() for x in range(80, 120) for y in range(10, 30)}
    assert len(middle) == 1
