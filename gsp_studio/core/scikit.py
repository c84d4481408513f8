"""Base classes of an estimator: scikit-learn's where it is installed, a plain stand-in where it is not."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from scipy.sparse import issparse

from gsp_studio.backends.backend import as_compute_dtype

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:

    class BaseEstimator:  # type: ignore[no-redef]
        """Parameters by name."""

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            """The constructor's arguments by name."""
            return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

        def set_params(self, **params: Any) -> Any:
            """Set constructor arguments by name; an unknown one raises ValueError."""
            known = inspect.signature(type(self)).parameters
            for name, value in params.items():
                if name not in known:
                    raise ValueError(f"Invalid parameter {name!r}; valid are {', '.join(known)}")
                setattr(self, name, value)
            return self

    class ClassNamePrefixFeaturesOutMixin:  # type: ignore[no-redef]
        """Names of components."""

        _n_features_out: int

        def get_feature_names_out(self, input_features: Any = None) -> Any:
            """The class's name in small letters and a number, for each component; `input_features` is ignored."""
            check_is_fitted(self)
            name = type(self).__name__.lower()
            return np.array([f"{name}{k}" for k in range(self._n_features_out)], dtype=object)

    class TransformerMixin:  # type: ignore[no-redef]
        """Nothing without scikit-learn."""

    class ConvergenceWarning(UserWarning):  # type: ignore[no-redef]
        """A fit ended before its tolerance was reached."""

    def check_random_state(seed: Any) -> Any:
        """A random generator from a seed, None, or a generator."""
        return seed if isinstance(seed, np.random.RandomState) else np.random.RandomState(seed)

    def check_is_fitted(estimator: Any) -> None:
        """ValueError before `fit`."""
        if not hasattr(estimator, "components_"):
            raise ValueError("this SparseNMF instance is not fitted yet; call fit first")

    def validate_data(estimator: Any, X: Any, *, reset: bool = True, **options: Any) -> Any:
        """X as a matrix of samples by features, as many as were fitted; a sparse matrix as CSR. Values are not seen."""
        X = _as_csr(X) if issparse(X) else as_compute_dtype(X)
        if X.ndim != 2 or 0 in X.shape:
            raise ValueError(f"X has shape {X.shape}; expected is a matrix (samples, features) with entries")
        if reset:
            estimator.n_features_in_ = X.shape[1]
        elif X.shape[1] != estimator.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} features, but SparseNMF is expecting {estimator.n_features_in_} features as input"
            )
        return X

    def _as_csr(X: Any) -> Any:
        if X.ndim != 2 or X.dtype.kind not in "biuf":
            raise ValueError(f"X has shape {X.shape} of {X.dtype}; expected is a sparse matrix of real numbers")
        rows = X.tocsr()
        return rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float64)


__all__ = [
    "BaseEstimator",
    "ClassNamePrefixFeaturesOutMixin",
    "ConvergenceWarning",
    "TransformerMixin",
    "check_is_fitted",
    "check_random_state",
    "validate_data",
]
