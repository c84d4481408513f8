"""Pictures of the window as PNG files: named, asked for, and written whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QObject, QSettings
from PySide6.QtGui import QImage, QImageWriter
from PySide6.QtWidgets import QFileDialog, QWidget

from gsp_studio.gui.dialogs.question import path_to_write
from gsp_studio.gui.texts import error_texts

if TYPE_CHECKING:
    from gsp_studio.gui.session.session import Session


class PictureFiles(QObject):
    """Asks where a picture is to be written, and remembers the folder."""

    def __init__(self, window: QWidget, session: Session, settings: QSettings) -> None:
        super().__init__(window)
        self._window, self._session, self._settings = window, session, settings

    def name_of(self, what: str) -> str:
        """Name of the file with a picture of these data: "faces-basis3.png" for "basis3"."""
        dataset = self._session.dataset
        stem = "" if dataset is None else _plain(Path(dataset.name).stem)
        return f"{'-'.join(filter(None, (stem, _plain(what))))}.png"

    def save(self, picture: Callable[[], QImage], name: str, what: str) -> None:
        """Ask for a place for a picture, `name` proposed, and write it there; `what` it is, for the message."""
        folder = Path(str(self._settings.value("pictures", str(Path.home()))))
        chosen, _ = QFileDialog.getSaveFileName(
            self._window, "Save the picture", str(folder / name), "PNG images (*.png)"
        )
        path = path_to_write(self._window, chosen, ".png", is_only=True)
        if path is None:
            return
        from gsp_studio.io.atomic import write_whole

        try:
            write_whole(path, lambda part: part.write_bytes(png_of(picture())))
        except (OSError, ValueError) as error:
            self._session.failed.emit(*error_texts(error, is_loss=True))
            return
        self._settings.setValue("pictures", str(path.parent))
        self._session.logged.emit(f"{what} is saved as {path}.")


def png_of(picture: QImage) -> bytes:
    """A picture as the content of a PNG file."""
    content = QByteArray()
    file = QBuffer(content)
    file.open(QIODevice.OpenModeFlag.WriteOnly)
    QImageWriter(file, QByteArray(b"PNG")).write(picture)
    file.close()
    return bytes(content.data())


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)
