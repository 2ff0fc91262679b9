"""What is said of an instruction that should be an op, and how it is fixed."""

from __future__ import annotations

from pvasm.check.conversion import Converter
from pvasm.check.exposure import Exposure, described
from pvasm.check.finding import NOT_FIXED, Finding
from pvasm.check.subject import Subject


def reported(subject: Subject, exposure: Exposure) -> Finding:
    """The finding about an exposed instruction that should be an op, with what fixes it if that is asked for."""
    message = described(exposure, subject.intrinsics)
    if not subject.fixing:
        return Finding(exposure.start, exposure.end, message)
    conversion = subject.of(Converter).convert(exposure)
    details = (f"{NOT_FIXED}{conversion.reason}",) if conversion.reason else ()
    return Finding(exposure.start, exposure.end, message, details=details, edits=conversion.edits)
