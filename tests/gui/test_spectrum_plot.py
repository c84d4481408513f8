"""Curves of spectra: their names stand beside them, never over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from handling import settle
from PySide6.QtWidgets import QApplication, QWidget

from gsp_studio.gui.theme import apply_theme, current_theme, load_theme
from gsp_studio.gui.widgets.spectrum_plot import COLOURS, Curve, SpectrumPlot


def curves(count: int) -> list[Curve]:
    return [Curve(f"component {k + 1}", np.full(30, 1.0), COLOURS[k % len(COLOURS)]) for k in range(count)]


@pytest.fixture
def plot(show: Callable[..., QWidget]) -> SpectrumPlot:
    made = show(SpectrumPlot())
    made.set_axis(np.linspace(400.0, 900.0, 30), "wavelength, nm")
    return made


@pytest.mark.parametrize("size", [(700, 320), (320, 220)])
@pytest.mark.parametrize("count", [1, 3, 12, 49])
def test_the_legend_lies_above_the_curves(plot: SpectrumPlot, count: int, size: tuple[int, int]) -> None:
    """Also where the widget is made smaller or larger afterwards, and as a slider draws the curves anew."""
    for width, height in ((500, 500), size):
        plot.resize(width, height)
        plot.set_curves(curves(count))
        plot.set_curves(curves(count))
        settle()
        area = plot.getPlotItem().vb.sceneBoundingRect()
        names = [text for _, text in plot._legend.items]
        assert 0 < len(names) <= count
        assert area.height() > height / 3
        for text in names:
            box = text.sceneBoundingRect()
            assert box.bottom() - 4 <= area.top()  # less the margin of a label
            assert box.right() <= width
    assert [text.text for text in names] == [f"component {k + 1}" for k in range(len(names))]


def test_new_values_leave_items_and_legend(plot: SpectrumPlot) -> None:
    plot.resize(700, 320)
    plot.set_curves(curves(3))
    settle()
    legend, items = plot._legend, list(plot._items)
    plot.set_curves([replace(curve, values=2 * curve.values) for curve in curves(3)])
    settle()
    assert plot._legend is legend
    assert plot._items == items
    for made in items:
        np.testing.assert_array_equal(made.getData()[1], np.full(30, 2.0))
    changed = curves(3)
    changed[1] = replace(changed[1], colour=COLOURS[5])
    plot.set_curves(changed)
    assert plot._items[1].opts["pen"].color().name() == COLOURS[5]
    assert plot._legend.items[1][0].item is plot._items[1]
    plot.set_curves(curves(2))
    assert len(plot._legend.items) == len(plot._items) == 2


def test_names_and_curves_follow_the_theme(plot: SpectrumPlot) -> None:
    plot.set_curves([Curve("pixel", np.full(30, 1.0))])
    app = QApplication.instance()
    try:
        for scheme in ("light", "dark"):
            apply_theme(app, load_theme(scheme))
            settle()
            text = current_theme().plot_text
            assert plot._items[0].opts["pen"].color().name() == text
            assert text in plot._legend.items[0][1].item.toHtml()
    finally:
        apply_theme(app, load_theme("dark"))


def test_few_names_are_all_there_in_one_row(plot: SpectrumPlot) -> None:
    plot.resize(700, 320)
    plot.set_curves(curves(4))
    assert len({text.pos().y() for _, text in plot._legend.items}) == 1
    assert len(plot._legend.items) == 4
    plot.set_curves([])
    assert len(plot._legend.items) == 0
