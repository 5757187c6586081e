"""The fenced blocks of README.md and docs/, and what each of them says that it needs.

`<!-- needs: a GPU -->` on the line before a block tells why no test runs it. All other blocks of
commands and of Python are run (tests/slow/test_documentation.py), and every command is read by its
own parser (tests/docs/test_commands.py).
"""

import dataclasses
import pathlib
import re
import shlex

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_FENCE = re.compile(r"```(\w*)(?: title=\"([^\"]+)\")?")
_NEEDS = re.compile(r"<!-- needs: (.+) -->")


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, what it is written in, and what it needs."""

    page: str
    line: int
    language: str
    title: str
    text: str
    needs: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[list[str]]:
        """The words of every command of a block of shell, what is piped or redirected included."""
        joined = self.text.replace("\\\n", " ")
        return [words for line in joined.splitlines() if (words := shlex.split(line, True))]


def blocks_of(text: str, page: str) -> list[Block]:
    """The fenced blocks of a page of Markdown."""
    found, lines = [], text.splitlines()
    number = 0
    while number < len(lines):
        opened = _FENCE.fullmatch(lines[number].strip())
        if not opened:
            number += 1
            continue
        first = number
        needs = _NEEDS.fullmatch(lines[first - 1].strip()) if first else None
        end = next(k for k in range(first + 1, len(lines)) if lines[k].strip() == "```")
        text_of = "\n".join(lines[first + 1 : end]) + "\n"
        why = needs[1] if needs else ""
        found.append(Block(page, first + 1, opened[1], opened[2] or "", text_of, why))
        number = end + 1
    return found


def all_blocks() -> list[Block]:
    """The fenced blocks of all pages."""
    return [
        block
        for path in PAGES
        for block in blocks_of(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    ]
