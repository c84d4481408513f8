"""What a tile tells of its basis image: that it changes, that it describes nothing, its sparsity, its share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import fakes
import numpy as np
import pytest
from handling import Listener, pixel_size, settle, tile_centre, wait_until
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolTip, QWidget

from gsp_studio.core.metrics import GramError
from gsp_studio.gui.panels.basis_montage import MontagePanel
from gsp_studio.gui.state import DisplayedBasis, View
from gsp_studio.gui.texts import about_basis, words_in_tiles
from gsp_studio.gui.widgets.tile_motion import MOVES, STANDS_STILL, TileMotion, directions, marks_of
from gsp_studio.nouns import IMAGES

DATA = fakes.dataset(6, 4)
BASIS = fakes.shown(DATA, 7, order=[3, 0, 6, 2, 5, 1, 4])


@pytest.fixture
def panel(show: Callable[..., QWidget]) -> MontagePanel:
    made = MontagePanel()
    show(made, 640, 480)
    made.set_dataset(DATA)
    made.set_shown(BASIS)
    settle()
    return made


def moved(shown: DisplayedBasis, basis: int, by: float, **changes: object) -> DisplayedBasis:
    """One column with another direction, the others scaled, which changes no picture."""
    W = 2.0 * shown.W
    W[:, basis] += by * np.linalg.norm(W[:, basis]) * np.eye(len(W), dtype=W.dtype)[0]
    return replace(shown, W=W, **changes)


class TestMotion:
    """Relative change of a column from one shown iterate to the next."""

    def test_only_what_changes_is_marked(self, app: QApplication) -> None:
        motion = TileMotion()
        motion.set_running(True)
        motion.set_shown(BASIS)
        motion.set_shown(BASIS)
        motion.set_shown(moved(BASIS, 2, 0.05))
        assert np.flatnonzero(motion.marks).tolist() == [2]

    def test_a_mark_fades_over_iterates_that_stand_still(self, app: QApplication) -> None:
        motion = TileMotion()
        motion.set_running(True)
        still = moved(BASIS, 2, 0.2)
        for shown in (BASIS, BASIS, still):
            motion.set_shown(shown)
        seen = []
        for _ in range(12):
            seen.append(float(motion.marks[2]))
            motion.set_shown(still)
        assert seen == sorted(seen, reverse=True)
        assert seen[0] > 0.9
        assert not motion.marks.any()

    def test_marks_fade_when_the_run_has_ended(self, app: QApplication) -> None:
        motion = TileMotion()
        heard = Listener(motion, "changed")
        motion.set_running(True)
        for shown in (BASIS, BASIS, moved(BASIS, 2, 0.2)):
            motion.set_shown(shown)
        motion.set_running(False)
        wait_until(lambda: not motion.marks.any())
        assert not motion._timer.isActive()
        assert len(heard["changed"]) > 5

    def test_another_target_is_no_change_of_the_solution(self, app: QApplication) -> None:
        motion = TileMotion()
        for s, basis in ((0.5, BASIS), (0.5, BASIS), (0.6, moved(BASIS, 1, 0.3))):
            motion.set_shown(replace(basis, target=s, is_refining=True))
        assert not motion.marks.any()

    def test_what_no_solver_makes_is_not_compared(self, app: QApplication) -> None:
        motion = TileMotion()
        for basis in (BASIS, BASIS, moved(BASIS, 1, 0.3)):
            motion.set_shown(basis)
        assert not motion.marks.any()

    def test_dead_columns_and_other_ranks(self, app: QApplication) -> None:
        motion = TileMotion()
        motion.set_running(True)
        W = BASIS.W.copy()
        W[:, 4] = 0
        for shown in (replace(BASIS, W=W), replace(BASIS, W=W), fakes.shown(DATA, 3), fakes.shown(DATA, 3)):
            motion.set_shown(shown)
            assert np.isfinite(motion.marks).all()
        assert not motion.marks.any()
        assert len(motion.marks) == 3

    def test_of_a_large_basis_some_pixels_are_compared(self, app: QApplication) -> None:
        data = fakes.dataset(200, 200, 3)
        basis = fakes.shown(data, 8)
        motion = TileMotion()
        motion.set_running(True)
        W = basis.W.copy()
        W[::2, 5] *= 1.5
        for shown in (basis, basis, replace(basis, W=W)):
            motion.set_shown(shown)
        assert motion._before.size <= 2**15
        assert np.flatnonzero(motion.marks).tolist() == [5]

    def test_scale_of_marks(self) -> None:
        marks = marks_of(np.array([0, STANDS_STILL, np.sqrt(STANDS_STILL * MOVES), MOVES, 1.0]))
        np.testing.assert_allclose(marks, [0, 0, 0.5, 1, 1], atol=1e-9)

    def test_directions_know_no_scale(self) -> None:
        np.testing.assert_allclose(directions(BASIS.W), directions(7 * BASIS.W), rtol=1e-6)

    def test_edges_are_drawn_around_tiles_that_change(self, panel: MontagePanel) -> None:
        panel.motion.set_running(True)
        panel.set_shown(BASIS)
        panel.set_shown(BASIS)
        plain = panel.view.viewport().grab().toImage()
        still = replace(BASIS, W=2.0 * BASIS.W)
        panel.set_shown(still)
        assert panel.view.viewport().grab().toImage() == plain, "what stands still is not marked"
        panel.set_shown(moved(BASIS, 6, 0.3))
        assert np.flatnonzero(panel.view.edges.levels).tolist() == [2]
        assert panel.view.viewport().grab().toImage() != plain


class TestWords:
    """A basis image that describes nothing says so."""

    def odd(self) -> DisplayedBasis:
        sparsities, energies = BASIS.sparsities.copy(), BASIS.energies.copy()
        sparsities[6], energies[0] = 1.0, 0.0
        return replace(BASIS, sparsities=sparsities, energies=energies)

    def test_dead_and_dust_by_tile(self) -> None:
        assert words_in_tiles(BASIS) == {}
        assert words_in_tiles(self.odd()) == {1: "dead", 2: "dust"}
        assert "dead: it has no pixel" in about_basis(self.odd(), 0, IMAGES)
        assert "dust: one pixel" in about_basis(self.odd(), 6, IMAGES)

    @pytest.mark.parametrize("size", [(640, 480), (80, 80)])
    def test_they_are_drawn_and_go(self, panel: MontagePanel, size: tuple[int, int]) -> None:
        panel.resize(*size)
        settle()
        panel.set_view(View(bars=False))
        plain = panel.view.viewport().grab().toImage()
        panel.set_shown(self.odd())
        assert panel.view.viewport().grab().toImage() != plain
        panel.set_shown(BASIS)
        assert panel.view.viewport().grab().toImage() == plain


def test_pointer_that_rests_reads_sparsity_energy_and_share(panel: MontagePanel) -> None:
    X, W, H = DATA.X, BASIS.W, BASIS.H
    gram = GramError(X @ H.T, H @ H.T, float(np.sum(X**2)))
    error = gram.relative_error(W)
    panel.set_shown(replace(BASIS, gram=gram, error=error))
    place = tile_centre(panel.view, 3).toPoint()
    viewport = panel.view.viewport()
    QApplication.sendEvent(viewport, QHelpEvent(QHelpEvent.Type.ToolTip, place, viewport.mapToGlobal(place)))
    told = QToolTip.text()
    k = int(BASIS.order[3])
    others = [j for j in range(7) if j != k]
    without = np.linalg.norm(X - W[:, others] @ H[others]) / np.linalg.norm(X)
    assert f"Basis {k + 1}: sparsity {BASIS.sparsities[k]:.4f}, energy 14.286 %" in told
    assert f"{100 * without:.2f}"[:-1] in told
    assert f"{100 * error:.3f} %" in told
    QToolTip.hideText()


def test_between_tiles_nothing_is_told(panel: MontagePanel) -> None:
    asked = []
    panel.view.about = lambda tile: asked.append(tile) or "told"
    viewport = panel.view.viewport()
    QApplication.sendEvent(viewport, QHelpEvent(QHelpEvent.Type.ToolTip, QPoint(1, 1), QPoint(1, 1)))
    assert asked == []


def bar_of(panel: MontagePanel, tile: int) -> QPoint:
    """The middle of the bar under a tile."""
    view, buffer = panel.view, panel._buffer
    x, y = buffer.origin_of(tile)
    place = QPointF(x + buffer.width / 2, y + buffer.height + buffer.strip / 2)
    return view.viewport_position(place).toPoint()


class TestBars:
    """The bar of sparsity under each tile."""

    def test_a_click_on_a_bar_picks_and_a_double_click_locks(self, panel: MontagePanel) -> None:
        heard = Listener(panel, "basisPicked", "lockToggled")
        QTest.mouseClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=bar_of(panel, 4))
        assert (heard["basisPicked"], heard["lockToggled"]) == ([5], [])
        QTest.mouseDClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=bar_of(panel, 4))
        assert heard["lockToggled"] == [5]
        QTest.mouseDClick(panel.view.viewport(), Qt.MouseButton.LeftButton, pos=tile_centre(panel.view, 4).toPoint())
        assert heard["lockToggled"] == [5]  # on a tile it brings all tiles in view

    def test_its_length_is_the_sparsity(self, panel: MontagePanel) -> None:
        for s in (0.2, 0.8):
            panel.set_shown(replace(BASIS, sparsities=np.full(7, s, np.float32), target=float("nan")))
            image = panel.view.viewport().grab().toImage()
            y, left = bar_of(panel, 0).y(), tile_centre(panel.view, 0).x() - bar_of(panel, 0).x()
            width = panel._buffer.width * pixel_size(panel.view)[0]
            start = bar_of(panel, 0).x() - width / 2 + left
            colours = [image.pixel(int(start + (k + 0.5) * width / 20), y) for k in range(20)]
            assert colours.count(colours[0]) == round(20 * s)

    def test_locked_ones_look_otherwise(self, panel: MontagePanel) -> None:
        plain = panel.view.viewport().grab().toImage()
        panel.set_locked({5: 0.4})
        assert panel.view.bars.locked == {4}
        assert panel.view.viewport().grab().toImage() != plain
        panel.set_locked({})
        assert panel.view.viewport().grab().toImage() == plain

    def test_off_the_tiles_take_their_room(self, panel: MontagePanel) -> None:
        with_bars, _ = pixel_size(panel.view)
        panel.set_view(View(bars=False))
        settle()
        assert panel._buffer.strip == 0
        assert pixel_size(panel.view)[0] > with_bars
        panel.set_view(View())
        assert panel._buffer.strip > 0
