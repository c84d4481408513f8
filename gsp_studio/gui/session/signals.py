"""What the session says: the signals that panels are wired to."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal


class SessionSignals(QObject):
    """The signals of a Session; each brings frozen data, on the GUI thread."""

    known = Signal(object)  # Known: the solvers are there
    phaseChanged = Signal(object)  # Phase
    datasetLeaving = Signal()  # other data are about to take the place of these; all of theirs is still here
    datasetChanged = Signal(object)  # Dataset
    pairChanged = Signal(object, object)  # Shown without weights, Shown with them or None
    meanFound = Signal(object)  # ndarray (m,), the mean of all images
    comparisonReady = Signal(object)  # Comparison
    errorsFound = Signal(object, object)  # Shown, Residuals of all images with it or None
    residualFound = Signal(object, float)  # RunEntry, the KKT residual of its result
    fitFound = Signal(object, int, object)  # Shown, image, ImageFit
    pictureFound = Signal(object, int, object)  # Shown, image that patches were cut from, io.patches.Picture
    usersFound = Signal(object, int, object)  # Shown, basis image, Users
    exported = Signal(object)  # list of Path
    folderTaken = Signal(object, str)  # ExportRequest, one sentence: the folder holds another run
    failed = Signal(str, str)  # one sentence, details
    deviceFilled = Signal(str, str)  # the same: a run ended because a device's memory is full
    logged = Signal(str)
