"""What is made from a file that travels with pvasm, kept beside it: as Python keeps bytecode, in `__pycache__`.

Where that folder cannot be written, it is kept with what runs have found (`pvasm.data.cache_folder`). It is made again
whenever the file, or what made it, has changed; and at every run where it cannot be kept.
"""

from __future__ import annotations

import contextlib
import os
from _imp import source_hash
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from pvasm import __version__, data, shelves

_KEY = 0
_PACKAGE = os.path.dirname(os.path.realpath(__file__))


def compiled(path: str, make: Callable[[str], Any], *, made_by: Sequence[str], kind: str = "") -> Any:
    """What `make` makes of the text of the file at `path`: a value that JSON can hold.

    `made_by` are the files of the modules that make it, relative to the package, and whatever else has a say in it;
    `kind` tells apart what is made of the same file.
    """
    text, digest = _text_and_digest(path, made_by)
    name = os.path.basename(path) + (f".{kind}" if kind else "")
    kept_name = f"{name}.{digest}.json"
    for shelf in places(path):
        kept = shelves.take(shelf, kept_name)
        if kept is not None:
            return msgspec.json.decode(kept)
    made = make(text)
    if _text_and_digest(path, made_by)[1] != digest:
        return made  # something has changed while it was made
    for shelf in places(path):
        with contextlib.suppress(OSError):
            if shelves.put(shelf, kept_name, _json(made), mode=0o755):
                _drop_others(shelf, kept_name, f"{name}.")
                break
    return made


def places(path: str) -> list[str]:
    """Where to keep what is made from the file at `path`, the first that can be written."""
    base = data.cache_folder()
    beside = os.path.join(os.path.dirname(path), "__pycache__")
    return [beside] if base is None else [beside, os.path.join(base, "compiled")]


def _json(made: Any) -> bytes:
    import json  # takes texts that know their places, unlike msgspec, which reads faster

    return json.dumps(made, separators=(",", ":")).encode()


def _text_and_digest(path: str, made_by: Sequence[str]) -> tuple[str, str]:
    """The text of the file at `path`, and a hash of it and of what has a say in what is made of it."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    contents = [f"{__version__}\n{text}".encode()]
    for module in made_by:
        with contextlib.suppress(OSError), open(os.path.join(_PACKAGE, module), "rb") as code:
            contents.append(code.read())
    # The hash that Python has for its own bytecode. importlib.util, which has it, too, imports others.
    return text, source_hash(_KEY, b"".join(source_hash(_KEY, content) for content in contents)).hex()


def _drop_others(shelf: str, kept_name: str, prefix: str) -> None:
    """Drops the files that one takes the place of."""
    for entry in os.listdir(shelf):
        digest = entry.removeprefix(prefix).removesuffix(".json")
        if entry == f"{prefix}{digest}.json" and "." not in digest and entry != kept_name:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(shelf, entry))
