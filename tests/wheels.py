"""The wheel built from this checkout, and an environment that holds it.

The new environment sees the dependencies of the one that runs the tests (a .pth file; installing them again would take
minutes and a network), but the package itself can only come from the wheel: the interpreter runs isolated, elsewhere,
and a .pth file's folders do not have their own .pth files read, so an editable checkout stays out of reach.

The fixtures `wheel` and `installed` (conftest.py) make each once a process; the tests that use them are of the xdist
group "wheel", so that this is once a run.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
needs_build = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("build", "hatchling", "pip")),
    reason="needs build, hatchling and pip",
)


def checked(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Standard output of a command that has to succeed."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(kind: str, folder: Path, source: Path = ROOT) -> Path:
    """Make the "wheel" or "sdist" of a project in the empty `folder`."""
    # Without isolation: the build's needs are among the development tools, so no network is asked.
    checked(sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", folder, source, cwd=folder)
    [built] = folder.iterdir()
    return built


def unpacked(wheel: Path, folder: Path) -> Path:
    """A folder for the path of modules, with a wheel of nothing but Python as pip would install it there."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel, and the folder in which its commands run."""

    folder: Path
    outside: Path

    @property
    def bin(self) -> Path:
        return self.folder / ("Scripts" if sys.platform == "win32" else "bin")

    def python(self, code: str) -> str:
        return checked(self.bin / "python", "-I", "-c", code, cwd=self.outside).strip()

    def gsp_studio(self, *arguments: str | Path) -> str:
        env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        return checked(self.bin / "gsp-studio", *arguments, cwd=self.outside, env=env)


def install(wheel: Path, folder: Path, outside: Path) -> Installed:
    """Make an environment with the wheel in the empty `folder`."""
    from gsp_studio.backends.cpu.compiling import cache_folder

    made = Installed(folder, outside)
    checked(sys.executable, "-m", "venv", "--without-pip", made.folder, cwd=made.outside)
    python = made.bin / "python"
    options = ("--no-deps", "--no-index", "--no-compile", "--quiet", "--disable-pip-version-check")
    checked(sys.executable, "-m", "pip", "--python", python, "install", *options, wheel, cwd=made.outside)
    site_packages = Path(made.python("import sysconfig; print(sysconfig.get_path('purelib'))"))
    dependencies = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "dependencies.pth").write_text("\n".join(sorted(dependencies)) + "\n", encoding="utf-8")
    kernels = cache_folder()  # those of the tests: their stamp is the sources' content, wherever these lie
    if kernels is not None:
        shutil.copytree(kernels, site_packages / "gsp_studio" / "backends" / "cpu" / "__pycache__", dirs_exist_ok=True)
    return made
