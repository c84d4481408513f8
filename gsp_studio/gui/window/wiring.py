"""The wires between the session and the panels: the session's signals to what panels show, panels' to its methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gsp_studio.gui.window.main_window import MainWindow


def wire_session(window: MainWindow) -> None:
    """Show what the session says: a panel hears of everything that it has a setter for."""
    session = window.session
    for signal, setter in (
        (session.known, "set_known"),
        (session.phaseChanged, "set_phase"),
        (session.activity.changed, "set_activity"),
        (session.datasetChanged, "set_dataset"),
        (session.settings.choiceChanged, "set_choice"),
        (session.basis.pinnedChanged, "set_pinned"),
        (session.basis.heldChanged, "set_held"),
        (session.basis.autoRefitChanged, "set_auto_refit"),
        (session.basis.pathChanged, "set_path"),
        (session.display.shownChanged, "set_shown"),
        (session.display.glimpseChanged, "set_glimpse"),
        (session.live.progressed, "set_progress"),
        (session.course.originChanged, "set_origin"),
        (session.course.recordsReset, "set_records"),
        (session.course.marksChanged, "set_marks"),
        (session.live.frozenChanged, "set_frozen"),
        (session.course.recordsAdded, "add_records"),
        (session.runs.changed, "set_runs"),
        (session.runs.noted, "set_remarks"),
        (session.display.selectionChanged, "set_selected"),
        (session.display.markedChanged, "set_marked"),
        (session.display.viewChanged, "set_view"),
        (session.analyses.comparisonReady, "set_comparison"),
        (session.analyses.errorsFound, "set_errors"),
        (session.analyses.residualFound, "set_residual"),
        (session.runs.stabilityChanged, "set_stability"),
        (session.analyses.fitFound, "set_fit"),
        (session.analyses.usersFound, "set_users"),
        (session.settings.weightsChanged, "set_weights"),
        (session.analyses.pairChanged, "set_bases"),
        (session.analyses.meanFound, "set_mean_image"),
    ):
        for panel in window.panels:
            if hasattr(panel, setter):
                signal.connect(getattr(panel, setter))
    session.analyses.errorsFound.connect(lambda shown, found: window.weights.set_residual_image(found and found.pixels))
    session.analyses.pictureFound.connect(window.inspector.picture.set_picture)
    session.loader.layoutNeeded.connect(window.asking.layout)
    session.loader.previewReady.connect(window.asking.preview)
    session.phaseChanged.connect(window.on_phase)
    session.activity.changed.connect(window.on_activity)
    session.basis.autoRefitChanged.connect(window.on_auto_refit)
    session.runs.changed.connect(window.on_runs)
    session.display.viewChanged.connect(window.view_menu.set_view)
    session.display.markedChanged.connect(lambda _: window.offer_steering())
    session.failed.connect(window.on_failed)
    session.control.deviceFilled.connect(window.asking.device_filled)
    session.known.connect(window.device.set_known)
    session.loader.loadFailed.connect(window.on_load_failed)
    session.logged.connect(window.on_logged)
    session.exports.exported.connect(window.on_exported)


def wire_panels(window: MainWindow) -> None:
    """Do what the user wants."""
    session, sparsity, path = window.session, window.sparsity, window.path
    for empty in (window.montage, window.inspector, path, window.weights):
        empty.asked.connect(window.asking.by_key)
    for picking in (window.montage, window.inspector, path, window.weights, sparsity):
        picking.basisPicked.connect(session.display.select)
    window.montage.basesPicked.connect(session.display.mark)
    window.compare.compareRequested.connect(lambda places: session.analyses.compare(session.runs.those(places)))
    window.inspector.errorsRequested.connect(session.analyses.find_errors)
    window.inspector.fitRequested.connect(session.analyses.find_fit)
    window.inspector.picture.requested.connect(session.analyses.find_picture)
    window.weights.weightsChanged.connect(session.settings.set_weights)
    window.weights.strokeEnded.connect(session.settings.settle_weights)
    window.model.weightsWanted.connect(lambda: window.centre.show_view("Weights"))
    for moving in (sparsity, path):
        moving.sparsityChanged.connect(session.settings.set_sparsity)
        moving.settled.connect(session.settings.settle_sparsity)
    sparsity.sparsityHChanged.connect(session.settings.set_sparsity_h)
    sparsity.resetRequested.connect(session.slider.reset_sparsity)
    sparsity.holdToggled.connect(session.slider.toggle_held)
    sparsity.holdsDropped.connect(lambda: session.slider.hold({}))
    sparsity.autoRefitToggled.connect(session.basis.set_auto_refit)
    window.data.layoutRequested.connect(window.asking.another_layout)
    window.model.edited.connect(session.settings.set_choice)
    window.run.runPressed.connect(session.run_or_pause)
    window.run.cancelPressed.connect(session.cancel)
    window.runs.runChosen.connect(session.control.show)
    window.runs.remarked.connect(session.runs.remark)
    window.basis.usersRequested.connect(session.analyses.find_users)
    window.basis.judged.connect(lambda accept: session.runs.judge(session.display.marked, accept))
    window.curves.branchRequested.connect(window.asking.branch)
