"""The overlays of op headers, in a temporary folder that nothing which is made may name."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pvasm.expand.op_headers import overlays
from pvasm.files import write_atomically
from pvasm.paravirt.catalog import Catalog
from pvasm.syntax.run_cpp import OVERLAYS
from pvasm.text import read_text


class OverlayFolder:
    """A folder with the overlay of each op header, if there are any."""

    def __init__(self, folder: str, op_headers: Sequence[str], catalog: Catalog) -> None:
        self.folder = folder
        self.flags = (f"-I{folder}",) if op_headers else ()
        self.names = tuple(op_headers)
        self.texts = overlays(op_headers, catalog)
        for name, text in self.texts.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_atomically(path, text.encode())

    def read(self, path: str) -> str:
        """The text of a file that a line marker names. Raises PvasmError if it cannot be read."""
        own = self.texts.get(path.removeprefix(f"{OVERLAYS}/")) if path.startswith(f"{OVERLAYS}/") else None
        return read_text(path) if own is None else own

    def renamed(self, text: str) -> str:
        """Preprocessed text, without the folder's name."""
        return text.replace(f'"{self.folder}/', f'"{OVERLAYS}/') if self.flags else text

    def without_rules(self, text: str) -> str:
        """A dependency file, without the overlays: they are gone before make reads it."""
        if not self.flags:
            return text
        lines = [line for line in text.split("\n") if not line.startswith(f"{self.folder}/")]  # targets of their own
        words = "\n".join(lines).split(" ")
        return " ".join(
            word if not word.startswith(f"{self.folder}/") else "".join(word.partition("\n")[1:]) for word in words
        )
