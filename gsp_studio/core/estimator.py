"""SparseNMF: the solver behind scikit-learn's conventions, without needing scikit-learn.

scikit-learn has a sample a row, the paper an image a column: the data are transposed on the way in, and the
estimator's ``components_`` are W'.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends import get_backend
from gsp_studio.backends.backend import as_compute_dtype
from gsp_studio.core.nmf import Params, check_data, factorize

Array = npt.NDArray[Any]


class SparseNMF:
    """Nonnegative matrix factorization with one sparsity for the whole basis.

    Parameters
    ----------
    n_components : int
        Rank r.
    method : str
        A key of `METHODS`.
    sparsity : float
        Target for the average Hoyer sparsity of the components.
    random_state : int
        Seed of the start.
    max_iter : int
    backend : str

    Attributes
    ----------
    components_ : ndarray (n_components, n_features)
    reconstruction_err_ : float
        ``||X - Z components_||_F`` of the training data, as in scikit-learn's NMF.
    sparsity_ : float
        Average Hoyer sparsity of the components.
    n_iter_ : int
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np, gsp_studio as gs
    >>> X = np.random.default_rng(0).random((100, 64))
    >>> model = gs.SparseNMF(n_components=5, sparsity=0.6, max_iter=20)
    >>> model.fit_transform(X).shape, model.components_.shape
    ((100, 5), (5, 64))
    """

    def __init__(
        self,
        n_components: int = 10,
        *,
        method: str = "psnmf",
        sparsity: float = 0.85,
        random_state: int = 0,
        max_iter: int = 200,
        backend: str = "auto",
    ) -> None:
        self.n_components = n_components
        self.method = method
        self.sparsity = sparsity
        self.random_state = random_state
        self.max_iter = max_iter
        self.backend = backend

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> SparseNMF:
        """Set constructor arguments by name; an unknown one raises ValueError."""
        known = inspect.signature(type(self)).parameters
        for name, value in params.items():
            if name not in known:
                raise ValueError(f"SparseNMF has no parameter {name!r}; accepted are {', '.join(known)}")
            setattr(self, name, value)
        return self

    def fit(self, X: npt.ArrayLike, y: object = None) -> SparseNMF:
        """Fit to X (n_samples, n_features), >= 0; `y` is ignored."""
        self.fit_transform(X)
        return self

    def fit_transform(self, X: npt.ArrayLike, y: object = None) -> Array:
        """Fit to X (n_samples, n_features) and return its coefficients (n_samples, n_components)."""
        data = as_compute_dtype(X)
        params = Params(
            rank=self.n_components,
            method=self.method,
            sparsity=self.sparsity,
            seed=self.random_state,
            max_iter=self.max_iter,
        )
        result = factorize(data.T, params, self.backend)
        self.components_ = np.ascontiguousarray(result.W.T)
        self.reconstruction_err_ = result.error * float(np.sqrt(result.gram.x_norm2))
        self.sparsity_ = result.sparsity
        self.n_iter_ = result.n_iter
        self.n_features_in_ = data.shape[1]
        return np.ascontiguousarray(result.H.T)

    def transform(self, X: npt.ArrayLike) -> Array:
        """Coefficients (n_samples, n_components) of new samples for the fitted components, by HALS sweeps."""
        if not hasattr(self, "components_"):
            raise ValueError("this SparseNMF is not fitted yet; call fit first")
        data = as_compute_dtype(X).astype(self.components_.dtype, copy=False)
        check_data(data)
        if data.shape[1] != self.n_features_in_:
            raise ValueError(f"X has {data.shape[1]} features; the model was fitted to {self.n_features_in_}")
        backend = get_backend(self.backend)
        V = self.components_
        start = np.zeros((len(V), len(data)), V.dtype)
        with backend.scope():
            H, _, _ = backend.sweep_coefficients(np.ascontiguousarray(data), V, start, self.max_iter, 1e-4)
        return np.ascontiguousarray(H.T)

    def inverse_transform(self, X: npt.ArrayLike) -> Array:
        """Samples (n_samples, n_features) rebuilt from coefficients (n_samples, n_components)."""
        product: Array = np.asarray(X) @ self.components_
        return product
