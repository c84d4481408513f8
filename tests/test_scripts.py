"""script/run, script/test and script/system-packages: on machines of every kind, and one real virtual screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from stand_ins import PYTHON, SUDO, TOO_OLD, Machine, make_machine

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = [
    "script/run",
    "script/test",
    "script/bundle",
    "script/docs",
    "script/screenshots",
    "script/fashion-mnist",
    "script/system-packages",
    "script/test-elsewhere",
    ".ci/run",
]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the scripts are for a POSIX shell")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A Debian machine with a display, root, all packages there and a Python that is new enough."""
    return make_machine(tmp_path)


@pytest.mark.parametrize("script", [*SCRIPTS, "script/setup"])
@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_script_parses(script: str, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-n", str(ROOT / script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_a_plain_sh_command(script: str) -> None:
    path = ROOT / script
    assert os.access(path, os.X_OK)
    assert path.read_bytes().startswith(b"#!/bin/sh\n")


def test_shellcheck_is_content() -> None:
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([shellcheck, "-x", *SCRIPTS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_ci_calls_the_readme_command() -> None:
    assert "script/test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1]


def test_run_installs_once_and_passes_its_arguments_on(machine: Machine) -> None:
    first = machine.run("script/run", "a folder", "--option")
    assert first.returncode == 0, first.stderr
    assert len(machine.calls("python3 -m venv")) == 1
    [install] = machine.calls("python -m pip")
    assert install.endswith(f"--editable {machine.root}[gui]")
    assert machine.log[-1].startswith("gsp-studio a folder --option DISPLAY=:5")
    assert not machine.calls("apt-get")

    second = machine.run("script/run")
    assert second.returncode == 0
    assert second.stderr == ""
    assert not machine.calls("python -m pip")
    assert not machine.calls("python3")
    assert machine.log[-1].startswith("gsp-studio  DISPLAY=:5")


def test_a_changed_pyproject_installs_again_into_the_same_environment(machine: Machine) -> None:
    machine.run("script/run")
    with (machine.root / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    machine.run("script/run")
    assert len(machine.calls("python -m pip")) == 1
    assert not machine.calls("python3 -m venv")


def test_what_serves_the_tests_serves_the_app_but_not_the_reverse(machine: Machine) -> None:
    machine.run("script/run")
    machine.run("script/test", "tests/io")
    [install] = machine.calls("python -m pip")
    assert install.endswith(f"--editable {machine.root}[dev]")
    machine.run("script/run")
    assert not machine.calls("python -m pip")
    machine.run("script/test", "tests/io")
    assert not machine.calls("python -m pip")


def test_a_failed_installation_is_not_taken_for_one(machine: Machine) -> None:
    machine.mark("no-network")
    failed = machine.run("script/run")
    assert failed.returncode == 1
    assert "pip could not install GSP Studio" in failed.stderr
    assert not machine.calls("gsp-studio")
    (machine.state / "no-network").unlink()
    assert machine.run("script/run").returncode == 0
    assert len(machine.calls("python -m pip")) == 1


def test_a_half_made_or_moved_environment_is_made_anew(machine: Machine) -> None:
    machine.run("script/run")
    venv = machine.root / ".venv"
    (venv / ".gsp-studio").unlink()
    (venv / "bin" / "no-pip").touch()
    machine.run("script/run")
    assert len(machine.calls("python3 -m venv")) == 1

    moved = machine.root.with_name("moved")
    machine.root.rename(moved)
    machine.root = moved
    machine.run("script/run")
    assert len(machine.calls("python3 -m venv")) == 1
    assert (moved / ".venv" / "bin" / "activate").read_text() == f"VIRTUAL_ENV={moved}/.venv\n"


def test_the_first_python_that_is_new_enough_is_taken(machine: Machine) -> None:
    machine.give("python3", TOO_OLD)
    machine.give("python3.12", PYTHON)
    machine.run("script/run")
    assert len(machine.calls("python3.12 -m venv")) == 1


def test_the_python_that_is_named_comes_first(machine: Machine) -> None:
    machine.give("python-of-mine", PYTHON)
    machine.env["PYTHON"] = str(machine.bin / "python-of-mine")
    machine.run("script/run")
    assert len(machine.calls("python-of-mine -m venv")) == 1


def test_a_named_python_that_is_too_old_is_said_and_passed_over(machine: Machine) -> None:
    machine.give("old", TOO_OLD)
    machine.env["PYTHON"] = "old"
    done = machine.run("script/run")
    assert "PYTHON=old is not Python 3.11 or newer" in done.stderr
    assert len(machine.calls("python3 -m venv")) == 1


def test_no_python_is_one_sentence(machine: Machine) -> None:
    machine.take("python3")
    done = machine.run("script/run")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert not (machine.root / ".venv").exists()


def test_the_venv_module_is_installed_where_it_is_missing(machine: Machine) -> None:
    machine.mark("no-ensurepip")
    machine.mark("missing", "python3.11-venv\n")
    done = machine.run("script/run")
    assert done.returncode == 0, done.stderr
    [install] = [line for line in machine.calls("apt-get") if " install " in line]
    assert "python3.11-venv FRONTEND=noninteractive" in install
    assert machine.log[-1].startswith("gsp-studio")


def test_no_venv_module_and_no_apt_is_said(machine: Machine) -> None:
    machine.mark("no-ensurepip")
    machine.take("apt-get")
    done = machine.run("script/run")
    assert done.returncode == 1
    assert "its venv and ensurepip modules are missing" in done.stderr.splitlines()[-1]
    assert not (machine.root / ".venv").exists()


def test_without_a_display_the_demonstration_runs_on_a_virtual_screen(machine: Machine) -> None:
    del machine.env["DISPLAY"]
    done = machine.run("script/run")
    assert done.returncode == 0, done.stderr
    assert machine.calls("Xvfb")[0].startswith("Xvfb -displayfd 3 ")
    assert machine.log[-1] == f"gsp-studio --demo {machine.root}/out DISPLAY=:77 QPA="
    server = int((machine.state / "xvfb-pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)
    assert not list(machine.tmp.iterdir())


def test_a_failed_demonstration_fails_the_script_and_still_stops_the_screen(machine: Machine) -> None:
    del machine.env["DISPLAY"]
    machine.mark("fail-gsp-studio")
    assert machine.run("script/run").returncode == 3
    server = int((machine.state / "xvfb-pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


def test_without_a_display_commands_need_no_screen(machine: Machine) -> None:
    del machine.env["DISPLAY"]
    machine.run("script/run", "fit", "images", "--rank", "5")
    assert machine.log[-1] == "gsp-studio fit images --rank 5 DISPLAY= QPA="
    assert not machine.calls("Xvfb")


@pytest.mark.parametrize("broken", [True, False])
def test_without_a_virtual_screen_qt_draws_into_memory(machine: Machine, broken: bool) -> None:
    del machine.env["DISPLAY"]
    if broken:
        machine.mark("broken-screen")
    else:
        machine.take("Xvfb")
    done = machine.run("script/run")
    assert done.returncode == 0, done.stderr
    assert ("Xvfb did not start: no screen today" in done.stderr) == broken
    assert machine.log[-1].endswith("DISPLAY= QPA=offscreen")


def test_test_with_arguments_is_just_pytest(machine: Machine) -> None:
    done = machine.run("script/test", "tests/io", "-k", "two words")
    assert done.returncode == 0, done.stderr
    assert machine.log[-1] == "python -m pytest tests/io -k two words"
    assert not machine.calls("ruff")


def test_the_quick_tests_need_no_linters_and_no_screen(machine: Machine) -> None:
    del machine.env["DISPLAY"]
    done = machine.run("script/test", "--quick", "-k", "two words")
    assert done.returncode == 0, done.stderr
    assert machine.log[-1].startswith(
        "python -m pytest -n 2 --dist loadgroup --max-worker-restart 0 --quick -k two words"
    )
    assert not machine.calls("ruff")
    assert not machine.calls("Xvfb")
    machine.mark("red-tests")
    assert machine.run("script/test", "--quick").returncode == 1


def test_test_checks_everything_and_ends_with_pytest(machine: Machine) -> None:
    done = machine.run("script/test")
    assert done.returncode == 0, done.stderr
    ran = [line.partition(" DISPLAY")[0] for line in machine.log]
    ran.remove("python tests/compile_kernels.py float32")  # beside the linters, so at any place
    assert [line for line in ran if "compile_kernels" in line] == [ran[-3]]
    assert ran.pop(-3).endswith("float64")
    ran = ran[-6:]
    assert ran[:4] == ["ruff check .", "ruff format --check .", "mypy ", "lint-imports --no-cache"]
    assert ran[5] == "python -m pytest -n 2 --dist loadgroup --max-worker-restart 0"


@pytest.mark.parametrize("tool", ["ruff", "mypy", "lint-imports"])
def test_a_linter_that_complains_fails_the_script_after_the_tests(machine: Machine, tool: str) -> None:
    machine.mark(f"fail-{tool}")
    done = machine.run("script/test")
    assert done.returncode == 1
    assert machine.calls("python -m pytest -n")
    assert f"Failed before the tests: {tool}" in done.stderr


def test_red_tests_fail_the_script(machine: Machine) -> None:
    machine.mark("red-tests")
    assert machine.run("script/test").returncode == 1
    assert machine.run("script/test", "tests/io").returncode == 1


def test_docs_builds_the_site_with_the_tests_environment(machine: Machine) -> None:
    stale = machine.root / "out" / "site" / "gone.html"
    stale.parent.mkdir(parents=True)
    stale.touch()
    done = machine.run("script/docs", "-n")
    assert done.returncode == 0, done.stderr
    [install] = machine.calls("python -m pip")
    assert install.endswith(f"--editable {machine.root}[dev]")
    [build] = machine.calls("python -m sphinx")
    assert build.startswith("python -m sphinx --quiet --fail-on-warning --keep-going -n docs out/site")
    assert not stale.exists()
    assert "out/site/index.html" in done.stderr


def test_system_packages_asks_apt_only_for_what_is_missing(machine: Machine) -> None:
    assert machine.run("script/system-packages").returncode == 0
    assert machine.log == []
    machine.mark("missing", "libegl1\n")
    machine.mark("removed", "libgomp1\n")
    done = machine.run("script/system-packages")
    assert done.returncode == 0, done.stderr
    update, install = machine.log
    assert " update " in update
    assert install.endswith("install --yes --no-install-recommends libegl1 libgomp1 FRONTEND=noninteractive")


def test_system_packages_lists_a_screen_only_where_it_is_wanted(machine: Machine) -> None:
    machine.mark("missing", "xvfb\nxdotool\n")
    assert machine.run("script/system-packages").returncode == 0
    assert machine.log == []
    machine.run("script/system-packages", "--display")
    assert "recommends xvfb FRONTEND" in machine.log[-1]
    machine.run("script/system-packages", "--test")
    assert "recommends xvfb xdotool FRONTEND" in machine.log[-1]


@pytest.mark.parametrize(
    ("unknown", "installed"), [("libglib2.0-0t64", "libglib2.0-0"), ("libglib2.0-0", "libglib2.0-0t64")]
)
def test_a_renamed_package_is_taken_under_the_name_that_the_archive_knows(
    machine: Machine, unknown: str, installed: str
) -> None:
    machine.mark("missing", "libglib2.0-0t64\nlibglib2.0-0\n")
    machine.mark("unknown", f"{unknown}\n")
    machine.run("script/system-packages")
    assert f"recommends {installed} FRONTEND" in machine.log[-1]
    machine.mark("missing", f"{unknown}\n")
    assert machine.run("script/system-packages").returncode == 0
    assert machine.log == []


def test_sudo_is_used_only_by_those_who_are_not_root(machine: Machine) -> None:
    machine.give("id", "#!/bin/sh\necho 1000\n")
    machine.give("sudo", SUDO)
    machine.mark("missing", "libegl1\n")
    assert machine.run("script/system-packages").returncode == 0
    # Nobody answers a question for a password here, so none may be asked.
    assert [line[:8] for line in machine.calls("sudo")] == ["sudo -n ", "sudo -n "]


def test_without_root_and_sudo_it_is_said_and_the_app_starts(machine: Machine) -> None:
    machine.give("id", "#!/bin/sh\necho 1000\n")
    machine.mark("missing", "libegl1\n")
    done = machine.run("script/system-packages")
    assert done.returncode == 1
    assert done.stderr == "These packages are missing and this user cannot install them (not root, no sudo): libegl1.\n"
    assert machine.run("script/run").returncode == 0
    assert machine.log[-1].startswith("gsp-studio")


def test_an_archive_that_cannot_be_reached_is_said_and_the_app_starts(machine: Machine) -> None:
    machine.run("script/run")
    machine.mark("no-network")
    machine.mark("missing", "libegl1\n")
    done = machine.run("script/run")
    assert done.returncode == 0
    assert "apt-get could not install: libegl1." in done.stderr
    assert machine.log[-1].startswith("gsp-studio")


def test_without_apt_the_names_are_said_once(machine: Machine) -> None:
    machine.take("apt-get")
    first = machine.run("script/run")
    assert first.returncode == 0
    assert first.stderr.count("This system has no apt") == 1
    assert "libxcb-cursor0" in first.stderr
    assert machine.run("script/run").stderr == ""


def test_nothing_is_asked_of_a_system_that_is_not_linux(machine: Machine) -> None:
    machine.give("uname", "#!/bin/sh\necho Darwin\n")
    machine.mark("missing", "libegl1\n")
    del machine.env["DISPLAY"]
    assert machine.run("script/run").returncode == 0
    assert not machine.calls("apt-get")
    assert not machine.calls("Xvfb")
    assert machine.log[-1].startswith("gsp-studio  DISPLAY=")


def test_system_packages_explains_its_options(machine: Machine) -> None:
    done = machine.run("script/system-packages", "--all")
    assert done.returncode == 2
    assert done.stderr.startswith("usage: script/system-packages")


def test_a_real_virtual_screen_answers_and_goes(tmp_path: Path) -> None:
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    lines = [
        f"root={tmp_path}; . '{ROOT}/script/setup'",
        'start_virtual_display && echo "$DISPLAY $xvfb" && kill -0 "$xvfb"',
    ]
    done = subprocess.run(
        ["sh", "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    display, server = done.stdout.split()
    assert display[0] == ":"
    assert display[1:].isdigit()
    with pytest.raises(ProcessLookupError):
        os.kill(int(server), 0)
