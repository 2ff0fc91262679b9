"""Diagnostics for a person: `path:line:column: CODE severity: message`, then the line with the place marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pvasm.check.diagnostic import Diagnostic
from pvasm.terminal import file_url, link, width

_WIDTH = 200  # of the source line shown, in characters

# Select Graphic Rendition (ECMA-48, 8.3.117).
_BOLD, _RED, _YELLOW, _CYAN, _GREEN, _FAINT = "1", "1;31", "1;33", "1;36", "1;32", "2"
_COLORS = {"error": _RED, "warning": _YELLOW, "note": _CYAN}


def render(diagnostic: Diagnostic, *, color: bool = False, links: bool = False) -> str:
    """The lines that show one diagnostic, without a line end after the last."""

    def paint(text: str, how: str) -> str:
        return f"\033[{how}m{text}\033[0m" if color and text else text

    place = paint(f"{printable(diagnostic.path)}:{printable(diagnostic.where)}:", _BOLD)
    what = paint(f"{diagnostic.code} {diagnostic.severity}:", _COLORS[diagnostic.severity])
    if links:
        place, what = _linked(diagnostic, place, what)
    instance = f" [{printable(diagnostic.instance)}]" if diagnostic.instance else ""
    lines = [f"{place} {what} {printable(diagnostic.message)}{instance}"]
    shown, marks = _marked(diagnostic)
    if shown.strip():
        blank = marks[: len(marks) - len(marks.lstrip())]
        lines += [f"    {shown}", f"    {blank}{paint(marks[len(blank) :], _GREEN)}"]
    lines += [paint(f"      {printable(detail)}", _FAINT) for detail in diagnostic.details]
    return "\n".join(lines)


def _linked(diagnostic: Diagnostic, place: str, what: str) -> tuple[str, str]:
    """The place as a link to the file, and the code as one to what is said of it, where that can be had."""
    from pvasm.report.documentation import rule_url

    if diagnostic.path != "<stdin>":
        place = link(place, file_url(diagnostic.path, diagnostic.line))
    url = rule_url(diagnostic.code)
    return place, what if url is None else link(what, url)


def _marked(diagnostic: Diagnostic) -> tuple[str, str]:
    """The source line, cut to size around the place, and the line that marks it."""
    line = diagnostic.source_line
    start = diagnostic.source_column - 1
    length = diagnostic.end_column - diagnostic.column if diagnostic.end_line == diagnostic.line else len(line)
    end = max(min(start + length, len(line)), start + 1)
    cut = max(0, start - _WIDTH // 2) if len(line) > _WIDTH else 0
    shown = printable(line[cut : cut + _WIDTH])
    # A tab stays a tab, so that the marks stand under the place at any tab width.
    blank = "".join("\t" if character == "\t" else " " * width(character) for character in shown[: start - cut])
    return shown, blank + "^" + "~" * (width(shown[start - cut : min(end, cut + _WIDTH) - cut]) - 1)


def printable(text: str) -> str:
    """The text for a terminal: what could not be shown, and what could steer it, is a question mark.

    Bytes that are not UTF-8 go out as they came in.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" or "\udc80" <= c <= "\udcff" else "?" for c in text)


def summary(diagnostics: Iterable[Diagnostic], files: int, problems: int) -> str:
    """The count at the end of a run, and whether something could not be checked."""
    counts = Counter(diagnostic.severity for diagnostic in diagnostics)
    found = [counted(counts[severity], severity) for severity in ("error", "warning", "note") if counts[severity]]
    said = f"{', '.join(found) or 'nothing found'} in {counted(files, 'file')}"
    return f"{said}; {counted(problems, 'problem')} kept pvasm from checking everything" if problems else said


def counted(count: int, noun: str) -> str:
    """A number of things: `1 file`, `2 files`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
