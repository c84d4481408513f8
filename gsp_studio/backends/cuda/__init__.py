"""CuPy behind the same few kernels: all of a run's arrays are on the device from its start to its end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gsp_studio.backends.ahead import ahead, updating_ahead
from gsp_studio.backends.backend import Array, Backend, BackendUnavailable, OutOfDeviceMemory, Places, Remote
from gsp_studio.backends.blocks import Rows
from gsp_studio.backends.cpu.each import Solutions
from gsp_studio.backends.cpu.projection import Solution

#: Arrays of the factors' sizes that a run holds at once: the last, the best, the next, and those derived from them.
_COPIES = 10


def make_backend(index: int) -> Backend:
    """The backend of device `index`; BackendUnavailable, in one sentence, where it cannot run."""
    try:
        from gsp_studio.backends.cuda import driver
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "cupy":
            raise
        how = 'pip install "gsp-studio[cuda12]" or "gsp-studio[cuda13]", as the driver is'
        raise BackendUnavailable(f"backend cuda cannot run here: CuPy is not installed ({how})") from error
    except ImportError as error:  # installed, and its own libraries are not
        reason = " ".join(str(error).split())
        raise BackendUnavailable(f"backend cuda cannot run here: CuPy does not load ({reason})") from error
    problem = driver.problem(index)
    if problem:
        raise BackendUnavailable(f"backend cuda cannot run here: {problem}")
    return _backend(driver.Device(index))


def _backend(device: Any) -> Backend:
    from gsp_studio.backends.cuda.driver import Transfer, cp
    from gsp_studio.backends.cuda.solver import Solver

    solver = Solver(device)
    backend: Backend

    def adopt(Xt: Array, r: int) -> tuple[Any, Backend]:
        n, m = Xt.shape
        with device.scope():
            if device.has_room_for((Xt.size + _COPIES * r * (n + m)) * Xt.dtype.itemsize):
                return device.put(Xt), backend
            from gsp_studio.backends.cuda.streams import streamed_from

            return streamed_from(Xt), streamed()

    def streamed() -> Backend:
        from gsp_studio.backends.cuda.streams import streaming

        return streaming(backend, device)

    def filling(Xt: Any, filled: Array, places: Places) -> Callable[[Any, Any], float]:
        if isinstance(Xt, Rows):
            raise OutOfDeviceMemory(
                "images with missing entries have to fit into the device's memory, and these do not; "
                "the CPU can compute this"
            )
        where = device.put(places.images * filled.shape[1] + places.pixels)
        return lambda V, H: solver.refill_at(Xt, V, H, where)

    def misfit(Xt: Any, filled: Array, places: Places, values: Array) -> Callable[[], float]:
        where, known = device.put(places.images * filled.shape[1] + places.pixels), device.put(values)
        return lambda: float(solver.distance(Xt.reshape(-1)[where], known)) ** 2

    def step_distance(H: Any, C: Any, own: Any, L: float, m: int, lengths: Array) -> float:
        K = device.put(lengths.astype(H.dtype)[:, None]) * H
        return float(solver.distance(K, solver.gradient_step(K, C, own, L)))

    backend = Backend(
        name="cuda" if device.index == 0 else f"cuda:{device.index}",
        device=device.text(),
        threads=1,
        products=solver.products,
        sweep_coefficients=solver.sweep_coefficients,
        descend_coefficients=solver.descend_coefficients,
        update_ahead=updating_ahead(solver.sweep_coefficients, solver.descend_coefficients, cp),
        encode=solver.encode,
        residual=solver.residual,
        hals=solver.hals,
        shared_price=solver.shared_price,
        gradient_step=solver.gradient_step,
        extrapolate=solver.extrapolate,
        ahead=partial(ahead, xp=cp),
        project_rows=solver.project_rows,
        put=device.put,
        get=device.get,
        gather=_as_is,
        scatter=_as_is,
        zero_coefficients=lambda Xt, V: device.put(np.zeros((len(V), len(Xt)), V.dtype)),
        take=solver.take,
        replaced=solver.replaced,
        distance=solver.distance,
        balance=solver.balance,
        is_alive=lambda V, B, G: solver.measure(V, B, G, None).is_alive,
        sparsities=solver.sparsities,
        measure=solver.measure,
        penalized=solver.penalized,
        filling=filling,
        misfit=misfit,
        step_distance=step_distance,
        scope=device.scope,
        clock=device.clock,
        descend=solver.descend,
        transfer=lambda arrays: Transfer(device, arrays),
        remote=_remote(device, solver, adopt, streamed),
    )
    return backend


def _as_is(H: Any) -> Any:
    return H


def _remote(device: Any, solver: Any, adopt: Any, streamed: Any) -> Remote:
    from gsp_studio.backends.cuda.path import SortedGroup

    flat = _Flat(device, solver.projector)
    return Remote(
        empty=device.empty,
        adopt=adopt,
        streamed=streamed,
        project_flat=flat.project,
        project_there=flat.project_there,
        project_each=flat.project_each,
        sorted_group=lambda c, offsets, w=None: SortedGroup(device, solver.projector, c, offsets, w),
        memory=device.memory,
        release=device.release,
    )


class _Flat:
    """Projections of vectors that lie in a flat buffer: of the host, there and back, or of the device."""

    def __init__(self, device: Any, projector: Any) -> None:
        self._device, self._projector = device, projector

    def project(
        self,
        c: Array,
        offsets: Array,
        s: float,
        weights: Array | None = None,
        out: Array | None = None,
        scratch: Array | None = None,
        mu0: float = 0.0,
        checked: bool = True,
    ) -> tuple[Array, Solution]:
        """As `backends.cpu.projection.project_flat`."""
        from gsp_studio.backends.cpu.root import NOT_FINITE, OVERFLOW
        from gsp_studio.backends.cuda import groups

        with self._device.scope():
            pieces, constants = groups.make_pieces(offsets), groups.make_weights(offsets, weights)
            values, solution = groups.project(
                self._projector, self._device.put(c), pieces, constants, float(s), mu0, weights, offsets
            )
            out = np.empty_like(c) if out is None else out
            if solution.outcome not in (NOT_FINITE, OVERFLOW):
                out[...] = self._device.get(values)
        return out, solution

    def project_there(self, c: Any, offsets: Array, s: float) -> Any:
        """Vectors of a flat buffer of the device as one group without weights: a new buffer there."""
        from gsp_studio.backends.cuda import groups

        with self._device.scope():
            pieces, constants = groups.make_pieces(offsets), groups.make_weights(offsets, None)
            values, _ = groups.project(self._projector, c, pieces, constants, float(s), 0.0, None, offsets)
        return values

    def project_each(
        self,
        c: Array,
        offsets: Array,
        targets: Array,
        weights: Array | None,
        out: Array,
        scratch: Array | None = None,
    ) -> Solutions:
        """As `backends.cpu.each.project_each`."""
        from gsp_studio.backends.cpu.each import settle_some
        from gsp_studio.backends.cuda import groups

        with self._device.scope():
            pieces, constants = groups.make_pieces(offsets), groups.make_weights(offsets, weights)
            room = self._projector.room(pieces, c.dtype)
            there = self._device.put(c)
            goals = self._device.put(np.asarray(targets, np.float64))
            self._projector.project_each(there, pieces, constants, goals, room)
            results = self._device.get(room.results).reshape(-1, 3)
            sparsities, values = self._device.get(room.sparsities), self._device.get(room.out)
        source = c.copy() if out is c else c
        out[...] = values
        rows = np.stack([results[:, 0], sparsities, results[:, 1], results[:, 2]])
        return settle_some(source, offsets, targets, weights, rows, out)
