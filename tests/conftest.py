"""What all tests share: a display for Qt or none, hypothesis profiles, paths to data that is not in the project."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

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


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give xdist its groups: all tests of windows in one process, as they share a screen's focus; else a file each.

    Those that take minutes whatever the machine begin first: at the end the other processes would wait for them.
    """
    items.sort(key=lambda item: item.path.name != "test_soak.py")
    for item in items:
        if item.get_closest_marker("xdist_group"):
            continue
        file = item.path.relative_to(ROOT).as_posix() if item.path.is_relative_to(ROOT) else item.path.name
        item.add_marker(pytest.mark.xdist_group("gui" if file.startswith("tests/gui/") else file))


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
