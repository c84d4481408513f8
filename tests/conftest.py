"""What all tests share: a display for Qt or none, hypothesis profiles, the quick selection, paths to data elsewhere."""

from __future__ import annotations

import inspect
import multiprocessing.process
import os
import signal
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import numpy as np
import pytest
from hypothesis import settings
from wheels import Installed, build, install

ROOT = Path(__file__).resolve().parents[1]

#: Folders of the quick selection: unit tests, which load no Qt and start no process.
QUICK = tuple(ROOT / "tests" / name for name in ("core", "io", "engine"))
#: Modules that start processes; a test that uses one, itself or through its fixtures and helpers, is not quick.
STARTERS = {"subprocess", "multiprocessing", "distributed", "gsp_studio.engine.cluster"}
QT = {"PySide6", "shiboken6", "pyqtgraph"}

os.environ.setdefault("QT_API", "pyside6")
# What a shell starts with "&" ignores Ctrl-C, and so would the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Commands write a log where the platform keeps such files: not into that of whoever runs the tests.
_HOME = tempfile.TemporaryDirectory(prefix="gsp-studio-tests-")
os.environ["XDG_DATA_HOME"] = _HOME.name
if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

# Compiling a kernel takes seconds, so no example has a deadline.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What can be asked for beside pytest's own."""
    parser.addoption(
        "--everywhere", action="store_true", help="all tests of the core on every backend, also a fake GPU"
    )
    parser.addoption(
        "--quick", action="store_true", help="only unit tests of the core, io and engine: no Qt, no process, none slow"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave what is not quick alone, so that it is not even imported."""
    if not config.getoption("quick") or not collection_path.is_relative_to(ROOT / "tests"):
        return None
    chain = (collection_path, *collection_path.parents)
    return None if any(folder in chain or collection_path in folder.parents for folder in QUICK) else True


def starts_processes(function: object, seen: set[object] | None = None) -> bool:
    """Whether a test, a fixture or a helper of the tests uses one of `STARTERS`."""
    seen = set() if seen is None else seen
    tested = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    function = inspect.unwrap(tested) if callable(tested) else tested
    if not isinstance(function, FunctionType) or function in seen:
        return False
    if not Path(function.__code__.co_filename).is_relative_to(ROOT / "tests"):
        return False
    seen.add(function)
    for name in names_in(function.__code__):
        used = function.__globals__.get(name)
        home = used.__name__ if isinstance(used, ModuleType) else getattr(used, "__module__", None) or ""
        if any(home == name or home.startswith(f"{name}.") for name in STARTERS) or starts_processes(used, seen):
            return True
    return False


def names_in(code: CodeType) -> set[str]:
    """Names of globals and attributes that the code asks for, with those of the functions in it."""
    inner = (names_in(part) for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*inner)


def is_quick(item: pytest.Item) -> bool:
    """Whether a test of `QUICK` is neither slow nor about large data, and starts no process."""
    if item.get_closest_marker("slow") or "shared_data" in getattr(item, "fixturenames", ()):
        return False
    defined = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009 - pytest has no public name for it
    fixtures = [each.func for name in defined if name != "stays_quick" for each in defined[name]]
    functions = [getattr(item, "function", None), *fixtures]
    return not any(starts_processes(function) for function in functions)


@pytest.fixture(autouse=True)
def stays_quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test of the quick selection that starts a process or loads Qt all the same."""
    if request.config.getoption("quick"):

        def refuse(*_: object, **__: object) -> None:
            pytest.fail("this test starts a process: mark it slow, which keeps it out of the quick selection")

        monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
        monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refuse)
        yield
        assert not QT & set(sys.modules), "this test loads Qt"
    else:
        yield


@pytest.fixture(autouse=True)
def draws_of_its_own(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin a module's ``RNG`` anew in each test: else what a test draws depends on which ran before it."""
    if hasattr(getattr(request, "module", None), "RNG"):
        monkeypatch.setattr(request.module, "RNG", np.random.default_rng(zlib.crc32(request.node.name.encode())))


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give xdist its groups: all tests of windows in one process, as they share a screen's focus; else a file each.

    Those that take minutes whatever the machine begin first: at the end the other processes would wait for them.
    """
    if config.getoption("quick"):
        config.hook.pytest_deselected(items=[item for item in items if not is_quick(item)])
        items[:] = [item for item in items if is_quick(item)]
    items.sort(key=lambda item: item.path.name != "test_soak.py")
    for item in items:
        if item.get_closest_marker("xdist_group"):
            continue
        file = item.path.relative_to(ROOT).as_posix() if item.path.is_relative_to(ROOT) else item.path.name
        item.add_marker(pytest.mark.xdist_group("gui" if file.startswith("tests/gui/") else file))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape what is no text in what a test printed, logged or failed with: pytest-xdist 3.8 carries UTF-8 alone."""
    report = yield
    report.sections = [(name, _as_text(content)) for name, content in report.sections]
    if report.failed and (told := str(report.longrepr)) != _as_text(told):
        report.longrepr = _as_text(told)
    return report


def _as_text(content: str) -> str:
    return content.encode("utf-8", "backslashreplace").decode("utf-8")


def _beside_checkout(name: str) -> Path:
    path = ROOT.parent / "shared" / name
    if not path.is_dir():
        pytest.skip(f"needs the folder shared/{name} beside the checkout")
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of data sets that are not ours to ship; a test that asks for it is skipped where it is absent."""
    return _beside_checkout("data")


@pytest.fixture(scope="session")
def shared_reference() -> Path:
    """Folder of reference vectors; a test that asks for it is skipped where it is absent."""
    return _beside_checkout("reference")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """An environment of its own that holds the wheel."""
    return install(wheel, tmp_path_factory.mktemp("venv"), tmp_path_factory.mktemp("outside"))
