"""The pages: their Python snippets run, each page's in one namespace; what they name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHER_PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]
LINK = re.compile(r"\]\(([^)#:]+)[^):]*\)")
FILE = re.compile(
    r"`((?:agents|benchmarks|docs|metaenvs|task_samplers|tests)/[a-z_0-9/]+(?:\.py)?)`"
)
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_snippets_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    snippets = SNIPPET.findall(page.read_text())
    namespace: dict[str, object] = {"__name__": page.stem}
    for snippet in snippets:
        exec(compile(snippet, str(page), "exec"), namespace)
    if page.name in ("README.md", "index.md", "tasks.md", "evaluation.md"):
        assert snippets


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES], ids=lambda page: page.name)
def test_links_and_files_are_there(page: Path) -> None:
    text = page.read_text()
    links = [link for link in LINK.findall(text) if not link.startswith("environments/")]
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [file for file in FILE.findall(text) if not (ROOT / file).exists()]
    assert missing == []
    if page.name == "README.md" and page.parent == ROOT:
        assert len(links) > 5 and len(FILE.findall(text)) > 3
