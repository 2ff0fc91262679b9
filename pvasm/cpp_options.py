"""What may stand in the options of a C preprocessor that come from files."""

from __future__ import annotations

from pvasm.regex import regex

_DEFINE = regex(r"[A-Za-z_][A-Za-z0-9_]*(?:\([\w., ]*\))?(?:=[^\n\r\0]*)?")


def flaw_of_define(define: str) -> str | None:
    """What is wrong with what is to stand after `-D`; None if nothing is.

    A name, or the name and parameters of a macro, then perhaps `=` and a value in one line.
    """
    return None if _DEFINE.fullmatch(define) else f"{define!r} is no macro: NAME or NAME=VALUE is due"
