"""The colour themes and the icons: complete, legible (WCAG 2.1 contrast) and drawable."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

RESOURCES = Path(__file__).resolve().parents[1] / "resources"
THEMES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (RESOURCES / "themes").glob("*.json")}
ACTION_ICONS = sorted(path for path in (RESOURCES / "icons").glob("*.svg") if path.stem != "app")
SVG = "{http://www.w3.org/2000/svg}"

SURFACES = ("window", "panel", "field")
TEXT_PAIRS = [
    ("canvas_text", "canvas"),
    ("canvas_muted", "canvas"),
    ("plot_text", "plot"),
    ("plot_muted", "plot"),
    ("accent_text", "accent"),
    ("text", "raised"),
    *((colour, surface) for colour in ("text", "text_muted", "accent", "amber", "red") for surface in SURFACES),
]
GRAPHIC_PAIRS = [
    ("canvas_accent", "canvas"),
    ("canvas_target", "canvas"),
    ("canvas_frozen", "canvas"),
    ("spread", "canvas"),
    *((curve, "plot") for curve in ("curve_error", "curve_sparsity", "curve_target", "curve_held_out", "plot_accent")),
    *((colour, surface) for colour in ("accent", "border") for surface in SURFACES),
]


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.1)."""
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.1)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_known_colours() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_dark_and_light_name_the_same_colours() -> None:
    assert set(THEMES) == {"dark", "light"}
    assert THEMES["dark"].keys() == THEMES["light"].keys()
    for theme in THEMES.values():
        colours = {key: value for key, value in theme.items() if key not in ("name", "scheme")}
        for key, value in colours.items():
            assert re.fullmatch(r"#[0-9a-f]{6}", value), key


@pytest.mark.parametrize("theme", sorted(THEMES))
def test_canvas_is_neutral_dark_in_both(theme: str) -> None:
    assert THEMES[theme]["canvas"] == "#16181c"
    assert THEMES[theme]["scheme"] == theme


@pytest.mark.parametrize("theme", sorted(THEMES))
@pytest.mark.parametrize(("ink", "ground"), TEXT_PAIRS)
def test_text_contrast(theme: str, ink: str, ground: str) -> None:
    assert contrast(THEMES[theme][ink], THEMES[theme][ground]) >= 4.5


@pytest.mark.parametrize("theme", sorted(THEMES))
@pytest.mark.parametrize(("ink", "ground"), GRAPHIC_PAIRS)
def test_graphics_contrast(theme: str, ink: str, ground: str) -> None:
    assert contrast(THEMES[theme][ink], THEMES[theme][ground]) >= 3.0


@pytest.mark.parametrize("icon", ACTION_ICONS, ids=lambda path: path.stem)
def test_action_icon_is_one_recolourable_drawing_on_the_24_grid(icon: Path) -> None:
    root = ElementTree.parse(icon).getroot()
    assert root.tag == f"{SVG}svg"
    assert root.get("viewBox") == "0 0 24 24"
    assert root.get("stroke") == "currentColor"
    assert {e.tag for e in root} <= {f"{SVG}{shape}" for shape in ("path", "rect", "circle")}
    paints = {value for e in root.iter() for key, value in e.attrib.items() if key in ("fill", "stroke")}
    assert paints <= {"none", "currentColor"}


@pytest.mark.parametrize("icon", [*ACTION_ICONS, RESOURCES / "icons" / "app.svg"], ids=lambda path: path.stem)
def test_icon_renders(icon: Path) -> None:
    gui = pytest.importorskip("PySide6.QtGui")
    svg = pytest.importorskip("PySide6.QtSvg")
    renderer = svg.QSvgRenderer(icon.read_text(encoding="utf-8").replace("currentColor", "#ffffff").encode())
    assert renderer.isValid()
    image = gui.QImage(24, 24, gui.QImage.Format.Format_ARGB32)
    image.fill(0)
    painter = gui.QPainter(image)
    renderer.render(painter)
    painter.end()
    inked = sum(image.pixelColor(x, y).alpha() > 127 for x in range(24) for y in range(24))
    assert inked >= 12


def test_icons_that_the_app_names_are_there() -> None:
    named = [
        "open",
        "run",
        "pause",
        "cancel",
        "export",
        "pin",
        "reset",
        "help",
        "grid",
        "curves",
        "settings",
        "image",
        "weights",
        "check",
        "warning",
    ]
    assert set(named) <= {path.stem for path in ACTION_ICONS}


def test_desktop_entry_starts_the_command_with_the_icon() -> None:
    lines = (RESOURCES / "gsp-studio.desktop").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "[Desktop Entry]"
    entry = dict(line.split("=", 1) for line in lines[1:])
    assert entry["Type"] == "Application"
    assert entry["Exec"].split() == ["gsp-studio", "%f"]
    assert entry["Icon"] == "gsp-studio"
