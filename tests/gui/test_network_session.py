"""The session of networks with no panel near: opening, projecting, grouping, previews, curves, accuracy, saving."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nets
import numpy as np
import pytest
from handling import Listener, settle, threads_of_sessions, wait_until
from PySide6.QtWidgets import QApplication

from gsp_studio.gui.network import compute, session
from gsp_studio.gui.network.evaluation import EvaluationImages
from gsp_studio.gui.network.session import NetworkSession
from gsp_studio.gui.network.state import KeptNetwork, NetworkSettings, ZerosCurve
from gsp_studio.gui.network.words import size_lines
from gsp_studio.gui.session_file.window_state import read_state
from gsp_studio.gui.texts import grouped
from gsp_studio.pruning import Grouping, open_checkpoint, project_weights, prune_layers

SIGNALS = ("checkpointChanged", "openFailed", "shownChanged", "saved", "failed")
Held = tuple[NetworkSession, threading.Semaphore]
LAYERS = ["conv1.weight", "block.conv2.weight", "block.conv3.weight", "fc.weight"]


@pytest.fixture
def networks(app: QApplication) -> Iterator[NetworkSession]:
    """A session that knows its solvers; ends with no thread left."""
    made = NetworkSession()
    made.start()
    yield made
    assert made.close(), "a thread of the session did not end"
    assert not threads_of_sessions()
    made.deleteLater()
    settle()


@pytest.fixture
def small(networks: NetworkSession, tmp_path: Path) -> NetworkSession:
    """A session with a small network, its curve computed."""
    return opened(networks, nets.npz(tmp_path))


def opened(networks: NetworkSession, path: Path) -> NetworkSession:
    networks.open(path)
    wait_until(lambda: networks.path is not None and networks.checkpoint.path == path)
    whole(networks)
    return networks


def whole(networks: NetworkSession) -> None:
    wait_until(
        lambda: networks.path is not None and networks.curves.zeros is not None and networks.curves.zeros.is_whole
    )


def regrouped(networks: NetworkSession, **changes: Any) -> None:
    networks.set_choice(replace(networks.choice, **changes))
    whole(networks)


def expected(name: str, s: float) -> np.ndarray:
    """A layer pruned for itself, by the function of the library."""
    return project_weights({name: nets.weights()[name]}, s).weights[name]


class TestOpening:
    """Files come, are refused, are replaced."""

    @pytest.mark.parametrize("make", [nets.npz, nets.safetensors])
    def test_an_open_network_is_as_in_its_file(self, networks: NetworkSession, tmp_path: Path, make: Any) -> None:
        opened(networks, make(tmp_path))
        assert sorted(layer.name for layer in networks.checkpoint.layers) == sorted(LAYERS)
        assert networks.layer == LAYERS[0], "the first of the network, whatever the order of its file"
        assert networks.choice.sparsity == pytest.approx(networks.path.start, abs=1e-4)
        for name, values in networks.shown.weights.items():
            np.testing.assert_array_equal(values, nets.weights()[name])
        assert networks.shown.total == 0.0

    def test_what_was_asked_before_the_solvers_were_there_is_opened_then(self, app: Any, tmp_path: Path) -> None:
        made = NetworkSession()
        made.open(nets.npz(tmp_path))
        settle()
        assert made._opening is not None
        assert not threads_of_sessions()
        made.start()
        wait_until(lambda: made.path is not None)
        assert made.close()

    def test_pytorch_files_are_opened(self, networks: NetworkSession, tmp_path: Path) -> None:
        import torch

        path = tmp_path / "small.pt"
        state = {f"module.{name}": torch.from_numpy(values) for name, values in nets.weights().items()}
        torch.save({"state_dict": state}, path)
        opened(networks, path)
        assert [layer.name for layer in networks.checkpoint.layers] == LAYERS
        networks.set_sparsity(0.8)
        np.testing.assert_allclose(networks.shown.weights["fc.weight"], expected("fc.weight", 0.8), atol=1e-6)

    def test_without_pytorch_its_files_are_refused_and_others_opened(
        self, networks: NetworkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "torch" else find(name))
        heard = Listener(networks, *SIGNALS)
        (tmp_path / "some.pt").write_bytes(b"\x80\x02}q\x00.")
        networks.open(tmp_path / "some.pt")
        wait_until(lambda: heard["openFailed"])
        assert "needs torch, which is not installed; pip install" in heard["openFailed"][0][1]
        opened(networks, nets.npz(tmp_path))
        assert len(networks.checkpoint.layers) == 4

    def test_a_file_that_is_refused_leaves_the_one_before(self, small: NetworkSession, tmp_path: Path) -> None:
        before, heard = small.checkpoint, Listener(small, *SIGNALS)
        (tmp_path / "bad.safetensors").write_bytes(b"nothing of the kind")
        small.open(tmp_path / "bad.safetensors")
        wait_until(lambda: heard["openFailed"])
        path, sentence, details = heard["openFailed"][0]
        assert path.name == "bad.safetensors"
        assert "is no safetensors file" in sentence
        assert "\n" not in sentence
        assert details == "", "a refusal has no details"
        assert small.checkpoint is before
        assert small._opening is None

    def test_the_newest_file_wins_and_opening_is_cancelled(self, networks: NetworkSession, tmp_path: Path) -> None:
        heard = Listener(networks, *SIGNALS)
        for seed in range(3):
            networks.open(nets.npz(tmp_path, seed, f"{seed}.npz"))
        wait_until(lambda: networks.path is not None)
        assert [checkpoint.path.name for checkpoint in heard["checkpointChanged"]] == ["2.npz"]
        networks.open(tmp_path / "0.npz")
        networks.cancel_opening()
        wait_until(lambda: not networks._jobs.is_busy)
        settle()
        assert networks.checkpoint.path.name == "2.npz"

    def test_a_curve_that_fails_is_told(
        self, networks: NetworkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr(compute, "curve", fails)
        heard = Listener(networks, "failed")
        networks.open(nets.npz(tmp_path))
        wait_until(lambda: heard["failed"])
        assert networks.path is not None
        assert networks.curves.zeros is None

    def test_pytorch_is_not_imported_for_other_files(self, tmp_path: Path) -> None:
        path = nets.npz(tmp_path)
        program = (
            "import sys, gsp_studio.gui.window.main_window; from gsp_studio.gui.network import compute as work;"
            "from gsp_studio.gui.network.state import NetworkSettings;"
            f"network = work.open_checkpoint({str(path)!r}); choice = NetworkSettings(0.7);"
            "work.show(network, work.sorted_path(network, choice), choice);"
            "assert 'torch' not in sys.modules and 'onnx' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", program], check=True)


class TestProjecting:
    """The slider's journey."""

    def test_a_move_is_answered_in_its_event(self, small: NetworkSession) -> None:
        heard = Listener(small, *SIGNALS)
        for s in (0.6, 0.9, 0.75):
            small.set_sparsity(s)
            shown = heard["shownChanged"][-1]
            assert shown.choice.sparsity == s
            for name in LAYERS:
                np.testing.assert_allclose(shown.weights[name], expected(name, s), atol=1e-6)
        np.testing.assert_allclose(shown.sparsities, 0.75, atol=1e-6)
        zeros = {name: float(np.mean(values == 0)) for name, values in shown.weights.items()}
        assert shown.zeros == pytest.approx([zeros[name] for name in LAYERS])
        assert shown.total == pytest.approx(sum((v == 0).sum() for v in shown.weights.values()) / small.path.size)

    def test_own_targets_move_the_selected_layer_alone(self, small: NetworkSession) -> None:
        small.set_sparsity(0.7)
        small.set_choice(replace(small.choice, mode="own"))
        small.select("block.conv2.weight")
        small.set_sparsity(0.9)
        assert small.shown.sparsities == pytest.approx([0.7, 0.9, 0.7, 0.7], abs=1e-6)
        assert small.choice.sparsity == 0.7
        small.select("fc.weight")
        assert small.choice.target_of(small.layer) == 0.7
        small.set_choice(replace(small.choice, mode="layer"))
        assert small.shown.sparsities == pytest.approx([0.7] * 4, abs=1e-6)

    def test_the_whole_network_shares_one_target(self, small: NetworkSession) -> None:
        regrouped(small, mode="network")
        small.set_sparsity(0.8)
        oracle = project_weights({name: nets.weights()[name] for name in LAYERS}, 0.8, Grouping("network"))
        for name in LAYERS:
            np.testing.assert_allclose(small.shown.weights[name], oracle.weights[name], atol=1e-6)
        assert small.shown.sparsity == pytest.approx(0.8, abs=1e-6)
        assert np.ptp(small.shown.sparsities) > 0.01, "layers pay differently"

    def test_first_and_last_layers_are_left_out(self, small: NetworkSession) -> None:
        regrouped(small, without_first=True, without_last=True)
        small.set_sparsity(0.9)
        assert small.shown.is_pruned.tolist() == [False, True, True, False]
        assert set(small.shown.weights) == set(LAYERS[1:3])
        assert small.shown.sparsities[0] == pytest.approx(small.checkpoint.layers[0].sparsity)

    def test_nothing_left_to_prune_is_said(self, networks: NetworkSession, tmp_path: Path) -> None:
        np.savez(tmp_path / "one.npz", **{"fc.weight": nets.weights()["fc.weight"]})
        opened(networks, tmp_path / "one.npz")
        heard: list[tuple[Any, str]] = []
        networks.pathChanged.connect(lambda path, problem: heard.append((path, problem)))
        networks.set_choice(replace(networks.choice, without_first=True))
        wait_until(lambda: heard and heard[-1][1])
        assert "no layer to prune" in heard[-1][1]
        networks.set_sparsity(0.9)
        networks.set_choice(replace(networks.choice, without_first=False))
        whole(networks)
        assert networks.shown.sparsity == pytest.approx(0.9, abs=1e-6)

    def test_steps_and_reset(self, small: NetworkSession) -> None:
        small.set_sparsity(0.995)
        small.step_sparsity(0.01)
        assert small.choice.sparsity == 1.0
        small.step_sparsity(-0.01)
        assert small.choice.sparsity == 0.99
        small.reset_sparsity()
        assert small.path.start - 1e-4 <= small.choice.sparsity <= small.path.start
        assert small.shown.total == 0.0

    @pytest.mark.parametrize("mode", ["layer", "own", "network"])
    def test_of_large_networks_the_selected_layer_follows(
        self, small: NetworkSession, monkeypatch: pytest.MonkeyPatch, mode: str
    ) -> None:
        monkeypatch.setattr(session, "SAME_EVENT", 100)
        regrouped(small, mode=mode)
        small.select("block.conv2.weight")
        wait_until(lambda: not small._jobs.is_busy)
        before = small.shown
        small.set_sparsity(0.82)
        preview = small.shown
        assert preview.is_preview
        assert list(preview.weights) == ["block.conv2.weight"]
        assert preview.sparsities[[0, 2, 3]].tolist() == before.sparsities[[0, 2, 3]].tolist()
        wait_until(lambda: not small.shown.is_preview)
        whole_network = small.shown
        assert whole_network.choice.target_of(small.layer) == 0.82
        values = whole_network.weights["block.conv2.weight"]
        atol = 1e-6 if mode != "network" else 0.02  # its share of the group lies between two that are known
        np.testing.assert_allclose(preview.weights["block.conv2.weight"], values, atol=atol)
        assert preview.sparsities[1] == pytest.approx(whole_network.sparsities[1], abs=0.002)

    def test_letting_go_of_a_large_network_asks_at_once(
        self, small: NetworkSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "SAME_EVENT", 100)
        small._rest.setInterval(10**6)
        small.set_sparsity(0.82)
        small.settle()
        wait_until(lambda: not small.shown.is_preview)
        assert small.shown.sparsity == pytest.approx(0.82, abs=1e-6)


class TestMethods:
    """Magnitude, LAMP and values that shrink, beside GSP."""

    def test_magnitude_takes_a_share_of_zeros_and_begins_at_the_same(self, small: NetworkSession) -> None:
        small.set_sparsity(0.8)
        share = small.shown.total
        regrouped(small, method="magnitude")
        assert small.choice.sparsity == pytest.approx(share, abs=1e-4)
        small.set_sparsity(0.75)
        layers = [small.checkpoint[name] for name in LAYERS]
        oracle = prune_layers("magnitude", layers, 0.75, Grouping()).weights
        for name in LAYERS:
            np.testing.assert_array_equal(small.shown.weights[name], oracle[name])
        assert small.shown.total == pytest.approx(0.75, abs=0.01)
        assert small.curves.zeros.totals[-1] == 1.0
        regrouped(small, method="gsp")
        assert small.shown.total == pytest.approx(0.75, abs=0.02)

    def test_targets_of_layers_own_are_for_gsp(self, small: NetworkSession) -> None:
        small.set_choice(replace(small.choice, mode="own"))
        regrouped(small, method="lamp")
        assert small.choice.mode == "layer"

    def test_values_shrink_as_in_the_paper(self, small: NetworkSession) -> None:
        small.set_sparsity(0.8)
        kept = small.shown.weights["fc.weight"]
        regrouped(small, values="shrunken")
        shrunken = small.shown.weights["fc.weight"]
        assert np.abs(shrunken).sum() < np.abs(kept).sum()
        oracle = project_weights({"fc.weight": nets.weights()["fc.weight"]}, 0.8, Grouping(values="shrunken"))
        np.testing.assert_allclose(shrunken, oracle.weights["fc.weight"], atol=1e-6)

    def test_of_a_large_network_the_selected_layer_follows(
        self, small: NetworkSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        regrouped(small, method="magnitude", mode="network")
        monkeypatch.setattr(session, "SAME_EVENT", 100)
        small.select("fc.weight")
        wait_until(lambda: not small._jobs.is_busy)
        small.set_sparsity(0.6)
        preview = small.shown
        assert preview.is_preview
        wait_until(lambda: not small.shown.is_preview)
        np.testing.assert_array_equal(preview.weights["fc.weight"], small.shown.weights["fc.weight"])


class TestHistory:
    """Undo and redo."""

    def test_steps_come_back(self, small: NetworkSession) -> None:
        stack, start = small.history.stack, small.choice
        for s in (0.7, 0.75, 0.8):
            small.set_sparsity(s)
        small.settle()
        assert stack.count() == 1, "moves of one drag are one step"
        at = small.shown.total
        regrouped(small, mode="network")
        regrouped(small, method="magnitude")
        found = small.choice
        stack.undo()
        whole(small)
        assert (small.choice.method, small.choice.mode, small.choice.sparsity) == ("gsp", "network", 0.8)
        stack.undo()
        stack.undo()
        whole(small)
        assert small.choice == start
        assert small.shown.total == 0.0
        stack.redo()
        wait_until(lambda: small.shown.total == at)
        stack.redo()
        stack.redo()
        whole(small)
        assert small.choice == found
        assert stack.count() == 3

    def test_another_network_clears_it(self, small: NetworkSession, tmp_path: Path) -> None:
        small.set_sparsity(0.7)
        small.settle()
        opened(small, nets.npz(tmp_path, 1, "other.npz"))
        assert not small.history.stack.canUndo()


def test_sizes_follow_when_the_slider_rests(small: NetworkSession) -> None:
    heard = Listener(small.sizes, "changed")
    small.set_sparsity(0.9)
    wait_until(lambda: heard["changed"] and heard["changed"][-1].nonzeros < small.path.size / 2)
    found = heard["changed"][-1]
    kept = sum(int(np.count_nonzero(values)) for values in small.shown.weights.values())
    assert (found.nonzeros, found.parameters) == (kept, small.checkpoint.size)
    assert found.bytes == 4 * small.checkpoint.size
    assert found.gzipped < found.bytes
    assert f"{grouped(kept)} of {grouped(small.checkpoint.size)} weights" in size_lines(found)


def test_multiply_adds_of_a_graph_follow_the_slider(networks: NetworkSession, tmp_path: Path) -> None:
    """Of a convolution whose places only the graph tells, before and after, and in the report."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    values = np.random.default_rng(0).normal(size=(5, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 12, 10])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5, 10, 8])],
        [numpy_helper.from_array(values, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    heard = Listener(networks.sizes, "changed")
    opened(networks, tmp_path / "m.onnx")
    networks.set_sparsity(0.8)
    wait_until(lambda: heard["changed"] and heard["changed"][-1].nonzeros < 100)
    found = heard["changed"][-1]
    assert (found.macs, found.effective_macs) == (80 * 135, 80 * found.nonzeros)
    assert f"multiply-adds 10.80 k, {found.effective_macs / 1e3:.2f} k by weights that are not zero" in size_lines(
        found
    )
    networks.save(tmp_path / "n.onnx")
    wait_until(lambda: (tmp_path / "pruning.json").exists())
    report = json.loads((tmp_path / "pruning.json").read_text())["networks"]["n.onnx"]
    assert report["sizes"]["effective_macs"] == found.effective_macs


class TestCurves:
    """Zeros and accuracy against s."""

    def test_zeros_are_those_of_the_projection(self, small: NetworkSession) -> None:
        curve = small.curves.zeros
        assert (np.diff(curve.s) > 0).all()
        assert (np.diff(curve.totals) >= 0).all()
        for k in (20, 40, 60):
            small.set_sparsity(float(curve.s[k]))
            assert curve.totals[k] == small.shown.total
            np.testing.assert_array_equal(curve.zeros[k], small.shown.zeros)

    def test_shares_between_two_targets(self) -> None:
        curve = ZerosCurve(
            np.array([0.2, 0.4]), np.array([[0.0, 1.0], [1.0, 3.0]]), np.zeros((2, 2)), np.zeros(2), False
        )
        assert curve.shares(0.25).tolist() == pytest.approx([0.25, 1.5])
        assert curve.shares(0.5) is None

    def test_another_grouping_brings_another_curve(self, small: NetworkSession) -> None:
        before = small.curves.zeros
        heard = Listener(small.curves, "zerosChanged")
        regrouped(small, mode="network")
        assert heard["zerosChanged"][0] is None
        assert not np.array_equal(small.curves.zeros.totals, before.totals)

    def test_accuracy_of_a_chain_of_layers_on_the_digits(self, networks: NetworkSession, tmp_path: Path) -> None:
        from sklearn.datasets import load_digits

        rng = np.random.default_rng(0)
        data, target = load_digits(return_X_y=True)
        first = rng.normal(size=(40, 64)).astype(np.float32)
        hidden = np.maximum(data / 16 @ first.T, 0)
        last = np.linalg.lstsq(hidden, np.eye(10)[target], rcond=None)[0].T.astype(np.float32)
        np.savez(tmp_path / "chain.npz", **{"fc1.weight": first, "fc2.weight": last})
        opened(networks, tmp_path / "chain.npz")
        networks.find_accuracy("digits", "some digits")
        wait_until(lambda: networks.curves.accuracy.state != "going")
        found = networks.curves.accuracy
        assert (found.state, found.problem) == ("done", "")
        assert found.images == "some digits: 1\u202f797 images, values as they are"
        assert (found.about, found.caution) == ("GSP, each layer", "")
        assert found.dense == np.mean(np.argmax(hidden @ last.T, axis=1) == target)
        assert found.dense > 0.8
        k = int(np.searchsorted(found.s, 0.6))
        networks.set_sparsity(float(found.s[k]))
        sparse = networks.shown.weights
        scores = np.maximum(data / 16 @ sparse["fc1.weight"].T, 0) @ sparse["fc2.weight"].T
        assert found.accuracies[k] == pytest.approx(np.mean(np.argmax(scores, axis=1) == target), abs=2 / len(target))
        heard = Listener(networks.curves, "accuracyChanged")
        networks.set_choice(replace(networks.choice, mode="network"))
        assert (networks.curves.accuracy.state, networks.curves.accuracy.about) == ("former", "GSP, each layer")
        np.testing.assert_array_equal(networks.curves.accuracy.accuracies, found.accuracies)
        wait_until(lambda: networks.curves.accuracy.state == "done")
        other = networks.curves.accuracy
        assert other.about == "GSP, whole network"
        assert other.images == found.images, "the same images"
        assert all(len(curve.s) > 1 for curve in heard["accuracyChanged"]), "there is a curve all the time"
        networks.set_choice(replace(networks.choice, mode="layer"))
        wait_until(lambda: networks.path is not None)
        assert networks.curves.accuracy is found, "it comes back as it was"

    def test_what_cannot_be_evaluated_is_said(self, small: NetworkSession) -> None:
        small.find_accuracy("digits", "digits")
        wait_until(lambda: small.curves.accuracy.state != "going")
        assert small.curves.accuracy.state == "failed"
        assert "is not one of the networks that can be evaluated" in small.curves.accuracy.problem


class TestBackground:
    """Accuracy that takes its time: a worker that this test holds."""

    @pytest.fixture
    def slow(self, small: NetworkSession, monkeypatch: pytest.MonkeyPatch) -> Held:
        may = threading.Semaphore(0)

        def accuracies(checkpoint: Any, path: Any, choice: Any, layer: str, images: Any, unwanted: Any) -> Any:
            for s in (float("nan"), 0.5, 0.7, 0.6):
                while not may.acquire(timeout=0.01):
                    if unwanted():
                        return
                yield s, 0.9

        monkeypatch.setattr(compute, "accuracies", accuracies)
        small.find_accuracy("digits", "digits")
        return small, may

    def test_points_come_one_by_one(self, slow: Held) -> None:
        networks, may = slow
        assert (networks.curves.accuracy.state, networks.curves.accuracy.done) == ("going", 0)
        may.release(3)
        wait_until(lambda: networks.curves.accuracy.done == 3)
        assert networks.curves.accuracy.s.tolist() == [0.5, 0.7]
        assert networks.curves.accuracy.dense == 0.9
        may.release()
        wait_until(lambda: networks.curves.accuracy.state == "done")
        assert networks.curves.accuracy.s.tolist() == [0.5, 0.6, 0.7]

    def test_cancelled_it_keeps_its_points(self, slow: Held) -> None:
        networks, may = slow
        may.release(2)
        wait_until(lambda: networks.curves.accuracy.done == 2)
        networks.curves.cancel_accuracy()
        assert (networks.curves.accuracy.state, networks.curves.accuracy.done) == ("cancelled", 2)
        wait_until(lambda: not networks._jobs.accuracy.is_busy)
        settle()
        assert networks.curves.accuracy.state == "cancelled"

    def test_another_network_drops_it(self, slow: Held, tmp_path: Path) -> None:
        networks, may = slow
        may.release(2)
        wait_until(lambda: networks.curves.accuracy.done == 2)
        opened(networks, nets.npz(tmp_path, 1, "other.npz"))
        assert networks.curves.accuracy is None
        wait_until(lambda: not networks._jobs.accuracy.is_busy)
        settle()
        assert networks.curves.accuracy is None


class TestSaving:
    """The pruned network as a file."""

    @pytest.mark.parametrize("mode", ["layer", "own", "network"])
    def test_what_is_written_is_what_is_shown(self, small: NetworkSession, tmp_path: Path, mode: str) -> None:
        heard = Listener(small, *SIGNALS)
        regrouped(small, mode=mode, without_first=True)
        small.set_sparsity(0.7)
        small.select("fc.weight")
        small.set_sparsity(0.85)
        out = tmp_path / "out.npz"
        small.save(out)
        wait_until(lambda: heard["saved"] or heard["failed"])
        assert heard["saved"] == [[out, tmp_path / "pruning.json"]]
        written = open_checkpoint(out)
        for name in LAYERS:
            kept = small.shown.weights.get(name, nets.weights()[name])
            np.testing.assert_allclose(written[name].weights, kept, atol=1e-6)
        with np.load(out) as arrays:
            assert set(arrays) == set(nets.weights())
        report = json.loads((tmp_path / "pruning.json").read_text())["networks"]["out.npz"]
        assert {layer["name"] for layer in report["layers"]} == set(LAYERS[1:])
        assert report["zeros_after"] == pytest.approx(small.shown.total, abs=1e-6)

    def test_the_network_itself_is_not_written_over(self, small: NetworkSession) -> None:
        heard = Listener(small, *SIGNALS)
        small.save(small.checkpoint.path)
        wait_until(lambda: heard["failed"])
        assert "is the network itself" in heard["failed"][0][0]
        assert heard["saved"] == []


def test_a_network_of_a_session_comes_back_as_it_was(networks: NetworkSession, tmp_path: Path) -> None:
    kept = NetworkSettings(0.7, "own", (("fc.weight", 0.9), ("gone.weight", 0.5)))
    networks.reopen(nets.npz(tmp_path), kept, "fc.weight")
    wait_until(lambda: networks.shown is not None)
    assert networks.choice == replace(kept, own=(("fc.weight", 0.9),))
    assert networks.layer == "fc.weight"
    assert networks.shown.sparsities == pytest.approx([0.7, 0.7, 0.7, 0.9], abs=1e-6)
    assert not networks.history.stack.canUndo()
    problems: list[str] = []
    look = {"path": str(tmp_path / "small.npz"), "layer": "fc.weight", "choice": networks.choice.as_json()}
    found = read_state({"window": {"network": json.loads(json.dumps(look))}}, 5, problems).network
    assert problems == []
    assert found == KeptNetwork(tmp_path / "small.npz", networks.choice, "fc.weight")


@pytest.mark.parametrize(
    ("choice", "problem"),
    [
        ({"sparsity": 2}, "sparsity 2 is not used"),
        ({"mode": "each"}, "mode 'each' is not used"),
        ({"own": [["a", "b"]]}, "targets of layers are not used"),
        ({"own": 5}, "targets of layers are not used"),
        ({"method": []}, "method a list of 0 is not used"),
        ("none", "is not a set of named values"),
    ],
)
def test_odd_values_of_a_session_file_are_dropped_and_told(choice: Any, problem: str) -> None:
    problems: list[str] = []
    found = read_state({"window": {"network": {"path": "a.npz", "choice": choice}}}, 5, problems).network
    assert found == KeptNetwork(Path("a.npz"), NetworkSettings(), "")
    assert len(problems) == 1
    assert problem in problems[0]


def test_images_that_are_jpeg_are_cautioned_about(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "a.jpg")
    assert "JPEG" in EvaluationImages(tmp_path, "some")._caution()
    assert EvaluationImages("digits", "some")._caution() == ""
