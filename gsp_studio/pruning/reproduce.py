"""``gsp-studio reproduce pruning``: its arguments, and the figure, the numbers and the table that it leaves."""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsp_studio.core.vectors import check_target
from gsp_studio.engine.progress import RunsProgress
from gsp_studio.io.atomic import ExportError, write_whole
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.export.run_folder import check_directory
from gsp_studio.io.readers import peek
from gsp_studio.io.run_json import DAMAGE, PROGRAM, write_json
from gsp_studio.io.versions import software_versions

if TYPE_CHECKING:
    from gsp_studio.pruning.images import LabelledSource
    from gsp_studio.pruning.recipe import Outcome, Plan

FIGURE = "pruning"
FILES = ("pruning.png", "pruning.csv", "pruning.md")
RECIPE = "recipe.json"
INTERRUPTED = 130
_NETWORKS = ("lenet300", "lenet5", "resnet20", "vgg16", "resnet50")
#: Networks so small that threads only get into each other's way.
_SERIAL = ("lenet300", "lenet5")
_COMPARE = "of magnitude, gradual, lamp, control, gsp, cut, induced, hoyer (the first six)"
#: Share of the training images that is held out to choose a sparsity on.
_HELD_OUT, _CHOSEN_WITH = 0.2, 1000
#: Images of this side are read a batch at a time.
_IMAGENET_SIDE = 224


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that only ``pruning`` has."""
    group = parser.add_argument_group("pruning", "train, prune to equal shares of zeros, fine-tune, compare")
    group.add_argument("--model", choices=_NETWORKS, default="lenet300", help="network (lenet300)")
    group.add_argument("--shares", type=_numbers, metavar="LIST", help="shares of zeros (0.5,0.7,0.8,0.9,0.95,0.98)")
    group.add_argument("--compare", type=_names, metavar="LIST", help=_COMPARE)
    group.add_argument("--epochs", type=int, help="of training (as the network's schedule says)")
    group.add_argument("--finetune", type=int, help="epochs of fine-tuning")
    group.add_argument("--batch", type=int, help="images a step")
    group.add_argument(
        "--split",
        type=int,
        default=0,
        metavar="SEED",
        help="which fifth is held out, of data that come in one part (0)",
    )
    group.add_argument("--every", type=int, help="steps between induced projections")
    group.add_argument(
        "--induce",
        dest="sparsities",
        type=_numbers,
        metavar="LIST",
        help="s of induced, then cut; of several the best on a fifth of the training images is taken",
    )
    group.add_argument("--group", choices=["layer", "network"], default="network", help="groups of GSP (network)")
    group.add_argument(
        "--vectors",
        choices=["filters", "rows", "columns", "positions", "layers"],
        default="filters",
        help="of GSP: filters or rows, weights of one input, of one position across filters, whole layers (filters)",
    )
    group.add_argument(
        "--exclude", type=_names, default=(), metavar="LIST", help="layers left dense: names, first, last"
    )


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no list of numbers') from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def run(args: argparse.Namespace, load: Callable[[argparse.Namespace], Dataset]) -> int:
    """Do the recipe and return the exit code.

    Parameters
    ----------
    args : Namespace
        Those of `add_arguments`, and of every command that loads data.
    load : callable
        Loads ``args.path`` as the other arguments say.

    Raises
    ------
    ValueError, OSError
        Input that cannot be used, in one sentence.
    """
    _check(Path(args.out))
    from gsp_studio.pruning.data import read_parts
    from gsp_studio.pruning.recipe import RUNS, Interrupted, run_all
    from gsp_studio.pruning.training import make_sets

    out = Path(args.out)
    path = None if args.data is None else Path(args.data)
    side = None
    if args.model == "resnet50":
        side = _IMAGENET_SIDE if args.image_shape is None else args.image_shape[0]
    if args.split < 0:
        raise ValueError(f"split is {args.split}; accepted is a whole number >= 0")
    train, test = read_parts(path, lambda path, key: load(_at(args, path, key)), side, args.split)
    plan = _plan(args, train, test)
    if args.sparsities and len(args.sparsities) > 1:
        plan = _with_best_sparsity(plan, args, train)
    progress = RunsProgress(
        sum(task.epochs for task in plan.tasks()), len(plan.tasks()), None if args.quiet else sys.stderr
    )
    print(_told(plan, train, test), file=sys.stderr)
    try:
        with _threads(args):
            outcomes = run_all(plan, make_sets(train, test), out / RUNS, _device(args.backend), progress.show)
    except Interrupted as stop:
        progress.close()
        print(
            f"gsp-studio: interrupted; {stop.finished} of {stop.total} runs are finished and kept in {out / RUNS}, "
            "and the same command goes on from there",
            file=sys.stderr,
        )
        return INTERRUPTED
    progress.close()
    title = f"{plan.model} on {_name(path)}, mean of {plan.seeds} seed{'s' if plan.seeds > 1 else ''}"
    table = table_of(plan, outcomes)
    _write(out, plan, outcomes, title, table, path, args.split)
    print(f"{title}\n\n{table}\n")
    print(f"{', '.join((*FILES, RECIPE))} in {out}")
    return 0


def _check(out: Path) -> None:
    for package, needs in (("torch", "recipes need PyTorch"), ("matplotlib", "figures need matplotlib")):
        if importlib.util.find_spec(package) is None:
            raise ValueError(f'{needs}, which is not installed; pip install "gsp-studio[pruning]" adds it')
    check_directory(out)
    listed = _list(out)
    for name in FILES:
        if (out / name).exists() and name not in listed:
            raise ExportError(f"{out} already holds {name}, which no recipe made there; choose another folder")


def _list(out: Path) -> list[str]:
    try:
        content = json.loads((out / RECIPE).read_text(encoding="utf-8"))
        return [str(name) for name in content["files"]] if content["program"] == PROGRAM else []
    except (FileNotFoundError, *DAMAGE, TypeError):
        return []


def _at(args: argparse.Namespace, path: Path, key: str | None) -> argparse.Namespace:
    """The arguments for one path, with its colours kept unless something else is said."""
    key = key or args.key
    colour = args.colour
    if colour is None and peek(path, key=key, steps=args.step or (), image_shape=args.image_shape).has_colour:
        colour = "rgb"
    return argparse.Namespace(**{**vars(args), "path": str(path), "key": key, "colour": colour})


def _plan(args: argparse.Namespace, train: LabelledSource, test: LabelledSource) -> Plan:
    from gsp_studio.pruning.grouping import Grouping
    from gsp_studio.pruning.methods import COMPARED
    from gsp_studio.pruning.recipe import SHARES, Plan
    from gsp_studio.pruning.training import SCHEDULES

    chosen = {"epochs": args.epochs, "finetune": args.finetune, "batch": args.batch, "every": args.every}
    for name, value in chosen.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}; accepted is a whole number >= 1")
    schedule = replace(SCHEDULES[args.model], **{name: value for name, value in chosen.items() if value is not None})
    for value in args.sparsities or ():
        check_target(value, "sparsity")
    if args.sparsities:
        schedule = replace(schedule, sparsity=args.sparsities[0])
    return Plan(
        model=args.model,
        schedule=schedule,
        seeds=5 if args.repeats is None else args.repeats,
        shares=args.shares or SHARES,
        methods=args.compare or COMPARED,
        grouping=Grouping(args.group, args.vectors, exclude=args.exclude),
        data=f"{train.fingerprint}+{test.fingerprint}",
    )


def _with_best_sparsity(plan: Plan, args: argparse.Namespace, train: LabelledSource) -> Plan:
    """The plan with the sparsity whose network is best after cut and fine-tuning, on images held out of training."""
    from gsp_studio.pruning.images import LabelledImages, split
    from gsp_studio.pruning.recipe import RUNS, run_all
    from gsp_studio.pruning.training import make_sets

    if not isinstance(train, LabelledImages):
        raise ValueError("a sparsity is chosen on images in memory; give a single --induce for these")
    part, held = split(train, _HELD_OUT, _CHOSEN_WITH)
    found = {}
    for sparsity in args.sparsities:
        schedule = replace(plan.schedule, sparsity=sparsity)
        fingerprint = f"{part.fingerprint}+{held.fingerprint}"
        trial = replace(plan, schedule=schedule, seeds=1, methods=("cut",), data=fingerprint)
        with _threads(args):
            outcomes = run_all(
                trial, make_sets(part, held), Path(args.out) / RUNS, _device(args.backend), lambda epochs, runs: None
            )
        found[sparsity] = sum(outcome.accuracy for outcome in outcomes[1:]) / len(outcomes[1:])
        print(f"s = {sparsity:g}: {found[sparsity]:.2%} on {len(held.labels)} images held out", file=sys.stderr)
    return replace(plan, schedule=replace(plan.schedule, sparsity=max(found, key=lambda s: found[s])))


def _told(plan: Plan, train: LabelledSource, test: LabelledSource) -> str:
    channels, height, width = train.shape
    size = f"{height} x {width}{' in colour' if channels == 3 else ''}"
    return (
        f"{plan.model}: {len(train.labels)} images of {size} to train, {len(test.labels)} to evaluate, "
        f"{len(train.classes)} classes; {plan.seeds} seeds, {len(plan.tasks())} runs"
    )


def _name(path: Path | None) -> str:
    return "digits" if path is None else path.name


def _device(backend: str) -> Any:
    import torch

    if backend.startswith("cuda"):
        if not torch.cuda.is_available():
            raise ValueError(f"backend {backend} cannot train here: PyTorch finds no CUDA device")
        return torch.device(backend)
    return torch.device("cuda" if backend == "auto" and torch.cuda.is_available() else "cpu")


class _Threads(AbstractContextManager[None]):
    """PyTorch and the kernels with so many threads while inside."""

    def __init__(self, count: int) -> None:
        self._count, self._before = count, (0, 0)

    def __enter__(self) -> None:
        import torch

        from gsp_studio.backends.cpu.pool import set_threads

        self._before = (torch.get_num_threads(), set_threads(self._count))
        torch.set_num_threads(self._count)

    def __exit__(self, *_: object) -> None:
        import torch

        from gsp_studio.backends.cpu.pool import set_threads

        torch.set_num_threads(self._before[0])
        set_threads(self._before[1])


def _threads(args: argparse.Namespace) -> AbstractContextManager[Any]:
    if args.threads is not None and args.threads < 1:
        raise ValueError(f"threads is {args.threads}; accepted is a whole number >= 1")
    if args.threads is None and args.model not in _SERIAL:
        return nullcontext()
    return _Threads(args.threads or 1)


def table_of(plan: Plan, outcomes: Sequence[Outcome]) -> str:
    """Accuracy in percent, mean and deviation over seeds, as a table in Markdown: methods down, shares across."""
    from gsp_studio.pruning.methods import METHODS, SHARED
    from gsp_studio.pruning.recipe import DENSE, mean_and_spread

    dense, spread = mean_and_spread(outcomes, DENSE, 0.0)
    before = [100 * outcome.before for outcome in outcomes if outcome.method == DENSE]
    rows = [["accuracy (%) at zeros of", *(f"{100 * share:g} %" for share in plan.shares)]]

    def told_of(mean: float, deviation: float) -> str:
        return f"{mean:.2f} ± {deviation:.2f}" if plan.seeds > 1 else f"{mean:.2f}"  # one network has no deviation

    for method in plan.methods:
        found = [mean_and_spread(outcomes, method, share) for share in plan.shares]
        rows.append([METHODS[method].label, *(told_of(*each) for each in found)])
    for method in plan.methods:
        found = [mean_and_spread(outcomes, method, share, before=True) for share in plan.shares]
        rows.append([f"{METHODS[method].label}, before fine-tuning", *(f"{mean:.2f}" for mean, _ in found)])
    for method in plan.methods:
        found = [mean_and_spread(outcomes, method, share) for share in plan.shares]
        rows.append([f"{METHODS[method].label}, minus dense", *(f"{mean - dense:+.2f}" for mean, _ in found)])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    told = f"Dense: {told_of(dense, spread)} (before it was trained on: {sum(before) / len(before):.2f})."
    if set(SHARED) & set(plan.methods):
        told += f" Induced, then cut at s = {plan.schedule.sparsity:g}."
    return "\n".join([*lines, "", told])


def _write(
    out: Path, plan: Plan, outcomes: Sequence[Outcome], title: str, table: str, data: Path | None, split: int
) -> None:
    from gsp_studio.pruning.plots import save_figure

    described = {
        "program": PROGRAM,
        "shows": title,
        "data": "scikit-learn's digits" if data is None else str(data.absolute()),
        "split": split,
        "plan": asdict(plan),
        "outcomes": [asdict(outcome) for outcome in outcomes],
        "versions": {**software_versions(), "torch": _version("torch"), "matplotlib": _version("matplotlib")},
        "platform": platform.platform(),
        "files": [*FILES, RECIPE],
    }
    write_whole(out / FILES[0], lambda path: save_figure(plan, outcomes, title, path))
    write_whole(out / FILES[1], lambda path: _write_rows(outcomes, path))
    write_whole(out / FILES[2], lambda path: path.write_text(f"# {title}\n\n{table}\n", encoding="utf-8"))
    write_whole(out / RECIPE, lambda path: write_json(path, described))


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _write_rows(outcomes: Sequence[Outcome], path: Path) -> None:
    columns = ("method", "share", "seed", "accuracy", "before", "zeros", "seconds")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([getattr(outcome, name) for name in columns] for outcome in outcomes)
