"""The methods of the paper as data: how each updates the basis, and what its target means.

`METHODS` maps a name to its updates; the loop that uses them is in `nmf.py`. Other packages add rows by the entry point
`gsp_studio.methods`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gsp_studio.arrays import Array
from gsp_studio.backends.backend import Backend
from gsp_studio.core.foreign import watched_projection, watched_update
from gsp_studio.core.params import Params, row_weights
from gsp_studio.core.pricing import SharedPrice
from gsp_studio.core.updates import Update, hals, largest_eigenvalue, projected_fast_gradient
from gsp_studio.plugins import PluginTable

#: (Z, backend, params) -> the projection of the rows of Z >= 0 onto what the method allows
Project = Callable[[Array, Backend, Params], Array]
NewProjection = Callable[[], Project]
#: (V, B, G, backend, params) -> (new V, the last step before its projection)
UpdateBasis = Callable[..., Update]


@dataclass(frozen=True)
class Method:
    """A method as data.

    Attributes
    ----------
    label : str
        The paper's name for it.
    summary : str
        One line for people.
    uses_sparsity : bool
        Whether it has a target.
    uses_weights : bool
        Whether the sparsity that it sets is the weighted one.
    new_update : (size) -> UpdateBasis, or None
        The basis's update, made new for every run: what it learns on the way belongs to the run. `size` is that of the
        data's largest value, a power of two. None where `divergence_iteration` updates both factors.
    new_projection : () -> Project, optional
        Onto the bases that the method allows; None where a penalty stands for a set of these.
    shares_budget : bool
        Whether its target is about the average of all basis images, and not about each.
    gradient_coefficients : bool
        Coefficients by fast gradient steps; by HALS sweeps otherwise.
    has_price : bool
        Whether its update takes a share of the price, and its runs begin with `trials`.
    extrapolates : "" | "coefficients" | "both"
        The factors that go ahead along their last step, see `momentum`.
    loss : str
        A key of `LOSSES`.
    """

    label: str
    summary: str
    uses_sparsity: bool
    new_update: Callable[[float], UpdateBasis] | None
    new_projection: NewProjection | None = None
    uses_weights: bool = False
    shares_budget: bool = False
    gradient_coefficients: bool = False
    has_price: bool = False
    extrapolates: str = ""
    loss: str = "squares"

    @property
    def is_least_squares(self) -> bool:
        """Whether its error is a relative residual; its iterations are those of `iteration` then."""
        return self.loss == "squares"


#: Losses that a method can minimise: the words for its error, a fraction.
LOSSES = {
    "squares": "||X - W H|| / ||X||",
    "kl": "Kullback-Leibler divergence / sum of X",
}


def loss_words(params: Params) -> str:
    """What the error of a run with these parameters is."""
    scaled = ", both scaled as counts" if params.poisson else ""
    return LOSSES[METHODS[params.method].loss] + scaled


def error_name(params: Params) -> str:
    """What that is called."""
    if not METHODS[params.method].is_least_squares:
        return "KL divergence"
    return "scaled error" if params.poisson else "error"


def _ahals(size: float = 1.0) -> UpdateBasis:
    def update(V: Array, B: Array, G: Array, backend: Backend, params: Params) -> Update:
        return hals(V, B, G, backend, params.n_sweeps, params.inner_tol)

    return update


def gradient_updates(new_projection: NewProjection, kind: str = "") -> Callable[[float], UpdateBasis]:
    """`Method.new_update` of a method that is its projection: fast gradient steps, each followed by it.

    Parameters
    ----------
    new_projection : () -> Project
        Made new for every run.
    kind : str
        Name by which backends know the projection, and do all steps at once; "" for one that they do not know.

    Returns
    -------
    (size) -> UpdateBasis
    """

    def new_update(size: float = 1.0) -> UpdateBasis:
        project = new_projection()
        on_device = new_device_update(kind) if kind else None

        def update(V: Array, B: Array, G: Array, backend: Backend, params: Params) -> Update:
            done = None if on_device is None else on_device(V, B, G, backend, params)
            return done or projected_fast_gradient(
                V, B, G, backend, params.n_steps, params.inner_tol, lambda Z: project(Z, backend, params)
            )

        return update

    return new_update


def new_device_update(kind: str) -> Callable[[Any, Any, Any, Backend, Params], Update | None]:
    """All steps of an update at once, by backends that can; None where it has to go step by step."""
    mu = 0.0

    def update(V: Any, B: Any, G: Any, backend: Backend, params: Params) -> Update | None:
        nonlocal mu
        if backend.descend is None:
            return None
        weights = None if params.weights is None else row_weights(params, V.dtype)
        steps = (params.n_steps, params.inner_tol, kind, params.sparsity, weights, mu)
        found = backend.descend(V, B, G, lambda: largest_eigenvalue(backend.get(G)), *steps)
        if found is None:
            return None
        new, dense, mu = found
        return new, dense

    return update


def _no_projection() -> Project:
    return lambda Z, backend, params: Z


def _group_projection() -> Project:
    mu = 0.0

    def project(Z: Array, backend: Backend, params: Params) -> Array:
        nonlocal mu  # the next step's multiplier is close to this one's
        weights = None if params.weights is None else row_weights(params, Z.dtype)
        projected, mu = backend.project_rows(Z, params.sparsity, weights, mu0=mu)
        return projected

    return project


def _row_projection() -> Project:
    def project(Z: Array, backend: Backend, params: Params) -> Array:
        projected = Z.copy()
        for k in range(len(Z)):
            backend.project_rows(Z[k : k + 1], params.sparsity, out=projected[k : k + 1])
        return projected

    return project


def _l1ahals(size: float = 1.0) -> UpdateBasis:
    """A-HALS with an l1 penalty for each basis image, moved after every iteration by how far it is from its target.

    The scale of a basis image is free, so the penalty is on the image scaled to length 1: its gradient is
    ``p (1 - w ||w||_1 / ||w||^2)``, taken at the w of the last iteration. The plain ``p`` would shrink the large
    entries too, at the cost of the error: 11.3 % for 9.5 % on CBCL. p is a multiple of the data's size times ||h||, so
    the multiple has no unit.
    """
    multiple = np.zeros((0, 1))

    def update(V: Array, B: Array, G: Array, backend: Backend, params: Params) -> Update:
        nonlocal multiple
        if len(multiple) != len(V):
            multiple = np.zeros((len(V), 1))
        new, _ = hals(V, backend.penalized(V, B, G, size * multiple), G, backend, params.n_sweeps, params.inner_tol)
        missing = params.sparsity - backend.sparsities(new, None)
        # A step in proportion to the multiple reaches large ones as quickly as small ones.
        multiple = np.maximum(multiple + 0.1 * missing[:, None] * (1.0 + 10.0 * multiple), 0.0)
        return new, new

    return update


def _shared_price(size: float = 1.0) -> UpdateBasis:
    return SharedPrice()


def new_sparse_coefficients(method: Method) -> UpdateBasis:
    """The update of H under `Params.sparsity_h`: that of PSNMF or the method's own, with the factors exchanged."""
    assert method.new_update is not None
    update = method.new_update(1.0) if method.has_price else gradient_updates(_group_projection, "group")(1.0)

    def update_coefficients(H: Array, C: Array, G: Array, backend: Backend, params: Params) -> Update:
        assert params.sparsity_h is not None
        return update(H, C, G, backend, replace(params, sparsity=params.sparsity_h, weights=None))

    return update_coefficients


_AVERAGE = "average sparsity of the basis, that of each image is free"

_OWN = {
    "psnmf": Method(
        "PSNMF", _AVERAGE, True, gradient_updates(_group_projection, "group"), _group_projection, shares_budget=True
    ),
    "ahals": Method("A-HALS", "no constraint: accelerated HALS", False, _ahals, _no_projection, extrapolates="both"),
    "nenmf": Method(
        "NeNMF",
        "no constraint: fast gradient on both factors",
        False,
        gradient_updates(_no_projection, "none"),
        _no_projection,
        gradient_coefficients=True,
        extrapolates="both",
    ),
    "cpsnmf": Method(
        "cPSNMF", "every basis image at the target", True, gradient_updates(_row_projection, "rows"), _row_projection
    ),
    "l1ahals": Method("l1 A-HALS", "an l1 penalty for each basis image, tuned to the target", True, _l1ahals),
    "wsnmf": Method(
        "WSNMF",
        "average sparsity, with pixels weighted",
        True,
        gradient_updates(_group_projection, "group"),
        _group_projection,
        uses_weights=True,
        shares_budget=True,
    ),
    "gsphals": Method(
        "GSP-HALS",
        "average sparsity of the basis, one multiplier for all of its images: the lowest errors",
        True,
        _shared_price,
        _group_projection,
        shares_budget=True,
        has_price=True,
        extrapolates="coefficients",
    ),
    "wgsphals": Method(
        "WGSP-HALS",
        "as GSP-HALS, with pixels weighted",
        True,
        _shared_price,
        _group_projection,
        uses_weights=True,
        shares_budget=True,
        has_price=True,
        extrapolates="coefficients",
    ),
    "kl": Method(
        "KL",
        "no constraint: Kullback-Leibler loss, for counts, by multiplicative updates",
        False,
        None,
        loss="kl",
    ),
    "gspkl": Method(
        "GSP-KL",
        "average sparsity under the Kullback-Leibler loss, for counts",
        True,
        None,
        shares_budget=True,
        loss="kl",
    ),
}


def _accepted(found: object, source: str) -> Method:
    """A method of the package `source`, with updates that are watched.

    Raises
    ------
    ValueError
        In one sentence, where it is no method, or one that the loop cannot have.
    """
    if not isinstance(found, Method):
        raise ValueError(f"it is {type(found).__name__}; accepted is a gsp_studio.core.methods.Method")
    for name in ("label", "summary"):
        if not isinstance(text := getattr(found, name), str) or not text.strip():
            raise ValueError(f"its {name} is {text!r}; accepted is a text")
    if not callable(found.new_update) or not (found.new_projection is None or callable(found.new_projection)):
        raise ValueError("its new_update or new_projection is no function; accepted are functions that make them")
    if found.has_price:
        raise ValueError("it has a price, which only methods of GSP Studio have; accepted is has_price=False")
    if found.extrapolates not in ("", "coefficients", "both"):
        raise ValueError(f'it extrapolates {found.extrapolates!r}; accepted are "", "coefficients" and "both"')
    told = f'the method "{found.label}" of {source}'
    of_sets = found.new_projection
    return replace(
        found,
        new_update=watched_update(found.new_update, told),
        new_projection=None if of_sets is None else watched_projection(of_sets, told),
    )


#: Methods by name: those of the paper, and those of other packages.
METHODS: PluginTable[Method] = PluginTable("method", "gsp_studio.methods", _OWN, _accepted)
