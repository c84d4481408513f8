"""The hand on a tile: the menu of the right button, and its picture, copied, saved or dragged out of the view."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import (
    QEvent,
    QMimeData,
    QObject,
    QPoint,
    Qt,
    QTemporaryDir,
    QUrl,
)
from PySide6.QtGui import QDrag, QGuiApplication, QImage, QMouseEvent, QPixmap
from PySide6.QtWidgets import QMenu, QWidget

from gsp_studio.gui.dialogs.question import is_confirmed
from gsp_studio.gui.texts import error_texts
from gsp_studio.gui.widgets.picture import enlarged, qimage_of
from gsp_studio.gui.widgets.tile_buffer import Contrast, TileBuffer
from gsp_studio.gui.widgets.tile_view import colour_table
from gsp_studio.gui.window.picture_files import PictureFiles, png_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QAction

    from gsp_studio.gui.panels.basis_montage import MontagePanel
    from gsp_studio.gui.session.session import Session

#: Offers of the menu, by their names in `ACTIONS`; "" for a line.
OFFERS = (
    *("accept", "reject", "", "lock", "freeze", "split", "re-seed", "kill", ""),
    *("copy picture", "save picture", "", "inspect"),
)
_ASKED = {
    "split": "becomes two that share its pixels",
    "reseed": "begins anew, and what it has become is lost",
    "kill": "leaves the run, and the others take over its part",
}


class TileMenu(QObject):
    """Acts on the selected basis images; `offers` are the actions of the menu, None for a line."""

    def __init__(self, window: QWidget, session: Session, montage: MontagePanel, files: PictureFiles) -> None:
        super().__init__(window)
        self._window, self._session, self._montage, self._files = window, session, montage, files
        self.offers: list[QAction | None] = []
        self._pressed = -1
        self._range: object = None
        self._folder: QTemporaryDir | None = None
        view = montage.view
        montage.setFocusProxy(view)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self.open_menu)
        view.viewport().installEventFilter(self)

    # Menu

    def open_menu(self, place: QPoint) -> None:
        """Select the tile under the pointer, unless it is selected, and offer what can be done with it."""
        basis, display = self._basis_at(place), self._session.display
        if basis < 0:
            return
        if basis not in display.marked:
            display.select(basis)
        menu = QMenu(self._window)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.setToolTipsVisible(True)
        for action in self.offers:
            if action is None:
                menu.addSeparator()
            else:
                menu.addAction(action)
        menu.popup(self._montage.view.viewport().mapToGlobal(place))

    def _basis_at(self, place: QPoint) -> int:
        shown = self._session.display.shown
        tile = self._montage.view.tile_at(place)
        return int(shown.order[tile]) if shown is not None and 0 <= tile < len(shown.order) else -1

    # What cannot be undone is asked

    def edit_run(self, kind: str) -> None:
        """Split, reseed or kill the selected basis images of the run that is going, when that is confirmed."""
        live, display = self._session.live, self._session.display
        if not live.can_edit(display.marked):
            return
        names = ", ".join(str(basis + 1) for basis in sorted(display.marked))
        verb = {"reseed": "Re-seed"}.get(kind, kind.capitalize())
        of_each = "Each of them" if len(display.marked) > 1 else "It"
        if is_confirmed(
            self._window,
            f"{verb} basis {names}?",
            f"{of_each} {self._session.nouns.of(_ASKED[kind])}. Steps of a run cannot be undone.",
            verb,
        ):
            edit: Callable[[tuple[int, ...]], None] = getattr(live, kind)
            edit(display.marked)

    # Its picture

    @property
    def has_picture(self) -> bool:
        """Whether a basis image is selected."""
        return self._session.display.selected >= 0 and self._session.display.shown is not None

    def picture(self, basis: int) -> QImage:
        """A basis image as it is drawn in the view, each pixel a square of whole pixels."""
        session, dataset = self._session, self._session.dataset
        shown, look = session.display.shown, session.display.view
        assert shown is not None
        assert dataset is not None
        buffer = TileBuffer.of(dataset, len(shown.order))
        buffer.fill(shown.W, shown.order, dataset.order == "F", Contrast[look.contrast.upper()])
        x, y = (int(corner) for corner in buffer.origin_of(shown.tile_of(basis)))
        pixels = buffer.pixels[y : y + buffer.height, x : x + buffer.width]
        if buffer.channels == 1:
            pixels = colour_table(look.colours)[pixels]
        return enlarged(qimage_of(np.ascontiguousarray(pixels)))

    def copy(self) -> None:
        """Put the picture of the selected basis image on the clipboard."""
        basis = self._session.display.selected
        QGuiApplication.clipboard().setImage(self.picture(basis))
        self._session.logged.emit(f"Copied: the picture of basis {basis + 1}.")

    def save(self) -> None:
        """Ask where the picture of the selected basis image is to be written."""
        basis = self._session.display.selected
        self._files.save(lambda: self.picture(basis), self._name(basis), f"The picture of basis {basis + 1}")

    def _name(self, basis: int) -> str:
        return self._files.name_of(f"basis{basis + 1}")

    # Dragged out

    def mime_of(self, basis: int) -> QMimeData:
        """The picture of a basis image as a PNG file and as an image, for other programs."""
        self._folder = self._folder or QTemporaryDir()
        path = Path(self._folder.path()) / self._name(basis)
        path.write_bytes(png_of(self.picture(basis)))
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path))])
        data.setImageData(self.picture(basis))
        return data

    def drag(self, basis: int) -> None:
        """Let the hand carry the picture of a basis image to another program."""
        try:
            data = self.mime_of(basis)
        except OSError as error:
            self._session.failed.emit(*error_texts(error))
            return
        drag = QDrag(self._montage.view)
        drag.setMimeData(data)
        small = self.picture(basis).scaled(64, 64, Qt.AspectRatioMode.KeepAspectRatio)
        drag.setPixmap(QPixmap.fromImage(small))
        drag.exec(Qt.DropAction.CopyAction)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A tile that is dragged over the edge of the view is carried out; inside of it a drag moves the view."""
        if not isinstance(event, QMouseEvent):
            return False
        view = self._montage.view
        if event.type() == QEvent.Type.MouseButtonPress and event.button() == Qt.MouseButton.LeftButton:
            self._pressed, self._range = self._basis_at(event.position().toPoint()), view.visible_part
        elif event.type() == QEvent.Type.MouseButtonRelease:
            self._pressed = -1
        elif event.type() == QEvent.Type.MouseMove and self._pressed >= 0:
            is_out = not view.viewport().rect().contains(event.position().toPoint())
            if is_out and event.buttons() & Qt.MouseButton.LeftButton:
                basis, self._pressed = self._pressed, -1
                view.end_drag(self._range)
                self.drag(basis)
                return True
        return False
