"""The Python snippets of README and docs run, each page's in one namespace."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_snippets_run(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snippets = SNIPPET.findall(page.read_text())
    namespace: dict[str, object] = {"__name__": page.stem}
    for snippet in snippets:
        exec(compile(snippet, str(page), "exec"), namespace)
    if page.name in ("README.md", "index.md", "tasks.md", "evaluation.md"):
        assert snippets
