"""Images side by side at one size, each with a title, a bar that says what its colours mean, and pixels to point at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QGuiApplication, QImage, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QMenu, QSizePolicy, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.texts import pixel_value
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.widgets.colour_bar import bar_image, paint_bar, with_bar
from gsp_studio.gui.widgets.controls import label
from gsp_studio.gui.widgets.picture import draw_fitted, paint_scale_bar, qimage_of
from gsp_studio.io.scale_bar import ScaleBar

_GAP = 20.0
#: Room for the colours' bar.
_BAR = 6.0
#: Blue below zero, black at zero, orange above: told apart by all eyes, and zero is black as everywhere on the canvas.
_SIGNED = (
    (-1.0, (158, 211, 255)),
    (-0.5, (31, 112, 187)),
    (0.0, (0, 0, 0)),
    (0.5, (187, 92, 16)),
    (1.0, (255, 206, 138)),
)


def grey_table() -> Array:
    """Black to white (255, 3) uint8."""
    return np.repeat(np.linspace(0, 255, 255)[:, None], 3, axis=1).astype(np.uint8)


def signed_table() -> Array:
    """Colours about zero (255, 3) uint8: the one in the middle is zero's."""
    at = np.linspace(-1.0, 1.0, 255)
    stops = [stop for stop, _ in _SIGNED]
    channels = [np.interp(at, stops, [colour[k] for _, colour in _SIGNED]) for k in range(3)]
    return np.stack(channels, axis=1).astype(np.uint8)


def colour_image(image: Array, table: Array, low: float, high: float) -> QImage:
    """Values (height, width) as colours of a table (k, 3), the first at `low` and the last at `high`.

    Values (height, width, 3) are colours themselves, from black at `low` to white at `high`.
    """
    if image.ndim == 3:
        scale = 255.0 / (high - low) if high > low else 0.0
        return qimage_of(np.clip((image - low) * scale + 0.5, 0, 255).astype(np.uint8))
    last = len(table) - 1
    scale = last / (high - low) if high > low else 0.0
    steps = np.clip((image - low) * scale + 0.5, 0, last).astype(np.uint8)
    red, green, blue = table.astype(np.uint32).T
    pixels = (0xFF000000 | red << 16 | green << 8 | blue)[steps]
    height, width = pixels.shape
    return QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGB32).copy()


@dataclass(frozen=True, eq=False)
class Plate:
    """An image, what it is, and what its colours mean.

    Attributes
    ----------
    title : str
    image : ndarray (height, width), or (height, width, 3) in colour
    table : ndarray (k, 3), uint8
    low, high : float
        The values of the first and the last colour.
    ends : (str, str)
        Texts at the ends of the bar.
    """

    title: str
    image: Array
    table: Array
    low: float
    high: float
    ends: tuple[str, str]


class Plates(QWidget):
    """Shows plates of one shape; emits `hovered(plate, row, column)`, -1 where there is none.

    Attributes
    ----------
    pixel_words : QLabel
        The values under the pointer, by default those of the first plate; the widget around places it.
    """

    hovered = Signal(int, int, int)
    picked = Signal(int, int)  # row and column of a pixel that was clicked

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._plates: tuple[Plate, ...] = ()
        self._images: list[QImage] = []
        self._bars: list[QImage] = []
        self._scale: ScaleBar | None = None
        self.pixel_words = label()
        self._pixel = (-1, -1)
        self.hovered.connect(self._point)
        self.setMouseTracking(True)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def set_plates(self, plates: tuple[Plate, ...]) -> None:
        """Show these; none to show nothing."""
        self._images = [colour_image(plate.image, plate.table, plate.low, plate.high) for plate in plates]
        self._bars = [bar_image(plate.table) for plate in plates]
        self._plates = plates
        self.setAccessibleDescription(", ".join(plate.title for plate in plates))
        self._tell_pixel()
        self.update()

    def set_scale(self, bar: ScaleBar | None) -> None:
        """Show a scale bar on the first image; None: none."""
        self._scale = bar
        self.update()

    def words_of(self, row: int, column: int) -> str:
        """Describe a pixel."""
        return f"row {row + 1}, column {column + 1}  ·  {float(self._plates[0].image[row, column]):.4g}"

    def _point(self, plate: int, row: int, column: int) -> None:
        self._pixel = (row, column)
        self._tell_pixel()

    def _tell_pixel(self) -> None:
        row, column = self._pixel
        height, width = self._plates[0].image.shape[:2] if self._plates else (0, 0)
        self.pixel_words.setText(self.words_of(row, column) if 0 <= row < height and column < width else "")

    @property
    def plates(self) -> tuple[Plate, ...]:
        """Plates shown."""
        return self._plates

    def minimumSizeHint(self) -> QSize:
        """Small, but to be recognized."""
        return QSize(240, 100)

    def sizeHint(self) -> QSize:
        """Return the size in a panel on a small screen."""
        return QSize(640, 240)

    def place_of(self, plate: int) -> QRectF:
        """Return the place of a plate's image, in this widget's coordinates."""
        count, line = len(self._images), self._line()
        height, width = self._plates[0].image.shape[:2]
        free = (self._room(), max(1.0, self.height() - 2 * line - _BAR))
        scale = min(free[0] / width, free[1] / height)
        w, h = width * scale, height * scale
        # The titles need some room even above images that are narrow.
        pitch = min(max(w, self._least()), free[0]) + _GAP
        x = (self.width() - count * pitch + _GAP) / 2 + plate * pitch + (pitch - _GAP - w) / 2
        return QRectF(x, line + (free[1] - h) / 2, w, h)

    def _room(self) -> float:
        """Width that there is for a plate, between those beside it."""
        count = len(self._images)
        return max(1.0, self.width() - _GAP * (count + 1)) / count

    def _least(self) -> float:
        """Width that titles need, however narrow the images are."""
        titles = [self.fontMetrics().horizontalAdvance(plate.title) + 4.0 for plate in self._plates]
        return max(8.0 * self._line(), *titles)

    def shown_title(self, plate: int) -> str:
        """Return the title of a plate, shortened to its room."""
        width = max(self.place_of(plate).width(), min(self._least(), self._room()))
        return self.fontMetrics().elidedText(self._plates[plate].title, Qt.TextElideMode.ElideRight, int(width))

    def _line(self) -> float:
        return self.fontMetrics().height() + 6.0

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer the image under the pointer to other programs."""
        under = [k for k in range(len(self._images)) if self.place_of(k).contains(QPointF(event.pos()))]
        if under:
            menu = QMenu(self)
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            plate = self._plates[under[0]]
            copy = menu.addAction(f"Copy the picture: {plate.title}".replace("&", "&&"))
            picture = with_bar(self._images[under[0]], plate.table, plate.ends)
            copy.triggered.connect(lambda: QGuiApplication.clipboard().setImage(picture))
            menu.popup(event.globalPos())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell which pixel lies under the pointer."""
        self.hovered.emit(*self._pixel_at(event.position()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Tell which pixel is clicked."""
        _, row, column = self._pixel_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and row >= 0:
            self.picked.emit(row, column)
        else:
            super().mousePressEvent(event)

    def _pixel_at(self, position: QPointF) -> tuple[int, int, int]:
        """Plate, row and column at a place, -1 where there is none."""
        for k in range(len(self._images)):
            place = self.place_of(k)
            if place.contains(position):
                height, width = self._plates[k].image.shape[:2]
                across = (position.x() - place.left()) / place.width()
                down = (position.y() - place.top()) / place.height()
                return k, min(height - 1, int(down * height)), min(width - 1, int(across * width))
        return -1, -1, -1

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing lies under the pointer any more."""
        self.hovered.emit(-1, -1, -1)
        super().leaveEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, line = current_theme(), self._line()
        painter = QPainter(self)
        for k, plate in enumerate(self._plates):
            place = draw_fitted(painter, self.place_of(k), self._images[k])
            if self._scale is not None and k == 0:
                paint_scale_bar(painter, place, plate.image.shape[1], self._scale)
            painter.setPen(QPen(QColor(theme.plot_muted), 1))
            painter.drawRect(place.adjusted(-1, -1, 0, 0))
            width = max(place.width(), min(self._least(), self._room()))
            head = QRectF(place.center().x() - width / 2, place.top() - line, width, line - 4)
            painter.setPen(QColor(theme.plot_text))
            above = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom
            painter.drawText(head, above, self.shown_title(k))
            painter.setPen(QColor(theme.plot_muted))
            paint_bar(painter, QRectF(head.left(), place.bottom() + 4, width, line), self._bars[k], plate.ends)


def residual_words(x: Array, made: Array, left: Array) -> str:
    """A pixel's value, or its three, less its reconstruction."""
    signed = f"{float(left):+.4g}".replace("-", "−")
    if x.ndim:
        return f"({pixel_value(x)}) − ({pixel_value(made)}), mean {signed}"
    return f"{pixel_value(x)} − {pixel_value(made)} = {signed}"
