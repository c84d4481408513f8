"""Versions of the program and of the libraries that compute, as exports record them."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from gsp_studio.plugins import plugin_versions

_PACKAGES = ("numpy", "scipy", "numba", "threadpoolctl", "Pillow")


def software_versions() -> dict[str, str]:
    """Versions of the program, of Python, of the libraries that compute, and of packages that extend the program."""
    return dict(_software_versions())


@cache
def _software_versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("gsp-studio", *_PACKAGES):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found | plugin_versions()


def versions_now() -> dict[str, str]:
    """Versions as `software_versions` returns them, and the platform."""
    return {**_software_versions(), "platform": platform.platform()}
