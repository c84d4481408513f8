"""What run.json and session files bring is checked before it is used: types, ranges, names, sizes, places."""

import ast
import json
import os
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pytest
from making import pictures

import gsp_studio as gs
from gsp_studio.backends.backend import gives_same_bits
from gsp_studio.core.nmf import factorize
from gsp_studio.io.atomic import ExportError
from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.export.run_folder import export_run
from gsp_studio.io.export.script import script_of
from gsp_studio.io.factors import read_factors
from gsp_studio.io.hdf5_content import SessionError
from gsp_studio.io.pixels import read_mask
from gsp_studio.io.run_json import read_run, summary_of
from gsp_studio.io.run_record import ExportedRun
from gsp_studio.io.saved_run import SavedRun
from gsp_studio.io.saved_run import read_run as read_saved_run
from gsp_studio.io.schema import SchemaError, parse_json
from gsp_studio.io.session_file import SavedSession, describe, read_session, write_session

CODE = "1) and __import__('os').system('touch HERE') or dict(a=1"
KINDS = (None, True, -1, 1.5, "x", CODE, [], {}, [None], {"a": [1]}, 10**40, float("nan"), float("inf"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "images.npy"
    np.save(path, pictures(30))
    return gs.load_dataset(path)


@pytest.fixture(scope="module")
def run(dataset):
    params = gs.Params(4, sparsity=0.5, max_iter=4, init=(np.ones((63, 4)), np.eye(4, 30)))
    steps = [(2, gs.Split(1)), (3, replace(params, rank=5, sparsity=0.6))]
    result = factorize(dataset.X, params, "reference", steering={n: [step] for n, step in steps})
    return ExportedRun(
        result=result,
        start=params,
        interventions=steps,
        reason="all iterations done",
        backend="reference",
        threads=None,
        mask=None,
        fingerprint=dataset.fingerprint,
    )


def leaves(content, path=()):
    """Paths of all values in JSON, containers included."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for name, value in items:
        yield (*path, name)
        yield from leaves(value, (*path, name))


def changed(content, path, value):
    """A copy of JSON with another value at a path; `...` takes it away."""
    copy = json.loads(json.dumps(content))
    holder = copy
    for name in path[:-1]:
        holder = holder[name]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return copy


@pytest.mark.slow
def test_no_change_of_a_run_json_ends_in_anything_but_a_run_or_a_sentence(tmp_path, dataset, run):
    export_run(tmp_path, dataset, run)
    content = json.loads((tmp_path / "run.json").read_text())
    told = []
    for path in leaves(content):
        for value in (*KINDS, ...):
            (tmp_path / "run.json").write_text(json.dumps(changed(content, path, value)))
            try:
                found = read_run(tmp_path)
                found.as_done()
                summary_of(found.content)
                gives_same_bits(found.content["backend"]["computed"])
                assert found.backend in ("auto", "cpu", "reference", "cuda")
                assert found.threads is None or isinstance(found.threads, int)
            except ExportError as error:
                told.append(str(error))
    assert len(told) > 300
    assert all("\n" not in sentence and str(tmp_path) in sentence for sentence in told)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("result",), ..., 'missing required field "result"'),
        (("result", "iterations"), "many", 'Expected "int", got "str" - at "result.iterations"'),
        (("backend", "threads"), CODE, 'Expected "int | null", got "str" - at "backend.threads"'),
        (("backend", "asked"), CODE, 'at "backend.asked"'),
        (("params", "rank"), 0, "rank is 0; accepted is a whole number >= 1"),
        (("params", "sparsity"), 1.5, "sparsity is 1.5; accepted is a number from 0 to 1"),
        (("params", "method"), CODE, "is not known; accepted are"),
        (("params", "colour"), "red", "there is no parameter 'colour'"),
        (("params", "init"), {"inputs.npz": "nothing"}, "the array 'nothing_0' is missing"),
        (("data", "fingerprint"), CODE, 'at "data.fingerprint"'),
        (("data", "options", "key"), {}, 'Expected "str | null", got "object"'),
        (("data", "options", "evil"), 1, "there is no option 'evil'"),
        (("interventions", 0, "edit"), "explode", "explode"),
        (("mask",), {"inputs.npz": "nothing"}, "the mask is missing"),
        (("files",), [1], 'Expected "str", got "int"'),
    ],
)
def test_what_a_run_json_may_not_hold_is_told(tmp_path, dataset, run, path, value, told):
    export_run(tmp_path, dataset, run)
    content = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(changed(content, path, value)))
    with pytest.raises(ExportError) as refused:
        read_run(tmp_path)
    assert told in str(refused.value)


def test_numbers_that_no_double_holds(tmp_path, dataset, run):
    export_run(tmp_path, dataset, run)
    text = (tmp_path / "run.json").read_text()
    for number in ("1e999", "-1e999", "9" * 5000):
        (tmp_path / "run.json").write_text(text.replace('"seed": 0', f'"seed": {number}', 1))
        with pytest.raises(ExportError, match=r"run\.json is not a run\.json of GSP Studio, or is damaged"):
            read_run(tmp_path)
    assert np.isnan(parse_json("NaN"))
    with pytest.raises(SchemaError, match="larger than any number"):
        parse_json("[1e999]")


def saved(path, dataset, run):
    write_session(path, SavedSession(describe(dataset), None, (SavedRun(1, run), SavedRun(2, run)), np.ones(63), {}))
    return path


def rewrite(path, name, change):
    with h5py.File(path, "r+") as file:
        content = change(json.loads(bytes(file[name][()])))
        del file[name]
        file[name] = np.frombuffer(json.dumps(content).encode(), np.uint8)


@pytest.mark.slow
def test_no_change_of_a_session_ends_in_anything_but_a_session_and_sentences(tmp_path, dataset, run):
    path = saved(tmp_path / "s.gsps", dataset, run)
    sound = path.read_bytes()
    with h5py.File(path) as file:
        content = json.loads(bytes(file["runs/000001/content"][()]))
    rng, refused = np.random.default_rng(0), 0
    for place in leaves(content):
        for value in [KINDS[k] for k in rng.choice(len(KINDS), 3, replace=False)]:
            path.write_bytes(sound)
            rewrite(path, "runs/000001/content", lambda content: changed(content, place, value))  # noqa: B023
            back = read_session(path)
            assert 2 in [one.number for one in back.runs], "the other run is read whatever this one holds"
            refused += len(back.runs) < 2
            for problem in back.problems:
                assert "\n" not in problem
            for one in back.runs:
                ast.parse(script_of(dataset, one.run))
    assert refused > 60


@pytest.mark.slow
@pytest.mark.parametrize("name", ["about", "data", "state"])
def test_no_change_of_the_other_texts_of_a_session(tmp_path, dataset, run, name):
    path = saved(tmp_path / "s.gsps", dataset, run)
    sound = path.read_bytes()
    with h5py.File(path) as file:
        content = json.loads(bytes(file[name][()]))
    for place in [(), *leaves(content)]:
        for value in KINDS:
            path.write_bytes(sound)
            rewrite(path, name, lambda content: changed(content, place, value) if place else value)  # noqa: B023
            try:
                back = read_session(path)
            except SessionError:
                assert name == "about"
                continue
            assert len(back.runs) == 2
            if back.data:
                assert back.options
                assert isinstance(back.data["source"], str)


def test_code_in_a_session_never_gets_into_a_script(tmp_path, dataset, run):
    path = saved(tmp_path / "s.gsps", dataset, run)
    for name in ("threads", "asked"):
        rewrite(path, "runs/000001/content", lambda content: changed(content, ("backend", name), CODE))  # noqa: B023
    back = read_session(path)
    assert [one.number for one in back.runs] == [2]
    assert back.problems[0].startswith("run 1 cannot be read: ")


def test_whatever_a_run_holds_is_quoted_in_its_script(dataset, run):
    odd = "é\"\\'\n) or __import__('os').abort() or (\ud800"
    options = replace(dataset.options, key=odd, labels=odd)
    named = replace(dataset, options=options, source=odd)
    text = script_of(named, replace(run, backend=odd, threads=odd))
    text.encode("ascii")
    constants = [node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
    assert constants.count(odd) == 5
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    assert "__import__" not in names
    endless = replace(run, start=replace(run.start, method="ahals", sparsity=float("inf")), interventions=())
    ast.parse(script_of(dataset, endless))
    assert 'sparsity=float("inf")' in script_of(dataset, endless)


# Where it lies, and how large it is


def put(path, name, make):
    with h5py.File(path, "r+") as file:
        del file[name]
        make(file)


def external(path, name):
    def make(file):
        shape = (63, 4)
        with open(path.parent / "secret", "wb") as secret:
            secret.write(bytes(63 * 4 * 4))
        file.create_dataset(name, shape, "f4", external=[(str(path.parent / "secret"), 0, h5py.h5f.UNLIMITED)])

    put(path, name, make)


def virtual(path, name):
    def make(file):
        layout = h5py.VirtualLayout((63, 4), "f4")
        layout[:] = h5py.VirtualSource(str(path.parent / "other.h5"), "x", (63, 4), "f4")
        file.create_virtual_dataset(name, layout)

    put(path, name, make)


def linked(path, name):
    with h5py.File(path.parent / "other.h5", "w") as other, h5py.File(path) as file:
        file.copy(name, other, "x")
    put(path, name, lambda file: file.__setitem__(name, h5py.ExternalLink("other.h5", "/x")))


def soft(path, name):
    put(path, name, lambda file: file.__setitem__(name, h5py.SoftLink("/runs/000002/W")))


def terabytes(path, name):
    put(path, name, lambda file: file.create_dataset(name, (1 << 20, 1 << 20), "f8", chunks=(64, 64)))


def chunk_bomb(path, name):
    def make(file):
        file.create_dataset(name, (63, 4), "f4", chunks=(1 << 14, 1 << 14), maxshape=(None, None), compression="gzip")

    put(path, name, make)


def objects(path, name):
    put(path, name, lambda file: file.create_dataset(name, data=["a", "b"], dtype=h5py.string_dtype()))


def group(path, name):
    put(path, name, lambda file: file.create_group(name))


def test_runs_without_a_unit_are_read_and_units_that_no_data_have_are_told(tmp_path, dataset, run):
    path = tmp_path / "s.gsps"
    saved(path, dataset, run)

    def with_unit(*unit):
        def change(content):
            result = {name: value for name, value in content["result"].items() if name != "unit"}
            return content | {"result": result | ({"unit": unit} if unit else {})}

        rewrite(path, "runs/000001/content", change)
        return read_session(path)

    assert [one.run.result.gram.unit.data for one in with_unit().runs] == [0, 0]
    for unit in ((700, 0), (0, -(10**9)), (1.5, 1), (1,)):
        found = with_unit(*unit)
        assert [one.number for one in found.runs] == [2]
        assert "unit" in found.problems[0]


@pytest.mark.parametrize("name", ["runs/000001/W", "runs/000001/content", "runs/000001/history/error", "weights"])
@pytest.mark.parametrize("harm", [external, virtual, linked, soft, terabytes, chunk_bomb, objects, group])
def test_an_array_that_lies_elsewhere_or_about_itself_is_not_read(tmp_path, dataset, run, harm, name):
    path = saved(tmp_path / "s.gsps", dataset, run)
    harm(path, name)
    back = read_session(path)
    assert len(back.problems) == 1
    assert 2 in [one.number for one in back.runs]
    assert (back.weights is None) == (name == "weights")
    assert (len(back.runs) == 1) == (name != "weights")


def test_groups_in_other_files_are_not_read(tmp_path, dataset, run):
    path = saved(tmp_path / "s.gsps", dataset, run)
    linked(path, "runs/000001")
    back = read_session(path)
    assert [one.number for one in back.runs] == [2]
    linked(path, "runs")
    assert read_session(path).runs == ()
    linked(path, "about")
    with pytest.raises(SessionError, match="is not a session of GSP Studio, or is damaged"):
        read_session(path)


def test_names_that_are_not_utf8_hide_nothing_else(tmp_path, dataset, run):
    path = saved(tmp_path / "s.gsps", dataset, run)
    with h5py.File(path, "r+") as file:
        h5py.h5g.create(file["runs"].id, b"\xff\xfe")
        h5py.h5g.create(file["runs/000001/inputs"].id, b"\xff\xfe")
    assert [one.number for one in read_session(path).runs] == [1, 2]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_refused_and_not_waited_for(tmp_path, dataset, run):
    os.mkfifo(tmp_path / "s.gsps")
    for read in (read_session, read_saved_run):
        with pytest.raises(SessionError, match=r"s\.gsps is not a file"):
            read(tmp_path / "s.gsps")
    export_run(tmp_path / "out", dataset, run)
    (tmp_path / "out" / "inputs.npz").unlink()
    os.mkfifo(tmp_path / "out" / "inputs.npz")
    with pytest.raises(ExportError, match=r"inputs\.npz is not a file"):
        read_run(tmp_path / "out")
    (tmp_path / "out" / "run.json").unlink()
    os.mkfifo(tmp_path / "out" / "run.json")
    with pytest.raises(ExportError, match=r"run\.json is not a file"):
        read_run(tmp_path / "out")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_masks_and_weights_from_pipes_or_with_lies(tmp_path, dataset):
    os.mkfifo(tmp_path / "mask.npy")
    os.mkfifo(tmp_path / "mask.png")
    for name in ("mask.npy", "mask.png"):
        with pytest.raises(DatasetError, match=f"{name} is not a file"):
            read_mask(tmp_path / name, dataset)
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (200000, 1000000)}\n"
    (tmp_path / "lie.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(1000))
    with pytest.raises(DatasetError, match=r"lie\.npy is damaged"):
        read_mask(tmp_path / "lie.npy", dataset)


def test_an_npz_that_declares_more_than_it_holds(tmp_path, dataset, run):
    export_run(tmp_path, dataset, run)
    header = b"\x93NUMPY\x01\x00"
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (200000, 1000000)}\n"
    for name in ("inputs", "factors"):
        with zipfile.ZipFile(tmp_path / f"{name}.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("W.npy", header + len(text).to_bytes(2, "little") + text + bytes(1000))
    for read in (read_run, read_factors):
        with pytest.raises(ExportError, match="declares W"):
            read(tmp_path)
