"""The CUDA source under NVIDIA's own compilers, which need no device: every kernel, both types, all generations."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "gsp_studio" / "backends" / "cuda"
SOURCES = ("common", "root", "project", "steps", "price", "columns", "solver", "path")
REALS = ["float", "double"]
KERNELS = 18


def program() -> str:
    return "\n".join((FOLDER / f"{name}.cu").read_text(encoding="utf-8") for name in SOURCES)


def nvcc() -> str | None:
    usual = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "bin" / "nvcc"
    return shutil.which("nvcc") or (str(usual) if usual.exists() else None)


def nvrtc() -> ctypes.CDLL | None:
    """NVRTC of the system or of a wheel beside this Python."""
    names = [f"libnvrtc.so{version}" for version in ("", ".13", ".12")]
    for folder in (Path(path) for path in __import__("site").getsitepackages()):
        names += [str(path) for path in folder.glob("nvidia/*/lib/libnvrtc.so.*") if "builtins" not in path.name]
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def test_the_sources_are_those_that_the_driver_joins() -> None:
    text = (FOLDER / "driver.py").read_text(encoding="utf-8")
    assert f"SOURCES = ({', '.join(repr(name) for name in SOURCES)})".replace("'", '"') in text
    assert program().count('extern "C" __global__') == KERNELS
    assert sorted(path.stem for path in FOLDER.glob("*.cu")) == sorted(SOURCES)


def test_sums_are_never_left_to_the_order_of_threads() -> None:
    """The only atomic operation counts the blocks that wait at a barrier."""
    assert [line.strip() for line in program().splitlines() if "atomic" in line and not line.startswith("//")] == [
        "int is_last = atomicAdd(team.barrier, 1u) == (unsigned int)team.size - 1u;"
    ]


@pytest.mark.parametrize("real", REALS)
def test_nvcc_takes_every_kernel(real: str, tmp_path: Path) -> None:
    compiler = nvcc()
    if compiler is None:
        pytest.skip("nvcc is not installed")
    (tmp_path / "all.cu").write_text(program())
    command = [compiler, f"-DREAL={real}", "-std=c++14", "-arch=compute_80", "-ptx", "-Werror", "all-warnings"]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "all.ptx"), str(tmp_path / "all.cu")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "all.ptx").read_text().count(".visible .entry") == KERNELS


@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("capability", [70, 80, 90, 100])
def test_nvrtc_takes_every_kernel(real: str, capability: int) -> None:
    library = nvrtc()
    if library is None:
        pytest.skip("NVRTC is not installed")
    known, count = (ctypes.c_int * 64)(), ctypes.c_int()
    library.nvrtcGetNumSupportedArchs(ctypes.byref(count))
    library.nvrtcGetSupportedArchs(known)
    if capability not in list(known[: count.value]):
        pytest.skip(f"this NVRTC does not know sm_{capability}")
    handle = ctypes.c_void_p()
    source = program().encode()
    assert library.nvrtcCreateProgram(ctypes.byref(handle), source, b"all.cu", 0, None, None) == 0
    options = [f"-DREAL={real}".encode(), b"-std=c++14", f"-arch=sm_{capability}".encode()]
    failed = library.nvrtcCompileProgram(handle, len(options), (ctypes.c_char_p * len(options))(*options))
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(handle, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(handle, log)
    library.nvrtcDestroyProgram(ctypes.byref(handle))
    assert failed == 0, log.value.decode()
