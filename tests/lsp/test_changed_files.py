"""Files that others depend on: headers and instances that are saved, or are open with another text than the disk's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lsprotocol import types

from pvasm.check import subject
from pvasm.check.settings import Settings
from pvasm.lsp.language_server import server
from pvasm.lsp.open_document import Configured, OpenDocument
from pvasm.paravirt import loading
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.instance import Instance
from pvasm.text import let_be_read, let_stand_in
from tests.lsp.open_text import opened_text

INSTANCE = """\
name: mine
description: mine
environment: xen
extends: xen
defines: MINE
ops:
  COVER:
    template: |
"""
SOURCE = "\tadd r2 = r3, r4\n\tCOVER\n"


@pytest.fixture(autouse=True)
def _nothing_stands_in(tmp_path: Path) -> Iterator[None]:
    yield
    for name in ("a.S", "x.h", "mine.yaml"):
        let_be_read(str(tmp_path / name))


def told(document: OpenDocument) -> list[tuple[int, str]]:
    return [(each.line, each.message.partition(" (")[0]) for each in document.check().diagnostics]


@pytest.mark.parametrize("written", ["x.h", "../{}/x.h", "link/x.h"])
def test_a_header_counts_as_it_is(tmp_path: Path, written: str) -> None:
    """On the disk, in the editor, and on the disk again once it is closed there; whichever way it is named."""
    header = tmp_path / "x.h"
    (tmp_path / "link").symlink_to(tmp_path)
    text = f'#include "{written.format(tmp_path.name)}"\n\tmov r8 = r9\n\tmov Q = r9\n'
    message = "`mov Q = r9' writes r8, as `mov r8 = r9' does in the same group; a stop"
    header.write_text("#define Q r8\n")
    document = opened_text(tmp_path, text)
    assert told(document) == [(3, message)]
    header.write_text("#define Q r18\n")
    assert told(document) == []
    let_stand_in(str(header), b"#define Q r8\n")
    assert told(document) == [(3, message)]
    let_be_read(str(header))
    assert told(document) == []
    header.unlink()
    header.write_text("#define Q r8\n")
    assert told(document) == [(3, message)]


def of_mine(folder: Path, earlier: OpenDocument | None = None, *, extension: bool = False) -> OpenDocument:
    instances = ("native", str(folder / "mine.yaml"))
    configured = Configured(Settings(instances=instances, extension=extension), None, ())
    return OpenDocument(str(folder / "a.S"), SOURCE, "utf-16", configured, earlier)


@pytest.mark.parametrize("extension", [False, True])
def test_an_instance_counts_as_it_is(tmp_path: Path, extension: bool) -> None:
    """Its own file, and one that it extends."""
    mine, base = tmp_path / "mine.yaml", tmp_path / "base.yaml"
    message = "`add r2 = r3, r4' writes r2, as `add r2 = r3, r4' does in the same group; a stop"
    mine.write_text(f"{INSTANCE}      add r2 = r3, r4\n      ;;\n")
    document = of_mine(tmp_path, extension=extension)
    assert told(document) == [(2, message)]
    mine.write_text(f"{INSTANCE}      nop 0\n      ;;\n")
    document = of_mine(tmp_path, document, extension=extension)
    assert told(document) == []
    let_stand_in(str(mine), f"{INSTANCE}      add r2 = r3, r4\n      ;;\n".encode())
    document = of_mine(tmp_path, document, extension=extension)
    assert told(document) == [(2, message)]
    let_be_read(str(mine))
    base.write_text(f"{INSTANCE}      nop 1\n      ;;\n".replace("name: mine", "name: base"))
    mine.write_text("name: mine\ndescription: mine\nextends: base\ndefines: MINE\nenvironment: xen\n")
    document = of_mine(tmp_path, document, extension=extension)
    assert told(document) == []
    base.write_text(f"{INSTANCE}      add r2 = r3, r4\n      ;;\n".replace("name: mine", "name: base"))
    assert told(of_mine(tmp_path, document, extension=extension)) == [(2, message)]


def test_instances_are_kept_once(tmp_path: Path) -> None:
    """However often a text is checked, and whatever the settings."""
    document = None
    counts = []
    (tmp_path / "mine.yaml").write_text(f"{INSTANCE}      nop 0\n      ;;\n")
    for _ in range(3):
        document = of_mine(tmp_path, document, extension=True)
        document.check()
        counts.append((len(loading._current), len(subject._PATTERNS)))
    assert counts[0] == counts[2]


@pytest.mark.parametrize("extension", [False, True])
def test_an_instance_is_read_once_as_long_as_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, extension: bool
) -> None:
    read: list[str] = []
    load = loading.load_instance

    def counted(name: str, catalog: Catalog) -> Instance:
        read.append(name)
        return load(name, catalog)

    monkeypatch.setattr(loading, "load_instance", counted)
    mine = tmp_path / "mine.yaml"
    document = None
    for text in ("      nop 0\n      ;;\n", "      nop 0\n      ;;\n", "      add r2 = r3, r4\n      ;;\n"):
        if not mine.exists() or mine.read_text() != INSTANCE + text:
            mine.write_text(INSTANCE + text)
        document = of_mine(tmp_path, document, extension=extension)
        document.check()
    assert [name for name in read if name.endswith("mine.yaml")] == [str(mine)] * 2


def test_what_is_asked_of_a_file_with_a_wrong_instance_is_answered(tmp_path: Path) -> None:
    """There is nothing to tell; what is wrong stands among the findings."""
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    made = server(lambda path: of_mine(tmp_path)._configured)
    uri = (tmp_path / "a.S").as_uri()
    made._open[uri] = of_mine(tmp_path)
    where = types.TextDocumentIdentifier(uri), types.Position(1, 2)
    asked = {
        types.TEXT_DOCUMENT_HOVER: types.HoverParams(*where),
        types.TEXT_DOCUMENT_COMPLETION: types.CompletionParams(*where),
        types.TEXT_DOCUMENT_DOCUMENT_SYMBOL: types.DocumentSymbolParams(where[0]),
        types.TEXT_DOCUMENT_INLAY_HINT: types.InlayHintParams(where[0], types.Range(where[1], where[1])),
    }
    for name, parameters in asked.items():
        assert made.protocol.fm.features[name](parameters) is None
