"""The documents of the tree that are pages, in the order of the site's sidebar, and the files that they link to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Those that are not named stand behind these: a document that is new is a page at once.
_GUIDE = ("adopting", "configuration", "build", "instances", "tables", "environments", "single-binary")
_PROJECT = ("comparison", "releases", "dependencies", "glossary", "hacking")
_OTHERS = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "sample_S/README.md", "pvasm/isa/instructions/README.md")

_LINK = re.compile(r"\]\((?P<path>[^)#:\s]+)(?:#[^)]*)?\)")


def guide() -> list[str]:
    """The documents for users, by their paths in the tree."""
    found = {path.stem for path in (ROOT / "docs").glob("*.md")}
    named = [name for name in _GUIDE if name in found]
    return [f"docs/{name}.md" for name in (*named, *sorted(found - {*_GUIDE, *_PROJECT}))]


def about_the_project() -> list[str]:
    """The documents about pvasm itself."""
    return [*(f"docs/{name}.md" for name in _PROJECT if (ROOT / "docs" / f"{name}.md").exists()), *_OTHERS]


def texts(paths: Iterable[str]) -> dict[str, str]:
    """The documents' texts by their paths."""
    return {path: (ROOT / path).read_text() for path in paths}


def linked_files(pages: Mapping[str, str]) -> Iterator[str]:
    """The files of the tree that pages link to, and that are none of them."""
    for page, text in pages.items():
        for link in _LINK.finditer(text):
            target = (ROOT / page).parent / link["path"]
            path = target.resolve()
            if path.is_file() and path.is_relative_to(ROOT) and str(path.relative_to(ROOT)) not in pages:
                yield str(path.relative_to(ROOT))
