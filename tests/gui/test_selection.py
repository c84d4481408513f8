"""One selection: tile, bar, Path tile, side by side and menus speak of the same basis image, in whatever order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handling import settle, tile_centre, wait_until
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from gsp_studio.gui.panels.path import PathPanel
from gsp_studio.gui.panels.selected_basis import BasisPanel
from gsp_studio.gui.window.main_window import MainWindow


def framed_by(window: MainWindow) -> dict[str, int]:
    """The basis image that each view frames, found from its tile or bar."""
    order = window.session.display.shown.order.tolist()
    path = window.arrangement.panel(PathPanel)
    return {
        "tile": order[window.montage.view._selected],
        "bar": order[window.sparsity.bars._selected],
        "bar under a tile": order[window.montage.view.bars._selected],
        "path": order[path.tiles._selected],
        "inspected": window.arrangement.panel(BasisPanel)._basis,
    }


@pytest.mark.parametrize("kind", ["another order", "a new fit"])
def test_all_views_frame_the_same_basis_image_after_the_tiles_moved(faces_window: MainWindow, kind: str) -> None:
    window, session = faces_window, faces_window.session
    window.centre.show_view("Path")
    window.centre.show_view("Basis")
    settle()
    view = window.montage.view
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=tile_centre(view, 5).toPoint())
    chosen = session.display.selected
    assert chosen == session.display.shown.order[5]
    assert set(framed_by(window).values()) == {chosen}
    if kind == "another order":
        shown = session.display.shown
        session.display.show(replace(shown, order=shown.order[::-1].copy()))
    else:
        before = session.display.shown
        session.settings.set_choice(session.settings.choice.with_params(seed=7))
        wait_until(lambda: session.basis.pinned.origin and session.display.shown is not before)
        wait_until(lambda: not session.warm_fit.is_coming)
    settle()
    assert set(framed_by(window).values()) == {chosen}


def test_a_click_on_a_bar_selects_and_the_menu_locks(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    session.display.set_view(replace(session.display.view, bars=False))
    settle()
    lock = window.actions_by_name["lock"]
    assert not lock.isEnabled()
    bars = window.sparsity.bars
    QTest.mouseClick(bars, Qt.MouseButton.LeftButton, pos=QPoint(int(2.5 * bars.width() / 9), bars.height() // 2))
    basis = session.display.selected
    assert basis == session.display.shown.order[2]
    assert session.basis.locked == {}
    window.montage.view.setFocus()
    QTest.keyClick(window.montage.view, Qt.Key.Key_L)
    assert list(session.basis.locked) == [basis]
    QTest.keyClick(window.montage.view, Qt.Key.Key_L)
    assert session.basis.locked == {}
    QTest.mouseDClick(bars, Qt.MouseButton.LeftButton, pos=QPoint(int(2.5 * bars.width() / 9), bars.height() // 2))
    assert list(session.basis.locked) == [basis]
