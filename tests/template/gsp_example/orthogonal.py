"""Orthogonal NMF for GSP Studio: each pixel belongs to one basis image at most."""

from __future__ import annotations

import numpy as np

from gsp_studio.core.methods import Method, Project, gradient_updates


def new_projection() -> Project:
    """Projection of the rows of Z (r, m) onto bases whose images do not overlap: a pixel keeps its largest entry."""

    def project(Z, backend, params):
        values = backend.get(Z)  # of a GPU, a copy on the host
        kept = np.zeros_like(values)
        first = values.argmax(axis=0), np.arange(values.shape[1])
        kept[first] = values[first]
        return backend.put(kept)

    return project


ONMF = Method(
    label="ONMF",
    summary="no two basis images share a pixel",
    uses_sparsity=False,
    new_update=gradient_updates(new_projection),
    new_projection=new_projection,
)
