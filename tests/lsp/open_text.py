"""A text as it is open in an editor, without one: what the tests of single answers look at."""

from __future__ import annotations

from pathlib import Path

from pvasm.commands.check import settings_for_file
from pvasm.lsp.open_document import OpenDocument


def opened_text(folder: Path, text: str, name: str = "a.S") -> OpenDocument:
    """The text as that of an open file in a folder."""
    path = str(folder / name)
    return OpenDocument(path, text, "utf-16", settings_for_file(path))


def marked(text: str) -> tuple[str, int]:
    """A text without its `|`, and where that stood."""
    offset = text.index("|")
    return text[:offset] + text[offset + 1 :], offset
