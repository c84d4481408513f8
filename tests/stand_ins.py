"""A machine made of stand-ins for Python, apt and Xvfb, to run the project's scripts in.

The scripts and the shell are the real ones. PATH holds the plain tools that they use and stand-ins that write what
they were asked into a log, so every machine (no venv module, no apt, no display, not root) can be had anywhere.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = [
    "sh",
    "cat",
    "cksum",
    "cp",
    "dirname",
    "env",
    "grep",
    "mkdir",
    "mkfifo",
    "mktemp",
    "mv",
    "rm",
    "sed",
    "sleep",
    "tail",
    "touch",
    "tr",
]

PYTHON = """#!/bin/sh
echo "${0##*/} $*" >>"$STATE/log"
case $1 in
--version) echo "Python 3.11.9" ;;
-c)
    case $2 in
    *"version_info <"*) exit 0 ;;
    *ensurepip*) [ ! -e "$STATE/no-ensurepip" ] ;;
    *python%d*) echo python3.11-venv ;;
    *"import pip"*) [ ! -e "${0%/*}/no-pip" ] ;;
    *sched_getaffinity*) echo 2 ;;
    *) exit 9 ;;
    esac
    ;;
-m)
    case $2 in
    venv)
        for folder in "$@"; do :; done
        rm -rf "$folder"
        mkdir -p "$folder/bin"
        cp "$0" "$folder/bin/python"
        echo "VIRTUAL_ENV=$folder" >"$folder/bin/activate"
        for name in gsp-studio ruff mypy lint-imports; do cp "$STATE/command" "$folder/bin/$name"; done
        ;;
    pip) [ ! -e "$STATE/no-network" ] ;;
    pytest) [ ! -e "$STATE/red-tests" ] ;;
    esac
    ;;
esac
"""
TOO_OLD = "#!/bin/sh\nexit 1\n"
COMMAND = """#!/bin/sh
echo "${0##*/} $* DISPLAY=${DISPLAY:-} QPA=${QT_QPA_PLATFORM:-}" >>"$STATE/log"
[ ! -e "$STATE/fail-${0##*/}" ] || exit 3
"""
DPKG_QUERY = """#!/bin/sh
for name in "$@"; do
    case $name in -*) continue ;; esac
    if grep -qx -- "$name" "$STATE/missing"; then continue; fi
    if grep -qx -- "$name" "$STATE/removed"; then echo "$name config-files"; else echo "$name installed"; fi
done
[ ! -s "$STATE/missing" ]
"""
APT_GET = """#!/bin/sh
echo "apt-get $* FRONTEND=${DEBIAN_FRONTEND:-}" >>"$STATE/log"
case "$*" in
*install*) [ ! -e "$STATE/no-network" ] || exit 100 ; rm -f "$STATE/no-ensurepip" ;;
*update*) [ ! -e "$STATE/no-network" ] || exit 100 ;;
esac
"""
APT_CACHE = """#!/bin/sh
if grep -qx -- "$2" "$STATE/unknown"; then echo "No packages found" >&2; else echo "Package: $2"; fi
"""
SUDO = """#!/bin/sh
echo "sudo $*" >>"$STATE/log"
[ "$1" != -n ] || shift
exec "$@"
"""
XVFB = """#!/bin/sh
echo "Xvfb $*" >>"$STATE/log"
if [ -e "$STATE/broken-screen" ]; then echo "no screen today" >&2; exit 1; fi
echo $$ >"$STATE/xvfb-pid"
echo 77 >&3
exec sleep 600
"""


@dataclass
class Machine:
    """A project folder, a PATH of its own and the log of what was called."""

    root: Path
    bin: Path
    state: Path
    tmp: Path
    env: dict[str, str] = field(default_factory=dict)

    def give(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def take(self, name: str) -> None:
        (self.bin / name).unlink()

    def mark(self, name: str, text: str = "") -> None:
        (self.state / name).write_text(text, encoding="utf-8")

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        self.mark("log")
        env = {"PATH": str(self.bin), "STATE": str(self.state), "TMPDIR": str(self.tmp), **self.env}
        script = [str(self.bin / "sh"), str(self.root / command), *arguments]
        return subprocess.run(
            script, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
        )

    @property
    def log(self) -> list[str]:
        return (self.state / "log").read_text(encoding="utf-8").splitlines()

    def calls(self, start: str) -> list[str]:
        return [line for line in self.log if line.startswith(start)]


def make_machine(tmp_path: Path) -> Machine:
    """A Debian machine with a display, root, all packages there and a Python that is new enough."""
    # A space in the path, as people have them.
    made = Machine(tmp_path / "a project", tmp_path / "bin", tmp_path / "state", tmp_path / "tmp")
    for folder in (made.root, made.bin, made.state, made.tmp):
        folder.mkdir()
    shutil.copytree(ROOT / "script", made.root / "script")
    shutil.copy(ROOT / "pyproject.toml", made.root)
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None, tool
        (made.bin / tool).symlink_to(found)
    for name, text in {
        "python3": PYTHON,
        "dpkg-query": DPKG_QUERY,
        "apt-get": APT_GET,
        "apt-cache": APT_CACHE,
        "Xvfb": XVFB,
        "uname": "#!/bin/sh\necho Linux\n",
        "id": "#!/bin/sh\necho 0\n",
    }.items():
        made.give(name, text)
    for name in ("missing", "removed", "unknown"):
        made.mark(name)
    made.mark("command", COMMAND)
    (made.state / "command").chmod(0o755)
    made.env["DISPLAY"] = ":5"
    return made
