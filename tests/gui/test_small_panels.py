"""Chip, curves, selected basis, data and log with no session."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import fakes
import legibility
import numpy as np
import pytest
from handling import Listener, settle
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from gsp_studio.core.results import Record
from gsp_studio.core.sparsity import hoyer_sparsity
from gsp_studio.experiments.stability import BasisStability
from gsp_studio.gui.panels.constraint_chip import ConstraintChip, _better_than
from gsp_studio.gui.panels.curves import CurvesPanel, _tip, axis_end
from gsp_studio.gui.panels.data import DataPanel
from gsp_studio.gui.panels.log import LogPanel
from gsp_studio.gui.panels.selected_basis import BasisPanel
from gsp_studio.gui.state import Phase, RunEvent, RunSettings
from gsp_studio.gui.theme import apply_theme, current_theme, load_theme
from gsp_studio.gui.widgets.picture import Picture, qimage_of, scaled_to_grey
from gsp_studio.io.axes import Axis
from gsp_studio.io.dataset import Dataset

DATA = fakes.dataset(6, 4, n=20)


def words(panel: QWidget) -> str:
    return " | ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def colours(widget: QWidget) -> set[str]:
    image = widget.grab().toImage()
    return {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}


class TestChip:
    """By colour, by icon and by word."""

    @pytest.fixture
    def chip(self, show: Callable[..., QWidget]) -> ConstraintChip:
        return show(ConstraintChip())

    @pytest.mark.parametrize(
        ("sparsities", "target", "text"),
        [
            ([0.8, 0.9], 0.85, "target s 0.8500   attained 0.8500   reached"),
            ([0.8, 0.89998], 0.85, "target s 0.8500   attained 0.8500   reached"),  # the rounding of float32
            ([0.8, 0.89], 0.85, "target s 0.8500   attained 0.8450   missed"),
            ([0.5, 0.6], 0.28, "target s 0.2800   attained 0.5500   exceeded"),
            ([0.7, 0.9], math.nan, "no target   sparsity 0.8000"),
        ],
    )
    def test_words(self, chip: ConstraintChip, sparsities: list[float], target: float, text: str) -> None:
        chip.set_shown(fakes.shown(DATA, 2, sparsities=np.array(sparsities), target=target))
        assert chip.text() == text
        assert chip.accessibleName() == text

    def test_weighted_sparsities_are_said_to_be(self, chip: ConstraintChip) -> None:
        shown = fakes.shown(DATA, 2, sparsities=np.array([0.6, 0.6]), target=0.6, is_weighted=True)
        chip.set_shown(shown)
        assert chip.text() == "target s 0.6000   weighted 0.6000   reached"
        assert f"plain average sparsity {np.mean(hoyer_sparsity(shown.W)):.4f}" in chip.toolTip()

    def test_coefficients_that_are_not_sparse_enough_are_named(self, chip: ConstraintChip) -> None:
        chip.set_shown(fakes.shown(DATA, 2, sparsities=np.array([0.6, 0.6]), target=0.6, sparsity_h=0.1, target_h=0.4))
        assert chip.text().endswith("H missed")

    def test_amber_only_when_not_met(self, chip: ConstraintChip) -> None:
        met = fakes.shown(DATA, 2, sparsities=np.array([0.9, 0.9]), target=0.85)
        chip.set_shown(met)
        assert current_theme().amber not in colours(chip)
        chip.set_shown(replace(met, sparsities=np.array([0.1, 0.1])))
        assert current_theme().amber in colours(chip)
        assert current_theme().text not in colours(chip), "the icon is still that of a target that is met"

    @pytest.mark.parametrize("attained", [0.6, 0.9])
    def test_a_basis_that_follows_the_slider_is_not_judged(self, chip: ConstraintChip, attained: float) -> None:
        """Its iterates are a step behind while the slider moves: no warning, no tick, until it comes to rest."""
        shown = fakes.shown(DATA, 2, sparsities=np.full(2, attained), target=0.8, iterations=3, is_refining=True)
        chip.set_shown(shown)
        assert chip.text() == f"target s 0.8000   attained {attained:.4f}   refining"
        assert chip.icon_name == ""
        assert current_theme().amber not in colours(chip)
        chip.set_shown(replace(shown, is_refining=False))
        assert chip.text().endswith("missed" if attained < 0.8 else "exceeded")

    def test_nothing_without_a_basis(self, chip: ConstraintChip) -> None:
        blank = colours(chip)
        chip.set_shown(fakes.shown(DATA))
        assert colours(chip) != blank
        chip.set_shown(None)
        assert chip.text() == ""
        assert colours(chip) == blank

    def test_longest_text_fits(self, chip: ConstraintChip) -> None:
        chip.set_shown(fakes.shown(DATA, 2, sparsities=np.array([0.1, 0.1]), target=0.8888))
        width = chip.fontMetrics().horizontalAdvance(chip.text())
        assert width + 16 + 12 <= chip.sizeHint().width()

    def test_second_line_tells_how_it_was_found(self, chip: ConstraintChip) -> None:
        entry = fakes.run_entry(1, DATA)
        chip.set_known(fakes.KNOWN)
        chip.set_shown(entry.shown)
        chip.set_runs((entry,), 0)
        assert chip.accessibleDescription().split("  ·  ") == ["min W 0", "KKT –", "cpu", "bit for bit"]
        for device, words in (
            ("2 workers, 4 threads, tcp://h:1", ["2 workers", "bit for bit"]),
            ("2 workers, 4 threads with Fake 0, tcp://h:1", ["2 workers", "to rounding"]),
            ("2 workers, 4 threads, tcp://h:1, 1 lost", ["2 workers", "to rounding"]),
            ("cuda:0: H", ["cuda:0", "bit for bit"]),
        ):
            result = SimpleNamespace(backend=device)
            chip.set_runs((replace(entry, outcome=replace(entry.outcome, result=result)),), 0)
            assert chip.accessibleDescription().split("  ·  ")[2:] == words
        chip.set_runs((), -1)
        chip.set_shown(replace(entry.shown, H=object()))  # on a cluster, while a run goes on
        assert chip.accessibleDescription().split("  ·  ")[2:] == ["cluster", "–"]
        chip.set_shown(entry.shown)
        chip.set_runs((entry,), 0)
        chip.set_residual(entry, 0.000213)
        assert "KKT 2.1e-04" in chip.accessibleDescription()
        chip.set_shown(fakes.shown(DATA))  # the slider moved: that of a run's result says nothing about it
        assert "KKT –" in chip.accessibleDescription()
        chip.set_shown(replace(entry.shown, W=entry.shown.W - 1))
        assert "min W -" in chip.accessibleDescription()

    def test_no_plain_tick_for_a_basis_that_is_sparser_than_asked(self, chip: ConstraintChip) -> None:
        chip.set_shown(fakes.shown(DATA, 2, sparsities=np.array([0.5, 0.6]), target=0.28))
        assert chip.text() == "target s 0.2800   attained 0.5500   exceeded"
        assert chip.icon_name == ""
        chip.set_shown(fakes.shown(DATA, 2, sparsities=np.array([0.5, 0.6]), target=0.55))
        assert chip.icon_name == "check"

    def test_no_plain_tick_where_other_seeds_do_not_find_the_basis(self, chip: ConstraintChip) -> None:
        entry = fakes.run_entry(1, DATA, sparsities=np.full(5, 0.5), target=0.5)
        chip.set_shown(entry.shown)
        chip.set_runs((entry,), 0)
        assert chip.icon_name == "check"
        cosine = np.array([0.1, 0.2, 1.0, 0.3, 0.9])
        unstable = replace(entry, stability=BasisStability(5, cosine, np.zeros(5)))
        chip.set_runs((unstable,), 0)
        assert chip.icon_name == "warning"
        assert "3 of 5 unstable" in chip.accessibleDescription()
        chip.set_runs((replace(entry, stability=BasisStability(5, np.ones(5), np.zeros(5))),), 0)
        assert chip.icon_name == "check"
        chip.set_stability(unstable)  # found while the run is on the screen
        assert chip.icon_name == "warning"

    def test_tool_tip_names_the_least_sparse(self, chip: ConstraintChip) -> None:
        chip.set_shown(fakes.shown(DATA, 2, sparsities=np.array([0.8, 0.9]), target=0.85))
        assert "0.8000" in chip.toolTip()

    def test_a_run_is_better_than_another_by_the_error_of_the_same_entries_alone(self, chip: ConstraintChip) -> None:
        here = fakes.run_entry(1, DATA, sparsities=np.full(5, 0.5), error=0.2)
        better = fakes.run_entry(2, DATA, sparsities=np.full(5, 0.7), error=0.1)
        assert len(_better_than((here, better), 0)) == 1
        held_out = replace(better, choice=better.choice.with_params(held_out=0.02))
        assert _better_than((here, held_out), 0) == ()

    def test_a_run_is_no_rival_by_an_error_or_a_sparsity_of_another_kind(self, chip: ConstraintChip) -> None:
        here = fakes.run_entry(1, DATA, sparsities=np.full(5, 0.5), error=0.2)
        better = fakes.run_entry(2, DATA, sparsities=np.full(5, 0.7), error=0.1)
        for other in ({"gram": SimpleNamespace(measure="kl", rows=None)}, {"is_weighted": True}):
            assert _better_than((here, replace(better, shown=replace(better.shown, **other))), 0) == ()

    def test_a_second_line_without_room_ends_in_an_ellipsis(self, chip: ConstraintChip) -> None:
        chip.set_shown(fakes.shown(DATA, 5, sparsities=np.array([0.1, 0.1, 0.1, 0.1, 1.0]), target=0.28))
        chip._second = "  ·  ".join(["4 of 5 basis images are single pixels"] * 3)
        chip.resize(chip.sizeHint())
        texts = legibility.texts_of(chip, chip)
        assert texts[-1].words.endswith("…")
        assert texts[-1].ink.right() <= chip.width() - 2


class TestCurves:
    """What the plots hold and where their axes end."""

    @pytest.fixture
    def panel(self, show: Callable[..., QWidget]) -> CurvesPanel:
        return show(CurvesPanel(), 700, 240)

    @staticmethod
    def drawn(curve: object) -> tuple[list[float], list[float]]:
        x, y = curve.getData()
        return ([], []) if x is None else (list(x), list(y))

    def test_records_are_drawn_in_percent(self, panel: CurvesPanel) -> None:
        panel.set_records([fakes.record(1, 0.3, 0.5, 0.8), fakes.record(2, 0.2, 0.8, 0.8)])
        assert self.drawn(panel._error_curve) == ([1, 2], pytest.approx([30.0, 20.0]))
        assert self.drawn(panel._sparsity_curve) == ([1, 2], [0.5, 0.8])
        assert self.drawn(panel._target_curve) == ([1, 2], [0.8, 0.8])

    def test_more_records_go_on(self, panel: CurvesPanel) -> None:
        panel.set_records([fakes.record(1)])
        panel.add_records([fakes.record(2), fakes.record(3)])
        panel.add_records([])
        assert self.drawn(panel._error_curve)[0] == [1, 2, 3]

    def test_another_run_replaces_them(self, panel: CurvesPanel) -> None:
        panel.set_records([fakes.record(k) for k in range(1, 50)])
        panel.set_records([fakes.record(1, 0.05)])
        assert self.drawn(panel._error_curve) == ([1], pytest.approx([5.0]))

    def test_no_target_no_line(self, panel: CurvesPanel) -> None:
        panel.set_records([fakes.record(1, target=0.8)])
        panel.set_records([fakes.record(1, target=math.nan), fakes.record(2, target=math.nan)])
        assert self.drawn(panel._target_curve) == ([], [])

    def test_steering_is_a_step_of_the_target(self, panel: CurvesPanel) -> None:
        panel.set_records([fakes.record(1, target=0.6), fakes.record(2, target=0.9)])
        assert self.drawn(panel._target_curve)[1] == [0.6, 0.9]

    def test_marks_stand_where_something_was_changed(self, panel: CurvesPanel) -> None:
        panel.set_records([fakes.record(k, 0.1 + 0.1 / k) for k in range(1, 11)])
        panel.set_marks((RunEvent(3, 3, "basis 2 split"), RunEvent(5, 8, "s 0.800 → 0.700", is_target=True)))
        for lines in panel._mark_lines:
            assert list(lines.getData()[0]) == [3, 3, 5, 5]
        assert list(panel._mark_heads.getData()[0]) == [3, 5]
        heads = panel._mark_heads.points()
        assert [_tip(0, 0, head.data()) for head in heads] == [
            "iteration 3: basis 2 split",
            "iterations 5 to 8: s 0.800 → 0.700",
        ]
        bottom, top = panel._error_plot.getPlotItem().viewRange()[1]
        assert bottom < heads[0].pos().y() < top
        panel.set_marks(())
        assert len(panel._mark_heads.points()) == 0

    def test_the_run_that_it_branched_off_stays_in_view(self, panel: CurvesPanel) -> None:
        panel.set_origin([fakes.record(k, 0.3, 0.5) for k in range(1, 11)])
        panel.set_records([fakes.record(k, 0.05, 0.9) for k in range(1, 6)])
        for curve, value in zip(panel._origin_curves, (30.0, 0.5), strict=True):
            assert self.drawn(curve) == (list(range(1, 11)), pytest.approx([value] * 10))
        low, high = panel._error_plot.getPlotItem().viewRange()[1]
        assert low < 5.0 < 30.0 < high
        low, high = panel._sparsity_plot.getPlotItem().viewRange()[1]
        assert low <= 0.5 < 0.9 <= high
        panel.set_origin(())
        assert self.drawn(panel._origin_curves[0]) == ([], [])

    @staticmethod
    def with_trials(held_out: float = math.nan) -> list[Record]:
        """The second trial leads to the result; the run begins at iteration 31."""
        phases = [(1, 10, 0.9, 0.4), (2, 10, 0.8, 0.3), (3, 10, 0.7, 0.35), (0, 10, 0.3, 0.25)]
        records: list[Record] = []
        for trial, count, first, last in phases:
            for k, error in enumerate(np.linspace(first, last, count)):
                n = len(records) + 1
                follows = n - 1 if k else 20 if trial == 0 else 0
                unseen = error + held_out
                records.append(Record(n, error, 0.8, 0.8, 0.1 * n, unseen, trial, follows))
        return records

    def test_trials_that_were_given_up_are_apart_and_out_of_the_way(self, panel: CurvesPanel) -> None:
        panel.set_records(self.with_trials())
        n, error = self.drawn(panel._error_curve)
        assert n == [*range(11, 21), *range(31, 41)]
        assert max(error[10:]) == pytest.approx(30.0)
        assert self.drawn(panel._errors.tried)[0] == [*range(1, 11), *range(21, 31)]
        assert panel._error_curve.opts["connect"] == "all", "the run follows the trial that led to it"
        ends = np.flatnonzero(np.equal(panel._errors.tried.opts["connect"], 0))
        assert ends.tolist() == [9, 19], "no line from one trial to another"
        low, high = panel._error_plot.getPlotItem().viewRange()[1]
        assert low < 25 < 40 < high < 45, "it holds the run and the ends of trials, not their starts"
        faint, bold = (curve.opts["pen"].color().alphaF() for curve in (panel._errors.tried, panel._error_curve))
        assert faint < 0.5 < bold
        assert [text.text for _, text in panel._errors.legend.items] == ["error", "other starts"]
        assert panel._errors.legend.isVisible()
        panel.set_records([fakes.record(k) for k in range(1, 9)])
        assert self.drawn(panel._errors.tried) == ([], [])
        assert not panel._errors.legend.isVisible()

    def test_while_trials_go_on_the_best_one_so_far_is_bold(self, panel: CurvesPanel) -> None:
        records = self.with_trials()
        panel.set_records(records[:13])
        assert self.drawn(panel._error_curve)[0] == list(range(1, 11))
        panel.add_records(records[13:20])
        assert self.drawn(panel._error_curve)[0] == list(range(11, 21))
        _, high = panel._error_plot.getPlotItem().viewRange()[1]
        assert high < 50

    def test_the_run_that_it_branched_off_and_runs_that_are_compared_are_calm_too(self, panel: CurvesPanel) -> None:
        panel.set_origin(self.with_trials())
        panel.set_records([fakes.record(k, 0.3) for k in range(1, 30)])
        assert self.drawn(panel._origin_curves[0])[0] == [*range(11, 21), *range(31, 41)]
        assert panel._error_plot.getPlotItem().viewRange()[1][1] < 50

    def test_held_out_errors_are_a_second_curve_with_a_legend(self, panel: CurvesPanel) -> None:
        panel.set_records(self.with_trials(0.05)[30:])
        n, unseen = self.drawn(panel._errors.held_out)
        assert n == list(range(31, 41))
        assert unseen == pytest.approx(list(np.linspace(35, 30, 10)))
        assert [text.text for _, text in panel._errors.legend.items] == ["error", "held out"]
        low, high = panel._error_plot.getPlotItem().viewRange()[1]
        assert low < 25 < 34 < high
        panel.set_records([replace(r, held_out_error=2.0) if r.trial == 1 else r for r in self.with_trials(0.05)])
        assert panel._error_plot.getPlotItem().viewRange()[1][1] < 45, "that of a trial that was given up is not drawn"
        colours = {curve.opts["pen"].color().name() for curve in (panel._error_curve, panel._errors.held_out)}
        assert len(colours) == 2
        panel.set_records([fakes.record(1), fakes.record(2)])
        assert self.drawn(panel._errors.held_out) == ([], [])

    def test_a_double_click_means_an_iteration(self, panel: CurvesPanel) -> None:
        heard = Listener(panel, "branchRequested")
        panel.set_choice(RunSettings().with_params(max_iter=100))
        panel.set_records([fakes.record(k) for k in range(1, 101)])
        plot = panel._sparsity_plot
        scene = plot.getPlotItem().vb.mapViewToScene(QPointF(60, 0.5))
        QTest.mouseDClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=plot.mapFromScene(scene))
        [iteration] = heard["branchRequested"]
        assert abs(iteration - 60) <= 1

    def test_axis_of_iterations_ends_with_the_run(self, panel: CurvesPanel) -> None:
        panel.set_phase(Phase.RUNNING)
        panel.set_choice(RunSettings().with_params(max_iter=500))
        panel.set_records([fakes.record(k) for k in range(1, 11)])
        [[low, high], _] = panel._error_plot.getPlotItem().viewRange()
        assert (low, high) == (0, 500)
        panel.set_phase(Phase.IDLE)
        assert panel._error_plot.getPlotItem().viewRange()[0] == [0, 10], "it ended before its time"
        panel.set_choice(RunSettings().with_params(max_iter=5))
        panel.add_records([fakes.record(11)])
        assert panel._sparsity_plot.getPlotItem().viewRange()[0] == [0, 11]
        panel.set_choice(RunSettings().with_params(max_iter=10_000))
        panel.set_phase(Phase.IDLE)
        assert panel._sparsity_plot.getPlotItem().viewRange()[0] == [0, 11], "of a run that has ended"

    @pytest.mark.parametrize("scheme", ["dark", "light"])
    def test_a_run_of_one_iteration_is_a_dot_that_is_seen(self, panel: CurvesPanel, scheme: str) -> None:
        app = QApplication.instance()
        apply_theme(app, load_theme(scheme))
        settle()
        panel.set_records([fakes.record(1, 0.2, 0.7, 0.7)])
        settle()
        theme = load_theme(scheme)
        for plot, colour in ((panel._error_plot, theme.curve_error), (panel._sparsity_plot, theme.curve_sparsity)):
            scene = plot.getPlotItem().vb.mapViewToScene(QPointF(1.0, 20.0 if plot is panel._error_plot else 0.7))
            at = plot.mapFromScene(scene)
            image = plot.grab().toImage()
            assert image.pixelColor(at).name() == colour
            assert image.pixelColor(image.width() - 30, image.height() // 2).name() == theme.plot
        panel.add_records([fakes.record(2, 0.1, 0.7, 0.7)])
        assert panel._error_curve.opts["symbol"] is None, "two are a line"
        apply_theme(app, load_theme("dark"))

    @pytest.mark.parametrize(
        ("n", "last", "end"),
        [
            (1, 500, 500),
            (501, 500, 501),
            (1, 100_000, 1000),
            (250, 100_000, 1000),
            (251, 100_000, 2000),
            (1300, 100_000, 10_000),
            (24_000, 100_000, 100_000),
            (30_000, 100_000, 100_000),
        ],
    )
    def test_a_young_run_that_may_last_long_is_not_squeezed(self, n: int, last: int, end: int) -> None:
        assert axis_end(n, last) == end

    def test_values_lie_within_the_axes(self, panel: CurvesPanel) -> None:
        rng = np.random.default_rng(0)
        for scale in (1.0, 0.001):
            records = [fakes.record(k, 0.2 + scale * rng.random(), 0.5 + 0.4 * rng.random(), 0.95) for k in range(1, 8)]
            panel.set_records(records)
            low, high = panel._error_plot.getPlotItem().viewRange()[1]
            assert low <= 100 * min(r.error for r in records)
            assert high >= 100 * max(r.error for r in records)
            low, high = panel._sparsity_plot.getPlotItem().viewRange()[1]
            assert low <= min(r.sparsity for r in records)
            assert high >= 0.95

    def test_long_run_is_drawn_with_few_points_and_all_extremes(self, panel: CurvesPanel) -> None:
        rng = np.random.default_rng(0)
        errors = rng.random(50_001)
        errors[[137, 49_999]] = 3.0, -1.0
        records = [fakes.record(k + 1, error, target=0.5 if k < 20_000 else 0.9) for k, error in enumerate(errors)]
        panel.set_records(records[:30_000])
        panel.add_records(records[30_000:])
        n, drawn = map(np.array, self.drawn(panel._error_curve))
        assert len(n) < 1300
        assert (np.diff(n) > 0).all()
        assert n[-1] == 50_001
        np.testing.assert_allclose(drawn, 100 * errors[n.astype(int) - 1])
        assert drawn.max() == pytest.approx(300)
        assert drawn.min() == pytest.approx(-100)
        n, target = self.drawn(panel._target_curve)
        assert sorted(set(target)) == [0.5, 0.9]

    def test_empty_says_what_to_do(self, panel: CurvesPanel) -> None:
        assert "press Run" in words(panel)
        panel.set_records([fakes.record(1)])
        assert "press Run" not in words(panel)
        panel.set_records([])
        assert "press Run" in words(panel)

    def test_numbers_of_a_curve_that_is_nearly_flat_have_room(self, panel: CurvesPanel) -> None:
        panel.set_records([fakes.record(k, 0.859535 + 1e-6 / k) for k in range(1, 40)])
        axis = panel._error_plot.getPlotItem().getAxis("left")
        spacing, values = axis.tickValues(*axis.range, axis.size().height())[0]
        assert max(map(len, axis.tickStrings(values, 1.0, spacing))) <= len("85.954")

    @pytest.mark.parametrize("error", [0.003648, 0.000012, 0.859535])
    @pytest.mark.parametrize("is_log", [False, True])
    def test_numbers_of_a_small_error_stand_clear_of_the_title(
        self, panel: CurvesPanel, error: float, is_log: bool
    ) -> None:
        panel.log_axis.setChecked(is_log)
        panel.set_records([fakes.record(k, error * (1 + 2e-4 / k)) for k in range(1, 40)])
        settle()
        assert [problem for problem in legibility.problems(panel) if "overlap" in problem or "cut" in problem] == []

    def test_first_iterations_do_not_squeeze_the_rest(self, panel: CurvesPanel) -> None:
        panel.set_records([fakes.record(k, 0.1 + 5.0 / k**3) for k in range(1, 201)])
        assert panel._error_plot.getPlotItem().viewRange()[1][1] < 100


@pytest.mark.parametrize("error", [0.21125, 0.0912])
def test_numbers_at_the_axis_do_not_reach_its_title(show: Callable[..., QWidget], error: float) -> None:
    panel = show(CurvesPanel(), 700, 240)
    panel.set_records([fakes.record(k, error + 1e-4 / k) for k in range(1, 40)])
    settle()
    axis = panel._error_plot.getPlotItem().getAxis("left")
    ground = QPixmap(10, 10)
    painter = QPainter(ground)
    _, _, texts = axis.generateDrawSpecs(painter)
    painter.end()
    title = axis.label.mapRectToParent(axis.label.boundingRect())
    assert max(len(text) for _, _, text in texts) >= 5, "numbers of many digits"
    assert not [text for place, _, text in texts if place.intersects(title)]


class TestBasis:
    """The selected basis image and who uses it."""

    @pytest.fixture
    def panel(self, show: Callable[..., QWidget]) -> BasisPanel:
        made = BasisPanel()
        show(made, 280, 600)
        return made

    def test_in_a_low_window_the_picture_is_no_smaller_than_a_tile(self, panel: BasisPanel) -> None:
        panel.set_dataset(DATA)
        panel.set_shown(fakes.shown(DATA))
        panel.set_selected(2)
        panel.resize(panel.width(), panel.minimumSizeHint().height())
        settle()
        assert panel._picture.height() >= 96

    def test_values_in_use_are_pixels_of_images_and_bands_of_spectra(self, panel: BasisPanel) -> None:
        X = np.asfortranarray(np.random.default_rng(0).random((12, 6), np.float32))
        cube = Dataset(X, (1, 12), "F", "cube", tuple(f"pixel {j}" for j in range(6)), grid=(2, 3))
        for data, word in ((cube, "Bands in use"), (DATA, "Pixels in use")):
            panel.set_dataset(data)
            panel.set_shown(fakes.shown(data))
            panel.set_selected(1)
            assert word in words(panel)

    def test_hint_until_something_is_selected(self, panel: BasisPanel) -> None:
        assert "Click a basis image" in words(panel)
        panel.set_dataset(DATA)
        panel.set_shown(fakes.shown(DATA))
        assert "Click a basis image" in words(panel)
        panel.set_selected(2)
        assert "Basis 3" in words(panel)
        panel.set_selected(-1)
        assert "Click a basis image" in words(panel)

    def test_numbers(self, panel: BasisPanel) -> None:
        W = np.random.default_rng(0).random((24, 5)).astype(np.float32)
        W[:10, 2] = 0
        energies = np.array([0.1, 0.2, 0.1234567, 0.3, 0.2765433])
        sparsities = np.array([0.1, 0.2, 0.34567, 0.4, 0.5])
        panel.set_dataset(DATA)
        panel.set_selected(2)
        panel.set_shown(fakes.shown(DATA, W=W, energies=energies, sparsities=sparsities))
        told = words(panel)
        for text in ("Basis 3", "0.3457", "12.346 %", "14 of 24"):
            assert text in told

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_picture_is_the_column_upright(self, panel: BasisPanel, order: str) -> None:
        data = fakes.dataset(6, 4, order=order)
        basis = fakes.shown(data)
        panel.set_dataset(data)
        panel.set_shown(basis)
        panel.set_selected(1)
        settle()
        image = data.as_images(basis.W)[1]
        screen = panel._picture.grab().toImage()
        each = min(screen.width() / 4, screen.height() / 6)
        left, top = (screen.width() - 4 * each) / 2, (screen.height() - 6 * each) / 2
        seen = [
            [screen.pixelColor(int(left + (c + 0.5) * each), int(top + (r + 0.5) * each)).red() for c in range(4)]
            for r in range(6)
        ]
        np.testing.assert_allclose(seen, 255 * image / image.max(), atol=2)

    def test_histogram_counts_what_is_above_0(self, panel: BasisPanel) -> None:
        column = np.array([0, 0, 0, 1, 1, 2, 40] + [0] * 5, np.float32)
        W = np.repeat(column[:, None], 5, axis=1)
        panel.set_dataset(fakes.dataset())
        panel.set_shown(fakes.shown(fakes.dataset(), W=W))
        panel.set_selected(2)
        histogram = panel.histogram
        assert histogram.counts.sum() == 4
        assert histogram.top == 40
        assert (histogram.counts[1], histogram.counts[2], histogram.counts[-1]) == (2, 1, 1)
        assert "4 of 12 values are above 0" in histogram.toolTip()
        panel.set_shown(fakes.shown(fakes.dataset(), W=np.zeros_like(W)))  # nothing to count, nothing to divide by
        assert histogram.counts.sum() == 0
        settle()

    def test_users_are_those_with_the_largest_share(self, panel: BasisPanel) -> None:
        H = np.zeros((5, 20), np.float32)
        H[1, [3, 17, 8]] = 3, 2, 1
        panel.set_dataset(DATA)
        panel.set_shown(fakes.shown(DATA, H=H))
        panel.set_selected(1)
        panel._show_users()
        lines = panel._users[0].toolTip().splitlines()
        assert [line.split(":")[0].split(", ")[-1] for line in lines[1:4]] == ["image 3", "image 17", "image 8"]
        assert len(lines) == 9

    def test_users_have_their_names_shortened_to_their_room(self, panel: BasisPanel) -> None:
        H = np.zeros((5, 20), np.float32)
        H[1, [3, 17]] = 3, 2
        names = [f"image {j + 1}" for j in range(20)]
        names[3] = "person 04/with glasses and a hat 003.png"
        panel.set_dataset(replace(DATA, names=tuple(names)))
        panel.set_shown(fakes.shown(DATA, H=H))
        panel.set_selected(1)
        panel._show_users()
        row = panel._users[0]
        assert row._captions[:2] == (names[3].removesuffix(".png"), "18")
        assert row.shown_caption(0).startswith("p")
        assert row.shown_caption(0).endswith("003")
        assert "…" in row.shown_caption(0)
        assert row.fontMetrics().horizontalAdvance(row.shown_caption(0)) <= row._cell()
        assert row.shown_caption(1) == "18"
        assert f"image 4, {names[3]}: " in row.toolTip()

    @pytest.mark.parametrize(
        ("pattern", "caption"),
        [
            ("time {}, z 3, channel 2", "time 18"),
            ("pos1_t{:03d}_ch1.tif", "t018"),
            ("z 3, time {}", "time 18"),
            ("image {}", "18"),
        ],
    )
    def test_captions_of_users_lack_what_all_names_have(self, panel: BasisPanel, pattern: str, caption: str) -> None:
        H = np.zeros((5, 20), np.float32)
        H[1, [17, 3]] = 3, 2
        panel.set_dataset(replace(DATA, names=tuple(pattern.format(j + 1) for j in range(20))))
        panel.set_shown(fakes.shown(DATA, H=H))
        panel.set_selected(1)
        panel._show_users()
        assert panel._users[0].shown_caption(0) == caption
        assert "18" in panel._users[0].toolTip().splitlines()[1]

    def test_fewer_columns_take_the_selection_away(self, panel: BasisPanel) -> None:
        panel.set_dataset(DATA)
        panel.set_shown(fakes.shown(DATA, 5))
        panel.set_selected(4)
        panel.set_shown(fakes.shown(DATA, 3))
        assert "Click a basis image" in words(panel)
        panel._show_users()  # the timer may still come

    def test_coefficients_of_other_data_are_not_shown(self, panel: BasisPanel) -> None:
        panel.set_dataset(DATA)
        panel.set_shown(fakes.shown(fakes.dataset(6, 4, n=9)))
        panel.set_selected(0)
        panel._show_users()
        assert panel._users[0].toolTip() == ""


class TestData:
    """What the data set is."""

    @pytest.fixture
    def panel(self, show: Callable[..., QWidget]) -> DataPanel:
        made = DataPanel()
        show(made, 300, 300)
        return made

    def test_empty(self, panel: DataPanel) -> None:
        assert not panel.layout_button.isVisible()
        assert "Images" not in words(panel)

    @pytest.mark.parametrize(("order", "filled"), [("C", "by rows"), ("F", "by columns")])
    def test_facts(self, panel: DataPanel, order: str, filled: str) -> None:
        heard = Listener(panel, "layoutRequested")
        panel.set_dataset(fakes.dataset(6, 4, n=1200, order=order))
        told = words(panel)
        for text in ("things.npy", "1\u202f200", "112.5 KiB", f"6 × 4, {filled}", "float32"):
            assert text in told
        assert heard.is_silent

    def test_axes(self, panel: DataPanel) -> None:
        panel.set_dataset(replace(DATA, axes=(Axis("x", unit="um", scale=0.5), Axis("band", "Time", "s", 0.1))))
        assert "Time (s): 20 from 0 to 1.9; Column (µm): 4 of 0.5 µm" in words(panel)
        panel.set_dataset(DATA)
        assert "Axes" not in words(panel)

    def test_button_asks_for_another_reading(self, panel: DataPanel) -> None:
        panel.set_dataset(DATA)
        heard = Listener(panel, "layoutRequested")
        QTest.mouseClick(panel.layout_button, Qt.MouseButton.LeftButton)
        assert len(heard["layoutRequested"]) == 1


class TestPictures:
    """Grey images for Qt."""

    @pytest.mark.parametrize("shape", [(1, 1), (3, 5), (19, 19), (2, 8)])
    def test_every_width_keeps_its_pixels(self, shape: tuple[int, int]) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        image = qimage_of(pixels)
        found = [[image.pixelColor(x, y).red() for x in range(shape[1])] for y in range(shape[0])]
        np.testing.assert_array_equal(found, pixels)

    def test_black_is_zero_and_white_the_maximum(self) -> None:
        grey = scaled_to_grey(np.array([[0.0, 1.0], [2.0, 4.0]]))
        np.testing.assert_array_equal(grey, [[0, 63], [127, 255]])
        assert not scaled_to_grey(np.zeros((2, 2))).any()
        np.testing.assert_array_equal(scaled_to_grey(np.array([[1.0, 9.0]]), top=2.0), [[127, 255]])

    def test_clear_shows_nothing(self, show: Callable[..., QWidget]) -> None:
        picture = show(Picture(64), 64, 64)
        blank = colours(picture)
        picture.set_images([np.ones((4, 4)), np.ones((4, 2))], ("1", "2"))
        assert "#ffffff" in colours(picture)
        picture.clear()
        assert colours(picture) == blank


def test_log_keeps_lines_with_their_time(show: Callable[..., QWidget]) -> None:
    panel = LogPanel()
    show(panel, 300, 100)
    panel.add_line("one <b>thing</b>")
    panel.add_line("another")
    first, second = panel.lines.toPlainText().splitlines()
    assert first[2] == first[5] == ":"
    assert first.endswith("  one <b>thing</b>")
    assert second.endswith("  another")
    assert panel.lines.isReadOnly()
