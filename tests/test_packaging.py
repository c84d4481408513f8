"""The wheel: built, complete, installed into an environment of its own, and started from there."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from wheels import ROOT, Installed, build, checked, needs_build

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
VERSION = PYPROJECT["project"]["version"]
EXTRAS = PYPROJECT["project"]["optional-dependencies"]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel"), needs_build]


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_wheel_carries_the_package_and_its_resources(wheel: Path) -> None:
    names = set(names_in(wheel))
    for source in [*(ROOT / "gsp_studio").rglob("*.py"), *(ROOT / "gsp_studio").rglob("*.cu")]:
        assert source.relative_to(ROOT).as_posix() in names
    for resource in (p for p in (ROOT / "resources").rglob("*") if p.is_file()):
        assert f"gsp_studio/_resources/{resource.relative_to(ROOT / 'resources').as_posix()}" in names
    samples = [name for name in names if name.startswith("gsp_studio/_sample_data/")]
    assert any(not name.endswith((".py", ".md")) for name in samples)
    assert "gsp_studio/py.typed" in names
    assert {f"gsp_studio-{VERSION}.dist-info/{name}" for name in ("METADATA", "entry_points.txt")} <= names


def test_wheel_carries_nothing_else(wheel: Path) -> None:
    names = names_in(wheel)
    assert {name.split("/")[0] for name in names} <= {
        "gsp_studio",
        f"gsp_studio-{VERSION}.dist-info",
        f"gsp_studio-{VERSION}.data",
    }
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".nbi", ".nbc"))]


def test_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < 5e6


def test_an_index_takes_the_wheel(wheel: Path, tmp_path: Path) -> None:
    pytest.importorskip("twine")
    assert "PASSED" in checked(sys.executable, "-m", "twine", "check", "--strict", wheel, cwd=tmp_path)


def test_the_contents_of_the_wheel_are_those_of_a_package(wheel: Path) -> None:
    pytest.importorskip("check_wheel_contents")
    checked(sys.executable, "-m", "check_wheel_contents", wheel, cwd=ROOT)  # whose pyproject.toml has the exceptions


def test_wheel_puts_the_app_into_the_menu(wheel: Path) -> None:
    data = f"gsp_studio-{VERSION}.data/data/share"
    expected = {f"{data}/applications/gsp-studio.desktop", f"{data}/icons/hicolor/scalable/apps/gsp-studio.svg"}
    assert expected <= set(names_in(wheel))


def test_source_distribution_can_build_and_test_itself(tmp_path: Path) -> None:
    built = build("sdist", tmp_path)
    if importlib.util.find_spec("twine") is not None:
        checked(sys.executable, "-m", "twine", "check", "--strict", built, cwd=tmp_path)
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = [
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CITATION.cff",
        "script/run",
        "script/test",
        "script/docs",
        "docs/conf.py",
        "docs/gallery/parts_of_faces.py",
        "paper/paper.bib",
        "tests/conftest.py",
    ]
    assert {*needed, "resources/icons/app.svg", "gsp_studio/cli.py", ".ci/run"} <= names
    assert not [name for name in names if name.startswith(("shared/", ".venv/", "out/")) or "__pycache__" in name]


def test_package_comes_from_the_wheel(installed: Installed) -> None:
    file = Path(installed.python("import gsp_studio; print(gsp_studio.__file__)"))
    assert file.is_relative_to(installed.folder)
    assert installed.python("import gsp_studio; print(gsp_studio.__version__)") == VERSION


def test_version_option(installed: Installed) -> None:
    assert installed.gsp_studio("--version").split() == ["gsp-studio", VERSION]


@pytest.mark.parametrize("name", ["swimmer", "faces"])
def test_sample_data_loads_from_the_wheel(installed: Installed, name: str) -> None:
    code = f"""
import gsp_studio as gs
from gsp_studio.io import sample_path
path = sample_path("{name}")
data = gs.load_dataset(path)
print(path, *data.X.shape, *data.image_shape, sep="|")
"""
    path, m, n, height, width = installed.python(code).split("|")
    assert Path(path).is_relative_to(installed.folder)
    assert int(m) == int(height) * int(width)
    assert int(n) > 0


def test_fit_runs_from_the_wheel(installed: Installed, tmp_path: Path) -> None:
    sample = installed.python("from gsp_studio.io import sample_path; print(sample_path('swimmer'))")
    out = tmp_path / "fit"
    installed.gsp_studio("fit", sample, "--rank", "5", "--sparsity", "0.5", "--max-iter", "5", "--out", out)
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert VERSION in json.dumps(run)
    assert list(out.rglob("*.png"))
    assert list(out.rglob("*.npz"))
    assert list(out.rglob("*.csv"))


def test_app_starts_from_the_wheel(installed: Installed, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    said = installed.gsp_studio("--demo", out, "--quick")
    assert str(out) in said
    assert list(out.rglob("*.png"))
    assert list(out.rglob("run.json"))


def test_versions_of_the_documents_agree() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(rf"^version: {re.escape(VERSION)}$", citation, re.MULTILINE)
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_pyside_stays_off_the_releases_that_crash() -> None:
    old, new = [Requirement(need) for need in EXTRAS["gui"] if need.startswith("PySide6")]
    assert (str(old.marker), str(new.marker)) == ('python_version < "3.12"', 'python_version >= "3.12"')
    for release, on_old, on_new in [("6.10.3", True, True), ("6.11.1", False, False), ("6.12.0", False, True)]:
        assert (release in old.specifier, release in new.specifier) == (on_old, on_new)


def test_links_follow_one_setting() -> None:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    links = module.project_urls("https://git.example/gsp-studio/")
    assert {"Documentation", "Source", "Issues", "Changelog"} <= set(links)
    assert all(link.startswith("https://git.example/gsp-studio") for name, link in links.items() if name != "Paper")
    assert list(module.project_urls("")) == ["Paper"]
