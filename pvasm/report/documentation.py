"""Where the documentation of a rule is, for formats and terminals that know links."""

from __future__ import annotations

import os

VARIABLE = "PVASM_DOCS_URL"


def rule_url(code: str) -> str | None:
    """The URL of what is said of a rule in the site of the documentation; None where nobody has said where that is.

    `PVASM_DOCS_URL` says it: wherever somebody has put it.
    """
    base = os.environ.get(VARIABLE, "")
    if not base.isprintable() or " " in base or ":" not in base:
        return None
    return f"{base.rstrip('/')}/reference/rules/{code[:3]}xx.html#{code.lower()}"
