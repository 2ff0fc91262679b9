"""What somebody may have meant who wrote a word that means nothing."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 80  # characters of a word that are looked at: the time grows with the square
_CUTOFF = 0.6
_CLASS = len("PV0")  # what the codes of rules about one thing begin with


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is nearest to what somebody wrote; None if none is near."""
    from difflib import get_close_matches

    close = get_close_matches(word[:_LONGEST], list(known), 1, _CUTOFF)
    return close[0] if close else None


def near(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)`, or nothing if no known word is near."""
    found = nearest(word, known)
    return f" (did you mean {found}?)" if found else ""


def unknown_code(word: str, codes: Iterable[str]) -> str:
    """What to say of a code of a rule, or the start of one, that there is not: which there are that begin alike."""
    known = sorted(codes)
    starts = (word[:length] for length in range(len(word), 0, -1))
    shared = next((start for start in starts if any(code.startswith(start) for code in known)), "")
    alike = [code for code in known if code.startswith(shared)]
    said = f"unknown code {word!r}"
    if len(alike) > 1 and len(shared) >= _CLASS:
        return f"{said}: those that begin with {shared} are {', '.join(alike)}"
    if (
        len(shared) == _CLASS - 1 and word[len(shared) :].isdecimal()
    ):  # PV777: what is near by its letters is about something else
        classes = sorted({code[:_CLASS] for code in alike})
        return f"{said}: there are {', '.join(classes)} (`pvasm explain' lists them all)"
    return f"{said}{near(word, known)} (`pvasm explain' lists them all)"
