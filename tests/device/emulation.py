"""The kernels' own source, compiled for the processor: what a launch does, and whether a device would take it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
#: Threads of a warp here: fewer fibres, the same code.
WARP = 4
#: Blocks of a cluster here.
CLUSTER = 2
_KERNEL = re.compile(
    r'extern "C" __global__ void\s+(?:IN_CLUSTER\s+)?(?:__launch_bounds__\(([^)]*)\)\s*)?(\w+)\(([^)]*)\)\s*\{',
    re.MULTILINE,
)
_ARGUMENTS = re.compile(r"#define (\w+_ARGUMENTS)\s+((?:.*\\\n)*.*)")


@dataclass(frozen=True)
class Signature:
    """A kernel's name, the types of its arguments, and the threads that a block may have."""

    name: str
    types: tuple[str, ...]
    most_threads: int


def signatures(source: str) -> dict[str, Signature]:
    """All kernels of a program, with lists of arguments that several of them share written out."""
    found = {}
    for name, text in _ARGUMENTS.findall(source):
        source = re.sub(rf"(?<=[(,\s]){name}(?=[,)])", text.replace("\\\n", " "), source)
    for bounds, name, text in _KERNEL.findall(source):
        most = bounds.partition(",")[0].strip()
        lanes = re.search(rf"#define {most} (\d+)", source)
        most_threads = int(most) if most.isdigit() else int(lanes[1]) if lanes else 1024
        types = tuple(re.sub(r"\s*\w+$", "", argument.strip()).replace(" *", "*") for argument in text.split(","))
        found[name] = Signature(name, types, most_threads)
    return found


def compiler() -> str | None:
    """A C++ compiler, if there is one; fibres are made as Linux has them."""
    return None if sys.platform != "linux" else shutil.which("g++") or shutil.which("c++")


def compiled(source: str, real: str, warp: int = WARP) -> ctypes.CDLL:
    """The program as a library with ``launch_NAME`` for each kernel; built once for a source."""
    parts = [f'#include "{HERE / "emulator.h"}"', source]
    for name, signature in signatures(source).items():
        arguments = ", ".join(f"*({kind}*)a[{k}]" for k, kind in enumerate(signature.types))
        parts.append(
            f'extern "C" int launch_{name}(unsigned x, unsigned y, unsigned z, unsigned t, size_t s, int c, void** a)'
            f" {{ return emulator::launch({{x, y, z}}, {{t, 1, 1}}, s, c, [=] {{ {name}({arguments}); }}); }}"
        )
    parts.append('extern "C" void hold(int block) { emulator::held = block; }')
    text = "\n".join(parts)
    digest = hashlib.sha256((text + real + str(warp) + (HERE / "emulator.h").read_text()).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"gsp-emulation-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    library = folder / f"{digest}.so"
    if not library.exists():
        unit, made = folder / f"{digest}-{os.getpid()}.cpp", folder / f"{digest}-{os.getpid()}.so"
        unit.write_text(text)
        flags = ["-std=c++14", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-w", "-U_FORTIFY_SOURCE"]
        command = [
            str(compiler()),
            *flags,
            f"-DREAL={real}",
            f"-DEMULATED_WARP={warp}",
            f"-DCLUSTER={CLUSTER}",
            "-o",
            str(made),
            str(unit),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        made.replace(library)
        unit.unlink()
    return ctypes.CDLL(str(library))
