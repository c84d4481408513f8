"""The core on every backend: with ``--everywhere`` all tests of this folder, else those that `QUICK` names.

A test that asks for no backend by name runs on the processor. Here it runs again with "auto" meaning the reference, and
again with a CUDA device: the real one where there is one, else the fake one of `tests/device`, whose launches run the
kernels' own source. Tolerances are the tests' own.
"""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from device import emulation, on_fake_device

from gsp_studio import backends
from gsp_studio.core import path, projection

#: Tests that are quick on a fake device and between them reach every method, edit, mask, path and kind of group.
QUICK: set[str] = set()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    everywhere = metafunc.config.getoption("everywhere") or metafunc.function.__name__ in QUICK
    if everywhere and "backend" not in metafunc.fixturenames:
        metafunc.fixturenames.append("where")
        metafunc.parametrize("where", ["cpu", "reference", "cuda"], indirect=True)


@pytest.fixture
def where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """What "auto" is, and where projections are computed by default."""
    if request.param != "cuda":
        monkeypatch.setattr(backends, "_best", lambda: request.param)
        yield request.param
        return
    if backends._problem("cuda") and emulation.compiler() is None:
        pytest.skip("needs a CUDA device, or a C++ compiler for the fake one")
    with nullcontext() if not backends._problem("cuda") else on_fake_device():
        remote = backends.get_backend("cuda").remote
        for module in (projection, path):  # those that name no backend
            own = module.remote_of
            monkeypatch.setattr(module, "remote_of", lambda name, own=own: remote if name == "cpu" else own(name))
        yield "cuda"
