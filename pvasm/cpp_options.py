"""What may stand in the options of a C preprocessor that come from files."""

from __future__ import annotations

from pvasm.regex import regex

_DEFINE = regex(r"[A-Za-z_][A-Za-z0-9_]*(?:\([\w., ]*\))?(?:=[^\n\r\0]*)?")
_HEADER_NAME = regex(r"(?:[\w.+-]++/)*+[\w.+-]++")


def flaw_of_define(define: str) -> str | None:
    """What is wrong with what is to stand after `-D`; None if nothing is.

    A name, or the name and parameters of a macro, then perhaps `=` and a value in one line.
    """
    return None if _DEFINE.fullmatch(define) else f"{define!r} is no macro: NAME or NAME=VALUE is due"


def flaw_of_header_name(name: str) -> str | None:
    """What is wrong with the name of an op header; None if nothing is. It is as in `#include <NAME>`."""
    if _HEADER_NAME.fullmatch(name) and ".." not in name.split("/"):
        return None
    return f"{name!r} is not valid: the name as in #include <...> is due, such as asm/native/inst.h"
