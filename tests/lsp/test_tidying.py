"""What the language server does with what earlier texts have left behind."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from pvasm.lsp import language_server
from pvasm.lsp.language_server import _Tidier


class Text:
    """What is known of a text, in which things refer to each other."""

    def __init__(self, size: int) -> None:
        self.itself = self
        self.parts = [[number] for number in range(size)]


@pytest.fixture
def _collected() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_collected")
def test_texts_that_were_open_when_it_tidied_are_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes each time: what is not looked through again must not pile up.

    There may be as much of it as there is of everything else, which is four such texts and those that are needed.
    """
    monkeypatch.setattr(language_server, "_LONG", -1.0)
    gc.unfreeze()
    size = len(gc.get_objects()) // 4
    tidier = _Tidier()
    known: weakref.WeakSet[Text] = weakref.WeakSet()
    most = 0
    for _ in range(16):
        text = Text(size)
        known.add(text)
        tidier.tidy()
        most = max(most, len(known))
    assert 1 < most < 10
