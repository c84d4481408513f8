"""The compare panel with no session: cells, words, the pair under the pointer, what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import fakes
import numpy as np
import pytest
from handling import Listener, painted, settle
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QWidget

from gsp_studio.core.matching import match_bases
from gsp_studio.gui.panels import compare
from gsp_studio.gui.panels.compare import ComparePanel
from gsp_studio.gui.state import Comparison, RunEntry
from gsp_studio.gui.work import compared

LEFT = Qt.MouseButton.LeftButton
DATA = fakes.dataset()


def entry(number: int, seed: int, rank: int = 5) -> RunEntry:
    return fakes.run_entry(number, DATA, rank=rank, seed=seed)


@pytest.fixture
def panel(show: Callable[..., QWidget]) -> ComparePanel:
    made = show(ComparePanel(), 700, 400)
    made.set_dataset(DATA)
    return made


def words(panel: QWidget) -> str:
    return " | ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def test_it_asks_for_the_two_newest_runs_once_there_are_two(panel: ComparePanel) -> None:
    heard = Listener(panel, "compareRequested")
    runs = [entry(k + 1, k) for k in range(3)]
    panel.set_runs(runs[:1])
    assert heard.is_silent
    assert panel.empty.isVisible()
    panel.set_runs(runs[:2])
    panel.set_runs(runs)
    panel.set_runs(runs)
    assert heard["compareRequested"] == [(0, 1), (1, 2)]
    assert not panel.empty.isVisible()
    panel.choosers[0].setCurrentIndex(0)
    panel.choosers[0].activated.emit(0)
    assert heard["compareRequested"][-1] == (0, 2)


def test_behind_another_tab_it_asks_when_it_comes_to_sight(panel: ComparePanel) -> None:
    heard = Listener(panel, "compareRequested")
    runs = [entry(1, 0), entry(2, 1)]
    panel.hide()
    panel.set_runs(runs)
    assert heard.is_silent
    panel.show()
    assert heard["compareRequested"] == [(0, 1)]
    panel.set_comparison(compared(*runs))
    panel.hide()
    panel.show()
    assert len(heard["compareRequested"]) == 1


def test_matched_basis_images_share_their_cells(panel: ComparePanel) -> None:
    first = entry(1, 0)
    W = first.shown.W
    second = fakes.run_entry(2, DATA, seed=1, W=W[:, [4, 2, 0, 1, 3]] * np.float32(3))
    panel.set_runs([first, second])
    panel.set_comparison(compared(first, second))
    settle()
    tiles = [painted(view, view._buffer) for view in panel.tiles]
    assert len(np.unique(tiles[0])) > 5
    assert np.abs(tiles[0].astype(int) - tiles[1]).max() <= 1
    assert "the same basis images" in words(panel)


def test_words_tell_the_differences_and_the_pair_under_the_pointer(panel: ComparePanel) -> None:
    first = fakes.run_entry(1, DATA, seed=0, error=0.1)
    second = fakes.run_entry(2, DATA, rank=7, seed=1, error=0.075)
    found = compared(first, second)
    panel.set_runs([first, second])
    panel.set_comparison(found)
    settle()
    assert "10.000 % → 7.500 % (−2.500 %)" in words(panel)
    view = panel.tiles[0]
    QTest.mouseMove(view.viewport(), view.tile_centre(2).toPoint())
    k = first.shown.order[2]
    matching = match_bases(first.shown.W, second.shown.W)
    assert f"basis {k + 1}," in words(panel)
    assert f"basis {matching.partner[k] + 1}," in words(panel)
    assert f"cosine {matching.cosine[k]:.3f}" in words(panel)
    assert len(found.order) == 7  # those without a partner are there too


def test_a_click_marks_the_cell_in_both(panel: ComparePanel) -> None:
    runs = [entry(1, 0), entry(2, 1)]
    panel.set_runs(runs)
    panel.set_comparison(compared(*runs))
    settle()
    view = panel.tiles[1]
    QTest.mouseClick(view.viewport(), LEFT, pos=view.tile_centre(3).toPoint())
    assert [tiles._selected for tiles in panel.tiles] == [3, 3]


def test_zoom_is_linked(panel: ComparePanel) -> None:
    runs = [entry(1, 0), entry(2, 1)]
    panel.set_runs(runs)
    panel.set_comparison(compared(*runs))
    settle()
    first, second = (view._box for view in panel.tiles)
    first.scaleBy((0.5, 0.5))
    settle()
    np.testing.assert_allclose(second.viewRange(), first.viewRange())


def test_set_methods_never_emit(panel: ComparePanel) -> None:
    panel.hide()
    heard = Listener(panel, "compareRequested")
    runs = [entry(1, 0), entry(2, 1)]
    panel.set_runs(runs)
    panel.set_comparison(Comparison(*runs, runs[1].shown.order, np.zeros(5)))
    panel.set_dataset(DATA)
    panel.set_runs([])
    panel.retint()
    settle()
    assert heard.is_silent


def tiles_of(panel: ComparePanel) -> np.ndarray:
    """What the first view shows: (count, height, width) greys."""
    settle()
    buffer = panel.tiles[0]._buffer_of_basis
    assert buffer is not None
    return np.stack(
        [
            buffer.pixels[y : y + buffer.height, x : x + buffer.width].copy()
            for x, y in (buffer.origin_of(tile) for tile in range(buffer.count))
        ]
    )


def permuted(one: RunEntry) -> RunEntry:
    """The same run with its basis images in another order and at other scales."""
    order = np.array([3, 0, 4, 1, 2])
    W = np.asfortranarray(one.shown.W[:, order] * np.array([1, 2, 3, 4, 5], one.shown.W.dtype))
    shown = replace(one.shown, W=W, sparsities=one.shown.sparsities[order], order=np.arange(5))
    return replace(one, number=2, shown=shown)


def test_the_difference_of_a_permuted_copy_is_black(panel: ComparePanel) -> None:
    first, second = entry(1, 0), entry(2, 1)
    panel.set_runs([first, second])
    panel.set_comparison(compared(first, permuted(first)))
    QTest.mouseClick(panel.mode.buttons[2], LEFT)
    assert not panel.tiles[1].isVisible()
    assert tiles_of(panel).max() <= 1
    assert "the same basis images" in words(panel)
    panel.set_comparison(compared(first, second))
    found = tiles_of(panel)
    assert all(tile.max() > 20 for tile in found), "other images are not black"
    one, two = compare._in_cells(compared(first, second))
    top = np.maximum(one.max(axis=0), two.max(axis=0))
    wanted = DATA.as_images(np.abs(one - two) / top) * 254.49
    np.testing.assert_allclose(found, np.minimum(wanted, 254), atol=1.01)


def test_flicker_shows_both_in_turn(panel: ComparePanel, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = entry(1, 0), entry(2, 1)
    panel.set_runs([first, second])
    panel.set_comparison(compared(first, second))
    QTest.mouseClick(panel.mode.buttons[1], LEFT)
    one = tiles_of(panel)
    panel._turn_over()
    two = tiles_of(panel)
    panel._turn_over()
    assert np.array_equal(tiles_of(panel), one)
    assert not np.array_equal(one, two)
    panel._flicker.setInterval(5)
    seen = set()
    for _ in range(60):
        QTest.qWait(5)
        seen.add(tiles_of(panel).tobytes())
    assert len(seen) == 2, "by itself, too"
    QTest.mouseClick(panel.mode.buttons[0], LEFT)
    assert not panel._flicker.isActive()
    assert panel.tiles[1].isVisible()


def test_runs_of_other_ranks_flicker_in_as_many_cells(panel: ComparePanel) -> None:
    first, second = entry(1, 0), entry(2, 1, rank=3)
    panel.set_runs([first, second])
    panel.set_comparison(compared(first, second))
    QTest.mouseClick(panel.mode.buttons[1], LEFT)
    assert len(tiles_of(panel)) == 5
    panel._turn_over()
    found = tiles_of(panel)
    assert len(found) == 5
    assert sum(not tile.any() for tile in found) == 2, "black where it has none"
