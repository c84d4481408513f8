"""Numbers as people read them: always with a unit, always with the same number of digits."""

from __future__ import annotations

import math
import re
import traceback
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gsp_studio.gui.state import TOLERANCE, BasisPreview, DisplayedBasis
from gsp_studio.io.error_text import describe_error, is_refusal

if TYPE_CHECKING:
    from gsp_studio.arrays import Array
    from gsp_studio.core.params import Params
    from gsp_studio.core.results import Record
    from gsp_studio.gui.state import RunEntry
    from gsp_studio.io.dataset import Dataset
    from gsp_studio.nouns import Nouns


#: Meaning of a basis image's stability.
STABILITY = (
    "Similarity of this basis image and its partner in each fit from a further seed: their mean cosine, less the\n"
    "level of chance (that of the same basis images with their pixels shuffled), so that chance is 0.\n"
    "1 where every seed finds it, below 0.8 it counts as unstable. Of the run's own basis; the slider's\n"
    "projections of it keep their numbers, so it stays while you drag. Run > How stable are these basis images?"
)
#: How much sparser than its target a basis exceeds it; and the word for that.
_SPARSER = 1e-3
EXCEEDED = "exceeded"
#: The word for a basis whose next iterates go on towards its target.
REFINING = "refining"
#: Basis images that are listed by their numbers; more are only counted.
_FEW = 12


def percent(fraction: float) -> str:
    """0.09812 as "9.812 %"; "–" for NaN."""
    return "–" if math.isnan(fraction) else f"{100 * fraction:.3f} %"


def points(difference: float) -> str:
    """A difference of errors, 0.0234, as "+2.340 points", with a true minus sign."""
    return f"{signed(100 * difference, 3)} points"


def error_name(shown: DisplayedBasis) -> str:
    """What the error of a basis is called: that of least squares is just "error"."""
    if shown.gram is None or (shown.gram.measure is None and shown.gram.rows is None):
        return "error"
    return "scaled error" if shown.gram.measure is None else "KL divergence"


def error_words(shown: DisplayedBasis, own_sparsity: float = math.nan) -> str:
    """The error of the basis on the screen and how it came about; `own_sparsity`: of the unprojected basis."""
    if math.isnan(shown.baseline):
        return f"{error_name(shown)} {percent(shown.error)}"
    if shown.iterations:
        return f"{refined_words(shown)}   projected {percent(shown.projected)}"
    projected = "projected" if error_name(shown) == "error" else f"projected, {error_name(shown)}"
    if shown.target <= own_sparsity:
        return f"{projected} {percent(shown.error)}  ·  not sparser than the unprojected basis: it stays as it is"
    return f"{projected} {percent(shown.error)}  ·  {points(shown.error - shown.baseline)} by projecting"


def plain_sparsity(W: Array) -> float:
    """Average Hoyer sparsity of the columns, every pixel counted alike."""
    from gsp_studio.core.sparsity import hoyer_sparsity

    return float(np.mean(hoyer_sparsity(W)))


def is_on_its_way(shown: DisplayedBasis) -> bool:
    """Whether a basis is still being refined to its target: it follows the slider, so that is no verdict yet."""
    return shown.is_refining and not (shown.meets_target and shown.attained <= shown.target + _SPARSER)


def target_words(shown: DisplayedBasis | BasisPreview) -> str:
    """Target, attained sparsity and whether that is enough; a target below it is "exceeded"."""
    is_weighted = isinstance(shown, DisplayedBasis) and shown.is_weighted
    if math.isnan(shown.target):
        return f"no target   {'weighted ' * is_weighted}sparsity {shown.attained:.4f}"
    if isinstance(shown, DisplayedBasis) and is_on_its_way(shown):
        word = REFINING
    elif shown.attained < shown.target - TOLERANCE:
        word = "missed"
    elif isinstance(shown, DisplayedBasis) and not shown.meets_target:
        word = "H missed"
    else:
        word = EXCEEDED if shown.attained > shown.target + _SPARSER else "reached"
    attained = "weighted" if is_weighted else "attained"
    return f"target s {shown.target:.4f}   {attained} {shown.attained:.4f}   {word}"


def refined_words(shown: DisplayedBasis) -> str:
    """The error of a refined basis, and whether it has come to rest."""
    if shown.is_solved:
        return f"solved{'' if error_name(shown) == 'error' else f', {error_name(shown)}'} {percent(shown.error)}"
    if not math.isnan(shown.solved_at):
        return f"from solved s = {shown.solved_at:.3f}: {error_name(shown)} {percent(shown.error)}"
    count = f"{shown.iterations} iteration{'s' if shown.iterations > 1 else ''}"
    return (
        f"{'refining,' if shown.is_refining else 'stopped after'} {count}: {error_name(shown)} {percent(shown.error)}"
    )


def words_in_tiles(shown: DisplayedBasis) -> dict[int, str]:
    """Words in the tiles of basis images that describe nothing, by tile: "dead", or "dust" where one pixel is left."""
    from gsp_studio.core.diagnosis import is_dust

    dead = shown.energies <= 0
    odd = dead | is_dust(shown.sparsities)
    if not odd.any():
        return {}
    return {tile: "dead" if dead[k] else "dust" for tile, k in enumerate(shown.order.tolist()) if odd[k]}


#: Values of a basis up to which the error without one of its images is computed for a tool tip.
_QUICK = 2**23


def about_basis(shown: DisplayedBasis, k: int, nouns: Nouns) -> str:
    """Tell of a basis image: sparsity, energy, and what the error would be without it."""
    from gsp_studio.core.diagnosis import error_without

    lines = [f"Basis {k + 1}: sparsity {shown.sparsities[k]:.4f}, energy {percent(float(shown.energies[k]))}"]
    if shown.gram is not None and shown.W.size <= _QUICK:
        without = error_without(shown.W, shown.gram, k, shown.error)
        if not math.isnan(without):
            more = signed(100 * (without - shown.error), 3)
            lines += [
                f"Share of the error: {more} points without it: {percent(without)}, not {percent(shown.error)}",
                nouns.of("(left out, and all other basis images and coefficients as they are)"),
            ]
    word = words_in_tiles(shown).get(shown.tile_of(k))
    if word:
        lines.append(f"{word}: {nouns.of(_ODD[word])}")
    return "\n".join(lines)


_ODD = {
    "dead": "it has no pixel, or no image uses it",
    "dust": "one pixel, or as good as that; a lower target or a lower rank may do without it",
}


def signed(value: float, digits: int) -> str:
    """0.0123 as "+0.0123", with a true minus sign; a rest that is rounded away has the sign of zero."""
    return f"{value:+z.{digits}f}".replace("-", "−")


def duration(seconds: float) -> str:
    """Seconds as "0:09" or "1:02:03"."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def milliseconds(seconds: float) -> str:
    """Time of an iteration, to three figures or so: "3.1 ms", "240 ms", "1.20 s"."""
    if seconds >= 1.0:
        return f"{seconds:.2f} s"
    return f"{1e3 * seconds:.0f} ms" if seconds >= 0.1 else f"{1e3 * seconds:.1f} ms"


def pixel_value(value: npt.ArrayLike) -> str:
    """A pixel's value, or its three: "0.25", "0.25 0.1 0"."""
    return " ".join(f"{float(part):.4g}" for part in np.atleast_1d(value))


def grouped(count: int) -> str:
    """21150 as "21 150", with a narrow space: a comma is a decimal sign to half of the users."""
    return f"{count:,}".replace(",", "\u202f")


def plural(count: int, noun: str, many: str = "") -> str:
    """ "1 image", "2 images"; "2 spectra" where the plural is named."""
    return f"{grouped(count)} {noun if count == 1 else many or noun + 's'}"


def memory(count: int) -> str:
    """Bytes as "3.3 MiB"."""
    size, unit = float(count), "bytes"
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


def error_texts(error: BaseException, *, is_loss: bool = False) -> tuple[str, str]:
    """An error as one sentence, and its traceback for a report.

    The traceback is "" where a check has refused something, and nothing is lost by it: that is said quietly.
    """
    return describe_error(error), "" if is_refusal(error) and not is_loss else "".join(
        traceback.format_exception(error)
    )


def about_data(dataset: Dataset) -> list[str]:
    """Describe a data set and its making, a line each."""
    height, width = dataset.grid or dataset.image_shape
    steps = "; ".join(dataset.steps) or "values as they are"
    colour = " in colour" if dataset.channels == 3 else ""
    shape = f"{dataset.X.shape[1]} images of {height} x {width}{colour}, order {dataset.order}"
    if dataset.grid is not None:
        shape = f"{dataset.X.shape[1]} spectra of {dataset.X.shape[0]} bands, the pixels of {height} x {width}"
    return [f"{dataset.name}: {shape}; {steps}.", *(f"⚠ {note}" for note in dataset.notes)]


def over_seeds(count: int) -> str:
    """ "over 5 seeds"."""
    return f"over {plural(count, 'seed')}"


def about_stability(entry: RunEntry, nouns: Nouns) -> str:
    """Say how many of a run's basis images other seeds do not find."""
    found = entry.stability
    assert found is not None
    count = len(found.unstable)
    which = f" ({', '.join(str(k + 1) for k in found.unstable)})" if 0 < count <= _FEW else ""
    of = plural(len(found.cosine), nouns.basis, nouns.bases)
    return (
        f"{entry.name}: {count or 'none'} of {of} unstable {over_seeds(found.seeds)}{which}; "
        f"mean similarity {found.similarity.mean():.3f} above chance."
    )


def basis_images(bases: Iterable[int], nouns: Nouns) -> str:
    """Numbers of basis images, "basis 3, 5"; of many only how many they are."""
    numbers = sorted(bases)
    if len(numbers) > _FEW:
        return f"{len(numbers)} {nouns.bases}"
    return f"basis {', '.join(str(k + 1) for k in numbers)}"


def remark_words(before: RunEntry, after: RunEntry, nouns: Nouns) -> str:
    """Say what was changed beside a run, as a step of undo: "accept basis 3 of Run 2"."""
    was, now, name = before.remarks, after.remarks, after.name
    for verb, bases in (("accept", now.accepted - was.accepted), ("reject", now.rejected - was.rejected)):
        if bases:
            return f"{verb} {basis_images(bases, nouns)} of {name}"
    withdrawn = (was.accepted - now.accepted) | (was.rejected - now.rejected)
    if withdrawn:
        return f"take back the verdict on {basis_images(withdrawn, nouns)} of {name}"
    if was.name != now.name:
        return f"rename {before.name}"
    return f"{'tags' if was.tags != now.tags else 'note'} of {name}"


def of_entries(entry: RunEntry) -> str:
    """Say which share of the entries the error of a run is about; "" where that is all of them."""
    left_out = entry.choice.params.held_out
    return f" of {100 - 100 * left_out:g} % of the entries" if left_out else ""


def about_run(entry: RunEntry) -> str:
    """Say how a run ended, and which of the starts that it tried led there."""
    result = entry.outcome.result
    assert result is not None
    unseen = "" if math.isnan(result.held_out_error) else f", of held-out entries {percent(result.held_out_error)}"
    tried = max((record.trial for record in entry.records), default=0)
    words = f" It tried {plural(tried, 'start')} and kept number {_kept(entry.records)}." if tried > 1 else ""
    return (
        f"{entry.name} {entry.state}: {entry.label}; "
        f"{error_name(entry.shown)} {percent(entry.shown.error)}{of_entries(entry)}{unseen}, "
        f"sparsity {entry.shown.attained:.4f}; {plural(result.n_iter, 'iteration')} in {entry.seconds:.2f} s.{words}"
    )


def origin_words(origin: tuple[int, int], params: Params) -> str:
    """Say which run and iteration a run began with, or how many seeds, or that it refined a basis; "" otherwise."""
    if origin[1]:
        return f", branch of run {origin[0]} at {origin[1]}"
    if origin[0]:
        return f", from run {origin[0]}"
    seeds = "" if params.seed_basis is None else f", {plural(params.seed_basis.shape[1], 'seed')}"
    return seeds if isinstance(params.init, str) else f"{seeds}, refined"


def title_of(entry: RunEntry) -> str:
    """Name and settings of a run in a line; the run that it comes from once, where its name says it too."""
    settings, _, last = entry.label.rpartition(", ")
    origin = last.removeprefix("from ")
    is_said = re.search(rf"\b{re.escape(origin)}\b", entry.name, re.IGNORECASE)
    return f"{entry.name}: {settings if is_said else entry.label}"


def _kept(records: Sequence[Record]) -> int:
    """Number of the last trial that led to the result."""
    from gsp_studio.core.lineage import leads
    from gsp_studio.core.results import History

    history = History.of(records)
    return int(history.trial[leads(history)].max())
