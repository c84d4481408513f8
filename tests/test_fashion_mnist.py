"""script/fashion-mnist: four files from a package of the system's archive, whole or not at all."""

from __future__ import annotations

import gzip
import shutil
import sys
from pathlib import Path

import pytest
from stand_ins import Machine, make_machine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the script is for a POSIX shell")

PARTS = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
APT_GET = """#!/bin/sh
echo "apt-get $*" >>"$STATE/log"
[ ! -e "$STATE/no-network" ] || { echo "E: no route" >&2; exit 100; }
echo package >dataset-fashion-mnist_0_all.deb
"""
DPKG_DEB = """#!/bin/sh
[ "$1" = -x ] && [ -f "$2" ] && mkdir -p "$3/usr/share/datasets" &&
    cp -R "$STATE/package" "$3/usr/share/datasets/fashion-mnist"
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A Debian machine whose archive has the package."""
    made = make_machine(tmp_path)
    for tool in ("gzip", "chmod"):
        found = shutil.which(tool)
        assert found is not None
        (made.bin / tool).symlink_to(found)
    made.give("apt-get", APT_GET)
    made.give("dpkg-deb", DPKG_DEB)
    package = made.state / "package"
    package.mkdir()
    for name in PARTS:
        (package / name).write_bytes(gzip.compress(name.encode()))
    return made


def test_the_four_files_are_taken_out_of_the_package(machine: Machine) -> None:
    for folder, arguments in (
        (machine.root / "out" / "fashion-mnist", []),
        (machine.tmp / "my data", [str(machine.tmp / "my data")]),
    ):
        done = machine.run("script/fashion-mnist", *arguments)
        assert done.returncode == 0, done.stderr
        assert sorted(path.name for path in folder.iterdir()) == sorted(PARTS)
        assert [path.name for path in folder.parent.iterdir()] == [folder.name], "nothing is left beside it"
        assert f"--data {folder}" in done.stderr
        assert machine.log == ["apt-get -qq -o APT::Sandbox::User=root download dataset-fashion-mnist"]
        again = machine.run("script/fashion-mnist", *arguments)
        assert (again.returncode, machine.log) == (0, []), "what is there is not fetched again"


def test_what_cannot_be_fetched_leaves_nothing(machine: Machine) -> None:
    folder = machine.tmp / "fashion"

    def refused(sentence: str) -> None:
        done = machine.run("script/fashion-mnist", str(folder))
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].endswith(sentence)
        assert not list(machine.tmp.iterdir())

    machine.mark("no-network")
    refused("apt-get could not fetch dataset-fashion-mnist; sudo apt-get update renews its list of packages.")
    (machine.state / "no-network").unlink()
    (machine.state / "package" / PARTS[1]).write_bytes(b"no gzip")
    refused(f"dataset-fashion-mnist does not hold {PARTS[1]} as it did; nothing was kept.")
    machine.take("dpkg-deb")
    refused(f"This system has no dpkg-deb; get Fashion-MNIST elsewhere, and put these into a folder: {_listed()}.")


def test_a_folder_with_something_else_stays(machine: Machine) -> None:
    (machine.tmp / "mine.txt").write_text("mine")
    done = machine.run("script/fashion-mnist", str(machine.tmp))
    assert done.returncode == 1
    assert done.stderr.endswith("exists and does not hold Fashion-MNIST; name another folder.\n")
    assert [path.name for path in machine.tmp.iterdir()] == ["mine.txt"]
    assert machine.log == []


def _listed() -> str:
    return " ".join(PARTS)
