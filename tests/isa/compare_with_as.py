"""What GNU as in explicit mode (`as -x`) and pvasm say of dependencies in preprocessed files, and how they differ.

`python -m tests.isa.compare_with_as FILE.s...` prints a line for each thing said: its place, its kind, the resource,
and who says it, with the instructions where one of the two is alone. `explained` are the differences that
`dependency_oracle.py` gives a reason for. The exit status is 1 if there is another, or as refuses a file.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pvasm.text import read_text
from tests.isa.dependency_oracle import Compared, as_says, by_the_checker, compared


def compare(path: Path, folder: Path) -> list[Compared]:
    """What is said of a file, by lines. Raises AssertionError if as refuses it. `folder` is for what as writes."""
    text = re.sub(r"^[ \t]*#.*$", "", read_text(path), flags=re.MULTILINE)
    return list(compared(text, by_the_checker(text), as_says(text, folder)))


def shown(path: Path, each: Compared) -> str:
    line, kind, resource = each.said
    who = "both" if each.by == "both" else f"{each.by} alone{' (explained)' if each.expected else ''}: {each.told}"
    return f"{path}:{line}: {kind} {resource}: {who}"


def total(count: Counter[str]) -> str:
    both, by_as = count["both"], count["both"] + count["as"]
    return f"{both} of {by_as} that as says, {count['pvasm']} that it does not; {count['unexplained']} unexplained"


def main(arguments: Sequence[str]) -> int:
    """Compares the files; the exit status."""
    sums: Counter[str] = Counter()
    refused = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in map(Path, arguments):
            try:
                found = compare(path, Path(folder))
            except AssertionError as error:
                print(f"{path}: as refuses it: {error}")
                refused += 1
                continue
            count: Counter[str] = Counter(each.by for each in found)
            count["unexplained"] = sum(not each.expected for each in found)
            print(*(shown(path, each) for each in found), f"{path}: {total(count)}", sep="\n")
            sums += count
    print(f"in all: {total(sums)}")
    return int(bool(sums["unexplained"] or refused))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
