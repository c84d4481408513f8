"""Large bases under the slider: a part of their pixels at once, all of them when it rests."""

from __future__ import annotations

from collections.abc import Callable

import fakes
import numpy as np
import pytest
from handling import Listener, open_faces, painted, settle, wait_until
from PySide6.QtWidgets import QWidget

import gsp_studio as gs
from gsp_studio.gui.jobs import projector
from gsp_studio.gui.panels.basis_montage import MontagePanel
from gsp_studio.gui.session import projection
from gsp_studio.gui.session.session import Session
from gsp_studio.gui.state import BasisPreview, View
from gsp_studio.gui.widgets.tile_buffer import TileBuffer


@pytest.fixture
def large(session: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The bundled faces, as if they were so large that a drag needs glimpses: every third pixel."""
    monkeypatch.setattr(projector, "GLIMPSE_ABOVE", 1000)
    monkeypatch.setattr(projector, "GLIMPSE_ENTRIES", 9 * 361 // 9)
    monkeypatch.setattr(projection, "SAME_EVENT", 1000)
    open_faces(session)
    wait_until(lambda: session.basis._projection.projector.is_large)
    return session


def test_pixels_of_a_glimpse_are_those_of_the_projection(large: Session) -> None:
    heard = Listener(large, "display.glimpseChanged", "display.shownChanged")
    large.settings.set_sparsity(0.8)
    [glimpse] = heard["glimpseChanged"]  # in the same event
    assert heard["shownChanged"] == []
    whole = gs.group_sparse_projection(large.basis.pinned.W, 0.8)
    height, width = large.dataset.image_shape
    assert large.dataset.order == "C"
    expected = whole.values.reshape(height, width, -1)[::3, ::3]
    assert glimpse.image_shape == expected.shape[:2]
    expected = expected.reshape(len(glimpse.W), -1)
    for got, right in zip(glimpse.W.T, expected.T, strict=True):
        np.testing.assert_array_equal(got > 0, right > 0)
        if right.any():  # the scale is that of the pixels which are there
            np.testing.assert_allclose(got / np.linalg.norm(got), right / np.linalg.norm(right), atol=1e-5)
    np.testing.assert_allclose(glimpse.sparsities, whole.sparsities, atol=1e-5)
    assert glimpse.attained == pytest.approx(0.8, abs=1e-5)


def test_all_pixels_come_when_the_slider_rests_and_only_then(large: Session) -> None:
    heard = Listener(large, "display.glimpseChanged", "display.shownChanged")
    for s in np.linspace(0.6, 0.9, 12):
        large.settings.set_sparsity(float(s))
    assert len(heard["glimpseChanged"]) == 12
    wait_until(lambda: heard["shownChanged"])
    assert [shown.target for shown in heard["shownChanged"]] == [pytest.approx(0.9)]
    assert large.display.glimpse is None
    expected = gs.group_sparse_projection(large.basis.pinned.W, 0.9).values
    np.testing.assert_allclose(large.display.shown.W, expected, rtol=0, atol=1e-6 * expected.max())


def test_held_images_need_no_glimpse(large: Session) -> None:
    large.settings.set_sparsity(0.7)
    wait_until(lambda: large.display.glimpse is None)
    heard = Listener(large, "display.glimpseChanged", "display.shownChanged")
    large.slider.toggle_locked(1)
    wait_until(lambda: heard["shownChanged"])
    assert heard["glimpseChanged"] == []


def test_other_data_drop_what_is_to_come(large: Session) -> None:
    large.settings.set_sparsity(0.8)
    data = fakes.dataset(6, 5, 20)
    large.set_dataset(data)
    heard = Listener(large, "display.glimpseChanged")
    wait_until(lambda: large.display.shown is not None and large.display.shown.W.shape[0] == 30)
    assert heard["glimpseChanged"] == []


@pytest.mark.parametrize("order", ["C", "F"])
def test_montage_lays_a_glimpse_over_the_same_tiles(show: Callable[..., QWidget], order: str) -> None:
    data = fakes.dataset(24, 16, order=order)
    panel = show(MontagePanel(), 400, 540)  # for two rows of two
    panel.set_dataset(data)
    panel.set_view(View(bars=False))
    y, x = np.mgrid[:24, :16]
    spots = [np.exp(-(((y - a) / 6) ** 2) - ((x - b) / 4) ** 2) for a, b in ((3, 3), (5, 12), (20, 2), (12, 8))]
    shown = fakes.shown(data, 4, W=np.stack([spot.ravel(order=order) for spot in spots], axis=1).astype(np.float32))
    panel.set_shown(shown)
    settle()
    place = panel.view._image.sceneBoundingRect()
    whole = painted(panel.view, panel._buffer)
    step = 2
    images = shown.W.reshape(24, 16, -1, order=order)[::step, ::step]
    W = np.asfortranarray(images.reshape(-1, images.shape[2], order=order))
    panel.set_glimpse(BasisPreview(W, images.shape[:2], shown.sparsities, shown.order, 0.5))
    settle()
    assert panel.view._image.sceneBoundingRect() == place
    coarse = painted(panel.view, panel._buffer, is_exact=False)
    assert not np.array_equal(coarse, whole)
    for tile in range(4):  # the same picture in fewer pixels: they still look alike
        assert np.corrcoef(coarse[tile, :-1, :-1].ravel(), whole[tile, :-1, :-1].ravel())[0, 1] > 0.9
    panel.set_shown(shown)
    settle()
    np.testing.assert_array_equal(painted(panel.view, panel._buffer), whole)


def test_tiles_of_a_glimpse_stand_where_the_whole_ones_do() -> None:
    whole = TileBuffer(100, 512, 512, 2, columns=20, strip=31)
    coarse = whole.coarse(128, 128)
    assert (coarse.columns, coarse.count) == (20, 100)
    for tile in (0, 19, 50, 99):
        for axis in (0, 1):
            ratio = whole.pixels.shape[1 - axis] / coarse.pixels.shape[1 - axis]
            assert abs(ratio * coarse.origin_of(tile)[axis] - whole.origin_of(tile)[axis]) < 3  # of 512
    assert TileBuffer(4, 512, 512, 2).coarse(128, 128).strip == 0
