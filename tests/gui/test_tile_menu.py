"""The menu of a tile and its picture: copied, saved, dragged out of the view."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handling import settle, tile_centre, wait_until
from PIL import Image
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QDrag, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu

from gsp_studio.gui.window.main_window import MainWindow

LEFT, Key, Ctrl = Qt.MouseButton.LeftButton, Qt.Key, Qt.KeyboardModifier.ControlModifier


def pick(window: MainWindow, tile: int) -> int:
    view = window.montage.view
    QTest.mouseClick(view.viewport(), LEFT, pos=tile_centre(view, tile).toPoint())
    return int(window.session.display.shown.order[tile])


def expected(window: MainWindow, basis: int) -> np.ndarray:
    """Greys of a basis image, its maximum white, enlarged."""
    shown = window.session.display.shown
    image = window.session.dataset.as_images(shown.W[:, basis : basis + 1])[0]
    return np.kron(254 * image / image.max(), np.ones((13, 13)))


def test_ctrl_c_copies_the_picture_of_the_selected_tile(faces_window: MainWindow) -> None:
    window = faces_window
    assert not window.actions_by_name["copy picture"].isEnabled()
    basis = pick(window, 3)
    QTest.keyClick(window.montage.view, Key.Key_C, Ctrl)
    image = QGuiApplication.clipboard().image()
    wanted = expected(window, basis)
    assert (image.height(), image.width()) == wanted.shape == (247, 247)
    for row, column in ((3, 5), (100, 120), (240, 30), (130, 130)):
        assert abs(image.pixelColor(column, row).red() - wanted[row, column]) <= 1.5


def test_a_picture_is_saved_in_the_colours_on_the_screen(
    faces_window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = faces_window
    basis = pick(window, 0)
    window.view_menu.colours["viridis"].trigger()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "tile"), ""))
    window.actions_by_name["save picture"].trigger()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".png"] == ["tile.png"]
    pixels = np.asarray(Image.open(tmp_path / "tile.png").convert("RGB"))
    assert pixels.shape == (247, 247, 3)
    assert (pixels[expected(window, basis) == 0] == (68, 1, 84)).all(), "viridis begins so"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "gone" / "tile.png"), ""))
    failed: list[str] = []
    window.session.failed.connect(lambda sentence, details: failed.append(sentence))
    window.actions_by_name["save picture"].trigger()
    assert "tile.png" in failed[0]


def test_a_tile_is_dragged_out_as_a_png(faces_window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    window, view = faces_window, faces_window.montage.view
    carried: list[tuple[str, tuple[int, int]]] = []

    def carry(drag: QDrag, *_: object) -> Qt.DropAction:
        [url] = drag.mimeData().urls()
        with Image.open(url.toLocalFile()) as image:
            carried.append((Path(url.toLocalFile()).name, image.size))
        return Qt.DropAction.CopyAction

    monkeypatch.setattr(QDrag, "exec", carry)
    part, start = view.visible_part, tile_centre(view, 2).toPoint()
    basis = int(window.session.display.shown.order[2])
    port = view.viewport()
    QTest.mousePress(port, LEFT, pos=start)
    for step in (QPoint(5, 5), QPoint(15, 0), QPoint(40, 10)):
        QTest.mouseMove(port, start + step)
        settle()
    assert not carried, "inside, a drag moves the view"
    QTest.mouseMove(port, QPoint(port.width() // 2, -20))
    settle()
    assert carried == [(f"faces-basis{basis + 1}.png", (247, 247))]
    assert (QPointF(view.visible_part.center()) - part.center()).manhattanLength() < 1e-6
    QTest.mouseRelease(port, LEFT, pos=start)


def test_a_picture_of_the_inspector_is_copied(faces_window: MainWindow) -> None:
    window = faces_window
    wait_until(lambda: window.session.display.shown.is_solved)  # until then the pictures change
    window.centre.show_view("Inspector")
    plates = window.inspector.plates
    wait_until(lambda: len(plates.plates) > 1 and plates.isVisible())
    place = plates.place_of(1).center().toPoint()
    QApplication.sendEvent(plates, QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, plates.mapToGlobal(place)))
    settle()
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    [action] = menu.actions()
    assert plates.plates[1].title in action.text()
    menu.setActiveAction(action)
    QTest.keyClick(menu, Key.Key_Return)
    image = QGuiApplication.clipboard().image()
    assert image.width() == 247 < image.height(), "below it are its colours with their values"
    assert image.pixelColor(100, 100) == plates._images[1].pixelColor(100 // 13, 100 // 13)


def test_the_menu_locks_undoably_and_inspects(faces_window: MainWindow) -> None:
    window, session, view = faces_window, faces_window.session, faces_window.montage.view
    place = tile_centre(view, 4).toPoint()
    basis = int(session.display.shown.order[4])
    QApplication.sendEvent(view.viewport(), QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, place))
    settle()
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu)
    assert session.display.selected == basis
    offered = {name for name, action in window.actions_by_name.items() if action in menu.actions()}
    assert offered == {
        *("accept", "reject", "lock", "freeze", "split", "re-seed", "kill"),
        *("copy picture", "save picture", "inspect"),
    }
    QTest.mouseClick(menu, LEFT, pos=menu.actionGeometry(window.actions_by_name["lock"]).center())
    assert set(session.basis.locked) == {basis}
    session.undo.stack.undo()
    wait_until(lambda: session.basis.locked == {})
    QTest.keyClick(view, Key.Key_I)
    assert window.centre.current == "Inspector"
