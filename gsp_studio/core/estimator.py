"""SparseNMF: the solver behind scikit-learn's conventions; it works without scikit-learn too.

scikit-learn has a sample a row, the paper an image a column: the data are transposed on the way in, and the
estimator's ``components_`` are W'.
"""

from __future__ import annotations

import numbers
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse

from gsp_studio.arrays import Array
from gsp_studio.backends import get_backend
from gsp_studio.backends.admission import as_real
from gsp_studio.core.encoding import encode, of_coefficients
from gsp_studio.core.masking import apart
from gsp_studio.core.matrix import backend_for
from gsp_studio.core.nmf import Iterate, Params, Stop, factorize
from gsp_studio.core.samples import check_values, filled, images, of_type
from gsp_studio.core.scaling import Scaling
from gsp_studio.core.scikit import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ConvergenceWarning,
    TransformerMixin,
    check_is_fitted,
    check_random_state,
    validate_data,
)

_LINE = 10  # iterations


class SparseNMF(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Nonnegative matrix factorization with one sparsity for the whole basis.

    ``X ~ Z components_`` with Z and ``components_`` >= 0, and an average Hoyer sparsity of the components of at least
    `sparsity`.

    Parameters
    ----------
    n_components : int, "auto" or None
        Rank r, 1 to the number of samples or features, whichever are fewer. "auto": that of the factors where `init`
        is a pair of these, else as many as possible, as None always is.
    method : str
        A key of `METHODS`.
    sparsity : float
        Target for the average Hoyer sparsity of the components, 0 to 1; methods without a target ignore it.
    sparsity_h : float, optional
        Target for the average Hoyer sparsity of the coefficients of a component over all samples that are given
        together, in `fit_transform` and in `transform` alike. None: the coefficients are free.
    weights : array_like (n_features,) or (n_components, n_features), optional
        For the methods "wsnmf" and "wgsphals", which need them: what it costs a component to use a feature, >= 0.
    init : str or (W0, H0)
        As in `Params`: "random", "nndsvd", "nndsvda", "nndsvdar", "images", or factors to begin with, W0 (n_features,
        n_components) and H0 (n_components, n_samples).
    continuation : int
        As in `Params`.
    extrapolate : bool
        As in `Params`: whether methods that can go ahead along their last step do.
    poisson : bool
        As in `Params`: least squares of counts, whose entries have the variance of their mean.
    sum_to_one : float
        As in `Params`: whether the coefficients of a sample sum to one, in `fit_transform` and in `transform` alike;
        0 leaves them free, 1 is exact.
    max_iter : int
        Outer iterations at most.
    tol : float
        Stop when the error improves less than this fraction over 10 iterations; 0 never stops. Where `max_iter` comes
        first and it is not the default, a ConvergenceWarning says so.
    random_state : int, RandomState or None
        Of the start. None: another one at each fit.
    backend : str
        "auto", or a backend's name.
    verbose : int
        0 is silent; 1 prints a line every 10 iterations, and why the fit ended.

    Attributes
    ----------
    components_ : ndarray (``n_components_``, ``n_features_in_``)
        float32 where X is, else float64.
    reconstruction_err_ : float
        ``||X - Z components_||_F`` of the training data and the coefficients that `fit_transform` returns, over the
        entries that are there, as in scikit-learn's NMF; ``sqrt(2 D)`` for methods of the Kullback-Leibler loss D.
        With `poisson` features are divided by `feature_scale_` first, with weights squares count as these say.
    feature_scale_ : ndarray (``n_features_in_``,) or None
        With `poisson`: what features are divided by before squares are summed.
    sparsity_ : float
        Average Hoyer sparsity of the components; the weighted one where `method` is.
    n_components_, n_features_in_ : int
    n_iter_ : int
        Outer iterations done.
    feature_names_in_ : ndarray of str
        With scikit-learn, where X has names.

    Notes
    -----
    *Missing entries.* NaN, what a NumPy masked array hides, and entries that `mask` names are missing, in `fit`,
    `fit_transform` and `transform`: they have no part in the fit, nor in `reconstruction_err_`. Infinite values are
    refused. A sample without any entry has the coefficients 0. `mask` can hold floating numbers from 0 to 1 as well:
    what entries count, 0 where they are missing.

    *Sparse matrices* of SciPy are taken as CSR, others are converted to it, which takes as much memory again. Rows
    become dense in blocks of at most 64 MiB, or of 64 rows where these are longer, two at a time; starts other than
    "random" look at a sample of at most 256 MiB. Entries that are not stored are zeros, as in scikit-learn, and none
    can be missing.

    *Coefficients* are those of `transform` in `fit_transform` too, found for the final components by as many sweeps for
    each sample: a sample's coefficients do not depend on the others. Sparse ones do, as `sparsity_h` holds for the
    average over the samples of a call, at least two.

    *No partial_fit.* Every iteration updates the components from ``X'Z`` and ``Z'Z`` over all samples. Running sums
    over batches, as scikit-learn's MiniBatchNMF keeps them, hold coefficients for components that have changed since:
    another method, with other errors. Data that do not fit into memory are read in blocks instead, all of them in each
    iteration: a CSR matrix here, files and arrays on several machines by `factorize`.

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
        n_components: int | str | None = "auto",
        *,
        method: str = "gsphals",
        sparsity: float = 0.85,
        sparsity_h: float | None = None,
        weights: npt.ArrayLike | None = None,
        init: Any = "random",
        continuation: int = 0,
        extrapolate: bool = True,
        poisson: bool = False,
        sum_to_one: float = 0.0,
        max_iter: int = 200,
        tol: float = 1e-5,
        random_state: Any = 0,
        backend: str = "auto",
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.method = method
        self.sparsity = sparsity
        self.sparsity_h = sparsity_h
        self.weights = weights
        self.init = init
        self.continuation = continuation
        self.extrapolate = extrapolate
        self.poisson = poisson
        self.sum_to_one = sum_to_one
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.backend = backend
        self.verbose = verbose

    def fit(self, X: Any, y: object = None, mask: npt.ArrayLike | None = None) -> SparseNMF:
        """Fit to samples.

        Parameters
        ----------
        X, y, mask
            As for `fit_transform`.

        Returns
        -------
        SparseNMF
            Itself.

        Raises
        ------
        ValueError
            As `fit_transform`.
        """
        self.fit_transform(X, mask=mask)
        return self

    def fit_transform(self, X: Any, y: object = None, mask: npt.ArrayLike | None = None) -> Array:
        """Fit to samples and return their coefficients, as `transform` finds them.

        Parameters
        ----------
        X : array_like or SciPy sparse matrix (n_samples, n_features), >= 0
            NaN, and what a NumPy masked array hides, is missing.
        y : object
            Ignored.
        mask : array_like (n_samples, n_features) of bool or floating numbers, optional
            True where an entry is missing too, or what entries count, from 0 to 1; what X holds where they are missing
            is not read.

        Returns
        -------
        ndarray (n_samples, ``n_components_``), the type of ``components_``

        Raises
        ------
        ValueError
            Data or parameters out of range.
        """
        data, counted = self._validate(X, mask, reset=True)
        params = self._params(data)
        gone = None if counted is None else counted.T
        result = factorize(images(data), params, self.backend, _print_line if self.verbose else None, gone)
        if self.verbose and result.stop is not None:
            print(f"[SparseNMF] ended after {result.n_iter} iterations: {result.stop.value}")
        # The default only saves iterations; one that was chosen says what is expected.
        if params.tol > 0 and params.tol != Params.tol and result.stop is Stop.MAX_ITER:
            told = (
                f"the error still improved by more than tol = {params.tol} at max_iter = {params.max_iter} iterations"
            )
            warnings.warn(told, ConvergenceWarning, stacklevel=2)
        self.components_ = np.ascontiguousarray(result.W.T)
        self.n_components_ = len(self.components_)
        self.sparsity_ = result.sparsity
        self.n_iter_ = result.n_iter
        self.feature_scale_ = None if result.gram is None else result.gram.rows
        Z, self.reconstruction_err_ = self._coefficients(data, counted)
        return Z

    def transform(self, X: Any, mask: npt.ArrayLike | None = None) -> Array:
        """Coefficients of new samples by nonnegative least squares; as `sparsity_h` and `sum_to_one` say.

        Parameters
        ----------
        X, mask
            As for `fit_transform`.

        Returns
        -------
        ndarray (n_samples, ``n_components_``), the type of ``components_``

        Raises
        ------
        ValueError
            Before `fit`, or data out of range.
        """
        check_is_fitted(self)
        return self._coefficients(*self._validate(X, mask, reset=False))[0]

    def inverse_transform(self, X: Any) -> Array:
        """Rebuild samples from coefficients.

        Parameters
        ----------
        X : array_like or SciPy sparse matrix (n_samples, ``n_components_``)

        Returns
        -------
        ndarray (n_samples, ``n_features_in_``)

        Raises
        ------
        ValueError
            Before `fit`, or another number of components.
        """
        check_is_fitted(self)
        Z: Any = X if issparse(X) else np.asarray(X)
        if Z.ndim != 2 or Z.shape[1] != self.n_components_:
            raise ValueError(f"X has shape {Z.shape}; expected are coefficients (samples, {self.n_components_})")
        return np.asarray(Z @ self.components_)

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self) -> Any:
        """For scikit-learn: nonnegative input, NaN and sparse matrices too, and factors of the data's own type."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _validate(self, X: Any, mask: Any, reset: bool) -> tuple[Any, Array | None]:
        """Samples as an array that holds 0 where entries are missing, and these or the weights of all; or as CSR."""
        values, mask = apart(X, mask)
        data = validate_data(
            self, values, reset=reset, dtype=[np.float64, np.float32], accept_sparse="csr", ensure_all_finite=False
        )
        if issparse(data):
            if mask is not None or np.isnan(data.data).any():
                raise ValueError("X is a sparse matrix with missing entries; these need a dense array: X.toarray()")
            if not data.has_canonical_format:
                data = data.copy()
                data.sum_duplicates()
            check_values(data.data)
            return data, None
        return filled(data, mask, needs_some=reset)

    def _params(self, data: Any) -> Params:
        seed = self.random_state
        if not isinstance(seed, numbers.Integral):
            seed = check_random_state(seed).randint(2**31 - 1)
        n_features = data.shape[1]
        if n_features < 2:
            raise ValueError(f"X has n_features = {n_features}; a sparsity needs at least 2")
        rank = _rank(self.n_components, self.init, data.shape)
        return Params(
            rank=rank,
            method=self.method,
            sparsity=self.sparsity,
            seed=int(seed),
            max_iter=self.max_iter,
            init=self.init,
            weights=_pixel_weights(self.weights, n_features, rank),
            sparsity_h=self.sparsity_h,
            continuation=self.continuation,
            extrapolate=self.extrapolate,
            poisson=self.poisson,
            sum_to_one=self.sum_to_one,
            tol=self.tol,
        )

    def _coefficients(self, data: Any, counted: Array | None) -> tuple[Array, float]:
        """Coefficients (n_samples, n_components_) for the components, and the length of what they leave."""
        V = self.components_
        if self.sparsity_h is not None and data.shape[0] < 2:
            raise ValueError("sparsity_h is an average over samples; X has n_samples = 1, and it needs at least 2")
        params = of_coefficients(Params(len(V), self.method, sparsity_h=self.sparsity_h, sum_to_one=self.sum_to_one))
        X, scale = images(of_type(data, V.dtype)), self.feature_scale_
        if scale is not None:
            X, V = Scaling(scale, np.ones(X.shape[1], V.dtype)).inside(X), V / scale
        device = get_backend(self.backend) if params is None else backend_for(params, self.backend)
        missing = weights = None
        if counted is not None:
            missing, weights = (counted.T, None) if counted.dtype == np.bool_ else (counted.T == 0, counted.T)
        H, residual = encode(X, V, device, params, missing, weights)
        return np.ascontiguousarray(H.T), residual


def _rank(n_components: Any, init: Any, shape: tuple[int, int]) -> int:
    """The number of components for samples of a shape."""
    most = min(shape)
    if n_components == "auto" and isinstance(init, tuple | list) and init and np.ndim(init[0]) == 2:
        return int(np.shape(init[0])[1])
    if n_components is None or n_components == "auto":
        return most
    whole = isinstance(n_components, numbers.Integral) and not isinstance(n_components, bool)
    if not whole or not 1 <= n_components <= most:
        of = f"of {shape[0]} samples and {shape[1]} features"
        raise ValueError(f'n_components is {n_components!r}; accepted are 1 to {most} {of}, "auto" and None')
    return int(n_components)


def _pixel_weights(weights: Any, n_features: int, rank: int) -> Array | None:
    """Weights of features, or of each component's, as those of pixels."""
    if weights is None:
        return None
    values, shapes = as_real(weights, "weights"), ((n_features,), (rank, n_features))
    if values.shape not in shapes:
        accepted = f"(n_features,) = {shapes[0]} and (n_components, n_features) = {shapes[1]}"
        raise ValueError(f"weights have shape {values.shape}; accepted are {accepted}")
    return values.T


def _print_line(it: Iterate) -> None:
    if it.n_iter % _LINE == 0:
        error = f"error {100.0 * it.error:.4f} %, sparsity {it.sparsity:.4f}"
        print(f"[SparseNMF] iteration {it.n_iter}: {error}, {it.seconds:.3f} s")
