"""The plugin for napari: layers become data sets, and parts layers; its dock in the true napari where that is there.

pip install "napari>=0.6" ./napari-gsp-studio && script/test tests/test_napari.py
"""

from __future__ import annotations

import importlib.util
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gsp_studio as gs

PLUGIN = Path(__file__).resolve().parents[1] / "napari-gsp-studio"
#: 6 planes of 4 x 5 pixels.
VALUES = np.random.default_rng(0).random((6, 4, 5), "f")


@pytest.fixture(autouse=True)
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the plugin be imported from its folder."""
    monkeypatch.syspath_prepend(str(PLUGIN))


def layer(values: np.ndarray, **changes: Any) -> SimpleNamespace:
    """The attributes of an image layer, of half a micrometre a row and a quarter a column."""
    more = (0.0,) * (values.ndim - 2)
    told = {"name": "stack", "rgb": False, "multiscale": False, "scale": (*more, 0.5, 0.25), "translate": (*more, 7, 9)}
    return SimpleNamespace(data=values, units=(*("pixel" for _ in more), "micrometer", "micrometer"), **told | changes)


def test_planes_are_images_with_the_pixels_of_the_layer() -> None:
    from napari_gsp_studio.layers import dataset_of

    data = dataset_of(layer(VALUES), "images")
    assert np.array_equal(data.images(), VALUES)
    assert data.axis("y") == gs.Axis("y", unit="µm", scale=0.5, offset=7)
    assert data.axis("x") == gs.Axis("x", unit="µm", scale=0.25, offset=9)
    assert np.array_equal(dataset_of(layer(VALUES.reshape(2, 3, 4, 5)), "images").images(), VALUES)
    finest = layer(VALUES, multiscale=True)
    finest.data = [VALUES, VALUES[:, ::2, ::2]]
    assert np.array_equal(dataset_of(finest, "images").images(), VALUES)


def test_pixels_are_spectra_of_the_planes() -> None:
    from napari_gsp_studio.layers import dataset_of

    data = dataset_of(layer(VALUES), "pixels")
    assert (data.grid, data.X.shape) == ((4, 5), (6, 20))
    assert np.array_equal(data.X[:, 7], VALUES[:, 1, 2])
    assert data.names[7] == "row 2, column 3"


def test_images_in_colour_keep_their_colours() -> None:
    from napari_gsp_studio.layers import dataset_of, layer_of_parts, placement_of

    values = np.random.default_rng(1).random((6, 4, 5, 4), "f")
    coloured = layer(values, rgb=True)
    data = dataset_of(coloured, "images")
    assert np.array_equal(data.images(), values[..., :3])
    back, attributes = layer_of_parts(data, data.X[:, :2], np.ones((2, 6), "f"), placement_of(coloured))
    assert np.array_equal(back, values[:2, ..., :3])
    assert attributes["rgb"]


@pytest.mark.parametrize(
    ("values", "samples", "told"),
    [
        (VALUES[0], "images", "stack is one plane; accepted are layers of two or more"),
        (VALUES - 1, "images", "has negative values"),
        (VALUES * np.nan, "pixels", "holds NaN or infinite values"),
        (VALUES * 0, "images", "every value is zero"),
    ],
)
def test_what_cannot_be_factorized_is_one_sentence(values: np.ndarray, samples: str, told: str) -> None:
    from napari_gsp_studio.layers import dataset_of

    with pytest.raises(gs.DatasetError, match=told):
        dataset_of(layer(values), samples)


def test_parts_lie_where_the_layer_lies() -> None:
    from napari_gsp_studio.layers import dataset_of, layer_of_parts, placement_of

    given = layer(VALUES)
    for samples, kind, shape, other in (
        ("images", "stack: basis images", (3, 4, 5), ("coefficients", (3, 6))),
        ("pixels", "stack: maps", (3, 4, 5), ("spectra", (3, 6))),
    ):
        data = dataset_of(given, samples)
        fit = gs.factorize(data.X, gs.Params(rank=3, max_iter=3), backend="reference")
        values, attributes = layer_of_parts(data, fit.W, fit.H, placement_of(given))
        assert (values.shape, attributes["name"]) == (shape, kind)
        assert attributes["scale"] == (1.0, 0.5, 0.25)
        assert attributes["translate"] == (0.0, 7.0, 9.0)
        assert attributes["units"] == ("pixel", "micrometer", "micrometer")
        assert {name: held.shape for name, held in attributes["metadata"].items()} == dict([other])


def test_the_manifest_names_what_is_there() -> None:
    import yaml

    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    manifest = yaml.safe_load((PLUGIN / "napari_gsp_studio" / "napari.yaml").read_text(encoding="utf-8"))
    assert manifest["name"] == project["name"]
    assert project["entry-points"]["napari.manifest"][project["name"]] == "napari_gsp_studio:napari.yaml"
    [command] = manifest["contributions"]["commands"]
    module, _, name = command["python_name"].partition(":")
    assert f"class {name}(" in (PLUGIN / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    assert [widget["command"] for widget in manifest["contributions"]["widgets"]] == [command["id"]]
    assert (PLUGIN / "LICENSE").read_bytes() == (PLUGIN.parent / "LICENSE").read_bytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of napari are not ours
@pytest.mark.skipif(importlib.util.find_spec("napari") is None, reason="napari is not installed")
def test_the_dock_takes_a_layer_apart_and_gives_its_parts_back() -> None:
    import napari
    from PySide6.QtWidgets import QApplication

    def until(holds: Callable[[], bool]) -> None:
        while not holds():
            QApplication.processEvents()
            time.sleep(0.01)

    viewer = napari.Viewer(show=False)
    units = ("pixel", "um", "um")
    viewer.add_image(VALUES, name="stack", scale=(1, 0.5, 0.25), translate=(0, 7, 9), units=units)
    _, dock = viewer.window.add_plugin_dock_widget("napari-gsp-studio", "Sparse parts")
    session = dock.session
    try:
        until(dock.take.isEnabled)
        for samples, kind in (("images", "basis images"), ("pixels", "maps")):
            dock.samples.setCurrentText(samples)
            dock.layer.value = viewer.layers["stack"]
            dock.take.click()
            until(lambda: session.display.shown is not None)
            dock.rank.setValue(3)
            until(lambda: session.display.shown is not None and session.display.shown.W.shape[1] == 3)
            session.settings.set_sparsity(0.7)
            until(lambda: session.display.shown.target == 0.7)
            dock.give.click()
            added, shown = viewer.layers[-1], session.display.shown
            assert (added.name, added.data.shape) == (f"stack: {kind}", (3, 4, 5))
            assert added.scale.tolist() == [1.0, 0.5, 0.25]
            assert added.translate.tolist() == [0.0, 7.0, 9.0]
            assert [str(unit) for unit in added.units] == ["pixel", "micrometer", "micrometer"]
            first = shown.order[0]
            expected = shown.W[:, first] if samples == "images" else shown.H[first]
            assert np.allclose(added.data[0].ravel(), expected)
            viewer.layers.remove(added)
    finally:
        assert session.close()
        viewer.close()
