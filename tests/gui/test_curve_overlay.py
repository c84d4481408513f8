"""The curves of runs that are compared, over each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import fakes
import numpy as np
import pyqtgraph as pg
import pytest
from handling import change_theme, settle
from PySide6.QtWidgets import QWidget

from gsp_studio.gui.compared_basis import ComparedBasis, Comparison
from gsp_studio.gui.jobs.comparison import compare_bases
from gsp_studio.gui.panels.curves import CurvesPanel
from gsp_studio.gui.state import Phase, RunEntry
from gsp_studio.io.annotations import Annotations

DATA = fakes.dataset()


@pytest.fixture
def panel(show: Callable[..., QWidget]) -> CurvesPanel:
    return show(CurvesPanel(), 700, 240)


def entry(number: int, count: int, error: float, sparsity: float) -> RunEntry:
    records = tuple(fakes.record(k, error=error, sparsity=sparsity) for k in range(1, count + 1))
    return replace(
        fakes.run_entry(number, DATA, seed=number), records=records, remarks=Annotations(name=f"number {number}")
    )


def compare_runs(*runs: RunEntry) -> Comparison:
    return compare_bases(*map(ComparedBasis.of_run, runs))


def curves_of(panel: CurvesPanel) -> list[tuple[np.ndarray, np.ndarray]]:
    return [tuple(curve.getData() for curve in pair) for pair in panel._overlay._curves]


def test_they_lie_over_each_other_while_somebody_compares(panel: CurvesPanel) -> None:
    runs = [entry(1, 20, 0.5, 0.3), entry(2, 60, 0.2, 0.9)]
    panel.set_records(runs[0].records)
    panel.set_comparison(compare_runs(*runs))
    assert curves_of(panel) == []
    panel.set_comparing(True)
    settle()
    (errors, sparsities), (others, _) = curves_of(panel)
    np.testing.assert_allclose(errors[1], 50.0)
    np.testing.assert_allclose(sparsities[1], 0.3)
    assert others[0][-1] == 60
    legend = panel._overlay.legend
    assert legend.isVisible()
    assert [name for _, name in legend.named] == ["number 1", "number 2"]
    below = legend.mapToGlobal(legend.rect().bottomLeft()).y()
    for plot in (panel._error_plot, panel._sparsity_plot):
        assert plot.mapToGlobal(plot.rect().topLeft()).y() > below, "it covers no curve"
    x, y = panel._error_plot.getPlotItem().vb.viewRange()
    assert x[1] >= 60
    assert y[0] < 20 < 50 < y[1]
    assert panel._sparsity_plot.getPlotItem().vb.viewRange()[1][0] <= 0.3
    assert not panel._error_curve.isVisible(), "it has no place in the legend"
    styles = {pair[0].opts["pen"].style() for pair in panel._overlay._curves}
    assert len(styles) == 2, "told apart without colours, too"
    panel.set_comparing(False)
    assert curves_of(panel) == []
    assert panel._error_curve.isVisible()
    assert not legend.isVisible()


def test_a_run_that_is_going_has_the_plots_for_itself(panel: CurvesPanel) -> None:
    panel.set_comparison(compare_runs(entry(1, 20, 0.5, 0.3), entry(2, 60, 0.2, 0.9)))
    panel.set_comparing(True)
    panel.set_records([fakes.record(1)])
    panel.set_phase(Phase.RUNNING)
    assert curves_of(panel) == []
    assert panel._error_curve.isVisible()
    panel.set_phase(Phase.IDLE)
    assert len(curves_of(panel)) == 2
    change_theme()
    assert len(curves_of(panel)) == 2
    panel.set_dataset(DATA)
    assert curves_of(panel) == [], "runs of other data"


def joined(curve: pg.PlotDataItem) -> list[tuple[float, float]]:
    """Neighbours that a line joins."""
    x, _ = curve.getData()
    connect = curve.opts["connect"]
    lines = np.ones(len(x)) if isinstance(connect, str) else connect
    return [(float(a), float(b)) for a, b, line in zip(x[:-1], x[1:], lines[:-1], strict=True) if line]


def test_a_new_start_is_not_joined_to_what_it_does_not_follow(panel: CurvesPanel) -> None:
    """Four iterations, then a trial that begins anew and goes on."""
    rows = [fakes.record(k, error=0.3) for k in range(1, 5)]
    rows += [fakes.record(k, trial=1, follows=0 if k == 5 else k - 1, error=0.2) for k in range(5, 9)]
    rows += [fakes.record(k, error=0.1) for k in range(9, 12)]
    tried = replace(fakes.run_entry(1, DATA, seed=1), records=tuple(rows))
    panel.set_records(tried.records)
    panel.set_comparison(compare_runs(tried, entry(2, 12, 0.2, 0.9)))
    panel.set_comparing(True)
    lines = [(k, k + 1) for k in range(1, 11) if k != 4]
    for curve in panel._overlay._curves[0]:
        assert list(curve.getData()[0]) == list(range(1, 12))
        assert joined(curve) == lines
    panel.set_comparing(False)
    panel.set_origin(tried.records)
    for curve in (*panel._origin_curves, panel._sparsity_curve, panel._target_curve):
        assert joined(curve) == lines
