"""SparseNMF: the solver behind scikit-learn's conventions; it works without scikit-learn too.

scikit-learn has a sample a row, the paper an image a column: the data are transposed on the way in, and the
estimator's ``components_`` are W'.
"""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import numpy.typing as npt

from gsp_studio.backends import get_backend
from gsp_studio.backends.admission import as_real
from gsp_studio.core.encoding import coefficients
from gsp_studio.core.masking import apart
from gsp_studio.core.metrics import GramError
from gsp_studio.core.nmf import Params, factorize
from gsp_studio.core.scikit import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    check_is_fitted,
    check_random_state,
    validate_data,
)

Array = npt.NDArray[Any]

#: HALS sweeps of `transform`: as many for every sample, so that its coefficients do not depend on its neighbours.
_SWEEPS = 300


class SparseNMF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Nonnegative matrix factorization with one sparsity for the whole basis.

    Parameters
    ----------
    n_components : int, optional
        Rank r; None: as many as there are samples or features, whichever are fewer.
    method : str
        A key of `METHODS`.
    sparsity : float
        Target for the average Hoyer sparsity of the components.
    sparsity_h : float, optional
        The same for the coefficients of the training data, over all samples of a component.
    init : str or (W0, H0)
        As in `Params`.
    continuation : int
        As in `Params`.
    max_iter : int
    tol : float
        Stop when the error improves less than this fraction over 10 iterations.
    random_state : int, RandomState or None
    backend : str

    Attributes
    ----------
    components_ : ndarray (n_components, n_features)
    reconstruction_err_ : float
        ``||X - Z components_||_F`` of the training data, as in scikit-learn's NMF.
    sparsity_ : float
        Average Hoyer sparsity of the components.
    n_components_, n_iter_, n_features_in_ : int
    feature_names_in_ : ndarray of str
        With scikit-learn, where X has names.

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
        n_components: int | None = None,
        *,
        method: str = "psnmf",
        sparsity: float = 0.85,
        sparsity_h: float | None = None,
        init: Any = "random",
        continuation: int = 0,
        max_iter: int = 200,
        tol: float = 0.0,
        random_state: Any = 0,
        backend: str = "auto",
    ) -> None:
        self.n_components = n_components
        self.method = method
        self.sparsity = sparsity
        self.sparsity_h = sparsity_h
        self.init = init
        self.continuation = continuation
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.backend = backend

    def fit(self, X: npt.ArrayLike, y: object = None) -> SparseNMF:
        """Fit to X (n_samples, n_features), >= 0; `y` is ignored."""
        self.fit_transform(X)
        return self

    def fit_transform(self, X: npt.ArrayLike, y: object = None) -> Array:
        """Fit to X (n_samples, n_features) and return its coefficients (n_samples, n_components).

        What a NumPy masked array hides has no part in the fit, nor in `reconstruction_err_`.
        """
        values, hidden = apart(X, None)
        if hidden is not None:
            values = np.where(hidden, 0, values)  # what is hidden may be anything, NaN included
        data = self._validated(values, reset=True)
        result = factorize(data.T, self._params(data), self.backend, mask=None if hidden is None else hidden.T)
        self.components_ = np.ascontiguousarray(result.W.T)
        self.n_components_ = len(self.components_)
        self.sparsity_ = result.sparsity
        self.n_iter_ = result.n_iter
        # Coefficients under a constraint that new samples do not have, or of samples with missing entries.
        if self.sparsity_h is not None or hidden is not None:
            H = result.H
            there = result.gram.x_norm2 if result.gram.of is None else result.gram.of
            self.reconstruction_err_ = result.error * result.gram.length_of(there)
        else:
            H, gram = self._coefficients(data)
            self.reconstruction_err_ = gram.length_of(gram.squared_residual(result.W))
        return np.ascontiguousarray(H.T)

    def transform(self, X: npt.ArrayLike) -> Array:
        """Coefficients (n_samples, n_components) of new samples for the fitted components: nonnegative least squares.

        By HALS sweeps from zero, as many for each sample. A masked array that hides entries is refused.
        """
        check_is_fitted(self)
        return np.ascontiguousarray(self._coefficients(self._validated(X, reset=False))[0].T)

    def inverse_transform(self, X: npt.ArrayLike) -> Array:
        """Samples (n_samples, n_features) rebuilt from coefficients (n_samples, n_components)."""
        check_is_fitted(self)
        Z = np.asarray(X)
        if Z.ndim != 2 or Z.shape[1] != self.n_components_:
            raise ValueError(f"X has shape {Z.shape}; expected are coefficients (samples, {self.n_components_})")
        product: Array = Z @ self.components_
        return product

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self) -> Any:
        """For scikit-learn: nonnegative input, and factors of the data's own type."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _validated(self, X: npt.ArrayLike, reset: bool) -> Array:
        if isinstance(X, np.ma.MaskedArray):  # which scikit-learn takes for its values
            X = as_real(X)
        data: Array = validate_data(self, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=True)
        if data.size and data.min() < 0:
            raise ValueError(
                f"Negative values in data passed to SparseNMF (smallest {data.min():.6g}); accepted are values >= 0"
            )
        return data

    def _params(self, data: Array) -> Params:
        seed = self.random_state
        if not isinstance(seed, numbers.Integral):
            seed = check_random_state(seed).randint(2**31 - 1)
        if data.shape[1] < 2:
            raise ValueError(f"X has n_features = {data.shape[1]}; a sparsity needs at least 2")
        return Params(
            rank=min(data.shape) if self.n_components is None else self.n_components,
            method=self.method,
            sparsity=self.sparsity,
            seed=int(seed),
            max_iter=self.max_iter,
            init=self.init,
            sparsity_h=self.sparsity_h,
            continuation=self.continuation,
            tol=self.tol,
        )

    def _coefficients(self, data: Array) -> tuple[Array, GramError]:
        backend = get_backend(self.backend)
        V = self.components_
        X = np.ascontiguousarray(data, dtype=V.dtype).T
        return coefficients(X, V, backend, _SWEEPS, 0.0)
