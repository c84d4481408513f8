"""One image, grey or in colour, as large as the place allows, every pixel a square."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gsp_studio.arrays import Array
from gsp_studio.gui.theme import current_theme
from gsp_studio.io.scale_bar import ScaleBar

#: Pixels on the longer side of a thumbnail, before the screen's own scaling.
_MOST = 192
#: Pixels on the longer side of a picture for other programs, at least nearly.
_SIDE = 256
#: Pixels between images that stand side by side.
_GAP = 4.0


def qimage_of(pixels: Array) -> QImage:
    """A uint8 image (height, width) or (height, width, 3) as a QImage with memory of its own."""
    height, width = pixels.shape[:2]
    if pixels.ndim == 3:
        return QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
    # Grayscale8 rows are padded to four bytes; the copy keeps nothing of numpy's memory.
    rows = np.zeros((height, -(-width // 4) * 4), np.uint8)
    rows[:, :width] = pixels
    return QImage(rows.data, width, height, rows.shape[1], QImage.Format.Format_Grayscale8).copy()


def scaled_to_grey(image: Array, top: float | None = None) -> Array:
    """Nonnegative values as uint8, black = 0, white = `top` (the maximum); zeros stay black."""
    white = float(image.max(initial=0.0)) if top is None else top
    if white <= 0:
        return np.zeros(image.shape, np.uint8)
    grey: Array = np.clip(image * (255.0 / white), 0, 255).astype(np.uint8)
    return grey


def thumbnail(image: Array) -> QImage:
    """A nonnegative image (height, width[, 3]), white its maximum; of a large one every so many pixels."""
    step = max(1, max(image.shape[:2]) // _MOST)
    return qimage_of(scaled_to_grey(image[::step, ::step]))


def enlarged(image: QImage) -> QImage:
    """A picture for other programs: a small image enlarged by a whole factor, every pixel a square."""
    times = max(1, _SIDE // max(image.width(), image.height()))
    return image.scaled(image.width() * times, image.height() * times)


def draw_fitted(painter: QPainter, box: QRectF, image: QImage) -> QRectF:
    """Draw an image as large as a box allows, in its middle; every pixel is a square unless there is no room for it."""
    scale = min(box.width() / image.width(), box.height() / image.height())
    size = QSizeF(image.width() * scale, image.height() * scale)
    place = QRectF(QPointF(), size)
    place.moveCenter(box.center())
    shrinks = scale * painter.device().devicePixelRatioF() < 1.0
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, shrinks)
    painter.drawImage(place, image)
    return place


def paint_scale_bar(painter: QPainter, place: QRectF, across: int, bar: ScaleBar) -> None:
    """Paint a bar into the lower left corner of a picture of `across` pixels, where it has room."""
    length, metrics = bar.pixels * place.width() / across, painter.fontMetrics()
    width = max(length, float(metrics.horizontalAdvance(bar.text))) + 2 * _GAP
    if width > place.width() or place.height() < 3 * metrics.height():
        return
    ground = QRectF(place.left(), place.bottom() - metrics.height() - 8, width, metrics.height() + 8)
    painter.fillRect(ground, QColor(0, 0, 0, 170))
    painter.setPen(Qt.GlobalColor.white)
    painter.drawText(ground.adjusted(_GAP, 0, 0, -6), Qt.AlignmentFlag.AlignBottom, bar.text)
    painter.fillRect(QRectF(ground.left() + _GAP, ground.bottom() - 5, length, 2), Qt.GlobalColor.white)


class Picture(QWidget):
    """Shows a nonnegative image (height, width) or (height, width, 3), or a row of them side by side."""

    def __init__(self, side: int = 64, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._side = side
        self._images: list[QImage] = []
        self._captions: tuple[str, ...] = ()
        self._scale: ScaleBar | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def set_images(self, images: list[Array], captions: tuple[str, ...] = ()) -> None:
        """Show these images, each scaled to its own maximum, with a line below each."""
        self._images = [qimage_of(scaled_to_grey(image)) for image in images]
        self._captions = captions
        self.update()

    def set_scale(self, bar: ScaleBar | None) -> None:
        """Show a scale bar on the first image; None: none."""
        self._scale = bar
        self.update()

    def clear(self) -> None:
        """Show nothing."""
        self.set_images([])

    def sizeHint(self) -> QSize:
        """Return the size that was asked for."""
        return QSize(self._side, self._side)

    def minimumSizeHint(self) -> QSize:
        """Small, but not nothing."""
        return QSize(min(self._side, 48), min(self._side, 48))

    def _cell(self) -> float:
        """Width of the room of an image."""
        return (self.width() - _GAP * (len(self._images) - 1)) / len(self._images)

    def _line(self) -> float:
        """Height of the line below the images."""
        return self.fontMetrics().height() + 2.0 if self._captions else 0.0

    def shown_caption(self, k: int) -> str:
        """Return the line below an image, shortened in its middle to the image's room."""
        room = int(self._cell())
        return self.fontMetrics().elidedText(self._captions[k], Qt.TextElideMode.ElideMiddle, room)

    def place_of(self, k: int) -> QRectF:
        """Return the place of an image."""
        image, cell, height = self._images[k], self._cell(), self.height() - self._line()
        scale = min(cell / image.width(), height / image.height())
        w, h = image.width() * scale, image.height() * scale
        return QRectF(k * (cell + _GAP) + (cell - w) / 2, (height - h) / 2, w, h)

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._images:
            return
        painter = QPainter(self)
        for k, image in enumerate(self._images):
            place = self.place_of(k)
            painter.drawImage(place, image)
            if self._scale is not None and k == 0:
                paint_scale_bar(painter, place, image.width(), self._scale)
            if k < len(self._captions):
                painter.setPen(QColor(current_theme().text_muted))
                middle, cell = place.center().x(), self._cell() + 2 * _GAP
                where = QRectF(middle - cell / 2, place.bottom(), cell, self._line())
                below = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom
                painter.drawText(where, below, self.shown_caption(k))
