"""The fenced blocks of the documents, and the marks in front of them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
ADDRESS = "127.0.0.1:8000"  # of the server in all examples

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (?P<kind>file|schema) (?P<value>\S+) -->\n\Z")


class Block(NamedTuple):
    """`marks` is from the comment before it: `file <name>` to save it under, or `schema <name>` that it must match."""

    document: str
    line: int
    language: str
    text: str
    marks: dict[str, str]

    @property
    def location(self) -> str:
        return f"{self.document}:{self.line}"


def blocks_of(document: Path) -> Iterator[Block]:
    content = document.read_text()
    for fence in _FENCE.finditer(content):
        before = content[: fence.start()]
        mark = _MARK.search(before)
        yield Block(
            document=str(document.relative_to(ROOT)),
            line=before.count("\n") + 1,
            language=fence["language"],
            text=fence["text"],
            marks={mark["kind"]: mark["value"]} if mark else {},
        )


def all_blocks(*languages: str) -> list[Block]:
    """Returns the blocks in one of `languages`, or all blocks if none are given."""
    blocks = [block for document in DOCUMENTS for block in blocks_of(document)]
    return [block for block in blocks if not languages or block.language in languages]


def blocks_in(document: str, *languages: str) -> list[Block]:
    return [block for block in all_blocks(*languages) if block.document == document]


def table_under(document: str, heading: str) -> list[list[str]]:
    """Returns the cells of the first table under a heading, without its header row."""
    text = (ROOT / document).read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]
