"""A run on one page: data, parameters, course and result, with the figures inside the file."""

from __future__ import annotations

import base64
import html
import io
import math
from typing import Any

import numpy as np
from PIL import Image

from gsp_studio.arrays import Array
from gsp_studio.core.residuals import residuals
from gsp_studio.io.dataset import Dataset
from gsp_studio.io.export.figures import FigureStyle, labelled_montage
from gsp_studio.io.export.script import script_of
from gsp_studio.io.export.svg_curve import error_curve, sparsity_curve
from gsp_studio.io.montage import montage_image
from gsp_studio.io.run_json import describe
from gsp_studio.io.run_record import ExportedRun

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1e23; }
table { border-collapse: collapse; } td, th { text-align: left; padding: .15rem 1rem .15rem 0; vertical-align: top; }
th { font-weight: 500; color: #5a6270; } img { max-width: 100%; image-rendering: pixelated; }
pre { background: #f2f3f5; padding: 1rem; overflow: auto; font-size: 13px; } h2 { margin-top: 2rem; }
svg text { font: 11px system-ui, sans-serif; fill: #5a6270; }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #e6e8eb; } pre { background: #22262c; }
th, svg text { color: #a0a8b4; fill: #a0a8b4; } }
"""


def report_of(dataset: Dataset, run: ExportedRun, style: FigureStyle) -> str:
    """A run as HTML that needs no other file and no network.

    Parameters
    ----------
    dataset : Dataset
    run : ExportedRun
    style : FigureStyle
        Of the basis images.
    """
    content = describe(dataset, run, [])
    result, data = content["result"], content["data"]
    method = run.start.method
    nouns, (height, width) = dataset.nouns, dataset.image_shape
    size = f"{height} x {width}" if dataset.grid is None else f"{width} {nouns.entries}"
    params = {name: value for name, value in content["params"].items() if value not in (None, (), [], {})}
    found = residuals(dataset.X, run.result.W, run.result.H)
    worst = np.argsort(-found.images, kind="stable")[:8]
    parts = [
        f"<h1>{_text(dataset.name)}: {_text(method)}, rank {len(run.result.H)}</h1>",
        _table(
            {
                "Error": f"{100 * result['error']:.4f} %",
                **_held_out(run),
                "Average sparsity": f"{result['sparsity']:.4f}",
                "Iterations": f"{result['iterations']} (the best is {result['best_iteration']}), {run.reason}",
                "Time": f"{result['seconds']:.2f} s, {content['backend']['computed']}",
            }
        ),
        _remarks(content.get("remarks", {})),
        nouns.of("<h2>Basis images</h2>"),
        _image(labelled_montage(dataset, run, style), nouns.of("Basis images with number and sparsity")),
        "<h2>Error and sparsity</h2>",
        error_curve(run.result.history),
        sparsity_curve(run.result.history),
        nouns.of("<h2>Images with the largest errors</h2>"),
        _pairs(dataset, run, worst),
        _table({dataset.names[j]: f"{100 * found.images[j]:.3f} %" for j in worst}),
        "<h2>Data</h2>",
        _table(
            {
                "Source": data["source"],
                nouns.of("Images"): f"{data['images']} of {size}, {data['dtype']}, order {data['order']}",
                "Steps": "; ".join(data["steps"]) or "values as they are",
                "Fingerprint": data["fingerprint"],
            }
        ),
        "<h2>Parameters</h2>",
        _table(params),
        _steps(run),
        "<h2>Versions</h2>",
        _table({**content["versions"], "platform": content["platform"]}),
        "<h2>To repeat it</h2>",
        f"<pre>{_text(script_of(dataset, run))}</pre>",
    ]
    head = f'<meta charset="utf-8"><title>{_text(dataset.name)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _held_out(run: ExportedRun) -> dict[str, str]:
    """Rows about the entries that the run has held out, if any."""
    error = run.result.held_out_error
    return {} if math.isnan(error) else {"Held-out error": f"{100 * error:.4f} %, of entries that it has not seen"}


def _remarks(remarks: dict[str, Any]) -> str:
    """Annotations of the run; basis images have the numbers of the figures."""
    told = {
        "Name": remarks.get("name"),
        "Note": remarks.get("note"),
        "Tags": ", ".join(remarks.get("tags", ())),
        "Accepted": ", ".join(str(k + 1) for k in remarks.get("accepted", ())),
        "Rejected": ", ".join(str(k + 1) for k in remarks.get("rejected", ())),
    }
    rows = {name: value for name, value in told.items() if value}
    return _table(rows) if rows else ""


def _text(value: Any) -> str:
    return html.escape(str(value)).encode("utf-8", "backslashreplace").decode("utf-8")


def _table(rows: dict[str, Any]) -> str:
    body = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows.items())
    return f"<table>{body}</table>"


def _image(image: Image.Image, alt: str) -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    content = base64.b64encode(stream.getvalue()).decode()
    return f'<p><img alt="{_text(alt)}" src="data:image/png;base64,{content}"></p>'


def _pairs(dataset: Dataset, run: ExportedRun, chosen: Array) -> str:
    """Images above their reconstructions."""
    if not len(chosen):
        return ""
    originals = dataset.X[:, chosen]
    fits = run.result.W @ run.result.H[:, chosen]
    images = dataset.pictures(np.concatenate([originals, fits.astype(originals.dtype)], axis=1))
    zoom = max(1, 72 // min(images.shape[1:3]))
    sheet = montage_image(images, columns=len(chosen), gap=4, zoom=zoom)
    return _image(
        Image.fromarray(np.ascontiguousarray(sheet)), dataset.nouns.of("Images, and their reconstructions below")
    )


def _steps(run: ExportedRun) -> str:
    from gsp_studio.core.edits import difference, edited_params, text_of
    from gsp_studio.core.nmf import Params

    if not run.interventions:
        return ""
    rows: list[tuple[int, str]] = []
    params = run.start
    for n, change in run.interventions:
        if isinstance(change, Params):
            rows.append((n, difference(change, params) or f"up to {change.max_iter} iterations"))
            params = change
        else:
            rows.append((n, text_of(change)))
            params = edited_params(change, params)
    body = "".join(f"<tr><th>after iteration {n}</th><td>{_text(text)}</td></tr>" for n, text in rows)
    return f"<h2>What was changed on the way</h2><table>{body}</table>"
