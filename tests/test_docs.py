"""The README and the pages of docs/: their Python runs, and what they link to exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: A page says so in the line before a block that cannot run by itself.
NEEDS_A_FILE = "<!-- needs a file -->\n"
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|<(?:img|a)\b[^>]*?\b(?:src|href)=[\"']([^\"']+)")
HEADING = re.compile(r"^#+ +(.*?)\s*$", re.MULTILINE)

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def links_of(text: str) -> list[str]:
    """Targets of links and images, code left out."""
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))
    return [a or b for a, b in LINK.findall(prose)]


def anchors_of(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pages
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order and in one namespace, as a reader would; those that need a file compile."""
    text = page.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in FENCE.finditer(text):
        if block[1] not in ("python", "py"):
            continue
        # Lines before the block, so that a traceback names the line of the page.
        before = "\n" * (text.count("\n", 0, block.start()) + 1)
        code = compile(before + block[2], str(page), "exec")
        if not text[: block.start()].endswith(NEEDS_A_FILE):
            exec(code, names)


@pages
def test_relative_links_lead_somewhere(page: Path) -> None:
    missing = []
    for link in links_of(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z][a-z0-9+.-]*:", link, re.IGNORECASE):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        # Outside the checkout the link works on this machine only.
        found = target.exists() and target.resolve().is_relative_to(ROOT)
        if found and anchor and target.suffix == ".md":
            found = anchor in anchors_of(target)
        if not found:
            missing.append(link)
    assert not missing


def test_links_and_code_are_told_apart() -> None:
    text = "![a](x.png) [b](y.md#c 'title') `[no](z)` <img src='i.svg'>\n```python\n[no](z)\n```\n"
    assert links_of(text) == ["x.png", "y.md#c", "i.svg"]
    assert [(kind, code) for kind, code in FENCE.findall(text)] == [("python", "[no](z)\n")]
