"""Examples of rules: code that a rule flags, where, what it says of it, and what fixing makes of it.

    Flagged("«cover»", "sensitive instruction used directly: use COVER", fixed="COVER")

They are the rule's tests and what `pvasm explain` shows.
"""

from __future__ import annotations

from typing import Final

from pvasm.regex import regex

OPEN, CLOSE = "«", "»"
_MARK: Final = regex(f"[{OPEN}{CLOSE}]")


class Flagged:
    """Code that a rule flags.

    `code` has `«` and `»` around each span that is flagged, nested where one lies in another, and `messages` has what
    is said of them, by their starts: the message and, in brackets, the instances in which it is so, if not in all.
    Several messages about one span are several marks around it. `fixed` is the code that `--fix` makes, None if it
    changes nothing. Code of one line stands among others when it is tried, so it needs no indentation.
    """

    __slots__ = ("code", "fixed", "messages")

    def __init__(self, code: str, *messages: str, fixed: str | None = None) -> None:
        self.code = code
        self.messages = messages
        self.fixed = fixed

    @property
    def text(self) -> str:
        """The code without marks."""
        return _MARK.sub("", self.code)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The spans of `text` that are marked, by their starts and the longer first.

        Raises ValueError for marks that do not match.
        """
        spans: list[tuple[int, int]] = []
        waiting: list[int] = []
        for marks, mark in enumerate(_MARK.finditer(self.code)):
            at = mark.start() - marks
            if mark[0] == OPEN:
                waiting.append(at)
            elif not waiting:
                raise ValueError(f"`{CLOSE}' without `{OPEN}': {self.code!r}")
            else:
                spans.append((waiting.pop(), at))
        if waiting:
            raise ValueError(f"`{OPEN}' without `{CLOSE}': {self.code!r}")
        return sorted(spans, key=lambda span: (span[0], -span[1]))


def marked(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with marks around spans, which lie in one another or apart."""
    opening = [(start, 1, -end, OPEN) for start, end in spans]
    closing = [(end, 0, -start, CLOSE) for start, end in spans]
    at = 0
    parts: list[str] = []
    for offset, _, _, mark in sorted([*opening, *closing]):
        parts += (text[at:offset], mark)
        at = offset
    return "".join((*parts, text[at:]))
