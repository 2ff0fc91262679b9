"""What is known of the terminal that output goes to: colours, links, and how wide characters are."""

from __future__ import annotations

import contextlib
import os
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import IO


@cache
def columns() -> int:
    """The width of the terminal, as `shutil.get_terminal_size` has it, without all that this imports; 80 elsewhere."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told):
        return int(told)
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    return 80


def has_colors(stream: IO[str], choice: str = "auto") -> bool:
    """Whether to write in colours: by the choice (auto, always, never), or what is known of whom it is for.

    `NO_COLOR` (https://no-color.org) says never, then `FORCE_COLOR` (https://force-color.org) always, each if it is not
    empty; then a terminal that is not dumb has colours.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


# What terminals with links say of themselves in the environment; None: whatever the value is.
_WITH_LINKS = {
    "TERM_PROGRAM": ("iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "Tabby", "rio"),
    "TERM": ("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "foot-extra", "wezterm", "contour"),
    "KITTY_WINDOW_ID": None,
    "KONSOLE_VERSION": None,
    "WT_SESSION": None,
    "DOMTERM": None,
}
_FIRST_VTE = 5001  # 0.50.0 stops at a link


def has_links(stream: IO[str]) -> bool:
    """Whether output goes to a terminal that is known to show links (OSC 8); never a pipe or a file.

    No terminal can be asked. `FORCE_HYPERLINK` says that it has (1) or has not (0) links.
    """
    if not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb" or "STY" in os.environ:  # screen garbles them
        return False
    forced = os.environ.get("FORCE_HYPERLINK")
    if forced:
        return forced != "0"
    version = os.environ.get("VTE_VERSION", "")
    if version.isdecimal() and int(version) >= _FIRST_VTE:
        return True
    known = ((os.environ.get(name), values) for name, values in _WITH_LINKS.items())
    return any(value is not None and (values is None or value in values) for value, values in known)


def link(text: str, url: str) -> str:
    """The text as a link."""
    return f"\033]8;;{url}\033\\{text}\033]8;;\033\\"


def file_url(path: str, line: int) -> str:
    """The URL of a line of a file, with the name of this machine, since the terminal may be another's."""
    from urllib.parse import quote

    place = f"#{line}" if line else ""
    return f"file://{os.uname().nodename}{quote(os.fsencode(os.path.abspath(path)))}{place}"


def width(text: str) -> int:
    """How many columns a text without tabs takes: two for characters of East Asia, none for combining ones."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    def one(character: str) -> int:
        if category(character) in ("Mn", "Me", "Cf"):
            return 0
        return 2 if east_asian_width(character) in ("W", "F") else 1

    return sum(map(one, text))
