"""``gsp-studio info``: versions, backends, and the folders of the program's own files."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``gsp-studio info``: there are none."""
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    """Print versions, backends and folders; return the exit code."""
    from gsp_studio import __version__
    from gsp_studio.backends import available_backends, get_backend, reason_of
    from gsp_studio.core.methods import METHODS
    from gsp_studio.io.formats.plugins import plugin_formats
    from gsp_studio.io.versions import software_versions

    print(f"gsp-studio {__version__}")
    for name, version in software_versions().items():
        print(f"  {name} {version}")
    for problem in (*METHODS.problems.values(), *plugin_formats()[1]):
        print(problem)
    for name, problem in available_backends().items():
        if problem:
            print(f"backend {name}: not here, as {reason_of(problem)}")
            continue
        backend = get_backend(name)
        free = (
            ""
            if backend.remote is None
            else ", {:.1f} of {:.1f} GB free".format(*(b / 1e9 for b in backend.remote.memory()))
        )
        print(f"backend {name}: {backend.device}{free}")
    for what, place in _places().items():
        print(f"{what}: {place}")
    return 0


def _places() -> dict[str, Path | str]:
    """Folders of the program's own files."""
    from gsp_studio.backends.cpu.compiling import cache_folder
    from gsp_studio.io.logfile import NAME, log_folder, recovery_folder, sweeps_folder

    kernels = cache_folder()
    return {
        "cache of compiled kernels": "none, as no folder for it can be written" if kernels is None else kernels,
        "work that was not saved": recovery_folder(),
        "finished runs of sweeps": sweeps_folder(),
        "log": log_folder() / NAME,
    }
