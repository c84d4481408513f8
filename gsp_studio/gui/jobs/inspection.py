"""What is asked of the basis on the screen and takes a while: errors of all images, one image's parts, who uses what.

Of coefficients that are on a cluster only those of the image in view come here, and the largest of a basis image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from gsp_studio.backends.blocks import BlockMatrix, Interrupted
from gsp_studio.core.residuals import ImageFit, Residuals, fit_of_image, residuals
from gsp_studio.engine.latest import LatestOnly
from gsp_studio.gui.formatting import told

if TYPE_CHECKING:
    from gsp_studio.gui.state import RunEntry, Shown
    from gsp_studio.io.dataset import Dataset
    from gsp_studio.io.patches import Picture

#: Images that use a basis image most are shown, so many.
USERS = 8


class Inspecting(QObject):
    """A worker for each kind of question; the newest request of each wins."""

    errorsFound = Signal(object, object)  # the Shown that they are of; Residuals, or None where they cannot be had
    fitFound = Signal(object, int, object)  # the Shown, the image, ImageFit
    pictureFound = Signal(object, int, object)  # the Shown, the image, Picture
    usersFound = Signal(object, int, object)  # the Shown, the basis image, Users
    residualFound = Signal(object, float)  # RunEntry, its KKT residual
    failed = Signal(str, str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._errors: LatestOnly[tuple[Any, Shown], Residuals] | None = None
        self._residual: LatestOnly[tuple[Any, RunEntry], float] | None = None
        self._fit: LatestOnly[tuple[Any, Shown, int], ImageFit] | None = None
        self._picture: LatestOnly[tuple[Dataset, Shown, int], tuple[int, Picture]] | None = None
        self._users: LatestOnly[tuple[Shown, int, bool], Users] | None = None

    @property
    def _workers(self) -> tuple[LatestOnly[Any, Any] | None, ...]:
        return self._errors, self._fit, self._picture, self._users, self._residual

    def start(self, work: Any) -> None:
        """The solvers are there."""
        self._errors = LatestOnly(self._residuals, name="gsp-errors")
        self._fit = LatestOnly(_fit, name="gsp-image")
        self._picture = LatestOnly(self._put_back, name="gsp-picture")
        self._users = LatestOnly(lambda request: users_of(*request), name="gsp-users")
        self._residual = LatestOnly(lambda request: work.stationarity(*request), name="gsp-kkt")

    def close(self, timeout: float) -> bool:
        """End the workers; True when they have ended."""
        ended = [worker is None or worker.close(timeout) for worker in self._workers]
        return all(ended)

    def errors(self, dataset: Dataset | None, shown: Shown | None) -> None:
        """Ask for the errors of all images; there is always an answer, or one to a newer request."""
        if self._errors is None or dataset is None or shown is None:
            self.errorsFound.emit(shown, None)
        else:
            self._errors.submit((dataset.X, shown))

    def fit(self, dataset: Dataset | None, shown: Shown | None, image: int) -> None:
        """Ask for one image's parts."""
        if self._fit is not None and dataset is not None and shown is not None:
            self._fit.submit((dataset.X, shown, image))

    def picture(self, dataset: Dataset | None, shown: Shown | None, patch: int) -> None:
        """Ask for the image that a patch was cut from, put together again."""
        if self._picture is not None and dataset is not None and dataset.whole is not None and shown is not None:
            self._picture.submit((dataset, shown, patch))

    def users(self, shown: Shown | None, basis: int, is_map: bool) -> None:
        """Ask for the images that use a basis image most, or for all of its coefficients."""
        if self._users is not None and shown is not None:
            self._users.submit((shown, basis, is_map))

    def residual(self, dataset: Dataset | None, entry: RunEntry) -> None:
        """Ask how far a run's result is from standing still."""
        if self._residual is not None and dataset is not None:
            self._residual.submit((dataset.X, entry))

    def _residuals(self, request: tuple[Any, Shown]) -> Residuals:
        """In the worker; images that are read from a file take long, and are given up for a newer request."""
        X, shown = request
        return residuals(X, shown.W, shown.H, self._go_on if isinstance(X, BlockMatrix) else None)

    def _put_back(self, request: tuple[Dataset, Shown, int]) -> tuple[int, Picture]:
        """In the worker; given up for a newer request."""
        from gsp_studio.io.patches import image_of, put_back

        def go_on(done: int) -> None:
            if self._picture is not None and self._picture.is_superseded:
                raise Interrupted

        dataset, shown, patch = request
        image = image_of(dataset, patch)
        return image, put_back(dataset, shown.W, shown.H, image, go_on)

    def _go_on(self, done: int) -> None:
        if self._errors is not None and self._errors.is_superseded:
            raise Interrupted

    def _is_given_up(self, error: Exception | None) -> bool:
        """Whether a newer request, which is answered in its place, has ended this one."""
        return isinstance(error, Interrupted) and self._errors is not None and self._errors.busy

    def drop(self) -> None:
        """Another data set: forget what was asked."""
        for worker in self._workers:
            if worker is not None:
                worker.discard()

    def poll(self) -> None:
        """Tell what has come out."""
        errors = None if self._errors is None else self._errors.poll()
        if errors is not None and not self._is_given_up(errors.error):
            self.errorsFound.emit(errors.request[1], errors.value)
            if errors.error is not None and not isinstance(errors.error, Interrupted):
                self.failed.emit(*told(errors.error))
        fit = None if self._fit is None else self._fit.poll()
        if fit is not None and fit.value is not None:
            self.fitFound.emit(fit.request[1], fit.request[2], fit.value)
        elif fit is not None and fit.error is not None:
            self.failed.emit(*told(fit.error))
        made = None if self._picture is None else self._picture.poll()
        if made is not None and made.value is not None:
            self.pictureFound.emit(made.request[1], *made.value)
        elif made is not None and made.error is not None and not isinstance(made.error, Interrupted):
            self.failed.emit(*told(made.error))
        users = None if self._users is None else self._users.poll()
        if users is not None and users.value is not None:
            self.usersFound.emit(users.request[0], users.request[1], users.value)
        elif users is not None and users.error is not None:
            self.failed.emit(*told(users.error))
        residual = None if self._residual is None else self._residual.poll()
        if residual is not None and residual.error is not None:
            self.failed.emit(*told(residual.error))
        elif residual is not None and residual.value is not None:
            self.residualFound.emit(residual.request[1], residual.value)


@dataclass(frozen=True, eq=False)
class Users:
    """Who uses a basis image: coefficients times its length, and the numbers of the images that they are of."""

    weights: npt.NDArray[Any]
    images: npt.NDArray[Any]


def users_of(shown: Shown, basis: int, is_map: bool) -> Users:
    """The images that use a basis image most, those that do most first; for a map all images in their order."""
    w, H = shown.W[:, basis], shown.H
    length = math.sqrt(float(np.dot(w, w)))
    if is_map:
        return Users(H[basis] * length, np.arange(H.shape[1]))
    if not isinstance(H, np.ndarray):
        values, images = H.top(basis, USERS)
        return Users(values * length, images)
    weights = H[basis] * length
    count = min(USERS, len(weights))
    top = np.argpartition(-weights, count - 1)[:count]
    top = top[np.argsort(-weights[top], kind="stable")]
    return Users(weights[top], top)


def _fit(request: tuple[Any, Shown, int]) -> ImageFit:
    X, shown, image = request
    return fit_of_image(X[:, image], shown.W, shown.H[:, image])
