"""The README, its neighbours and the pages of docs/: their Python runs, and what they link to exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("README", "CHANGELOG", "CONTRIBUTING", "CODE_OF_CONDUCT", "SECURITY")
PAGES = [*(ROOT / f"{name}.md" for name in NAMES), *sorted((ROOT / "docs").rglob("*.md"))]
#: What a reader sees of a page at a time, about.
SCREEN = 70
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


def test_the_readme_is_one_screen_with_both_commands_and_the_film() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= SCREEN
    commands = [line.split()[0] for kind, code in FENCE.findall(text) if kind == "sh" for line in code.splitlines()]
    assert {"script/run", "script/test"} <= set(commands)
    assert all((ROOT / name).exists() for name in commands if "/" in name)
    assert "docs/images/drag.gif" in links_of(text)


def test_the_paper_cites_what_its_bibliography_has() -> None:
    paper = (ROOT / "paper" / "paper.md").read_text(encoding="utf-8")
    cited = set(re.findall(r"@(\w+)", paper))
    entries = re.findall(r"^@\w+\{(\w+),", (ROOT / "paper" / "paper.bib").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(entries) == len(set(entries)) > 10
    assert cited == set(entries)
    assert 250 < len(paper.split()) <= 1000  # what the journal asks for


@pytest.mark.parametrize(
    ("claim", "page"),
    [
        ("17.4 %", "0.95 | 500 | 19.31 | 17.41 |"),
        ("1,100 iterations", "take 9,750 iterations, the path 1,100"),
        ("0.11 of the processor time", "8.3063 | 34, 0.09 (0.11)"),
        ("17 µs on one thread", "kernel on one thread | 16.6 µs"),
        ("51.6 % by GSP", "GSP, network (balanced)               90.76     84.66     51.62"),
        ("55 times as fast", "beside the 16 cores | | 55 times as fast"),
    ],
)
def test_claims_of_the_paper_stand_in_the_documentation(claim: str, page: str) -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    paper = " ".join((ROOT / "paper" / "paper.md").read_text(encoding="utf-8").split())
    assert claim in paper
    assert page in pages
