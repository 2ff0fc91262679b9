"""What the keys of instance files and of the catalog are for, in the words of the files that travel with pvasm.

The comment at the top of `native.yaml` tells of the keys of an instance file, that of `ops.yaml` of the catalog's.
"""

from __future__ import annotations

from pvasm import data
from pvasm.paravirt.shipped import CATALOG
from pvasm.regex import regex

_TELLING = "native"  # the instance whose file tells of the keys
_KEY = regex(r"# (?P<key>[a-z][\w.]*) +(?P<text>\S.*)")
_MORE = regex(r"# {2,}(?P<text>\S.*)")


def instance_keys() -> dict[str, str]:
    """What each key of an instance file is for; a word in capital letters (`ops.NAME.template`) stands for any."""
    return told_keys(data.instance_file(_TELLING))


def catalog_keys() -> dict[str, str]:
    """What the keys of the catalog are for, as `instance_keys` has them."""
    return told_keys(data.instance_file(CATALOG))


def told_keys(path: str) -> dict[str, str]:
    """What the comment at the top of a file tells of keys, after its first paragraph, as `instance_keys` has it."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    keys: dict[str, str] = {}
    key = None
    for line in text.partition("\n#\n")[2].split("\n"):
        if not line.startswith("#"):
            break
        if found := _KEY.fullmatch(line):
            key = found["key"]
            keys[key] = found["text"]
        elif key is not None and (more := _MORE.fullmatch(line)):
            keys[key] += f" {more['text']}"
    return keys
