"""The shape of the house: floors, devices and windows behind their doors, files that can be read in one sitting."""

from __future__ import annotations

import ast
import functools
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gsp_studio"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LONGEST_FILE, LONGEST_CLASS = 400, 300

QT = ("PySide6", "shiboken6", "pyqtgraph", "superqt", "qtpy")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def imported_names(path: Path) -> set[str]:
    """Absolute names of the modules that a file imports, at any depth of nesting."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def loaded_after(statements: str) -> set[str]:
    """Top-level names in sys.modules of a fresh interpreter that ran the statements."""
    code = f"import sys\n{statements}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def tracked_files() -> list[Path]:
    """Files that git tracks; in an unpacked source distribution, the sources, tests and documents."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        folders = ("gsp_studio", "tests", "script", "benchmarks", "resources", "sample_data")
        return [p for name in folders for p in (ROOT / name).rglob("*") if p.is_file() and p.suffix != ".pyc"]
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_floors() -> None:
    """Contracts of import-linter in pyproject.toml hold."""
    lint_imports = Path(sys.executable).with_name("lint-imports")
    if not lint_imports.exists():
        pytest.skip("import-linter is not installed")
    command = [str(lint_imports), "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_no_file_and_no_class_is_long(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < LONGEST_CLASS, node.name


@pytest.mark.parametrize("path", [p for p in SOURCES if (PACKAGE / "gui") not in p.parents], ids=module_name)
def test_only_gui_imports_qt(path: Path) -> None:
    qt = {name for name in imported_names(path) if name.partition(".")[0] in QT}
    assert not qt


def test_the_package_of_kernels_imports_none_of_its_modules() -> None:
    """Threads that import a package and a module of it at the same time wait for each other, and one of them fails."""
    assert not {name for name in imported_names(PACKAGE / "backends" / "cpu" / "__init__.py") if "gsp_studio" in name}


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_cupy_only_in_its_backend(path: Path) -> None:
    if path == PACKAGE / "backends" / "cuda" / "driver.py":
        return
    assert not {name for name in imported_names(path) if name.partition(".")[0] == "cupy"}


@pytest.mark.parametrize("path", [p for p in SOURCES if (PACKAGE / "pruning") not in p.parents], ids=module_name)
def test_torch_only_in_pruning(path: Path) -> None:
    assert not {name for name in imported_names(path) if name.partition(".")[0] == "torch"}


def test_networks_open_and_are_projected_without_torch() -> None:
    names = (
        "checkpoint",
        "projection",
        "path",
        "report",
        "reproduce",
        "accuracy",
        "images",
        "data",
        "methods",
    )
    modules = ["gsp_studio.commands.prune", *(f"gsp_studio.pruning.{name}" for name in names)]
    loaded = loaded_after("import " + ", ".join(modules))
    assert not loaded & {"torch", "onnx", "safetensors", "sklearn", "matplotlib"}


def test_state_of_the_window_knows_nothing_of_the_window() -> None:
    assert not {name for name in imported_names(PACKAGE / "gui" / "state.py") if "gsp_studio.gui" in name}


def test_no_panel_imports_another() -> None:
    """A panel is a module of gui/panels; panels meet only in the main window."""
    panels = [p for p in (PACKAGE / "gui" / "panels").glob("*.py") if p.stem != "__init__"]
    for path in panels:
        others = {module_name(p) for p in panels if p != path}
        assert not others & imported_names(path), path.name


@pytest.mark.parametrize("path", sorted((PACKAGE / "gui" / "session").glob("*.py")), ids=module_name)
def test_owners_of_state_are_small(path: Path) -> None:
    """No class of the session becomes a place for everything."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            public = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name[0] != "_"]
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 200, node.name
            assert len(public) <= 20, node.name


def test_floors_below_the_app_do_not_load_qt() -> None:
    floors = ("backends", "core", "io", "engine")
    of_floors = [p for p in SOURCES if p.relative_to(PACKAGE).parts[0] in floors]
    modules = [module_name(p) for p in of_floors if p.parent != PACKAGE / "backends" / "cuda"]  # CuPy may be missing
    loaded = loaded_after("import " + ", ".join(["gsp_studio", "gsp_studio.cli", *modules]))
    assert "gsp_studio" in loaded
    assert not loaded & set(QT)


def test_importing_the_package_or_the_command_line_loads_nothing_heavy() -> None:
    loaded = loaded_after("import gsp_studio, gsp_studio.cli")
    assert not loaded & {*QT, "numpy", "scipy", "numba", "PIL"}


def test_clusters_cost_nothing_until_there_is_one() -> None:
    loaded = loaded_after(
        "import gsp_studio.core.nmf, gsp_studio.engine.runner, gsp_studio.engine.cluster, gsp_studio.io.readers\n"
        "import gsp_studio.gui.window.main_window, gsp_studio.gui.jobs.compute\n"
        "import numpy as np, gsp_studio as gs\n"
        "gs.factorize(np.ones((4, 6)) + np.eye(4, 6), gs.Params(2, 'ahals', max_iter=2))"
    )
    assert "gsp_studio" in loaded
    assert not loaded & {"dask", "distributed", "tornado", "zarr"}


def test_public_names_resolve() -> None:
    import gsp_studio

    for name in gsp_studio.__all__:
        assert getattr(gsp_studio, name) is not None


def test_no_tracked_file_names_a_machine() -> None:
    """Paths of a person's or a machine's own folders do not belong in the project."""
    homes = ["/" + "root/", "/" + "home/", "/" + "Users/", "C:" + "\\Users", f"{Path.home()}/", f"{ROOT}/"]
    telling = [home for home in homes if len(home) > 3]
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {home}" for home in telling if home in text]
    assert not found


@pytest.mark.slow
def test_types_reach_from_the_session_to_panels_and_jobs(tmp_path: Path) -> None:
    """mypy sees a panel's setter that was renamed and a job's call that was misspelt, where they are used."""
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    shutil.copytree(PACKAGE, tmp_path / "gsp_studio", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "pyproject.toml", tmp_path)
    if (ROOT / ".mypy_cache").is_dir():  # of the linters that ran before the tests: minutes become seconds
        shutil.copytree(ROOT / ".mypy_cache", tmp_path / ".mypy_cache")
    slips = {
        "panels/run.py": ("def set_progress(", "def set_progres("),
        "session/analyses.py": ("self._comparison.submit(", "self._comparison.submitt("),
    }
    for name, (right, wrong) in slips.items():
        path = tmp_path / "gsp_studio" / "gui" / name
        text = path.read_text(encoding="utf-8")
        assert text.count(right) == 1
        path.write_text(text.replace(right, wrong), encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert '"RunPanel" has no attribute "set_progress"' in done.stdout
    assert '"ComparisonJob" has no attribute "submitt"' in done.stdout
