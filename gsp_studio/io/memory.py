"""Free memory of this machine, and a check against it before large allocations."""

from __future__ import annotations

import os
from pathlib import Path

from gsp_studio.io.load_options import UnavailableError

#: Bytes of an allocation that is never checked.
_SMALL = 1 << 24
_UNLIMITED = 2**62
_GROUPS = Path("/sys/fs/cgroup")


def require_memory(needed: int, what: str) -> None:
    """Refuse an allocation that free memory cannot hold, before it is made.

    Parameters
    ----------
    needed : int
        Bytes.
    what : str
        Their use, as the subject of a sentence.

    Raises
    ------
    UnavailableError
    """
    if needed <= _SMALL:
        return
    free = free_memory()
    if needed > free:
        raise UnavailableError(f"{what} needs {in_units(needed)} of memory, but {in_units(free)} are free")


def free_memory() -> int:
    """Bytes of memory that this process can take now: the least that machine, control group and limits leave."""
    return min(_free_on_machine(), _free_in_group(), _free_in_limits())


def _free_on_machine() -> int:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass  # not Linux: the installed memory is the best that can be had without another package
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _UNLIMITED


def _free_in_group() -> int:
    """Bytes that the limits of containers and batch systems leave (Linux control groups, version 2)."""
    free = _UNLIMITED
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        group = Path(_GROUPS, *(line[3:].lstrip("/") for line in lines if line.startswith("0::")))
        for folder in (group, *group.parents):
            if not folder.is_relative_to(_GROUPS):
                break
            limit = folder / "memory.max"
            if limit.exists() and limit.read_text(encoding="ascii").strip() != "max":
                used = int((folder / "memory.current").read_text(encoding="ascii"))
                stat = (folder / "memory.stat").read_text(encoding="ascii").split()
                cached = int(stat[stat.index("inactive_file") + 1])  # given back on demand
                free = min(free, int(limit.read_text(encoding="ascii")) - used + cached)
    except (OSError, ValueError):
        pass  # no control groups, or none that can be read
    return free


def _free_in_limits() -> int:
    """Bytes that the limits of the process leave (ulimit -v, ulimit -d)."""
    try:
        import resource

        status = Path("/proc/self/status").read_text(encoding="ascii").split()
        free = _UNLIMITED
        for limit, used in ((resource.RLIMIT_AS, "VmSize:"), (resource.RLIMIT_DATA, "VmData:")):
            soft, _ = resource.getrlimit(limit)
            if soft != resource.RLIM_INFINITY:
                free = min(free, max(0, soft - 1024 * int(status[status.index(used) + 1])))
        return free
    except (ImportError, OSError, ValueError):
        return _UNLIMITED  # not Unix


def in_units(nbytes: int) -> str:
    """Format a number of bytes: "512 B", "1.5 GiB"."""
    size, units = float(nbytes), ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "B" else f"{size:.3g} {units[0]}"
