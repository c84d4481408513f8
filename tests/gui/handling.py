"""Waiting for what threads bring, listening to signals, and the hand on mouse and keyboard."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from operator import attrgetter

import numpy as np
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QDragEnterEvent, QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox, QTableView, QWidget

from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import RunSettings
from gsp_studio.gui.theme import apply_theme, load_theme
from gsp_studio.gui.widgets.image_plates import Plates
from gsp_studio.gui.widgets.tile_buffer import TileBuffer
from gsp_studio.gui.widgets.tile_view import TileView
from gsp_studio.io.resources import sample_path

#: Kernels may have to be compiled first, beside other tests.
PATIENCE = 120.0


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Process events until the condition holds; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain"
        QApplication.processEvents()
        time.sleep(0.002)


def settle() -> None:
    """Process what is waiting, deletions too."""
    for _ in range(3):
        QApplication.sendPostedEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()


def drag_enter(at: QPoint, what: QMimeData) -> QDragEnterEvent:
    """Something from elsewhere that is dragged in, to be copied. PySide6 takes a QPointF from 6.12 on, before not."""
    more = Qt.DropAction.CopyAction, what, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    try:
        return QDragEnterEvent(QPointF(at), *more)
    except TypeError:
        return QDragEnterEvent(at, *more)


def question() -> QMessageBox:
    [box] = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMessageBox) and w.isVisible()]
    return box


def is_asked() -> bool:
    return any(isinstance(w, QMessageBox) and w.isVisible() for w in QApplication.topLevelWidgets())


def press(box: QMessageBox, text: str) -> None:
    """Click the button of that text, whatever key it marks."""
    [button] = [b for b in box.buttons() if b.text().replace("&", "") == text]
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    settle()


def press_when_asked(text: str) -> list[str]:
    """Click a button of the next question that waits for its answer; what it asks is in the list then."""
    said: list[str] = []

    def look() -> None:
        if is_asked():
            said.append(f"{question().text()} {question().informativeText()}")
            press(question(), text)
        else:
            QTimer.singleShot(5, look)

    QTimer.singleShot(5, look)
    return said


def press_key(window: QWidget, key: Qt.Key, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """Press a key where the focus is, and let it take effect."""
    QTest.keyClick(window.focusWidget() or window, key, modifiers)
    settle()


def change_theme() -> None:
    """Give the application light colours, and dark ones again."""
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    for scheme in ("light", "dark"):
        apply_theme(app, load_theme(scheme))
        settle()


def threads_of_sessions() -> set[str]:
    """Names of the threads that sessions and runs start."""
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("gsp-")}


def tile_centre(view: TileView, tile: int) -> QPointF:
    """The middle of a tile, in the viewport's pixels."""
    buffer = view._buffer
    x, y = buffer.origin_of(tile)
    middle = QPointF(x + buffer.width / 2, y + buffer.height / 2)
    return view.viewport_position(middle)


def pixel_size(view: TileView) -> tuple[float, float]:
    """Width and height of an image's pixel on the screen."""
    start, end = (view.viewport_position(QPointF(at, at)) for at in (0.0, 100.0))
    return (end.x() - start.x()) / 100, (end.y() - start.y()) / 100


def turn_wheel(widget: QWidget, notches: int) -> bool:
    """Turn the wheel over the middle of the widget; whether the widget took it."""
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle,
        QPointF(widget.mapToGlobal(middle)),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    event.ignore()
    QApplication.sendEvent(widget, event)
    return event.isAccepted()


def pixel_centre(plates: Plates, plate: int, row: int, column: int) -> QPointF:
    """The middle of a pixel of a plate on the screen."""
    place = plates.place_of(plate)
    height, width = plates.plates[0].image.shape[:2]
    return place.topLeft() + QPointF(place.width() * (column + 0.5) / width, place.height() * (row + 0.5) / height)


class Listener:
    """Keeps what signals bring: `listener["shownChanged"]` is a list, an entry an emission.

    A signal of a part of the sender is named with its part, "display.shownChanged", and kept without it.
    """

    def __init__(self, sender: object, *names: str) -> None:
        self.heard: dict[str, list[object]] = {name.rpartition(".")[2]: [] for name in names}
        for name in names:
            attrgetter(name)(sender).connect(self._keep(name.rpartition(".")[2]))

    def _keep(self, name: str) -> Callable[..., None]:
        def keep(*arguments: object) -> None:
            self.heard[name].append(arguments[0] if len(arguments) == 1 else arguments)

        return keep

    def __getitem__(self, name: str) -> list[object]:
        return self.heard[name]

    @property
    def is_silent(self) -> bool:
        """Whether no signal came."""
        return not any(self.heard.values())


def open_faces(session: Session, rank: int = 9, max_iter: int = 30) -> None:
    """Open the bundled faces and wait for a basis of that rank under the slider."""
    session.settings.set_choice(RunSettings().with_params(rank=rank, max_iter=max_iter))
    session.open(sample_path("faces"))
    wait_until(lambda: session.basis.pinned is not None and session.display.shown is not None)


def painted(view: TileView, buffer: TileBuffer, *, is_exact: bool = True) -> np.ndarray:
    """The greys on the screen at the middle of every tile's every pixel: (count, height, width).

    Not exact: tiles may end a part of a pixel before their own end, as those of a glimpse do.
    """
    view.words.hide()  # they cover pixels
    image = view.viewport().grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    view.words.show()
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    scale_x, scale_y = pixel_size(view)
    tiles = np.empty((buffer.count, buffer.height, buffer.width), np.uint8)
    for k in range(buffer.count):
        centre = tile_centre(view, k)
        columns = centre.x() + scale_x * (np.arange(buffer.width) + 0.5 - buffer.width / 2)
        rows = centre.y() + scale_y * (np.arange(buffer.height) + 0.5 - buffer.height / 2)
        found = pixels[np.ix_(np.floor(rows).astype(int), np.floor(columns).astype(int))]
        assert not is_exact or (found[..., :3] == found[..., :1]).all(), "a grey image has a colour"
        tiles[k] = found[..., 0]
    return tiles


def greys_of(images: np.ndarray) -> np.ndarray:
    """What a montage with a white for each tile shows of images (k, height, width)."""
    tops = images.max(axis=(1, 2), keepdims=True)
    return np.divide(254 * images, tops, out=np.zeros_like(images), where=tops > 0)


def cell_text(table: QTableView, row: int, column: int) -> str:
    """The text of a cell."""
    return str(table.model().index(row, column).data())


def cell_place(table: QTableView, row: int, column: int) -> QPoint:
    """The middle of a cell."""
    return table.visualRect(table.model().index(row, column)).center()
