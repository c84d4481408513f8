"""Coefficients that are written block by block, from memory and from parts that lie elsewhere."""

import numpy as np
import pytest
import zarr
from local_workers import LocalWorkers

import gsp_studio as gs
from gsp_studio.backends.blocks import InMemoryBlocks
from gsp_studio.core.distributed.matrix import DistributedMatrix
from gsp_studio.core.distributed.protocol import spans_of
from gsp_studio.engine.run import RunSpec
from gsp_studio.engine.runner import Runner
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.export.coefficients import WRITERS
from gsp_studio.io.export.options import ExportOptions
from gsp_studio.io.export.run_folder import export_run
from gsp_studio.io.factors import COEFFICIENTS, read_factors
from gsp_studio.io.run_record import ExportedRun

N, RANK = 700, 3


@pytest.fixture
def data(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((N, 6, 5), np.float32))
    return gs.load_dataset(tmp_path / "x.npy")


@pytest.fixture
def there(data):
    X = DistributedMatrix(
        data.X.shape,
        data.X.dtype,
        LocalWorkers(InMemoryBlocks(np.ascontiguousarray(data.X.T)), spans_of(*data.X.shape, data.X.dtype, [1, 1, 1])),
    )
    return gs.factorize(X, gs.Params(RANK, "ahals", max_iter=3))


def read(path):
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    with zarr.storage.ZipStore(path, mode="r") as store:
        return zarr.open_array(store, mode="r")[:]


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_what_is_written_in_blocks_reads_back(name, there, tmp_path, monkeypatch):
    monkeypatch.setattr("gsp_studio.io.export.coefficients._CHUNK", 128)
    monkeypatch.setattr("gsp_studio.core.distributed.coefficients._FETCHED", 50 * RANK * 4)
    H = np.asarray(there.H)
    for source in (there.H, H):
        path = tmp_path / COEFFICIENTS[name]
        WRITERS[name](path, source)
        assert np.array_equal(read(path), H)
        path.unlink()


def test_an_export_of_coefficients_that_stay_there(data, there, tmp_path):
    run = ExportedRun(result=there, start=gs.Params(RANK, "ahals", max_iter=3), reason="all iterations done")
    files = {path.name for path in export_run(tmp_path / "out", data, run)}
    assert {"H.npy", "factors.npz", "montage.png", "run.json"} <= files
    W, H = read_factors(tmp_path / "out")
    assert np.array_equal(W, there.W)
    assert np.array_equal(H, np.asarray(there.H))
    files = {path.name for path in export_run(tmp_path / "out", data, run, ExportOptions(coefficients="zarr"))}
    assert "H.zarr.zip" in files
    assert not (tmp_path / "out" / "H.npy").exists(), "that of the earlier export"
    with pytest.raises(ExportError, match="H is on the cluster, too large to be fetched"):
        export_run(tmp_path / "out", data, run, ExportOptions(extras=("mat",)))


def test_coefficients_of_a_run_here_can_be_written_apart_too(data, tmp_path):
    spec = RunSpec(data.X, gs.Params(RANK, "ahals", max_iter=3))
    outcome = Runner(spec).run()
    export_run(tmp_path / "out", data, outcome.exported(spec), ExportOptions(coefficients="npy"))
    assert np.array_equal(read_factors(tmp_path / "out")[1], outcome.result.H)
