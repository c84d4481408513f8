"""The recipe for conda: its requirements are those of pyproject.toml, and rattler-build can read it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPE = ROOT / "recipe" / "recipe.yaml"
#: Packages that conda calls otherwise.
NAMES = {"pyside6-essentials": "pyside6"}


def output(name: str) -> dict[str, Any]:
    """One of the recipe's two packages."""
    [found] = [one for one in recipe()["outputs"] if one["package"]["name"] == name]
    return found


def recipe() -> dict[str, Any]:
    return yaml.safe_load(RECIPE.read_text(encoding="utf-8"))


def required(lines: list[str]) -> dict[str, SpecifierSet]:
    """Versions by name, of lines such as "numpy >=2.0"; what the recipe fills in is left out."""
    pairs = (line.partition(" ")[::2] for line in lines if "${{" not in line)
    return {name: SpecifierSet(versions) for name, versions in pairs}


def of_project(needs: list[str]) -> dict[str, SpecifierSet]:
    """The same of requirements of pyproject.toml for the oldest Python."""
    python = recipe()["context"]["python_min"]
    found = (Requirement(need) for need in needs)
    kept = [one for one in found if one.marker is None or one.marker.evaluate({"python_version": python})]
    return {NAMES.get(one.name.lower(), one.name.lower()): one.specifier for one in kept}


def test_its_requirements_are_those_of_the_project() -> None:
    base, window = output("gsp-studio-base"), output("gsp-studio")
    assert required(base["requirements"]["run"]) == of_project(PROJECT["dependencies"])
    assert required(window["requirements"]["run"]) == of_project(PROJECT["optional-dependencies"]["gui"])
    assert SpecifierSet(PROJECT["requires-python"]) == SpecifierSet(f">={recipe()['context']['python_min']}")


def test_its_version_and_its_command_are_those_of_the_project() -> None:
    assert recipe()["context"]["version"] == PROJECT["version"]
    commands = [f"{name} = {where}" for name, where in PROJECT["scripts"].items()]
    assert output("gsp-studio-base")["build"]["python"]["entry_points"] == commands
    for one in recipe()["outputs"]:
        assert one["about"]["license"] == PROJECT["license"]
        assert (ROOT / one["about"]["license_file"]).is_file()


def test_rattler_build_reads_it() -> None:
    rattler_build = pytest.importorskip("rattler_build", reason="needs py-rattler-build (pip install py-rattler-build)")
    variants = rattler_build.Stage0Recipe.from_file(str(RECIPE)).render(rattler_build.VariantConfig())
    assert [one.recipe.package.name for one in variants] == ["gsp-studio-base", "gsp-studio"]
