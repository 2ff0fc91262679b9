"""Diagnostics as compilers write them, a line each, which every editor understands."""

from __future__ import annotations

from pvasm.check.diagnostic import Diagnostic
from pvasm.report.plain_text import printable


def render(diagnostic: Diagnostic) -> str:
    """`path:line:column: error: message [PV001]`; the name of an instance comes before the code."""
    instance = f" [{printable(diagnostic.instance)}]" if diagnostic.instance else ""
    return (
        f"{printable(diagnostic.path)}:{printable(diagnostic.where)}: "
        f"{diagnostic.severity}: {printable(diagnostic.message)}{instance} [{diagnostic.code}]"
    )
