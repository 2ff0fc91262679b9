"""From documents to variants: every op invocation gives way to what an instance makes of it."""

from pvasm.expand.expander import ExpandErrors, expand

__all__ = ["ExpandErrors", "expand"]
