"""Legibility of a window: texts that overlap or are cut off, and contrasts below WCAG 2.1 AA.

Every widget is drawn into an SVG file, which has the words with their places and colours, whoever paints them: labels,
buttons, axes of plots, canvases. What lies behind them is taken from a picture of the window.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
from PySide6.QtCore import QBuffer, QByteArray, QPoint, QRect, QRectF
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QRegion, QTransform
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QStyle,
    QStyleOptionButton,
    QWidget,
)

#: Contrasts that WCAG 2.1 AA wants: of text, of large text (from so many pixels on) and controls.
TEXT, LARGE, CONTROL, LARGE_FROM = 4.5, 3.0, 3.0, 24.0
#: Pixels by which texts may come into each other, or leave their widget: rounding.
SLACK = 1.5
_NUMBER = re.compile(r"-?[\d.]+(?:e-?\d+)?")


@dataclass(frozen=True)
class Text:
    """Words on the screen.

    Attributes
    ----------
    words : str
    ink : QRectF
        Rectangle of the letters, in the window's pixels.
    seen : QRect
        Part of it that is in view.
    colour : QColor
    size : float
        Height of the font, in pixels.
    widget : QWidget
    """

    words: str
    ink: QRectF
    seen: QRect
    colour: QColor
    size: float
    widget: QWidget

    @property
    def place(self) -> str:
        """The class of the widget, or of the one that it belongs to."""
        names = [type(self.widget).__name__, type(self.widget.parentWidget()).__name__]
        return names[1] if names[0] in ("QWidget", "NoneType") else names[0]


def problems(window: QWidget) -> list[str]:
    """Name in a sentence each all that is hard to read in a window as it is on the screen."""
    image = window.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    texts = [text for widget in _widgets(window) for text in texts_of(widget, window)]
    return [*overlaps(texts), *cuts(texts), *faint_texts(texts, image), *faint_controls(window, image)]


def _widgets(window: QWidget) -> list[QWidget]:
    return [window, *(widget for widget in window.findChildren(QWidget) if widget.isVisibleTo(window))]


def _visible(widget: QWidget, window: QWidget) -> QRegion:
    """The part of a widget that nothing covers, in its coordinates."""
    region = widget.visibleRegion()
    family = {widget, *_ancestors(widget)}
    for other in _ancestors(widget):
        siblings = [child for child in other.children() if isinstance(child, QWidget) and child.isVisible()]
        own = next(k for k, child in enumerate(siblings) if child in family)
        for above in siblings[own + 1 :]:
            if not above.isWindow() and not isinstance(above, QLabel):  # what is behind a label is seen
                region -= QRegion(above.rect()).translated(widget.mapFromGlobal(above.mapToGlobal(QPoint(0, 0))))
        if other is window:
            break
    return region


def _ancestors(widget: QWidget) -> Iterator[QWidget]:
    parent = widget.parentWidget()
    while parent is not None and not widget.isWindow():
        yield parent
        widget, parent = parent, parent.parentWidget()


def texts_of(widget: QWidget, window: QWidget) -> list[Text]:
    """Return the texts that a widget paints by itself, without its children."""
    region = _visible(widget, window)
    if region.isEmpty():
        return []
    data = QByteArray()
    buffer = QBuffer(data)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(widget.size())
    generator.setViewBox(widget.rect())
    generator.setResolution(widget.logicalDpiX())
    widget.render(generator, QPoint(), QRegion(), QWidget.RenderFlag(0))
    corner = widget.mapTo(window, QPoint(0, 0))
    found = []
    for words, ink, colour, size in _texts_in(ElementTree.fromstring(bytes(data.data())), QTransform()):
        seen = region.intersected(ink.toAlignedRect()).boundingRect()
        if not seen.isEmpty() and colour.alpha() > 0:
            found.append(Text(words, ink.translated(corner), seen.translated(corner), colour, size, widget))
    return found


def _texts_in(element: ElementTree.Element, above: QTransform) -> Iterator[tuple[str, QRectF, QColor, float]]:
    numbers = [float(number) for number in _NUMBER.findall(element.get("transform", ""))]
    here = QTransform(*numbers) * above if len(numbers) == 6 else above
    if element.tag.endswith("}text") and (element.text or "").strip():
        words, size = str(element.text), float(element.get("font-size", "12"))
        font = QFont(element.get("font-family", ""))
        font.setPixelSize(max(1, round(size)))
        font.setWeight(QFont.Weight(int(element.get("font-weight", "400"))))
        ink = QFontMetricsF(font).tightBoundingRect(words)
        ink.translate(float(element.get("x", "0")), float(element.get("y", "0")))
        colour = QColor(element.get("fill", "#000000"))
        colour.setAlphaF(float(element.get("fill-opacity", "1")))
        yield words, here.mapRect(ink), colour, size * abs(here.determinant()) ** 0.5
    for child in element:
        yield from _texts_in(child, here)


def overlaps(texts: list[Text]) -> list[str]:
    """Name pairs of texts whose letters lie on each other."""
    found = []
    for k, text in enumerate(texts):
        for other in texts[k + 1 :]:
            both = QRectF(text.seen).intersected(QRectF(other.seen)).intersected(text.ink).intersected(other.ink)
            is_twice = text.words == other.words and (text.ink.center() - other.ink.center()).manhattanLength() < 4
            if both.width() > SLACK and both.height() > SLACK and not is_twice:
                found.append(f'"{text.words}" ({text.place}) and "{other.words}" ({other.place}) overlap')
    return found


def cuts(texts: list[Text]) -> list[str]:
    """Name texts that leave their widget; those in fields and lists, which scroll or open, may."""
    found = []
    for text in texts:
        widget = text.widget
        scrolls = isinstance(widget, QLineEdit | QComboBox) or isinstance(widget.parentWidget(), QAbstractScrollArea)
        if scrolls and not hasattr(widget.parentWidget(), "scene"):
            continue
        corner = widget.mapTo(widget.window(), QPoint(0, 0))
        room = QRectF(widget.rect().translated(corner)).adjusted(-SLACK, -SLACK, SLACK, SLACK)
        if not room.contains(text.ink):
            found.append(f'"{text.words}" ({text.place}) is cut off')
    return found


def faint_texts(texts: list[Text], image: QImage) -> list[str]:
    """Name texts with too little contrast to what is behind them; what is disabled may have less."""
    found = []
    for text in texts:
        is_marked = isinstance(text.widget, QLineEdit) and text.widget.hasSelectedText()  # drawn twice
        if not text.widget.isEnabled() or is_marked:
            continue
        ground = most_common(image, text.seen.adjusted(-3, -3, 3, 3))
        ratio = contrast(blend(text.colour, ground), ground)
        least = LARGE if text.size >= LARGE_FROM else TEXT
        if ratio < least:
            found.append(f'"{text.words}" ({text.place}): contrast {ratio:.2f}, wanted {least}')
    return found


def faint_controls(window: QWidget, image: QImage) -> list[str]:
    """Name check boxes and buttons without text of which nothing stands out."""
    found = []
    for widget in _widgets(window):
        if not isinstance(widget, QAbstractButton) or not widget.isEnabled() or isinstance(widget, QAbstractSpinBox):
            continue
        box = _control_of(widget)
        if box is None or not _visible(widget, window).contains(box):
            continue
        place = box.translated(widget.mapTo(window, QPoint(0, 0)))
        pixels = _pixels(image, place.adjusted(-2, -2, 2, 2))
        ground = most_common(image, place.adjusted(-3, -3, 3, 3))
        best = max(contrast(QColor(*colour), ground) for colour in np.unique(pixels, axis=0).tolist())
        if best < CONTROL:
            name = widget.toolTip() or widget.accessibleName() or widget.objectName() or widget.text()
            found.append(f'"{name}" ({type(widget).__name__}): a control with contrast {best:.2f}, wanted {CONTROL}')
    return found


def _control_of(widget: QAbstractButton) -> QRect | None:
    """Rectangle of what is to be seen of a control; None where it has words."""
    if isinstance(widget, QCheckBox):
        option = QStyleOptionButton()
        widget.initStyleOption(option)
        return widget.style().subElementRect(QStyle.SubElement.SE_CheckBoxIndicator, option, widget)
    is_part = isinstance(widget.parentWidget(), QComboBox | QLineEdit)
    return None if widget.text() or is_part else widget.rect()


def _pixels(image: QImage, place: QRect) -> np.ndarray:
    """Colours (k, 3) in a rectangle of logical pixels."""
    ratio = image.devicePixelRatio()
    scaled = QRectF(place.x() * ratio, place.y() * ratio, place.width() * ratio, place.height() * ratio)
    part = image.copy(scaled.toAlignedRect().intersected(image.rect())).convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(part.constBits(), np.uint8).reshape(part.height(), part.bytesPerLine() // 4, 4)
    return rows[:, : part.width(), 2::-1].reshape(-1, 3).copy()


def most_common(image: QImage, place: QRect) -> QColor:
    """Return the colour that most pixels of a rectangle have: what is behind the letters, a gradient too."""
    pixels = _pixels(image, place)
    if not len(pixels):
        return QColor("black")
    _, groups, counts = np.unique(pixels >> 4, axis=0, return_inverse=True, return_counts=True)
    alike = pixels[groups.reshape(-1) == counts.argmax()]
    return QColor(*np.rint(np.median(alike, axis=0)).astype(int).tolist())


def blend(colour: QColor, ground: QColor) -> QColor:
    """Return the colour that is seen where one lets the ground through."""
    alpha = colour.alphaF()
    over, under = np.array(colour.getRgb()[:3]), np.array(ground.getRgb()[:3])
    return QColor(*np.rint(alpha * over + (1.0 - alpha) * under).astype(int).tolist())


def contrast(first: QColor, second: QColor) -> float:
    """Contrast ratio of two colours, 1 to 21, as WCAG 2.1 defines it."""
    low, high = sorted(_luminance(colour) for colour in (first, second))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: QColor) -> float:
    parts = np.array(colour.getRgbF()[:3])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
