"""How many basis images: the study in the background, its plots, cancel, and the rank that is taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyqtgraph as pg
import pytest
from handling import Listener, press, question, settle, wait_until
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from gsp_studio.experiments.consensus import Consensus
from gsp_studio.experiments.rank import RankRow, RankStudy
from gsp_studio.gui.dialogs.rank import RankDialog
from gsp_studio.gui.state import RunSettings
from gsp_studio.gui.theme import apply_theme, load_theme
from gsp_studio.gui.window.main_window import MainWindow

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def five(window: MainWindow, tmp_path: Path) -> MainWindow:
    """A window on noisy images of five parts."""
    rng = np.random.default_rng(0)
    X = np.maximum(rng.random((120, 5)) - 0.4, 0) @ rng.random((5, 160))
    X = np.maximum(X + 0.1 * X.mean() * rng.standard_normal(X.shape), 0)
    np.save(tmp_path / "x.npy", X.T.reshape(160, 12, 10).astype(np.float32))
    window.session.settings.set_choice(RunSettings().with_params(rank=8, method="ahals", max_iter=5))
    window.session.open(tmp_path / "x.npy")
    wait_until(lambda: window.session.display.shown is not None)
    return window


def dialog() -> RankDialog:
    [found] = [w for w in QApplication.topLevelWidgets() if isinstance(w, RankDialog) and w.isVisible()]
    return found


def row(rank: int, error: float) -> RankRow:
    return RankRow(rank, np.array([error, error * 1.1]), np.ones(2), 0.9, np.ones(rank), Consensus(0.7, 0.95))


def tick_texts(plot: pg.PlotWidget, side: str) -> list[str]:
    """The numbers along an axis."""
    axis = plot.getPlotItem().getAxis(side)
    if axis._tickLevels is not None:
        return [text for level in axis._tickLevels for _, text in level]
    low, high = axis.range
    levels = axis.tickValues(low, high, 400)
    return [text for spacing, values in levels for text in axis.tickStrings(values, axis.scale, spacing)]


def test_before_a_study_its_axes_have_the_ranks_and_no_values(show: Callable[..., QWidget]) -> None:
    asked = show(RankDialog(30, "GSP-HALS"), 640, 680)
    for last in (12, 7):
        asked.last.setValue(last)
        for plot in (asked.errors, asked.stability):
            assert [int(text) for text in tick_texts(plot, "bottom")] == list(range(2, last + 1))
            assert tick_texts(plot, "left") == []
    asked.add_row(row(2, 0.1))
    assert tick_texts(asked.errors, "left")
    assert "GSP-HALS" in asked.stability.getPlotItem().getAxis("bottom").labelText


def test_a_study_suggests_the_rank_that_is_there(five: MainWindow) -> None:
    five.prompts.rank()
    asked = dialog()
    asked.first.setValue(3)
    asked.last.setValue(7)
    asked.seeds.setValue(2)
    QTest.mouseClick(asked.start, LEFT)
    assert asked.start.text() == "Cancel"
    wait_until(lambda: asked.use.isEnabled())
    assert "Rank 5: its cross-validated error" in asked._said.text()
    assert [row.rank for row in asked._rows] == [3, 4, 5, 6, 7]
    QTest.mouseClick(asked.use, LEFT)
    assert five.session.settings.params.rank == 5
    settle()
    assert [round(row.consensus.dispersion, 1) for row in asked._rows][2] == 1.0
    assert not [w for w in QApplication.topLevelWidgets() if isinstance(w, RankDialog) and w.isVisible()]


def test_cancel_and_close_end_the_study(five: MainWindow) -> None:
    five.prompts.rank()
    asked = dialog()
    five.prompts.rank()
    assert dialog() is asked, "there is one"
    asked.seeds.setValue(50)
    QTest.mouseClick(asked.start, LEFT)
    wait_until(lambda: asked.bar.value() > 0)
    QTest.mouseClick(asked.start, LEFT)
    assert not five.session.analyses.rank_study.is_going
    assert "cancelled" in asked._said.text()
    assert not asked.use.isEnabled()
    asked.first.setFocus()
    QTest.keyClick(asked.first, Qt.Key.Key_Return)
    assert five.session.analyses.rank_study.is_going, "Enter begins it"
    QTest.keyClick(asked.first, Qt.Key.Key_Return)
    assert five.session.analyses.rank_study.is_going, "and does not end it"
    QTest.keyClick(asked, Qt.Key.Key_Escape)
    assert five.session.analyses.rank_study.is_going, "it is asked first"
    press(question(), "Cancel")
    assert asked.isVisible()
    QTest.keyClick(asked, Qt.Key.Key_Escape)
    press(question(), "End it")
    assert not five.session.analyses.rank_study.is_going
    assert not [w for w in QApplication.topLevelWidgets() if isinstance(w, RankDialog) and w.isVisible()]
    assert five.session.settings.params.rank == 8


def test_other_images_end_it_too(five: MainWindow) -> None:
    five.prompts.rank()
    asked = dialog()
    asked.seeds.setValue(50)
    QTest.mouseClick(asked.start, LEFT)
    five.prompts.sample("swimmer")
    assert "number of basis images" in question().informativeText()
    press(question(), "Cancel")
    assert five.session.analyses.rank_study.is_going
    five.prompts.sample("swimmer")
    press(question(), "Open")
    wait_until(lambda: five.session.dataset.name == "swimmer.npz")
    assert not five.session.analyses.rank_study.is_going
    settle()
    assert not [w for w in QApplication.topLevelWidgets() if isinstance(w, RankDialog) and w.isVisible()]


def test_its_plots_follow_the_theme(show: Callable[..., QWidget], app: QApplication) -> None:
    asked = show(RankDialog(20, "psnmf"), 640, 680)
    asked.add_row(row(9, 0.3))
    try:
        for scheme in ("light", "dark"):
            apply_theme(app, load_theme(scheme))
            settle()
            for plot in (asked.errors, asked.stability):
                assert plot.backgroundBrush().color().name() == load_theme(scheme).plot
                assert plot.getPlotItem().getAxis("left").textPen().color().name() == load_theme(scheme).plot_text
            [label] = [label for _, label in asked._legend.items if label.text == "consensus"]
            assert label.opts["color"] == load_theme(scheme).plot_text
    finally:
        apply_theme(app, load_theme("dark"))


def test_the_dialog_alone(show: Callable[..., QWidget]) -> None:
    asked = show(RankDialog(20, "psnmf"))
    heard = Listener(asked, "studyRequested", "studyCancelled", "rankChosen")
    asked.first.setValue(9)
    asked.last.setValue(4)
    QTest.mouseClick(asked.start, LEFT)
    assert heard.is_silent
    assert "below the first" in asked._said.text()
    asked.last.setValue(11)
    QTest.mouseClick(asked.start, LEFT)
    assert heard["studyRequested"] == [(range(9, 12), 5)]
    for one in (row(9, 0.3), row(10, 0.2), row(11, 0.25)):
        asked.add_row(one)
    assert asked._numbers.text().startswith("Rank 11: left out 26.250 % ± 1.250 %, explained energy 1.0000")
    assert "similarity 0.900, consensus 0.700, cophenetic correlation 0.950" in asked._numbers.text()
    legend = [label.text for _, label in asked._legend.items]
    assert legend == ["matched similarity", "consensus", "explained energy"]
    pens = {item.opts["pen"].style() for item in asked.stability.getPlotItem().listDataItems()}
    signs = {item.opts["symbol"] for item in asked.stability.getPlotItem().listDataItems()}
    assert len(pens) == len(signs) == 3, "colour is not the only sign"
    settle()
    top = asked.stability.getPlotItem().vb.sceneBoundingRect().top()
    assert all(label.sceneBoundingRect().bottom() <= top + 3 for _, label in asked._legend.items), "over the curves"
    box = asked.errors.getPlotItem().vb
    place = asked.errors.mapFromScene(box.mapViewToScene(QPointF(9.2, 30.0)))
    QTest.mouseMove(asked.errors.viewport(), place)
    assert asked._numbers.text().startswith("Rank 9: left out 31.500 %")
    asked.set_progress(3, 9)
    asked.set_study(RankStudy((row(9, 0.3), row(10, 0.2)), 10, "it is so"))
    assert asked.use.text() == "Use rank 10"
    assert asked._said.text() == "Rank 10: it is so."
    asked.set_study(RankStudy((row(9, 0.3), row(10, 0.2)), 10, "it is so", "the target is high"))
    assert asked._said.text() == "Rank 10: it is so.\n⚠ The target is high."
    assert asked._numbers.text().startswith("Rank 10: ")
    QTest.mouseClick(asked.start, LEFT)
    assert not asked.use.isEnabled()
    assert asked._numbers.text() == ""
    asked.add_row(replace(row(9, 0.3), stability=math.nan, consensus=Consensus()))
    assert [label.text for _, label in asked._legend.items] == ["explained energy"]
    assert asked._numbers.text().endswith("similarity and consensus need two seeds")
    asked.set_problem("this cannot be")
    assert asked._said.text() == "⚠ this cannot be"
    assert asked.start.text() == "Start"
