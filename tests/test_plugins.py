"""Methods of other packages: the template package as its user has it, and packages with faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path

import numpy as np
import pytest
from wheels import build, needs_build, unpacked

import gsp_studio as gs
from gsp_studio import plugins
from gsp_studio.cli import main
from gsp_studio.core import methods
from gsp_studio.core.methods import Method, gradient_updates
from gsp_studio.plugins import PluginTable, plugin_versions

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "tests" / "template"


class Package(Distribution):
    """An installed package of one file of metadata."""

    def __init__(self, name: str) -> None:
        self.text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n"

    def read_text(self, filename: str) -> str | None:
        return self.text if filename == "METADATA" else None

    def locate_file(self, path: object) -> Path:
        return Path(str(path))


def table(monkeypatch: pytest.MonkeyPatch, found: dict[str, object], package: str = "other") -> PluginTable[Method]:
    """The table of methods where another package brings these objects; an exception is raised at their import."""
    entries = [entry_point(name, package) for name in found]

    def load(entry: EntryPoint) -> object:
        if isinstance(value := found[entry.name], BaseException):
            raise value
        return value

    monkeypatch.setattr(EntryPoint, "load", load)
    return filled(monkeypatch, entries)


def entry_point(name: str, package: str) -> EntryPoint:
    return EntryPoint(name, f"{package}:{name}", "gsp_studio.methods")._for(
        Package(package)
    )  # as importlib.metadata does


def filled(monkeypatch: pytest.MonkeyPatch, entries: list[EntryPoint]) -> PluginTable[Method]:
    """The table as in a process that finds these entry points."""
    monkeypatch.setattr(plugins, "entry_points", lambda group: [entry for entry in entries if entry.group == group])
    fresh = PluginTable("method", "gsp_studio.methods", methods._OWN, methods._accepted)
    monkeypatch.setattr(methods.METHODS, "__dict__", vars(fresh))
    return methods.METHODS


def method(update=None, projection=None, **changes) -> Method:
    """A method that leaves the basis as it is, with other updates or traits."""
    given = {"label": "Still", "summary": "the start", "uses_sparsity": False, **changes}
    return Method(new_update=lambda size: update or (lambda V, *_: (V, V)), **given)


def run(name: str) -> gs.Result:
    X = np.random.default_rng(0).random((6, 9))
    return gs.factorize(X, gs.Params(rank=2, method=name, max_iter=3), backend="reference")


def test_a_method_of_another_package_is_a_row_like_any_other(monkeypatch):
    made = table(monkeypatch, {"still": method()})
    assert made.names == [*methods._OWN, "still"]
    assert list(made) == made.names
    assert (len(made), made["still"].label, made.problems) == (len(methods._OWN) + 1, "Still", {})
    assert made.reason("still") == made.reason("gsphals") == made.reason("else") == ""
    assert run("still").n_iter == 3
    assert plugin_versions() == {"other": "2.0"}


def test_a_plugin_is_imported_when_its_row_is_asked_for(monkeypatch):
    loaded = []
    made = table(monkeypatch, {"still": method()})
    load = EntryPoint.load
    monkeypatch.setattr(EntryPoint, "load", lambda entry: (loaded.append(entry.name), load(entry))[1])
    assert made["gsphals"] is methods._OWN["gsphals"]
    assert "still" in made.names
    assert loaded == []
    assert "still" in made
    assert list(made)[-1] == "still"
    assert loaded == ["still"]


def test_a_plugin_may_look_at_the_table_while_it_is_imported(monkeypatch):
    made = table(monkeypatch, {"still": method()})
    seen = []
    load = EntryPoint.load
    monkeypatch.setattr(EntryPoint, "load", lambda entry: (seen.append(list(made)), load(entry))[1])
    assert "still" in made
    assert seen == [list(methods._OWN)]


@pytest.mark.parametrize(
    ("brought", "told"),
    [
        (ImportError("no module\nnamed x"), "ImportError: no module named x"),
        (SystemExit(3), "SystemExit: 3"),
        (RuntimeError(), "RuntimeError"),
        ("psnmf", "it is str; accepted is a gsp_studio.core.methods.Method"),
        (method(label=" "), "its label is ' '; accepted is a text"),
        (method(summary=None), "its summary is None; accepted is a text"),
        (method(has_price=True), "it has a price, which only methods of GSP Studio have; accepted is has_price=False"),
        (method(extrapolates="all"), 'it extrapolates \'all\'; accepted are "", "coefficients" and "both"'),
        (method(new_projection=3), "its new_update or new_projection is no function; accepted are functions that"),
    ],
)
def test_a_faulty_plugin_is_one_sentence_and_no_row(brought, told, monkeypatch):
    made = table(monkeypatch, {"odd": brought})
    assert "odd" not in made
    assert list(made) == list(methods._OWN)
    assert made.reason("odd").startswith(f'the method "odd" of other 2.0 cannot be used: {told}')
    assert list(made.problems) == ["odd"]
    with pytest.raises(ValueError, match=r'^the method "odd" of other 2\.0 cannot be used: '):
        run("odd")


def test_info_tells_of_a_faulty_plugin(monkeypatch, capsys):
    table(monkeypatch, {"odd": 3})
    assert main(["info"]) == 0
    assert 'the method "odd" of other 2.0 cannot be used: it is int; accepted is ' in capsys.readouterr().out


def test_names_that_are_taken_or_odd_are_not_used(monkeypatch):
    made = table(monkeypatch, {"psnmf": method(), "a,b": method()})
    assert made["psnmf"] is methods._OWN["psnmf"]
    assert list(made) == list(methods._OWN)
    assert 'the method "psnmf" is that of GSP Studio; other 2.0 brings' in made.problems["psnmf"]
    assert "accepted are letters, digits" in made.reason("a,b")
    made = filled(monkeypatch, [entry_point("twice", "one"), entry_point("twice", "two")])
    assert "twice" not in made
    assert made.reason("twice").endswith("is brought by one 2.0 and two 2.0; accepted is one package for a name")


def changed_in_place(V, B, G, backend, params):
    V *= 2
    return V, V


def raising(V, B, G, backend, params):
    raise ZeroDivisionError("a\nb")


@pytest.mark.parametrize(
    ("update", "told"),
    [
        (raising, r"failed \(ZeroDivisionError: a b\)"),
        (changed_in_place, "wrote into the basis that it was given"),
        (lambda V, *_: V, "returned a ndarray; expected are the new basis and its last dense step"),
        (lambda V, *_: (V, None), "returned a dense step that is a NoneType; expected is a ndarray"),
        (
            lambda V, *_: (V[:1], V),
            r"returned a new basis \(1, 6\) of float64; expected is \(2, 6\)",
        ),
        (lambda V, *_: (V.astype("f"), V), r"returned a new basis \(2, 6\) of float32; expected is .* of float64"),
        (lambda V, *_: (V - 9, V), "returned a new basis with negative values"),
        (lambda V, *_: (V, V * np.nan), "returned a dense step with NaN or infinite values"),
    ],
)
def test_an_update_that_goes_wrong_is_one_sentence(update, told, monkeypatch):
    table(monkeypatch, {"odd": method(update)})
    with pytest.raises(ValueError, match=f'^the method "Still" of other 2.0 {told}') as caught:
        run("odd")
    assert "\n" not in str(caught.value)


def test_a_projection_that_goes_wrong_is_one_sentence(monkeypatch):
    def projection():
        return lambda Z, backend, params: Z[:, 1:]

    given = Method("Short", "of 5 pixels", False, gradient_updates(projection), projection)
    made = table(monkeypatch, {"odd": given})
    of_sets = made["odd"].new_projection
    assert of_sets is not None
    with pytest.raises(ValueError, match=r'^the method "Short" of other 2.0 projected onto a basis \(2, 5\)'):
        of_sets()(np.ones((2, 6)), gs.get_backend("reference"), gs.Params(rank=2))


def test_memory_that_runs_out_is_not_laid_on_the_plugin(monkeypatch):
    def hungry(*_):
        raise MemoryError("8 GB")

    table(monkeypatch, {"odd": method(hungry)})
    with pytest.raises(MemoryError, match=r"^8 GB"):
        run("odd")


def mrc(values: np.ndarray, side: float) -> bytes:
    """A file of float32 sections, each pixel `side` ångström wide and high."""
    sections, rows, columns = values.shape
    header = np.zeros(256, "<i4")
    header[:4] = columns, rows, sections, 2
    header[7:10] = columns, rows, sections
    header[10:13] = np.array([columns * side, rows * side, sections], "<f4").view("<i4")
    return header.tobytes() + values.astype("<f4").tobytes()


@needs_build
@pytest.mark.slow
def test_the_template_package_shows_in_library_command_and_window(tmp_path):
    """Built and installed; the library, the command line and the window's list of methods have it."""
    (tmp_path / "wheel").mkdir()
    there, out = unpacked(build("wheel", tmp_path / "wheel", TEMPLATE), tmp_path / "site"), tmp_path / "out"
    values = np.random.default_rng(0).random((12, 4, 5), "f")
    (tmp_path / "stack.mrc").write_bytes(mrc(values, side=2.5))
    code = f"""
import contextlib, io, json
import numpy as np
import gsp_studio as gs
from gsp_studio.cli import main
from gsp_studio.gui.jobs.compute import known
help = io.StringIO()
with contextlib.redirect_stdout(help), contextlib.suppress(SystemExit):
    main(["fit", "--help"])
data = gs.load_dataset("stack.mrc")
row, column = data.axis("y"), data.axis("x")
read = [data.images()[3].tolist(), row.unit, row.scale, column.scale]
W = gs.factorize(data.X, gs.Params(rank=3, method="onmf", max_iter=20)).W
code = main(["fit", "stack.mrc", "--rank=3", "--method=onmf", "--max-iter=5", "--kkt-tol=0.001", "--out", r"{out}"])
print(json.dumps([help.getvalue(), np.count_nonzero(W, axis=1).tolist(), code, known().methods["onmf"], read]))
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(there), str(ROOT)]), "COLUMNS": "400"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shown, overlap, exit_code, offered, read = json.loads(done.stdout.splitlines()[-1])
    assert "onmf" in shown
    assert max(overlap) == 1
    assert exit_code == 0
    assert read == [values[3].tolist(), "Å", 2.5, 2.5]
    assert offered == ["ONMF", "no two basis images share a pixel", False]
    assert json.loads((out / "run.json").read_text())["versions"]["gsp-example"] == "1.0"
