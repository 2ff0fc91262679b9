"""Every regular expression of pvasm is made here, so that one test can try them all (tests/test_regex.py).

A pattern must match in time linear in the text: sources, configurations and instances come from anyone. It is not if a
repeated group can match the same text in two ways, if repetitions that follow each other can share text, or if what
is searched from each place on looks ahead to the end of the file. Possessive quantifiers (`*+`, `++`) and atomic groups
say where a match never goes back to.
"""

from __future__ import annotations

import re
from typing import Final

# The patterns that modules hold, as these are imported.
REGISTERED: Final[list[re.Pattern[str]]] = []


def regex(pattern: str, flags: int | re.RegexFlag = 0) -> re.Pattern[str]:
    """The pattern, compiled; it is kept for the test. For modules: it is called once for each pattern."""
    compiled = re.compile(pattern, flags)
    REGISTERED.append(compiled)
    return compiled


def made_regex(pattern: str, flags: int | re.RegexFlag = 0) -> re.Pattern[str]:
    """A pattern that is made of names that are read, compiled. The test has an example of each that is made."""
    return re.compile(pattern, flags)
