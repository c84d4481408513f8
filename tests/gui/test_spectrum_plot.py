"""Curves of spectra: their names stand beside them, never over them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from handling import settle
from PySide6.QtWidgets import QWidget

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


def test_few_names_are_all_there_in_one_row(plot: SpectrumPlot) -> None:
    plot.resize(700, 320)
    plot.set_curves(curves(4))
    assert len({text.pos().y() for _, text in plot._legend.items}) == 1
    assert len(plot._legend.items) == 4
    plot.set_curves([])
    assert len(plot._legend.items) == 0
