"""Slow questions about the basis on the screen: errors of all images, one image's parts, users of a basis image.

Of coefficients that are on a cluster only those of the image in view come here, and the largest of a basis image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from gsp_studio.backends.backend import is_out_of_core
from gsp_studio.backends.blocks import Interrupted
from gsp_studio.core.metrics import largest
from gsp_studio.core.residuals import ImageFit, Residuals, fit_of_image, residuals
from gsp_studio.engine.latest import Request, Value
from gsp_studio.gui.jobs.job import Job

if TYPE_CHECKING:
    from gsp_studio.gui.state import DisplayedBasis, RunEntry
    from gsp_studio.io.dataset import Dataset
    from gsp_studio.io.patches import Picture

#: Images that use a basis image most are shown, so many.
USERS = 8


class ErrorsRequest(NamedTuple):
    """A basis to be checked for the errors of all images."""

    dataset: Dataset
    shown: DisplayedBasis


class ImageRequest(NamedTuple):
    """An image, or a patch, to be reconstructed from a basis."""

    dataset: Dataset
    shown: DisplayedBasis
    image: int


class UsersRequest(NamedTuple):
    """A basis image whose users are to be found, for a map all images."""

    shown: DisplayedBasis
    basis: int
    is_map: bool


class ResidualRequest(NamedTuple):
    """A run to compute the KKT residual of."""

    dataset: Dataset
    entry: RunEntry


class BasisInspection(QObject):
    """A job for each kind of question; the newest request of each wins."""

    errorsFound = Signal(object, object)  # the DisplayedBasis that they are of; Residuals, or None
    fitFound = Signal(object, int, object)  # the DisplayedBasis, the image, ImageFit
    pictureFound = Signal(object, int, object)  # the DisplayedBasis, the image, Picture
    usersFound = Signal(object, int, object)  # the DisplayedBasis, the basis image, Users
    residualFound = Signal(object, float)  # RunEntry, its KKT residual
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._errors: Job[ErrorsRequest, Residuals | None] = Job(self._residuals, "gsp-errors", self)
        self._fit: Job[ImageRequest, ImageFit] = Job(_fit, "gsp-image", self)
        self._picture: Job[ImageRequest, tuple[int, Picture] | None] = Job(self._put_back, "gsp-picture", self)
        self._users: Job[UsersRequest, Users] = Job(lambda request: users_of(*request), "gsp-users", self)
        self._residual: Job[ResidualRequest, float] = Job(_stationarity, "gsp-kkt", self)
        self._errors.answered.connect(self._tell_errors)
        self._errors.raised.connect(lambda asked, _: self.errorsFound.emit(asked.shown, None))
        self._fit.answered.connect(lambda asked, fit: self.fitFound.emit(asked.shown, asked.image, fit))
        self._picture.answered.connect(self._tell_picture)
        self._users.answered.connect(lambda asked, users: self.usersFound.emit(asked.shown, asked.basis, users))
        self._residual.answered.connect(lambda asked, found: self.residualFound.emit(asked.entry, found))
        self._jobs = (self._errors, self._fit, self._picture, self._users, self._residual)
        for job in self._jobs:
            job.failed.connect(self.failed)

    def close(self, timeout: float) -> bool:
        """End the threads; True when they have ended."""
        ended = [job.close(timeout) for job in self._jobs]
        return all(ended)

    def discard(self) -> None:
        """Forget what was asked: it was about other data."""
        for job in self._jobs:
            job.discard()

    def errors(self, dataset: Dataset | None, shown: DisplayedBasis | None) -> None:
        """Ask for the errors of all images; there is always an answer, or one to a newer request."""
        if dataset is None or shown is None:
            self.errorsFound.emit(shown, None)
        else:
            self._errors.submit(ErrorsRequest(dataset, shown))

    def fit(self, dataset: Dataset | None, shown: DisplayedBasis | None, image: int) -> None:
        """Ask for one image's parts."""
        if dataset is not None and shown is not None:
            self._fit.submit(ImageRequest(dataset, shown, image))

    def picture(self, dataset: Dataset | None, shown: DisplayedBasis | None, patch: int) -> None:
        """Ask for the image that a patch was cut from, put together again."""
        if dataset is not None and dataset.whole is not None and shown is not None:
            self._picture.submit(ImageRequest(dataset, shown, patch))

    def users(self, shown: DisplayedBasis | None, basis: int, is_map: bool) -> None:
        """Ask for the images that use a basis image most, or for all of its coefficients."""
        if shown is not None:
            self._users.submit(UsersRequest(shown, basis, is_map))

    def residual(self, dataset: Dataset | None, entry: RunEntry) -> None:
        """Ask how far a run's result is from standing still."""
        if dataset is not None:
            self._residual.submit(ResidualRequest(dataset, entry))

    def _tell_errors(self, asked: ErrorsRequest, found: Residuals | None) -> None:
        if found is not None or not self._errors.is_busy:  # else a newer request is answered in its place
            self.errorsFound.emit(asked.shown, found)

    def _tell_picture(self, asked: ImageRequest, made: tuple[int, Picture] | None) -> None:
        if made is not None:
            self.pictureFound.emit(asked.shown, *made)

    # In the workers

    def _residuals(self, asked: ErrorsRequest) -> Residuals | None:
        """Read from a file, images take long: None where they were given up for a newer request."""
        X, shown = asked.dataset.X, asked.shown
        try:
            return residuals(X, shown.W, shown.H, _stop_if(self._errors) if is_out_of_core(X) else None)
        except Interrupted:
            return None

    def _put_back(self, asked: ImageRequest) -> tuple[int, Picture] | None:
        """Put an image together; None where it was given up for a newer request."""
        from gsp_studio.io.patches import image_of, put_back

        image = image_of(asked.dataset, asked.image)
        try:
            return image, put_back(asked.dataset, asked.shown.W, asked.shown.H, image, _stop_if(self._picture))
        except Interrupted:
            return None


def _stop_if(job: Job[Request, Value]) -> Callable[[int], None]:
    """Raise Interrupted between two blocks where the answer is superseded."""

    def go_on(done: int) -> None:
        if job.is_superseded:
            raise Interrupted

    return go_on


@dataclass(frozen=True, eq=False)
class Users:
    """Users of a basis image: coefficients times its length, and the numbers of the images that they are of."""

    weights: npt.NDArray[Any]
    images: npt.NDArray[Any]


def users_of(shown: DisplayedBasis, basis: int, is_map: bool) -> Users:
    """The images that use a basis image most, those that do most first; for a map all images in their order."""
    w, H = shown.W[:, basis], shown.H
    length = math.sqrt(float(np.dot(w, w)))
    if is_map:
        return Users(H[basis] * length, np.arange(H.shape[1]))
    if not isinstance(H, np.ndarray):
        values, images = H.top(basis, USERS)
        return Users(values * length, images)
    top = largest(H[basis], USERS)
    return Users(H[basis][top] * length, top)


def _fit(asked: ImageRequest) -> ImageFit:
    shown, image = asked.shown, asked.image
    return fit_of_image(asked.dataset.X[:, image], shown.W, shown.H[:, image])


def _stationarity(asked: ResidualRequest) -> float:
    """The KKT residual of a run's result; NaN where the method has none."""
    from gsp_studio.backends import get_backend
    from gsp_studio.core.optimality import kkt_residual
    from gsp_studio.gui.jobs.compute import solver_threads

    result = asked.entry.outcome.result
    assert result is not None
    return kkt_residual(asked.dataset.X, result.W, result.H, result.params, get_backend("cpu", solver_threads()))
