"""Small things of the window by hand: recent data, the guide, the palette, the order of tiles, a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from handling import settle, wait_until
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest

from gsp_studio.gui.dialogs.guide import GuideDialog
from gsp_studio.gui.dialogs.palette import PaletteDialog
from gsp_studio.gui.panels.curves import log_ticks
from gsp_studio.gui.state import Phase
from gsp_studio.gui.window.main_window import MainWindow

Key = Qt.Key


def entries(window: MainWindow) -> dict[str, QAction]:
    return {action.text(): action for action in window.recent_data.actions()}


def test_recent_data_open_again_newest_first(make_window: Callable[[], MainWindow], tmp_path: Path) -> None:
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.random.default_rng(0).random((6, 5, 5)))
    one = make_window()
    assert not one.recent_data.menuAction().isEnabled()
    for name in ("a.npy", "b.npy", "a.npy"):
        one.prompts.open(tmp_path / name)
        wait_until(lambda name=name: one.session.dataset is not None and one.session.dataset.name == name)
        wait_until(lambda: one.session.phase is Phase.IDLE)
    two = make_window()
    assert list(entries(two)) == ["a.npy", "b.npy"]
    assert str(tmp_path / "b.npy") in entries(two)["b.npy"].toolTip()
    entries(two)["b.npy"].trigger()
    wait_until(lambda: two.session.dataset is not None and two.session.dataset.name == "b.npy")
    (tmp_path / "a.npy").unlink()
    two.recent_data.aboutToShow.emit()
    assert {name: action.isEnabled() for name, action in entries(two).items()} == {"b.npy": True, "a.npy": False}


def test_help_has_the_guide(window: MainWindow) -> None:
    QTest.keyClick(window, Key.Key_F1)
    [dialog] = window.findChildren(GuideDialog)
    assert dialog.isVisible()
    assert "basis images" in dialog.page.toPlainText()
    assert dialog.page.verticalScrollBar().value() == 0, "it opens at its beginning"
    assert "href" not in dialog.page.toHtml().replace('href="http', ""), "no link leads nowhere"
    QTest.keyClick(dialog, Key.Key_Escape)
    settle()


def test_entries_of_the_palette_begin_at_one_place(window: MainWindow) -> None:
    QTest.keyClick(window, Key.Key_P, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    [dialog] = window.findChildren(PaletteDialog)
    rows = dialog.list
    sizes = {rows.item(row).icon().actualSize(rows.iconSize()).width() for row in range(rows.count())}
    assert sizes == {16}
    dialog.close()
    settle()


def test_tiles_are_sorted_and_bars_with_them(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    wait_until(lambda: not session.can_cancel)
    by_energy = session.display.shown.order.tolist()
    session.display.select(by_energy[2])
    window.actions_by_name["sort by sparsity"].trigger()
    shown = session.display.shown
    assert (np.diff(shown.sparsities[shown.order]) <= 0).all()
    assert shown.order.tolist() != by_energy
    assert session.display.selected == by_energy[2], "what is selected stays so"
    assert np.array_equal(window.sparsity.bars._values, shown.sparsities[shown.order])
    session.settings.set_sparsity(0.9)
    session.settings.settle_sparsity()
    settle()
    assert session.display.shown.order.tolist() == shown.order.tolist(), "no tile moves in a drag"
    wait_until(lambda: not session.can_cancel)
    assert session.display.shown.order.tolist() == shown.order.tolist()
    window.actions_by_name["sort by energy"].trigger()
    now = session.display.shown
    assert (np.diff(now.energies[now.order]) <= 0).all()
    session.settings.set_choice(session.settings.choice.with_params(max_iter=10**6, tol=0.0))
    session.run()
    assert not window.actions_by_name["sort by energy"].isEnabled(), "in a run each tile keeps its place"
    session.cancel()
    wait_until(lambda: session.phase is Phase.IDLE)


def test_the_axis_of_errors_can_be_logarithmic(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    session.run()
    wait_until(lambda: session.phase is Phase.IDLE and session.runs.entries)
    curves = window.curves
    assert curves.log_axis in curves._error_plot.actions()
    errors = [100 * record.error for record in session.course.records]
    curves.log_axis.trigger()
    (low, high) = curves._error_plot.getPlotItem().vb.viewRange()[1]
    assert low < math.log10(min(errors[3:])) < high < 2.1
    drawn = curves._error_curve.getData()[1]
    assert np.isclose(drawn.min(), math.log10(min(errors)))
    assert log_ticks(0.9, 1.5, 400) == [[(1.0, "10"), (math.log10(20), "20")]]
    assert log_ticks(-4.0, 3.0, 60)[0][0] == (-4.0, "0.0001")
    assert len(log_ticks(-4.0, 3.0, 60)[0]) <= 3
    curves.log_axis.trigger()
    (low, high) = curves._error_plot.getPlotItem().vb.viewRange()[1]
    assert low < min(errors) < high
