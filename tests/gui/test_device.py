"""The device in the window: what can be chosen and why not, memory in the status bar, the processor when it is full."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import fakes
import numpy as np
import pytest
from device import emulation, on_fake_device
from handling import Listener, wait_until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from gsp_studio.engine.run import FinishReason, Outcome
from gsp_studio.gui.dialogs.error import ErrorDialog
from gsp_studio.gui.jobs import projector
from gsp_studio.gui.jobs.compute import new_continuation, new_refinement, retarget
from gsp_studio.gui.panels.model import ModelPanel
from gsp_studio.gui.solutions import SolveRequest
from gsp_studio.gui.state import Phase, RunSettings
from gsp_studio.gui.widgets.device_label import DeviceLabel
from gsp_studio.gui.widgets.tile_buffer import Contrast, TileBuffer
from gsp_studio.gui.window.main_window import MainWindow

OFFERED = (
    ("auto", "cpu, 3 threads", ""),
    ("cuda", "cuda, ", "there is no NVIDIA driver"),
    ("cpu", "cpu, 3 threads", ""),
)


@pytest.fixture
def panel(show: Callable[..., QWidget]) -> ModelPanel:
    made = ModelPanel()
    made.set_known(replace(fakes.KNOWN, backends=OFFERED))
    made.set_dataset(fakes.dataset(6, 5, 100))
    made.set_choice(RunSettings().with_params(rank=3))
    made.set_phase(Phase.IDLE)
    show(made, 300, 500)
    return made


def test_what_cannot_be_chosen_is_grey_and_says_why(panel: ModelPanel) -> None:
    items = panel.backend.model()
    assert [panel.backend.itemText(row) for row in range(3)] == ["automatic", "cuda", "cpu"]
    assert [bool(items.flags(items.index(row, 0)) & Qt.ItemFlag.ItemIsEnabled) for row in range(3)] == [
        True,
        False,
        True,
    ]
    assert panel.backend.itemData(1, Qt.ItemDataRole.ToolTipRole) == "there is no NVIDIA driver"
    assert panel.backend.toolTip() == "cuda: there is no NVIDIA driver"
    assert panel.backend.currentText() == "automatic"


def test_a_choice_is_told_and_shown(panel: ModelPanel) -> None:
    heard = Listener(panel, "edited")
    panel.set_choice(replace(RunSettings().with_params(rank=3), backend="cpu"))
    assert heard.is_silent
    assert panel.backend.currentText() == "cpu"
    panel.backend.setCurrentIndex(0)
    panel.backend.activated.emit(0)
    assert heard["edited"] == [RunSettings().with_params(rank=3)]
    panel.set_phase(Phase.RUNNING)
    assert not panel.backend.isEnabled()


def test_the_status_bar_names_device_and_memory(show: Callable[..., QWidget]) -> None:
    free = [6_000_000_000]
    made = DeviceLabel()
    show(made, 300, 20)
    made.set_known(fakes.KNOWN)
    assert made.text() == "cpu, a machine"
    made.set_known(replace(fakes.KNOWN, backend="cuda, Fake 0", memory=lambda: (free[0], 8_000_000_000)))
    assert made.text() == "cuda, Fake 0  ·  2.0 of 8.0 GB"
    free[0] = 1_000_000_000
    made.look()
    assert made.text() == "cuda, Fake 0  ·  7.0 of 8.0 GB"
    made.stop()


@pytest.mark.parametrize("contrast", [Contrast.TILE, Contrast.SHARED])
@pytest.mark.parametrize("column_major", [False, True])
def test_greys_of_a_device_are_drawn_as_values_are(contrast: Contrast, column_major: bool) -> None:
    rng = np.random.default_rng(0)
    W, order = rng.random((12, 5), np.float32) * np.arange(1, 6, dtype=np.float32), rng.permutation(5)
    values, greys = TileBuffer(5, 4, 3), TileBuffer(5, 4, 3)
    values.fill(W, order, column_major, contrast)
    tops = W.max(axis=0)[order]
    greys.fill_greys((W[:, order] / tops * 254.49).astype(np.uint8), tops, column_major, contrast)
    assert np.abs(values.pixels.astype(int) - greys.pixels).max() <= 2


@pytest.mark.skipif(emulation.compiler() is None, reason="needs a C++ compiler for the fake device")
def test_a_drag_of_a_large_basis_is_computed_where_that_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector, "GLIMPSE_ABOVE", 10)
    data = fakes.dataset()
    with on_fake_device() as machine:
        pinned = replace(fakes.pinned(data), backend="cuda")
        found = projector.Projector(pinned, data)
        shown = found.show(0.7)
        assert found.is_large
        machine.downloaded = 0
        glimpse = found.glimpse(0.7)
        assert glimpse.W.dtype == np.uint8
        assert machine.downloaded < pinned.W.size + 64 * pinned.W.shape[1]
    assert glimpse.image_shape == data.image_shape
    buffer, same = (TileBuffer.of(data, pinned.W.shape[1]) for _ in range(2))
    buffer.fill_greys(glimpse.W, glimpse.tops, False)
    same.fill(shown.W, shown.order, False)
    assert np.abs(buffer.pixels.astype(int) - same.pixels).max() <= 1


@pytest.mark.skipif(emulation.compiler() is None, reason="needs a C++ compiler for the fake device")
def test_a_refinement_follows_the_slider_on_the_device() -> None:
    """The run that the window starts from what is on the screen, whose target moves while it runs."""
    with on_fake_device() as machine:
        data = fakes.dataset()
        pinned = replace(fakes.pinned(data), backend="cuda")
        choice = replace(RunSettings().with_params(rank=pinned.W.shape[1], sparsity=0.7), backend="cuda")
        moved = choice.with_params(sparsity=0.85)
        results = {}
        for where in ("cuda", "cpu"):
            here = replace(choice, backend=where)
            runner = new_refinement(SolveRequest(data, here, pinned, projector.Projector(pinned, data).show(0.7)))

            def look(record: Any, runner: Any = runner) -> None:
                if record.n_iter == 3:
                    runner.steer(retarget(runner.spec, runner.params, moved, record.n_iter))

            machine.launches.clear()
            outcome = runner.run(look)
            assert outcome.reason is not FinishReason.FAILED, outcome.error_text
            assert outcome.result.sparsity == pytest.approx(0.85, abs=1e-4)
            assert bool({"price", "price_in_cluster"} & set(machine.launches)) == (where == "cuda")
            further = new_continuation(runner.spec, outcome.result, moved).run()
            assert further.result.error <= outcome.result.error * (1 + 1e-6)
            results[where] = outcome.result.error
        assert results["cuda"] == pytest.approx(results["cpu"], rel=1e-2)


def test_a_full_device_is_one_dialog_that_offers_the_processor(faces_window: MainWindow) -> None:
    window, session = faces_window, faces_window.session
    session.settings.set_choice(replace(session.settings.choice.with_params(max_iter=3), backend="cuda"))
    full = Outcome(
        None, FinishReason.FAILED, (), "the memory of Fake 0 is full; the CPU can compute this", is_out_of_memory=True
    )
    session.live.ended.emit(SimpleNamespace(spec=None), full)  # type: ignore[arg-type]
    wait_until(lambda: window.findChildren(ErrorDialog))
    [dialog] = window.findChildren(ErrorDialog)
    assert dialog.sentence.startswith("the memory of Fake 0 is full")
    assert dialog.remedy.text() == "Compute on the CPU"
    QTest.mouseClick(dialog.remedy, Qt.MouseButton.LeftButton)
    wait_until(lambda: session.phase is Phase.IDLE and session.runs.entries)
    assert session.settings.choice.backend == "cpu"
    assert window.model.backend.currentText() == "cpu"
    assert session.runs.entries[-1].outcome.result.backend.startswith("cpu")


def test_the_window_names_what_computes(window: MainWindow) -> None:
    wait_until(lambda: window.device.text())
    assert window.device.text().startswith(("cpu, ", "cuda, "))
    assert window.model.backend.count() == 3
