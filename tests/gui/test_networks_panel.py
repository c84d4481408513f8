"""The Networks view in the window, with mouse and keyboard: files, the slider, layers, groups, curves, docks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nets
import numpy as np
import pytest
from handling import Listener, change_theme, drag_enter, settle, tile_centre, wait_until
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLabel, QWidget

from gsp_studio.gui.dialogs.error import ErrorDialog
from gsp_studio.gui.network.accuracy_box import AccuracyBox
from gsp_studio.gui.network.layer_tree import short_names
from gsp_studio.gui.network.panel import NetworksPanel
from gsp_studio.gui.network.session import NetworkSession
from gsp_studio.gui.network.state import AccuracyCurve
from gsp_studio.gui.network.view import NetworkView
from gsp_studio.gui.network.weight_histogram import WeightHistogram
from gsp_studio.gui.state import RunSettings
from gsp_studio.gui.theme import current_theme
from gsp_studio.gui.window.main_window import MainWindow

LEFT = Qt.MouseButton.LeftButton
Key = Qt.Key
FIRST, SECOND, LAST = "conv1.weight", "block.conv2.weight", "fc.weight"


def session_of(window: MainWindow) -> NetworkSession:
    return window.network_controller.session


def view_of(window: MainWindow) -> NetworkView:
    assert window.networks.view is not None
    return window.networks.view


def drop(widget: QWidget, path: Path) -> None:
    """Files from elsewhere, let go over a widget."""
    files = QMimeData()
    files.setUrls([QUrl.fromLocalFile(str(path))])
    copy, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    entered = drag_enter(QPoint(5, 5), files)
    QApplication.sendEvent(widget, entered)
    assert entered.isAccepted()
    QApplication.sendEvent(widget, QDropEvent(QPointF(5, 5), copy, files, LEFT, none))


def whole(window: MainWindow) -> None:
    session = session_of(window)
    wait_until(lambda: session.path is not None and session.curves.zeros is not None and session.curves.zeros.is_whole)
    wait_until(lambda: not view_of(window)._late.isActive())
    settle()


@pytest.fixture
def networks(window: MainWindow, tmp_path: Path) -> MainWindow:
    """A window with a small network in front."""
    QTest.keyClick(window, Key.Key_6)
    drop(window.networks, nets.npz(tmp_path))
    whole(window)
    return window


def drag(window: MainWindow, *targets: float) -> None:
    """The slider, with the mouse."""
    slider = view_of(window).controls.slider
    place = slider.handle_position().toPoint()
    QTest.mousePress(slider, LEFT, pos=place)
    for s in targets:
        place = QPoint(round(12 + s * (slider.width() - 24)), place.y())
        QTest.mouseMove(slider, place)
        QApplication.processEvents()
    QTest.mouseRelease(slider, LEFT, pos=place)
    wait_until(lambda: not view_of(window)._late.isActive())
    settle()


def words(widget: QWidget) -> str:
    return " | ".join(label.text() for label in widget.findChildren(QLabel) if label.isVisibleTo(widget))


def colours(view: NetworkView, tile: int) -> np.ndarray:
    """What is on the screen at the middle of each pixel of a tile: (height, width, 3)."""
    tiles, buffer = view.tiles, view.tiles._tiles
    assert buffer is not None
    image = tiles.viewport().grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    origin, right = tile_centre(tiles, 0), tile_centre(tiles, 1)
    scale = (right.x() - origin.x()) / buffer.origin_of(1)[0]
    centre = tile_centre(tiles, tile)
    found = np.empty((buffer.height, buffer.width, 3), int)
    for row in range(buffer.height):
        for column in range(buffer.width):
            x = centre.x() + scale * (column + 0.5 - buffer.width / 2)
            y = centre.y() + scale * (row + 0.5 - buffer.height / 2)
            found[row, column] = image.pixelColor(int(x), int(y)).getRgb()[:3]
    return found


class TestFiles:
    """Opening by every way, and what is said when it does not work."""

    def test_key_6_shows_what_to_do_and_the_slider_of_images_steps_back(self, window: MainWindow) -> None:
        docks = [name for name, dock in window.docks.items() if dock.isVisible()]
        QTest.keyClick(window, Key.Key_6)
        assert window.centre.current == "Networks"
        assert "Open a trained network" in words(window.networks)
        assert not window.sparsity.isVisible()
        assert not any(dock.isVisible() for dock in window.docks.values())
        QTest.keyClick(window, Key.Key_1)
        assert window.sparsity.isVisible()
        assert [name for name, dock in window.docks.items() if dock.isVisible()] == docks

    def test_the_button_asks_for_a_file(
        self, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = nets.safetensors(tmp_path)
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
        QTest.keyClick(window, Key.Key_6)
        QTest.mouseClick(window.networks.empty.buttons["open"], LEFT)
        assert "Opening small.safetensors..." in words(window.networks)
        whole(window)
        assert "small.safetensors  ·  4 layers" in words(window.networks)

    def test_what_is_a_network_comes_here_from_any_view(self, window: MainWindow, tmp_path: Path) -> None:
        drop(window, nets.safetensors(tmp_path))
        whole(window)
        assert window.centre.current == "Networks"
        assert window.session.dataset is None

    def test_a_refused_file_is_told_in_the_view_and_quietly(self, window: MainWindow, tmp_path: Path) -> None:
        (tmp_path / "bad.pt").write_bytes(b"this is no network")
        QTest.keyClick(window, Key.Key_6)
        drop(window.networks, tmp_path / "bad.pt")
        wait_until(lambda: "bad.pt is not opened" in words(window.networks))
        assert not any(isinstance(w, ErrorDialog) for w in QApplication.topLevelWidgets())
        assert window.messages.refusal.text()[2:] in words(window.networks)
        assert window.networks.empty.buttons["open"].isVisible()

    def test_opening_is_cancelled_by_its_button(self, window: MainWindow, tmp_path: Path) -> None:
        QTest.keyClick(window, Key.Key_6)
        drop(window.networks, nets.npz(tmp_path))
        QTest.mouseClick(window.networks.busy.buttons["cancel"], LEFT)
        assert "Open a trained network" in words(window.networks)
        wait_until(lambda: not session_of(window)._jobs.is_busy)
        settle()
        assert session_of(window).checkpoint is None

    def test_saving_asks_where(self, networks: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        proposed: list[str] = []

        def ask(parent: Any, title: str, name: str) -> tuple[str, str]:
            proposed.append(name)
            return str(tmp_path / "sparse.npz"), ""

        monkeypatch.setattr(QFileDialog, "getSaveFileName", ask)
        drag(networks, 0.8)
        QTest.mouseClick(view_of(networks).save, LEFT)
        assert not view_of(networks).save.isEnabled()
        wait_until(lambda: view_of(networks).save.isEnabled())
        assert proposed == [str(tmp_path / "small-pruned.npz")]
        assert (tmp_path / "sparse.npz").exists()
        assert (tmp_path / "pruning.json").exists()


class TestSlider:
    """The drag to the pixels."""

    def test_a_drag_prunes_and_shows_it(self, networks: MainWindow) -> None:
        session, view = session_of(networks), view_of(networks)
        drag(networks, 0.4, 0.9, 0.8)
        assert session.choice.sparsity == view.controls.number.value() == pytest.approx(0.8, abs=0.002)
        shown = session.shown
        assert f"{100 * shown.total:.2f} % zeros" in view.controls._read_out.text()
        assert view.tree.bars[SECOND, 3].after == shown.zeros[1]
        assert view.tree.bars[SECOND, 2].before == session.checkpoint[SECOND].sparsity
        assert view.tree.bars[SECOND, 2].after == pytest.approx(0.8, abs=0.002)
        np.testing.assert_array_equal(view.controls.bars._values, shown.sparsities)
        assert view.histogram.after.sum() < view.histogram.before.sum()

    def test_pruned_weights_of_a_first_layer_are_grey_on_the_screen(self, networks: MainWindow) -> None:
        drag(networks, 0.85)
        shown = session_of(networks).shown.weights[FIRST]
        for tile in (0, 5):
            seen, kept = colours(view_of(networks), tile), shown[tile].transpose(1, 2, 0)
            assert (kept == 0).any()
            assert np.abs(seen[kept == 0] - 127).max() <= 1
            assert (seen[kept > 0.3] > 130).all()
            assert (seen[kept < -0.3] < 124).all()

    def test_deeper_layers_are_blue_black_and_orange(self, networks: MainWindow) -> None:
        session_of(networks).select(SECOND)
        drag(networks, 0.8)
        view = view_of(networks)
        before = colours(view, 3)
        values = session_of(networks).shown.weights[SECOND].reshape(-1, 3, 3)[3]
        assert (before[values == 0] == 0).all()
        assert (before[values > 0.3][:, 0] > before[values > 0.3][:, 2]).all(), "red above 0"
        assert (before[values < -0.3][:, 2] > before[values < -0.3][:, 0]).all(), "blue below 0"
        QTest.mouseClick(view.seen.buttons[1], LEFT)
        settle()
        assert (colours(view, 3) != 0).any(axis=2).sum() > (before != 0).any(axis=2).sum()

    def test_a_number_typed_and_a_double_click(self, networks: MainWindow) -> None:
        session, controls = session_of(networks), view_of(networks).controls
        controls.number.setFocus()
        controls.number.selectAll()
        QTest.keyClicks(controls.number, "0.9")
        QTest.keyClick(controls.number, Key.Key_Return)
        assert session.shown.sparsity == pytest.approx(0.9, abs=1e-6)
        QTest.mouseDClick(controls.slider, LEFT, pos=controls.slider.handle_position().toPoint())
        assert session.shown.total == 0.0

    def test_brackets_go_to_the_view_in_front(self, networks: MainWindow) -> None:
        session = session_of(networks)
        networks.session.settings.set_choice(RunSettings().with_params(sparsity=0.5))
        session.set_sparsity(0.6)
        QTest.keyClick(networks, Key.Key_BracketRight)
        QTest.keyClick(networks, Key.Key_BracketRight)
        QTest.keyClick(networks, Key.Key_BracketLeft)
        assert (session.choice.sparsity, networks.session.settings.params.sparsity) == (0.61, 0.5)
        QTest.keyClick(networks, Key.Key_1)
        QTest.keyClick(networks, Key.Key_BracketRight)
        assert (session.choice.sparsity, networks.session.settings.params.sparsity) == (0.61, 0.51)

    def test_a_press_on_the_curve_goes_there(self, networks: MainWindow) -> None:
        plot = view_of(networks).zeros
        QTest.mousePress(plot.viewport(), LEFT, pos=plot.place_of(0.7).toPoint())
        QTest.mouseRelease(plot.viewport(), LEFT, pos=plot.place_of(0.7).toPoint())
        assert session_of(networks).choice.sparsity == pytest.approx(0.7, abs=0.01)

    def test_a_thousand_moves(self, networks: MainWindow) -> None:
        slider, session = view_of(networks).controls.slider, session_of(networks)
        QTest.mousePress(slider, LEFT, pos=slider.handle_position().toPoint())
        room = slider.width() - 24
        for k in range(1000):
            QTest.mouseMove(slider, QPoint(12 + (k * 7) % room, 16))
            if k % 16 == 0:
                QApplication.processEvents()
        QTest.mouseRelease(slider, LEFT, pos=slider.handle_position().toPoint())
        assert session.shown.choice.sparsity == slider.value()


class TestLayers:
    """Which layer, and how layers share the target."""

    def test_a_click_on_a_row_or_a_bar_selects(self, networks: MainWindow) -> None:
        session, view = session_of(networks), view_of(networks)
        QTest.mouseClick(view.tree.viewport(), LEFT, pos=view.tree.visualItemRect(view.tree._rows[SECOND]).center())
        assert session.layer == SECOND
        assert "12 filters of 3 × 3" in words(view)
        bars = view.controls.bars
        QTest.mouseClick(bars, LEFT, pos=QPoint(round(0.9 * bars.width()), 20))
        assert session.layer == LAST
        assert view.tree.currentItem() is view.tree._rows[LAST]
        assert "the matrix of 10 outputs × 90 inputs" in words(view)

    def test_own_targets_by_the_switch(self, networks: MainWindow) -> None:
        session, view = session_of(networks), view_of(networks)
        drag(networks, 0.7)
        QTest.mouseClick(view.controls.mode.buttons[1], LEFT)
        session.select(LAST)
        drag(networks, 0.9)
        assert session.shown.sparsities == pytest.approx([0.7, 0.7, 0.7, 0.9], abs=0.002)
        assert f"for {LAST}" in view.controls._read_out.text()
        QTest.mouseClick(view.tree.viewport(), LEFT, pos=view.tree.visualItemRect(view.tree._rows[SECOND]).center())
        assert view.controls.slider.value() == pytest.approx(0.7, abs=0.002)

    def test_the_whole_network_without_its_first_layer(self, networks: MainWindow) -> None:
        session, view = session_of(networks), view_of(networks)
        QTest.mouseClick(view.controls.mode.buttons[2], LEFT)
        QTest.mouseClick(view.controls.without_first, LEFT)
        whole(networks)
        drag(networks, 0.8)
        assert session.shown.is_pruned.tolist() == [False, True, True, True]
        assert not view.tree.bars[FIRST, 3].is_pruned
        assert session.shown.sparsity == pytest.approx(session.choice.sparsity, abs=1e-6)

    def test_names_are_told_once(self) -> None:
        assert short_names(["net.conv1.weight", "net.layer1.0.conv1.weight", "net.layer1.0.conv2.weight"]) == [
            ("", "conv1"),
            ("layer1", "0.conv1"),
            ("layer1", "0.conv2"),
        ]
        assert short_names(["a/kernel", "a/recurrent", "b"]) == [("", "a"), ("", "a.recurrent"), ("", "b")]
        assert short_names(["only.weight"]) == [("", "only")]

    def test_left_alone_arrays_are_counted_with_their_reasons(self, networks: MainWindow) -> None:
        assert "2 arrays left alone" in view_of(networks)._title.text()
        assert "a bias" in view_of(networks)._title.tip

    def test_what_lies_under_the_pointer(self, networks: MainWindow) -> None:
        view = view_of(networks)
        session_of(networks).select(SECOND)
        drag(networks, 0.9)
        view.tiles.hovered.emit(9, 1, 2)
        was, now = nets.weights()[SECOND][1, 1, 1, 2], session_of(networks).shown.weights[SECOND][1, 1, 1, 2]
        assert f"filter 2, input 2  ·  row 2, column 3  ·  {was:.4f} → {now:.4f}" in words(view)


class TestWindow:
    """The view and the rest of the window."""

    def test_a_network_behind_another_tab_makes_no_window_larger(self, networks: MainWindow) -> None:
        networks.resize(1180, 740)
        settle()
        size = networks.size()
        QTest.keyClick(networks, Key.Key_1)
        settle()
        assert networks.size() == size

    def test_docks_are_remembered_as_they_were(self, networks: MainWindow) -> None:
        kept = networks.arrangement.state()
        QTest.keyClick(networks, Key.Key_1)
        assert networks.docks["Curves"].isVisible()
        assert networks.arrangement.state() == kept

    def test_reset_layout_brings_the_docks(self, networks: MainWindow) -> None:
        networks.arrangement.reset()
        assert networks.docks["Curves"].isVisible()
        QTest.keyClick(networks, Key.Key_1)
        assert networks.docks["Curves"].isVisible()

    def test_the_tour_goes_to_what_it_is_about(self, networks: MainWindow) -> None:
        networks.take_tour()
        assert networks.centre.current == "Basis"
        networks.tour.end()

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_both_themes(self, networks: MainWindow, scheme: str) -> None:
        networks.set_scheme(scheme)
        settle()
        image = view_of(networks).tiles.grab().toImage()
        assert image.pixelColor(2, image.height() - 3).name() == current_theme().canvas


class TestAlone:
    """Parts with no session near."""

    def test_set_methods_never_emit(self, networks: MainWindow) -> None:
        view, session = view_of(networks), session_of(networks)
        heard = Listener(view, "sparsityChanged", "settled", "layerPicked", "openRequested", "saveRequested")
        chosen = Listener(view.controls, "choiceEdited", "resetRequested")
        view.set_checkpoint(session.checkpoint)
        for layer in (FIRST, LAST):
            view.set_layer(layer)
        view.set_choice(session.choice.at(FIRST, 0.9))
        view.set_projection(session.shown)
        view.set_curve(session.curves.zeros)
        view.set_curve(None)
        view.set_path(None, "no layer", float("nan"))
        view.set_large(True)
        change_theme()
        settle()
        assert heard.is_silent
        assert chosen.is_silent

    def test_an_empty_panel_takes_any_state(self, show: Any) -> None:
        panel = show(NetworksPanel(), 600, 400)
        heard = Listener(panel, "openRequested", "cancelRequested", "fileDropped")
        panel.set_opening("some.onnx")
        panel.set_opening("")
        panel.set_problem(Path("some.onnx"), "it is damaged")
        change_theme()
        assert heard.is_silent
        assert "⚠ it is damaged" in words(panel)

    def test_states_of_accuracy(self, show: Any) -> None:
        box = show(AccuracyBox(), 320, 220)
        heard = Listener(box, "sourceRequested", "cancelRequested")
        points = np.array([0.2, 0.8]), np.array([0.95, 0.4])
        assert "Accuracy against s" in words(box)
        box.set_accuracy(AccuracyCurve("digits", np.zeros(0), np.zeros(0), float("nan"), 0, 18))
        assert "Measuring on digits..." in words(box)
        assert not box.choose.isVisible()
        box.set_accuracy(AccuracyCurve("digits", *points, 0.97, 3, 18))
        assert "3 of 18 points  ·  as in the file 97.0 %" in words(box)
        QTest.mouseClick(box.cancel, LEFT)
        assert heard["cancelRequested"] == [()]
        box.set_accuracy(AccuracyCurve("digits", *points, 0.97, 3, 18, "done"))
        assert box.choose.isVisible()
        assert not box.cancel.isVisible()
        box.set_accuracy(AccuracyCurve("digits", np.zeros(0), np.zeros(0), float("nan"), 0, 18, "failed", "no labels"))
        assert "⚠ no labels" in words(box)
        box.actions_by_source["digits"].trigger()
        assert heard["sourceRequested"] == ["digits"]

    def test_histogram_counts_what_is_not_zero(self, show: Any) -> None:
        made = show(WeightHistogram(), 240, 120)
        before = np.array([-1.0, 0.5, 0.5, 0.0, 0.01], np.float32)
        made.set_before(before)
        assert made.before.sum() == 4
        made.set_after(np.array([-9.0, 0.0, 0.5, 0.0, 0.0], np.float32))
        assert made.after.sum() == 2
        assert made.after[0] == 1, "beyond the end counts at the end"
        made.set_before(np.zeros(5, np.float32))
        assert made.before.sum() == 0
        made.grab()


class TestAccuracy:
    """Images with labels, asked for by the menu."""

    @pytest.fixture
    def linear(self, window: MainWindow, tmp_path: Path) -> MainWindow:
        """A window with a network of one layer that tells four images apart."""
        values = np.random.default_rng(0).random((4, 25)).astype(np.float32)
        np.savez(tmp_path / "linear.npz", **{"fc.weight": values - values.mean(axis=1, keepdims=True)})
        np.savez(tmp_path / "four.npz", images=values.reshape(4, 5, 5), labels=np.arange(4))
        QTest.keyClick(window, Key.Key_6)
        drop(window.networks, tmp_path / "linear.npz")
        whole(window)
        return window

    def test_a_file_is_chosen_and_measured(
        self, linear: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tmp_path / "four.npz"), ""))
        box = view_of(linear).accuracy
        box.actions_by_source["files"].trigger()
        assert "Measuring on four.npz..." in words(box)
        assert box.cancel.isVisible()
        wait_until(lambda: session_of(linear).curves.accuracy.state != "going")
        assert session_of(linear).curves.accuracy.problem == ""
        assert "as in the file 100.0 %" in words(box)
        assert "on four.npz: 4 images, values" in words(box)
        session_of(linear).set_sparsity(0.9)
        wait_until(lambda: "here about" in words(box))
        again = box.actions_by_source["last"]
        assert (again.isVisible(), again.text()) == (True, "four.npz again")
        before = session_of(linear).curves.images
        again.trigger()
        assert session_of(linear).curves.images.source == before.source
        wait_until(lambda: session_of(linear).curves.accuracy.state == "done")

    def test_undo_is_that_of_the_view_in_front_and_sessions_keep_the_network(self, linear: MainWindow) -> None:
        controller, session = linear.network_controller, session_of(linear)
        start = session.choice.sparsity
        session.set_sparsity(0.9)
        session.settle()
        kept = controller.state()
        assert kept["choice"]["sparsity"] == 0.9
        assert Path(kept["path"]).name == "linear.npz"
        assert linear.session_menu.store.state()["window"]["network"] == kept
        linear.centre.show_view("Basis")
        assert controller.undo.activeStack() is linear.session.undo.stack
        linear.centre.show_view("Networks")
        assert controller.undo.activeStack() is session.history.stack
        assert controller.undo.canUndo()
        controller.undo.activeStack().undo()
        assert session.choice.sparsity == start

    def test_without_open_images_it_is_said(self, linear: MainWindow) -> None:
        view_of(linear).accuracy.actions_by_source["open"].trigger()
        assert not any(isinstance(w, ErrorDialog) for w in QApplication.topLevelWidgets())
        assert linear.messages.refusal.text().startswith("⚠ No images are open")

    def test_images_without_labels_are_refused_in_the_box(self, linear: MainWindow, tmp_path: Path) -> None:
        np.save(tmp_path / "plain.npy", np.random.default_rng(0).random((6, 5, 5)))
        session_of(linear).find_accuracy(tmp_path / "plain.npy", "plain.npy")
        wait_until(lambda: session_of(linear).curves.accuracy.state == "failed")
        assert "has no labels" in words(view_of(linear).accuracy)


class TestOddNetworks:
    """Files that are whole, and unusual."""

    def test_weights_that_are_not_finite_are_shown_and_not_pruned(self, window: MainWindow, tmp_path: Path) -> None:
        arrays = nets.weights()
        arrays[SECOND][0, 0, 0, 0] = np.nan
        np.savez(tmp_path / "nan.npz", **arrays)
        QTest.keyClick(window, Key.Key_6)
        drop(window.networks, tmp_path / "nan.npz")
        wait_until(lambda: window.networks.view is not None and "NaN" in words(window.networks))
        view = view_of(window)
        assert f"layer {SECOND} holds NaN or infinite weights" in words(view)
        assert not view.save.isEnabled()
        session_of(window).select(SECOND)
        drag(window, 0.9)
        assert session_of(window).shown is None
        assert not view.save.isEnabled()

    def test_an_onnx_model_with_outputs_last(self, window: MainWindow, tmp_path: Path) -> None:
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        values = np.random.default_rng(0).normal(size=(36, 7)).astype(np.float16)
        graph = helper.make_graph(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            "small",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["n", 36])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT16, ["n", 7])],
            [numpy_helper.from_array(values, "w")],
        )
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx"
        )
        drop(window, tmp_path / "m.onnx")
        whole(window)
        assert "7 rows as images of 6 × 6" in words(view_of(window))
        drag(window, 0.8)
        shown = session_of(window).shown
        assert shown.sparsity == pytest.approx(session_of(window).choice.sparsity, abs=1e-3)
        assert shown.weights["w"].shape == (36, 7)
