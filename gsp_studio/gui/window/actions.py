"""The menus as a table: one row an action, with its key, what it calls and when it is offered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gsp_studio.gui.state import Phase

if TYPE_CHECKING:
    from PySide6.QtGui import QAction

    from gsp_studio.gui.network.controller import NetworkController
    from gsp_studio.gui.session.session import Session
    from gsp_studio.gui.session_file.menu import SessionFileMenu
    from gsp_studio.gui.session_file.recent_data import RecentData
    from gsp_studio.gui.widgets.view_tabs import ViewTabs
    from gsp_studio.gui.window.cluster_menu import ClusterMenu
    from gsp_studio.gui.window.menu_bar import MenuBar
    from gsp_studio.gui.window.prompts import Prompts
    from gsp_studio.gui.window.tile_menu import TileMenu


class Frame(Protocol):
    """The parts of a main window that actions call."""

    session: Session
    prompts: Prompts
    session_menu: SessionFileMenu
    network_controller: NetworkController
    clusters: ClusterMenu
    recent_data: RecentData
    menus: MenuBar
    centre: ViewTabs
    tile_menu: TileMenu

    def close(self) -> bool: ...
    def take_tour(self) -> None: ...
    def add_views_to_menu(self) -> None: ...


@dataclass(frozen=True)
class Action:
    """A row of `ACTIONS`.

    Attributes
    ----------
    name : str
        By which `MainWindow.actions_by_name` knows it.
    menu, text : str
        Where it stands, and its words; "&" before the letter that chooses it.
    call : function of the window
        Called when it is triggered.
    keys : str
        Its shortcut, "" for none.
    image : str
        Its icon in resources/icons, "" for none.
    offered : function of the window, optional
        Whether it can be triggered now; without one it always can.
    """

    name: str
    menu: str
    text: str
    call: Callable[[Frame], object]
    keys: str = ""
    image: str = ""
    offered: Callable[[Frame], bool] | None = None


@dataclass(frozen=True)
class Section:
    """Entries of a menu that a part of the window adds by itself; without `add` a line between entries."""

    menu: str
    add: Callable[[Frame], object] | None = None


def _can_continue(window: Frame) -> bool:
    return _can_act(window) and not window.network_controller.is_front  # it would run out of sight


def _can_act(window: Frame) -> bool:
    return _is_idle(window) and window.session.runs.index >= 0


def _has_runs(window: Frame) -> bool:
    return bool(window.session.runs.entries)


def _can_export(window: Frame) -> bool:
    return _has_runs(window) or window.session.refined.is_there


def _can_run(window: Frame) -> bool:
    can_start = _is_idle(window) and not window.network_controller.is_front  # it would run out of sight
    return can_start or window.session.phase in (Phase.RUNNING, Phase.PAUSED)


def _is_idle(window: Frame) -> bool:
    return window.session.phase is Phase.IDLE


def _can_lock(window: Frame) -> bool:
    return _is_idle(window) and bool(window.session.display.marked)


def _can_steer(window: Frame) -> bool:
    return window.session.live.can_edit(window.session.display.marked)


def _can_sort(window: Frame) -> bool:
    return window.session.slider.can_sort


def _has_picture(window: Frame) -> bool:
    return window.tile_menu.has_picture


def _can_judge(window: Frame) -> bool:
    return window.session.runs.can_judge(window.session.display.marked)


MENUS = ("&File", "&Edit", "&View", "&Run", "&Help")

ACTIONS: tuple[Action | Section, ...] = (
    Action("open folder", "&File", "Open a &folder of images...", lambda w: w.prompts.folder(), "Ctrl+O", "open"),
    Action("open file", "&File", "Open a f&ile...", lambda w: w.prompts.file(), "Ctrl+Shift+O", "image"),
    Action("open faces", "&File", "Open t&he sample faces", lambda w: w.prompts.sample("faces")),
    Action("open swimmer", "&File", "Open the sample s&wimmer", lambda w: w.prompts.sample("swimmer")),
    Section("&File", lambda w: w.menus.submenu("&File", w.recent_data)),
    Section("&File"),
    Action("open session", "&File", "Open a sessi&on...", lambda w: w.session_menu.ask_open()),
    Section("&File", lambda w: w.menus.submenu("&File", w.session_menu.recent)),
    Action("save", "&File", "&Save the session", lambda w: w.session_menu.save(), "Ctrl+S"),
    Action("save as", "&File", "Save the session &as...", lambda w: w.session_menu.save_as(), "Ctrl+Shift+S"),
    Action(
        "save with images",
        "&File",
        "Save the session wi&th its data...",
        lambda w: w.session_menu.save_as(with_data=True),
    ),
    Section("&File"),
    Action("open network", "&File", "Open a &network...", lambda w: w.network_controller.ask_open()),
    Action(
        "save network",
        "&File",
        "Save the &pruned network...",
        lambda w: w.network_controller.ask_save(),
        offered=lambda w: w.network_controller.session.path is not None,
    ),
    Section("&File"),
    Action("export", "&File", "&Export...", lambda w: w.prompts.export(), "Ctrl+E", "export", _can_export),
    Action("apply", "&File", "Appl&y the basis to other images...", lambda w: w.prompts.apply(), offered=_can_continue),
    Action("copy script", "&File", "&Copy the run as Python", lambda w: w.prompts.copy("python"), offered=_can_export),
    Action(
        "copy command",
        "&File",
        "Copy the run as a command &line",
        lambda w: w.prompts.copy("command"),
        offered=_can_export,
    ),
    Section("&File"),
    Action("quit", "&File", "&Quit", lambda w: w.close(), "Ctrl+Q"),
    Section("&Edit", lambda w: w.menus.add_undo("&Edit", w.network_controller.undo)),
    Action("sparser", "&Edit", "Sparsity u&p by 0.01", lambda w: w.network_controller.step_sparsity(0.01), "]"),
    Action("denser", "&Edit", "Sparsity &down by 0.01", lambda w: w.network_controller.step_sparsity(-0.01), "["),
    Action(
        "reset sparsity",
        "&Edit",
        "R&eset sparsity to the unprojected basis",
        lambda w: w.network_controller.reset_sparsity(),
        "Backspace",
        "reset",
    ),
    Section("&Edit"),
    Action(
        "accept",
        "&Edit",
        "&Accept the selected basis images",
        lambda w: w.session.runs.judge(w.session.display.marked, True),
        "A",
        offered=_can_judge,
    ),
    Action(
        "reject",
        "&Edit",
        "Re&ject the selected basis images",
        lambda w: w.session.runs.judge(w.session.display.marked, False),
        "X",
        offered=_can_judge,
    ),
    Action(
        "lock",
        "&Edit",
        "&Lock or unlock the sparsities of the selected basis images",
        lambda w: w.session.slider.toggle_locked(*w.session.display.marked),
        "L",
        offered=_can_lock,
    ),
    Section("&Edit"),
    Action(
        "copy picture",
        "&Edit",
        "&Copy the picture of the selected basis image",
        lambda w: w.tile_menu.copy(),
        "Ctrl+C",
        offered=_has_picture,
    ),
    Action(
        "save picture",
        "&Edit",
        "Sa&ve the picture of the selected basis image...",
        lambda w: w.tile_menu.save(),
        offered=_has_picture,
    ),
    Action("run", "&Run", "&Run, pause or resume", lambda w: w.session.run_or_pause(), "Space", "run", _can_run),
    Action(
        "cancel",
        "&Run",
        "&Cancel and keep the best iterate",
        lambda w: w.session.cancel(),
        "Esc",
        "cancel",
        offered=lambda w: w.session.can_cancel,
    ),
    Action(
        "keep",
        "&Run",
        "Keep this basis as a ru&n",
        lambda w: w.session.refined.keep(),
        "K",
        offered=lambda w: w.session.refined.is_there,
    ),
    Action(
        "continue",
        "&Run",
        "Con&tinue this run for as many iterations as are set",
        lambda w: w.session.control.continue_run(w.session.runs.index, w.session.settings.params.max_iter),
        "C",
        offered=_can_continue,
    ),
    Action(
        "delete run",
        "&Run",
        "&Delete this run from the list",
        lambda w: w.session.control.delete(w.session.runs.index),
        offered=_can_act,
    ),
    Section("&Run", lambda w: w.clusters.add_to(w.menus)),
    Section("&Run"),
    Action(
        "freeze",
        "&Run",
        "&Freeze or release the selected basis images",
        lambda w: w.session.live.toggle_frozen(w.session.display.marked),
        "Shift+F",
        offered=_can_steer,
    ),
    Action(
        "split",
        "&Run",
        "&Split the selected basis images",
        lambda w: w.tile_menu.edit_run("split"),
        "Shift+S",
        offered=_can_steer,
    ),
    Action(
        "re-seed",
        "&Run",
        "Re-s&eed the selected basis images",
        lambda w: w.tile_menu.edit_run("reseed"),
        "Shift+R",
        offered=_can_steer,
    ),
    Action(
        "kill",
        "&Run",
        "&Kill the selected basis images",
        lambda w: w.tile_menu.edit_run("kill"),
        "Del",
        offered=_can_steer,
    ),
    Section("&Run"),
    Action("rank", "&Run", "&How many basis images?...", lambda w: w.prompts.rank(), offered=_is_idle),
    Action(
        "stability",
        "&Run",
        "How st&able are these basis images?",
        lambda w: w.session.stability.check(),
        "Shift+U",
        offered=_can_continue,
    ),
    Action(
        "sweep",
        "&Run",
        "S&weep: ranks, sparsities, seeds...",
        lambda w: w.prompts.sweep(),
        offered=lambda w: w.session.dataset is not None,
    ),
    Action(
        "branch",
        "&Run",
        "&Branch: the same run with another s...",
        lambda w: w.prompts.branch(),
        "B",
        offered=lambda w: w.session.control.branch_end > 0 and not w.network_controller.is_front,
    ),
    Section("&View", lambda w: w.add_views_to_menu()),
    Section("&View"),
    Action(
        "sort by energy",
        "&View",
        "Sort tiles by &energy",
        lambda w: w.session.slider.sort_tiles("energies"),
        offered=_can_sort,
    ),
    Action(
        "sort by sparsity",
        "&View",
        "Sort tiles by s&parsity",
        lambda w: w.session.slider.sort_tiles("sparsities"),
        offered=_can_sort,
    ),
    Action(
        "inspect",
        "&View",
        "&Inspect the selected basis image",
        lambda w: w.centre.show_view("Inspector"),
        "I",
        offered=_has_picture,
    ),
    Action("guide", "&Help", "&Guide...", lambda w: w.prompts.guide(), "F1"),
    Action("keys", "&Help", "&Keys...", lambda w: w.prompts.keys(w.menus), "?", "help"),
    Action("tour", "&Help", "Take the &tour", lambda w: w.take_tour()),
    Action("palette", "&Help", "&Command palette...", lambda w: w.prompts.palette(w.menus), "Ctrl+Shift+P"),
    Action("about", "&Help", "&About", lambda w: w.prompts.about()),
)

#: Offers of the button beside Run.
OPENINGS = ("open folder", "open file", "open faces", "open swimmer")


def make_actions(window: Frame) -> dict[str, QAction]:
    """Fill a window's menus from `ACTIONS`; returns the actions by name."""
    made: dict[str, QAction] = {}
    for row in ACTIONS:
        if isinstance(row, Action):
            made[row.name] = window.menus.add(row.menu, row.text, lambda row=row: row.call(window), row.keys, row.image)
        elif row.add is None:
            window.menus.separate(row.menu)
        else:
            row.add(window)
    return made


def offer_actions(window: Frame, actions: dict[str, QAction]) -> None:
    """Enable the actions that can be triggered now, and no others."""
    answers: dict[Callable[[Frame], bool], bool] = {}  # each is asked once: this follows every move of the slider
    for row in ACTIONS:
        if isinstance(row, Action) and row.offered is not None:
            if row.offered not in answers:
                answers[row.offered] = row.offered(window)
            actions[row.name].setEnabled(answers[row.offered])
