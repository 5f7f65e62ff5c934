"""What the documents show is what happens: their blocks run, in order, in an empty folder on an embedded chain."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import doc_blocks, tree

DOCUMENTS = [
    path for path in tree.files() if path.suffix == ".md" and (path.parent == tree.ROOT or "docs" in path.parts)
]


def _run(document: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "COLUMNS": "120",
        "NO_COLOR": "1",
    }
    command = [sys.executable, doc_blocks.__file__, str(document)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=tree.named)
def test_the_blocks_of_a_document_run_in_order(document: Path, tmp_path: Path) -> None:
    done = _run(document, tmp_path)
    assert done.returncode == 0, done.stderr


def _places(document: Path) -> set[Path]:
    """Return what a document links to in this repository, its blocks and what is code left out."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text("utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose)
    return {document.parent / link for link in links if ":" not in link}


@pytest.mark.parametrize("document", DOCUMENTS, ids=tree.named)
def test_no_link_of_a_document_leads_nowhere(document: Path) -> None:
    known = {path for file in tree.files() for path in (file, *file.parents)}
    assert [str(place) for place in _places(document) if place.resolve() not in known] == []


class TestTheRunner:
    """The runner itself must see what is wrong."""

    @pytest.mark.parametrize(
        "text",
        [
            "```python\nx = 1\n```\ntext\n```python\nassert x == 1\n```",
            "```python\n>>> 1 + 1\n2\n>>> y = 3\n```\n```python\nassert y == 3\n```",
            "```console\n$ echo one; echo two; echo three\none\nthree\n```",
            "```console\n$ echo 'size 12345 bytes'\nsize … bytes\n…\n```",
            "```console\n$ echo one \\\n  two\none two\n```",
            "<!-- exits: 3 -->\n```console\n$ exit 3\n```",
            "<!-- not run: needs a network -->\n```python\nraise SystemExit(1)\n```",
            "```json\n{not run}\n```\n```\nplain\n```",
        ],
    )
    def test_a_true_document_passes(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "true.md").write_text(text, "utf-8")
        done = _run(tmp_path / "true.md", tmp_path)
        assert done.returncode == 0, done.stderr

    @pytest.mark.parametrize(
        "text",
        [
            "```python\nassert 1 == 2\n```",
            "```python\n>>> 1 + 1\n3\n```",
            "```console\n$ echo one\ntwo\n```",
            "```console\n$ echo one; echo two\ntwo\none\n```",
            "```console\n$ echo 'size 12345 bits'\nsize … bytes\n```",
            "```console\n$ exit 3\n```",
            "<!-- exits: 3 -->\n```console\n$ true\n```",
            "```console\nno command\n```",
            "```sh\ntrue\n```",
            "```python\nnever closed",
            "<!-- not run: a marker speaks for one block -->\n```python\n1/0\n```\n```python\n1/0\n```",
        ],
    )
    def test_a_false_document_fails(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "false.md").write_text(text, "utf-8")
        assert _run(tmp_path / "false.md", tmp_path).returncode != 0

    def test_a_failure_names_its_line(self, tmp_path: Path) -> None:
        (tmp_path / "false.md").write_text("# Title\n\n```python\nx = 1\n1 / 0\n```", "utf-8")
        done = _run(tmp_path / "false.md", tmp_path)
        assert "line 3" in done.stderr
        assert "ZeroDivisionError" in done.stderr
