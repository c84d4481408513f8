"""Exports with factors that are normalized for other programs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from making import pictures

import gsp_studio as gs
from gsp_studio.core.diagnosis import cautions_of
from gsp_studio.io.export.options import ExportOptions
from gsp_studio.io.export.run_folder import export_run
from gsp_studio.io.run_record import ExportedRun


@pytest.fixture
def dataset(tmp_path):
    np.save(tmp_path / "images.npy", pictures(30))
    return gs.load_dataset(tmp_path / "images.npy")


@pytest.fixture
def run(dataset):
    """A run whose first basis image is dense and small beside its coefficients; all carry as much."""
    params = gs.Params(rank=4, sparsity=0.5, max_iter=2)
    result = gs.factorize(dataset.X, params, "reference")
    W = np.zeros_like(result.W)
    W[:, 0] = 1e-3 / np.sqrt(len(W))
    W[[5, 6, 7], [1, 2, 3]] = W[[15, 16, 17], [1, 2, 3]] = np.sqrt(0.5)
    H = np.eye(4, result.H.shape[1], dtype=W.dtype) * np.array([[1e3], [1], [1], [1]], W.dtype)
    gram = replace(result.gram, A=dataset.X @ H.T, G=H @ H.T)
    return ExportedRun(result=replace(result, W=W, H=H, gram=gram), start=params, reason="done")


def told(folder, dataset, run, **options):
    export_run(folder, dataset, run, ExportOptions(**options))
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def test_cautions_are_those_of_the_run_as_it_was_computed(tmp_path, dataset, run):
    assert cautions_of(run.result.W, run.result.gram) == ()
    content = told(tmp_path / "out", dataset, run, extras=("mat",), normalize="sum")
    assert content["result"]["cautions"] == []
    assert content["normalized"] == "of unit sum"


def test_only_exports_with_factors_are_called_normalized(tmp_path, dataset, run):
    assert "normalized" not in told(tmp_path / "out", dataset, run, extras=("residuals",), normalize="max")
    pixels = gs.load_dataset(tmp_path / "images.npy", samples="pixels")
    params = gs.Params(rank=2, sparsity=0.2, max_iter=2)
    of_spectra = ExportedRun(result=gs.factorize(pixels.X, params, "reference"), start=params)
    maps = told(tmp_path / "maps", pixels, of_spectra, normalize="max")  # maps.png
    assert maps["normalized"] == "of unit maximum"
    assert "normalized" not in told(tmp_path / "none", pixels, of_spectra, normalize="max", montage=False)
