"""The compare panel with no session: cells, words, the pair under the pointer, what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import fakes
import numpy as np
import pytest
from handling import Listener, change_theme, painted, pixel_size, settle, tile_centre, turn_wheel
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QWidget

from gsp_studio.core.matching import match_bases
from gsp_studio.gui.compared_basis import ON_SCREEN, ComparedBasis, Comparison
from gsp_studio.gui.jobs.comparison import compare_bases
from gsp_studio.gui.panels.compare import ComparePanel
from gsp_studio.gui.state import RunEntry, View
from gsp_studio.gui.texts import signed
from gsp_studio.gui.widgets.basis_tiles import BasisTiles
from gsp_studio.gui.widgets.compare_column import CompareColumn
from gsp_studio.gui.widgets.compared_cells import in_cells
from gsp_studio.gui.widgets.image_plates import signed_table
from gsp_studio.io.annotations import Annotations

LEFT = Qt.MouseButton.LeftButton
DATA = fakes.dataset()


def entry(number: int, seed: int, rank: int = 5) -> RunEntry:
    return fakes.run_entry(number, DATA, rank=rank, seed=seed)


def compare_runs(*runs: RunEntry) -> Comparison:
    return compare_bases(*map(ComparedBasis.of_run, runs))


def asked(heard: Listener) -> list[tuple[int, ...]]:
    """The keys of the bases that the panel has asked to be compared."""
    return [tuple(one.key for one in bases) for bases in heard["compareRequested"]]


@pytest.fixture
def panel(show: Callable[..., QWidget]) -> ComparePanel:
    made = show(ComparePanel(), 700, 400)
    made.set_dataset(DATA)
    return made


def words(panel: QWidget) -> str:
    return " | ".join(label.text() for label in panel.findChildren(QLabel) if label.isVisible())


def test_a_difference_that_is_rounded_away_is_not_negative() -> None:
    assert signed(-0.0001, 3) == signed(0.0, 3) == "+0.000"
    assert signed(-0.0006, 3) == "−0.001"


def test_agreement_with_a_reference_has_a_line_of_its_own(show: Callable[..., QWidget]) -> None:
    column = CompareColumn(0, can_go=False)
    column.view.setParent(column)  # its images lie elsewhere
    show(column)
    reference = column.words[-1]
    column.set_words("error 1 %", "sparsity 0.5", "2 of 3 basis images the same", "")
    assert not reference.isVisible()
    column.set_words("error 1 %", "sparsity 0.5", "2 of 3 basis images the same", "reference: angle 9.86°")
    assert reference.isVisible()
    assert column.words[2].text() == "2 of 3 basis images the same"


def test_it_asks_for_the_two_newest_runs_once_there_are_two(panel: ComparePanel) -> None:
    heard = Listener(panel, "compareRequested")
    runs = [entry(k + 1, k) for k in range(3)]
    panel.set_runs(runs[:1])
    assert heard.is_silent
    assert panel.empty.isVisible()
    panel.set_runs(runs[:2])
    panel.set_runs(runs)
    panel.set_runs(runs)
    assert asked(heard) == [(1, 2), (2, 3)]
    chooser = panel.columns[0].chooser
    assert not panel.empty.isVisible()
    chooser.setCurrentIndex(0)
    chooser.activated.emit(0)
    assert asked(heard)[-1] == (1, 3)


def test_the_run_on_the_screen_is_one_of_those_compared(panel: ComparePanel) -> None:
    heard = Listener(panel, "compareRequested")
    runs = [entry(k + 1, k) for k in range(4)]
    panel.set_runs(runs, 1)
    assert asked(heard) == [(2, 4)]
    panel.set_runs(runs, 0)
    assert asked(heard)[-1] == (1, 4)
    panel.columns[1].chooser.setCurrentIndex(2)
    panel.columns[1].chooser.activated.emit(2)
    panel.set_runs(runs, 3)
    assert asked(heard)[-1] == (1, 3)  # the user has chosen


def test_behind_another_tab_it_asks_when_it_comes_to_sight(panel: ComparePanel) -> None:
    heard = Listener(panel, "compareRequested")
    runs = [entry(1, 0), entry(2, 1)]
    panel.hide()
    panel.set_runs(runs)
    assert heard.is_silent
    panel.show()
    assert asked(heard) == [(1, 2)]
    panel.set_comparison(compare_runs(*runs))
    panel.hide()
    panel.show()
    assert len(heard["compareRequested"]) == 1


def test_matched_basis_images_share_their_cells(panel: ComparePanel) -> None:
    first = entry(1, 0)
    W = first.shown.W
    second = fakes.run_entry(2, DATA, seed=1, W=W[:, [4, 2, 0, 1, 3]] * np.float32(3))
    panel.set_runs([first, second])
    panel.set_comparison(compare_runs(first, second))
    settle()
    tiles = [painted(view, view._buffer) for view in panel.tiles]
    assert len(np.unique(tiles[0])) > 5
    assert np.abs(tiles[0].astype(int) - tiles[1]).max() <= 1
    assert "the same basis images" in words(panel)


def test_words_tell_the_differences_and_the_pair_under_the_pointer(panel: ComparePanel) -> None:
    first = fakes.run_entry(1, DATA, seed=0, error=0.1)
    second = fakes.run_entry(2, DATA, rank=7, seed=1, error=0.075)
    found = compare_runs(first, second)
    panel.set_runs([first, second])
    panel.set_comparison(found)
    settle()
    assert "error 10.000 %" in words(panel)
    assert "7.500 % (−2.500 points)" in words(panel)
    view = panel.tiles[0]
    QTest.mouseMove(view.viewport(), tile_centre(view, 2).toPoint())
    k = first.shown.order[2]
    matching = match_bases(first.shown.W, second.shown.W)
    assert f"basis {k + 1}," in words(panel)
    assert f"basis {matching.partner[k] + 1}," in words(panel)
    assert f"cosine {matching.cosine[k]:.3f}" in words(panel)
    assert found.count == 7  # those without a partner are there too


def test_a_click_marks_the_cell_in_both(panel: ComparePanel) -> None:
    runs = [entry(1, 0), entry(2, 1)]
    panel.set_runs(runs)
    panel.set_comparison(compare_runs(*runs))
    settle()
    view = panel.tiles[1]
    QTest.mouseClick(view.viewport(), LEFT, pos=tile_centre(view, 3).toPoint())
    assert [tiles._selected for tiles in panel.tiles] == [3, 3]


def test_zoom_is_linked(panel: ComparePanel) -> None:
    runs = [entry(1, 0), entry(2, 1)]
    panel.set_runs(runs)
    panel.set_comparison(compare_runs(*runs))
    settle()
    first, second = panel.tiles
    before = pixel_size(second)
    turn_wheel(first.viewport(), 3)
    assert pixel_size(second) > before
    assert pixel_size(second) == pytest.approx(pixel_size(first))
    assert second.visible_part == first.visible_part


def test_set_methods_never_emit(panel: ComparePanel) -> None:
    panel.hide()
    heard = Listener(panel, "compareRequested")
    runs = [entry(1, 0), entry(2, 1)]
    panel.set_runs(runs)
    orders = (runs[0].shown.order, runs[1].shown.order)
    bases = tuple(map(ComparedBasis.of_run, runs))
    panel.set_comparison(Comparison(bases, orders, (np.ones(5), np.zeros(5))))
    panel.set_shown(fakes.shown(DATA))
    panel.set_dataset(DATA)
    panel.set_runs([])
    change_theme()
    settle()
    assert heard.is_silent


def tiles_of(view: BasisTiles) -> np.ndarray:
    """What a view shows: (count, height, width) greys."""
    settle()
    buffer = view._buffer_of_basis
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
    panel.set_comparison(compare_runs(first, permuted(first)))
    QTest.mouseClick(panel.mode.buttons[2], LEFT)
    assert (tiles_of(panel.tiles[0]).max(axis=(1, 2)) == 254).all(), "the first as it is"
    assert set(np.unique(tiles_of(panel.tiles[1]))) <= {126, 127, 128}, "zero, or as good as that"
    assert "the same basis images" in words(panel)
    panel.set_comparison(compare_runs(first, second))
    found = tiles_of(panel.tiles[1])
    assert all(tile.min() < 107 and tile.max() > 147 for tile in found), "other images have more here and less there"
    one, two = in_cells(compare_runs(first, second))
    top = np.maximum(one.max(axis=0), two.max(axis=0))
    np.testing.assert_allclose(found, 127.5 + DATA.as_images((two - one) / top) * 127, atol=1.01)


def test_every_picture_has_its_name_and_the_values_of_its_colours(panel: ComparePanel) -> None:
    first, second = entry(1, 0), entry(2, 1)
    panel.set_runs([first, second])
    found = compare_runs(first, second)
    panel.set_comparison(found)
    bars = [column.view.bar for column in panel.columns]
    assert [(bar.title, bar.ends) for bar in bars] == [("Run 1", ("0", "max")), ("Run 2", ("0", "max"))]
    QTest.mouseClick(panel.mode.buttons[2], LEFT)
    assert [bar.title for bar in bars] == ["Run 1", "Run 2 − Run 1"]
    view = panel.tiles[1]
    settle()
    QTest.mouseMove(view.viewport(), tile_centre(view, 2).toPoint())
    one, two = (side[:, 2].max() for side in in_cells(found))
    assert bars[0].ends == ("0", f"{one:.3g}")
    assert bars[1].ends == (f"−{max(one, two):.3g}", f"+{max(one, two):.3g}")
    assert (view.colours == signed_table()).all()
    panel.set_view(View(contrast="shared", colours="magma"))
    assert bars[0].ends[1] == bars[1].ends[1].removeprefix("+"), "one white for all"
    assert (view.colours == signed_table()).all(), "differences keep their colours"
    assert not (panel.tiles[0].colours == signed_table()).all()


def test_pictures_are_copied_with_their_colour_bar(panel: ComparePanel) -> None:
    first, second = entry(1, 0), entry(2, 1)
    panel.set_runs([first, second])
    panel.set_comparison(compare_runs(first, second))
    settle()
    view = panel.columns[0].view
    view.copy()
    copied = QGuiApplication.clipboard().image()
    buffer = view.tiles._buffer_of_basis
    times = copied.width() // buffer.pixels.shape[1]
    assert copied.width() == times * buffer.pixels.shape[1]
    height = times * buffer.pixels.shape[0]
    assert copied.height() > height, "the bar is below"
    below = [copied.pixelColor(x, (height + copied.height()) // 2).value() for x in range(copied.width())]
    assert len(set(below)) > 40, "a ramp"


def test_the_basis_on_the_screen_is_compared_too(panel: ComparePanel) -> None:
    heard = Listener(panel, "compareRequested")
    run = entry(1, 0)
    panel.set_runs([run], 0)
    panel.set_shown(run.shown)
    assert panel.empty.isVisible(), "it is the run"
    moved = fakes.shown(DATA, target=0.75, baseline=0.1, seed=9)
    panel.set_runs([run], -1)
    panel.set_shown(moved)
    panel._screen_timer.timeout.emit()
    assert set(asked(heard)) == {(1, ON_SCREEN)}
    assert heard["compareRequested"][-1][1].W is moved.W
    chooser = panel.columns[1].chooser
    assert chooser.currentText() == "On the screen: s = 0.750, projected, a test"
    panel.set_comparison(compare_bases(*heard["compareRequested"][-1]))
    assert "error 12.500 % (+0.000 points)" in words(panel)
    further = replace(moved, target=0.8)
    panel.set_shown(further)
    panel._screen_timer.timeout.emit()
    assert heard["compareRequested"][-1][1].label.startswith("s = 0.800")
    assert "s = 0.800" in chooser.currentText()
    panel.set_runs([run], 0)
    panel.set_shown(further)
    assert asked(heard)[-1] == (1, ON_SCREEN), "projected from the run that is chosen in the list"
    second = fakes.run_entry(2, DATA, seed=9)
    panel.set_runs([run, second], -1)
    chooser.setCurrentIndex(2)
    chooser.activated.emit(2)
    panel.set_runs([run, second], 1)
    panel.set_shown(second.shown)
    assert asked(heard)[-1] == (1, 2), "what was on the screen is a run now"
    assert chooser.findData(ON_SCREEN) < 0


def test_long_names_are_shortened_and_told(panel: ComparePanel) -> None:
    runs = [entry(1, 0), replace(entry(2, 1), remarks=Annotations(name="faces without the border, third trial"))]
    panel.set_runs(runs)
    panel.resize(420, 400)
    settle()
    chooser = panel.columns[1].chooser
    assert chooser.shown_text() != chooser.currentText()
    assert chooser.shown_text().startswith("faces")
    assert chooser.shown_text().endswith("0.500"), "the settings stay in sight"
    assert "…" in chooser.shown_text()
    assert chooser.currentText() in chooser.toolTip()


def test_flicker_shows_both_in_turn(panel: ComparePanel, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = entry(1, 0), entry(2, 1)
    panel.set_runs([first, second])
    panel.set_comparison(compare_runs(first, second))
    QTest.mouseClick(panel.mode.buttons[1], LEFT)
    assert panel.turning.bar.title == "Run 1"
    one = tiles_of(panel.turning.tiles)
    panel.turn_over()
    assert panel.turning.bar.title == "Run 2"
    two = tiles_of(panel.turning.tiles)
    panel.turn_over()
    assert np.array_equal(tiles_of(panel.turning.tiles), one)
    assert not np.array_equal(one, two)
    panel._timer.setInterval(5)
    seen = set()
    for _ in range(60):
        QTest.qWait(5)
        seen.add(tiles_of(panel.turning.tiles).tobytes())
    assert len(seen) == 2, "by itself, too"
    QTest.mouseClick(panel.mode.buttons[0], LEFT)
    assert not panel._timer.isActive()
    assert panel.tiles[1].isVisible()


def test_runs_of_other_ranks_flicker_in_as_many_cells(panel: ComparePanel) -> None:
    first, second = entry(1, 0), entry(2, 1, rank=3)
    panel.set_runs([first, second])
    panel.set_comparison(compare_runs(first, second))
    QTest.mouseClick(panel.mode.buttons[1], LEFT)
    assert len(tiles_of(panel.turning.tiles)) == 5
    panel.turn_over()
    found = tiles_of(panel.turning.tiles)
    assert len(found) == 5
    partner = match_bases(first.shown.W, second.shown.W).partner[first.shown.order]
    assert [bool(tile.any()) for tile in found] == (partner >= 0).tolist(), "each beside its partner, else black"


def test_more_than_two_runs_stand_side_by_side(panel: ComparePanel) -> None:
    heard = Listener(panel, "compareRequested")
    runs = [entry(k + 1, k) for k in range(5)]
    panel.set_runs(runs[:2])
    assert not panel.add.isEnabled(), "there is no third run"
    panel.set_runs(runs)
    QTest.mouseClick(panel.add, LEFT)
    assert asked(heard)[-1] == (4, 5, 3), "the newest that has no column"
    QTest.mouseClick(panel.add, LEFT)
    assert not panel.add.isEnabled()
    settle()
    assert [column.remove.isVisible() for column in panel.columns] == [False, False, True, True]
    keys = asked(heard)[-1]
    panel.set_comparison(compare_runs(*(runs[key - 1] for key in keys)))
    settle()
    assert all(view.isVisible() and len(tiles_of(view)) == 5 for view in panel.tiles)
    QTest.mouseClick(panel.columns[2].remove, LEFT)
    assert asked(heard)[-1] == (keys[0], keys[1], keys[3])
    panel.set_comparison(compare_runs(*(runs[key - 1] for key in keys)))
    assert len(panel.columns) == 3, "an answer about other columns is dropped"
    settle()
    turn_wheel(panel.tiles[0].viewport(), 2)  # which has forgotten the view that is gone
    assert panel.tiles[2].visible_part == panel.tiles[0].visible_part
    panel.set_runs(runs[:2])
    assert len(panel.columns) == 2


def test_contrast_is_each_images_own_or_that_of_all(panel: ComparePanel) -> None:
    """Each image reaches white, however sparse the others are; with one white for all, it is the same one."""
    first = entry(1, 0)
    W = first.shown.W.copy()
    W[0] += 3  # one pixel far above the others: at length 1 the rest of the image is darker
    second = fakes.run_entry(2, DATA, W=W, order=first.shown.order)
    panel.set_runs([first, second])
    found = compare_runs(first, second)
    panel.set_comparison(found)
    for view in panel.tiles:
        assert (tiles_of(view).max(axis=(1, 2)) == 254).all()
    panel.set_view(View(contrast="shared", colours="magma"))
    tops = [side.max(axis=0) for side in in_cells(found)]
    one = tiles_of(panel.tiles[0]).max(axis=(1, 2))
    np.testing.assert_allclose(one, 254 * tops[0] / np.max(tops), atol=1.01)


def test_a_name_is_shown_at_once(panel: ComparePanel) -> None:
    runs = [entry(1, 0), entry(2, 1)]
    panel.set_runs(runs)
    renamed = replace(runs[1], remarks=Annotations(name="with weights"))
    panel.set_remarks(renamed)
    assert panel.columns[1].chooser.currentText().startswith("with weights: ")
    heard = Listener(panel, "compareRequested")
    panel.set_runs([runs[0], renamed])
    assert heard.is_silent, "the runs are the same ones"


def test_errors_of_other_entries_are_said_and_not_subtracted(panel: ComparePanel) -> None:
    first, second = entry(1, 0), entry(2, 1)
    held_out = replace(second, choice=second.choice.with_params(held_out=0.02))
    panel.set_runs([first, held_out])
    panel.set_comparison(compare_runs(first, held_out))
    assert "error 12.500 % | " in words(panel)
    assert "error 12.500 % of 98 % of the entries (other entries: no difference)" in words(panel)
    panel.set_comparison(compare_runs(replace(first, choice=held_out.choice), held_out))
    assert "error 12.500 % of 98 % of the entries (+0.000 points)" in words(panel)


def test_errors_of_other_measures_are_named_and_not_subtracted(panel: ComparePanel) -> None:
    first, second = entry(1, 0), of_kl(entry(2, 1))
    panel.set_runs([first, second])
    panel.set_comparison(compare_runs(first, second))
    assert "error 12.500 % | " in words(panel)
    assert "KL divergence 12.500 % (another measure: no difference)" in words(panel)
    panel.set_comparison(compare_runs(of_kl(first), second))
    assert "KL divergence 12.500 % (+0.000 points)" in words(panel)


def of_kl(entry: RunEntry) -> RunEntry:
    """A run as if it had fitted the Kullback-Leibler divergence."""
    gram = SimpleNamespace(measure="kl", rows=None)
    return replace(entry, shown=replace(entry.shown, gram=gram))
