"""Pictures of the view Compare: copied by the key, saved by the menu; scale bars beside basis images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fakes
import numpy as np
import pytest
from handling import settle, tile_centre, wait_until
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QContextMenuEvent, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QWidget

from gsp_studio.gui.panels.basis_montage import MontagePanel
from gsp_studio.gui.panels.compare import ComparePanel
from gsp_studio.gui.window.main_window import MainWindow
from gsp_studio.io.axes import Axis
from gsp_studio.io.dataset import Dataset

LEFT, Ctrl = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def compared(faces_window: MainWindow) -> MainWindow:
    """A window with two runs beside each other."""
    window, session = faces_window, faces_window.session
    for seed in (0, 1):
        session.settings.set_choice(session.settings.choice.with_params(seed=seed, max_iter=8))
        before = len(session.runs.entries)
        session.run()
        wait_until(lambda before=before: len(session.runs.entries) > before)
    window.show_view("Compare")
    wait_until(lambda: window.compare._comparison is not None)
    settle()
    return window


def test_ctrl_c_copies_the_pictures_that_have_the_focus(compared: MainWindow) -> None:
    views = [column.view for column in compared.compare.columns]
    for view in reversed(views):
        QTest.mouseClick(view.tiles.viewport(), LEFT, pos=tile_centre(view.tiles, 2).toPoint())
        QTest.keyClick(view.tiles, Qt.Key.Key_C, Ctrl)
        assert QGuiApplication.clipboard().image() == view.picture()
    assert views[0].picture() != views[1].picture()


def test_ctrl_c_copies_the_first_pictures_as_the_view_comes(compared: MainWindow) -> None:
    compared.show_view("Basis")
    QTest.keyClick(compared, Qt.Key.Key_2)
    settle()
    focus = QApplication.focusWidget()
    assert focus is not None
    QTest.keyClick(focus, Qt.Key.Key_C, Ctrl)
    assert QGuiApplication.clipboard().image() == compared.compare.columns[0].view.picture()


def test_pictures_are_saved(compared: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = compared.compare.columns[1].view
    place = tile_centre(view.tiles, 0).toPoint()
    asked: list[str] = []

    def choose(parent: QWidget, title: str, proposed: str, kinds: str) -> tuple[str, str]:
        asked.append(proposed)
        return str(tmp_path / "both"), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, view.mapToGlobal(place))
    QApplication.sendEvent(view, event)
    [menu] = view.findChildren(QMenu)
    assert [action.text().split("\t")[0].replace("&", "") for action in menu.actions()] == [
        "Copy these pictures with their colour bar",
        "Save these pictures with their colour bar...",
    ]
    menu.actions()[1].trigger()
    menu.close()
    assert Path(asked[0]).name == "faces-compare-Run_2.png"
    saved, wanted = np.asarray(Image.open(tmp_path / "both.png").convert("RGB")), view.picture()
    assert saved.shape == (wanted.height(), wanted.width(), 3)
    for row, column in ((5, 5), (wanted.height() // 2, wanted.width() // 3), (wanted.height() - 3, 4)):
        assert saved[row, column].tolist() == list(wanted.pixelColor(column, row).getRgb()[:3])


# Scale bars

#: Pixels of 0.5 µm: the longest bar of a round length on so many pixels of the screen.
MICRONS = replace(fakes.dataset(20, 30), axes=(Axis("x", unit="µm", scale=0.5),))


def test_the_montage_has_a_bar_of_its_scale(show: Callable[..., QWidget]) -> None:
    panel = show(MontagePanel(), 700, 400)
    panel.set_dataset(MICRONS)
    panel.set_shown(fakes.shown(MICRONS))
    settle()
    scale, view = panel.scale, panel.view
    assert scale.isVisible()
    assert scale.bar is not None
    zoom = view.stage.transform().m11()
    number, unit = scale.bar.text.split()
    assert unit == "µm"
    assert scale.length == pytest.approx(float(number) / 0.5 * zoom), "as long as that on the tiles"
    assert 20 < scale.length <= 84
    at = scale.x()
    view.show_part(view.visible_part.adjusted(10, 10, -10, -10))
    assert view.stage.transform().m11() > zoom
    number = scale.bar.text.split()[0]
    assert scale.length == pytest.approx(float(number) / 0.5 * view.stage.transform().m11())
    settle()
    assert scale.x() == at, "nothing moves with the zoom"
    image = scale.grab().toImage()
    dark = [x for x in range(image.width()) if image.pixelColor(x, image.height() // 2) != image.pixelColor(0, 0)]
    assert dark[0] == 8
    assert all(x in dark for x in range(8, 8 + int(scale.length)))
    panel.set_dataset(fakes.dataset())
    assert not scale.isVisible()


def test_compare_has_bars_of_its_scale(show: Callable[..., QWidget]) -> None:
    panel = show(ComparePanel(), 700, 400)
    panel.set_dataset(MICRONS)
    runs = [fakes.run_entry(k, MICRONS, seed=k) for k in (1, 2)]
    panel.set_runs(runs)
    settle()
    for column in panel.columns:
        assert column.view.scale.isVisible()
        column.view.tiles.set_basis(runs[0].shown.W, runs[0].shown.order)
    settle()
    lengths = {round(column.view.scale.length, 3) for column in panel.columns}
    zoom = panel.columns[0].view.tiles.stage.transform().m11()
    bar = panel.columns[0].view.scale.bar
    assert bar is not None
    assert lengths == {round(float(bar.text.split()[0]) / 0.5 * zoom, 3)}


# Room of the colour bar


def test_the_line_of_colours_keeps_its_place_without_a_bar(show: Callable[..., QWidget]) -> None:
    panel = show(MontagePanel(), 900, 400)
    X = np.random.default_rng(0).random((12, 6), np.float32)
    cube = Dataset(np.asfortranarray(X), (1, 12), "F", "cube", tuple("abcdef"), grid=(2, 3))
    places = []
    for data in (fakes.dataset(), cube, fakes.dataset()):
        panel.set_dataset(data)
        panel.set_shown(fakes.shown(data))
        settle()
        places.append((panel._caption.geometry(), panel.view.geometry()))
        assert panel.bar.isVisible() is (data is not cube)
    assert places[0] == places[1] == places[2]


def test_the_name_of_a_run_has_room_beside_scale_and_colours(show: Callable[..., QWidget]) -> None:
    panel = show(ComparePanel(), 700, 400)
    panel.set_dataset(MICRONS)
    view = panel.columns[0].view
    view.bar.set_bar("Run 1", view.tiles.colours, ("0", "max"))
    view.bar.setFixedWidth(view.bar.fontMetrics().horizontalAdvance("0maxRun 1") + 160)
    settle()
    assert view.bar.shown_title() == "Run 1"
