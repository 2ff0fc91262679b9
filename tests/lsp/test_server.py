"""The language server, spoken to by a client as editors are."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

from tests.cli.command import pvasm

# One server and its client for all tests: starting it takes longer than they do. Each has a folder of its own.
pytestmark = pytest.mark.asyncio(loop_scope="module")

SOURCE = """\
#include "mine.h"
\t.global entry
entry:
\tmov r16 = cr.ifa\t// a comment: loop
\tMOV_FROM_ISR(r17)
\tadd r18 = r16, r17
\t;;
loop:\tadds r18 = -1, r18 ;;
1:\tcmp.eq p6, p7 = 0, r18
(p7)\tbr.cond.sptk loop
(p6)\tbr.cond.sptk 1b
\tTWICE(r18)
\tbr.ret.sptk.many b0
"""
HEADER = "#define TWICE(r) add r = r, r ;;\n"


@pytest_lsp.fixture(  # type: ignore[untyped-decorator]
    config=ClientServerConfig(server_command=[sys.executable, "-m", "pvasm", "lsp"]), scope="module"
)
async def client(lsp_client: LanguageClient) -> AsyncIterator[None]:
    await lsp_client.initialize_session(
        types.InitializeParams(capabilities=client_capabilities("visual-studio-code"), root_uri=None)
    )
    yield
    await lsp_client.shutdown_session()


async def opened(client: LanguageClient, path: Path, text: str) -> str:
    """Opens a file with a text; returns once its findings are there."""
    uri = path.as_uri()
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "ia64", 1, text)))
    await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    return uri


async def edited(client: LanguageClient, uri: str, version: int, text: str) -> None:
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(version, uri), [types.TextDocumentContentChangeWholeDocument(text)]
        )
    )
    await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)


def at(text: str, word: str, skip: int = 0) -> types.Position:
    """Where a word stands, after so many others of its kind."""
    offset = -1
    for _ in range(skip + 1):
        offset = text.index(word, offset + 1)
    before = text[:offset]
    return types.Position(before.count("\n"), offset - (before.rfind("\n") + 1))


def applied(text: str, edits: list[types.TextEdit]) -> str:
    """The text after edits (ASCII)."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    for edit in sorted(edits, key=lambda each: (-each.range.start.line, -each.range.start.character)):
        start, end = (starts[each.line] + each.character for each in (edit.range.start, edit.range.end))
        text = text[:start] + edit.new_text + text[end:]
    return text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "mine.h").write_text(HEADER)
    return tmp_path / "a.S"


def told(client: LanguageClient, uri: str) -> list[tuple[int, int, str, str]]:
    return [
        (each.range.start.line + 1, each.range.start.character + 1, str(each.code), each.message.split("\n")[0])
        for each in client.diagnostics[uri]
    ]


async def test_findings_are_those_of_a_check(client: LanguageClient, path: Path) -> None:
    """Before the file is on the disk, after an edit, and when it is closed."""
    uri = await opened(client, path, SOURCE)
    path.write_text(SOURCE)
    lines = pvasm("check", "--no-cache", path).output.splitlines()
    shown = [line.removeprefix(f"{path}:") for line in lines if line.startswith(f"{path}:")]
    assert [f"{line}:{column}: {code}" for line, column, code, _ in told(client, uri)] == [
        " ".join(line.split()[:2]) for line in shown
    ]
    assert told(client, uri)[0] == (
        *(4, 2, "PV002"),
        "privileged instruction used directly: use MOV_FROM_IFA(r16)",
    )
    await edited(client, uri, 2, SOURCE.replace("mov r16 = cr.ifa", "MOV_FROM_IFA(r16)"))
    assert "PV002" not in {code for *_, code, _ in told(client, uri)}
    client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(uri)))
    await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    assert not client.diagnostics[uri]


async def test_the_configuration_of_the_folder_counts(client: LanguageClient, path: Path) -> None:
    (path.parent / "pvasm.toml").write_text('ignore = ["PV002"]\n')
    uri = await opened(client, path, SOURCE)
    assert "PV002" not in {code for *_, code, _ in told(client, uri)}
    (path.parent / "pvasm.toml").write_text("ignor = []\n")
    await edited(client, uri, 2, SOURCE + "\n")
    ((line, _, _, message),) = told(client, uri)
    assert line == 1
    assert message.startswith(f"{path.parent}/pvasm.toml:1: unknown key 'ignor' (did you mean ignore")
    asked = types.HoverParams(types.TextDocumentIdentifier(uri), at(SOURCE, "mov r16"))
    assert await client.text_document_hover_async(asked) is None
    (path.parent / "pvasm.toml").write_text('ignore = ["PV002"]\n')
    client.text_document_did_save(types.DidSaveTextDocumentParams(types.TextDocumentIdentifier(uri)))
    await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    assert "PV201" in {code for *_, code, _ in told(client, uri)}
    assert await client.text_document_hover_async(asked) is not None


async def test_columns_are_utf_16(client: LanguageClient, path: Path) -> None:
    """A form feed ends no line, a character beyond the BMP counts twice."""
    text = "/* \N{OLD ITALIC LETTER A} */\tmov r16 = cr.ifa\n\f\tmov r17 = cr.isr\n"
    uri = await opened(client, path, text)
    starts = [(each.range.start.line, each.range.start.character) for each in client.diagnostics[uri]]
    assert starts == [(0, 9), (1, 2)]


async def test_a_fix_is_that_of_check_fix(client: LanguageClient, path: Path) -> None:
    uri = await opened(client, path, SOURCE)
    here = types.Range(at(SOURCE, "mov r16"), at(SOURCE, "mov r16"))
    identifier = types.TextDocumentIdentifier(uri)
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(identifier, here, types.CodeActionContext([]))
    )
    assert actions is not None
    one, everything = (each for each in actions if isinstance(each, types.CodeAction))
    assert (one.title, one.kind) == ("PV002: write MOV_FROM_IFA(r16)", "quickfix")
    assert (everything.title, everything.kind) == ("Fix all that pvasm can fix", "source.fixAll.pvasm")
    assert everything.edit is None  # this client asks for it once it is chosen
    everything = await client.code_action_resolve_async(everything)
    path.write_text(SOURCE)
    assert pvasm("check", "--fix", "--no-cache", path).status in (0, 1)
    for each in one, everything:
        assert each.edit is not None
        assert each.edit.changes is not None
        assert applied(SOURCE, list(each.edit.changes[uri])) == path.read_text()


async def test_all_fixes_are_those_of_check_fix(client: LanguageClient, path: Path) -> None:
    """In one go, though some show only once others are made."""
    source = Path("sample_S/broken/ivt.S")
    text = source.read_text()
    shutil.copytree("sample_S/include", path.parent / "include")
    path = path.with_name("ivt.S")
    uri = await opened(client, path, text)
    found = await client.text_document_code_action_async(
        types.CodeActionParams(
            types.TextDocumentIdentifier(uri),
            types.Range(types.Position(0, 0), types.Position(0, 0)),
            types.CodeActionContext([], [types.CodeActionKind.SourceFixAll]),
        )
    )
    (everything,) = (each for each in found or () if isinstance(each, types.CodeAction))
    made = (await client.code_action_resolve_async(everything)).edit
    assert made is not None
    assert made.changes is not None
    path.write_text(text)
    pvasm("check", "--fix", "--no-cache", path)
    assert applied(text, list(made.changes[uri])) == path.read_text()


async def test_fixes_on_the_heels_of_an_edit(client: LanguageClient, path: Path) -> None:
    """What is asked before a text is checked is told of that text."""
    uri = await opened(client, path, "\n")
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(2, uri), [types.TextDocumentContentChangeWholeDocument(SOURCE)]
        )
    )
    here = types.Range(at(SOURCE, "mov r16"), at(SOURCE, "mov r16"))
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(types.TextDocumentIdentifier(uri), here, types.CodeActionContext([]))
    )
    assert [each.title for each in actions or ()] == [
        "PV002: write MOV_FROM_IFA(r16)",
        "Fix all that pvasm can fix",
    ]


async def test_no_fixes_of_an_earlier_text(client: LanguageClient, path: Path) -> None:
    """Where an instance's file is wrong, nothing is checked, and nothing is offered."""
    own = path.parent / "own.yaml"
    right = "name: own\ndescription: mine\nenvironment: xen\ndefines: OWN\nextends: xen\n"
    own.write_text(right)
    (path.parent / "pvasm.toml").write_text('instances = ["own.yaml"]\n')
    uri = await opened(client, path, SOURCE)
    everywhere = types.Range(types.Position(0, 0), types.Position(99, 0))
    asked = types.CodeActionParams(types.TextDocumentIdentifier(uri), everywhere, types.CodeActionContext([]))
    assert await client.text_document_code_action_async(asked)
    own.write_text(right.replace("extends: xen", "extends: xem"))
    await edited(client, uri, 2, "\n" + SOURCE)
    ((_, _, _, message),) = told(client, uri)
    assert "xem" in message
    assert not await client.text_document_code_action_async(asked)


@pytest.mark.parametrize("name", ["untitled:Untitled-1", "vscode-vfs://host/a.S", "file:{}/%ff%20b.S", "file:{}/a%2eS"])
async def test_a_file_is_called_as_the_editor_calls_it(client: LanguageClient, path: Path, name: str) -> None:
    uri = name.format(f"//{path.parent}")
    text = "\tadd r16 = r1, r2\n\tadd r17 = r16, r2 ;;\nloop:\tbr.cond.sptk loop\n"
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "ia64", 1, text)))
    await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    (found,) = (each for each in client.diagnostics[uri] if each.code == "PV201")
    assert [each.location.uri for each in found.related_information or ()] == [uri]
    place = types.Position(2, 20)
    defined = await client.text_document_definition_async(
        types.DefinitionParams(types.TextDocumentIdentifier(uri), place)
    )
    assert isinstance(defined, list)
    assert [(each.uri, each.range.start.line) for each in defined if isinstance(each, types.Location)] == [(uri, 2)]


async def test_arguments_and_highlights(client: LanguageClient, path: Path) -> None:
    text = "\tMOV_FROM_IPSR(p0, r8)\n\tadd r9 = r8, r8\n"
    uri = await opened(client, path, text)
    identifier = types.TextDocumentIdentifier(uri)
    told_of = await client.text_document_signature_help_async(types.SignatureHelpParams(identifier, at(text, "r8")))
    assert told_of is not None
    assert (told_of.signatures[0].label, told_of.active_parameter) == ("MOV_FROM_IPSR(pred, reg)", 1)
    marks = await client.text_document_document_highlight_async(
        types.DocumentHighlightParams(identifier, at(text, "r8"))
    )
    assert [(each.range.start.line, each.range.start.character) for each in marks or ()] == [(0, 19), (1, 10), (1, 14)]


async def test_hover(client: LanguageClient, path: Path) -> None:
    uri = await opened(client, path, SOURCE)

    async def said(word: str, skip: int = 0) -> str:
        found = await client.text_document_hover_async(
            types.HoverParams(types.TextDocumentIdentifier(uri), at(SOURCE, word, skip))
        )
        if found is None:
            return ""
        assert isinstance(found.contents, types.MarkupContent)
        return found.contents.value

    assert "`r16`: a general register, scratch." in await said("r16")
    assert await said("cr.ifa") == "`cr.ifa`: the address that the interruption is about."
    move = await said("mov r16")
    assert "mov cr: what a control register holds, to a general register." in move
    assert "reads `cr.ifa`, `psr.cpl`, `psr.ic`, `psr.vm`; writes `r16`." in move
    assert "mov r16=cr.ifa" in move.replace(" = ", "=")
    assert "**Privileged**" in move
    op = await said("MOV_FROM_ISR")
    assert "replaces `mov reg = cr.isr`" in op
    assert "native, native-poison, trap** (1 instruction, 1 group)" in op
    assert "**xen** (" in op
    assert "mov r17 = cr.isr" in op
    assert "#define TWICE(r) add r = r, r ;;" in await said("TWICE")
    assert await said("a comment") == ""


async def test_names(client: LanguageClient, path: Path) -> None:
    """Definitions, references and other names: a label in a comment is none."""
    uri = await opened(client, path, SOURCE)
    identifier = types.TextDocumentIdentifier(uri)

    async def defined(word: str, skip: int = 0) -> list[tuple[str, int]]:
        found = await client.text_document_definition_async(types.DefinitionParams(identifier, at(SOURCE, word, skip)))
        assert isinstance(found, list)
        return [(Path(each.uri).name, each.range.start.line + 1) for each in found if isinstance(each, types.Location)]

    assert await defined("loop\n", 1) == [("a.S", 8)]
    assert await defined("1b") == [("a.S", 9)]
    assert await defined("TWICE") == [("mine.h", 1)]
    places = await defined("MOV_FROM_ISR")
    assert places[0][0] == "ops.yaml"
    assert "xen.yaml" in {name for name, _ in places}

    found = await client.text_document_references_async(
        types.ReferenceParams(types.ReferenceContext(True), identifier, at(SOURCE, "loop:"))
    )
    assert [each.range.start.line + 1 for each in found or ()] == [8, 10]
    found = await client.text_document_references_async(
        types.ReferenceParams(types.ReferenceContext(True), identifier, at(SOURCE, "1b"))
    )
    assert [each.range.start.line + 1 for each in found or ()] == [9, 11]

    made = await client.text_document_rename_async(types.RenameParams(identifier, at(SOURCE, "loop\n", 1), "again"))
    assert made is not None
    assert made.changes is not None
    wanted = SOURCE.replace("loop:", "again:").replace("sptk loop", "sptk again")
    assert applied(SOURCE, list(made.changes[uri])) == wanted
    for word, name, why in (
        ("loop\n", "r16", "r16 means something already"),
        ("loop\n", "1x", "'1x' is no name"),
        ("entry", "other", "entry is global"),
        ("TWICE", "other", "TWICE is defined in a header"),
        ("MOV_FROM_ISR", "other", "MOV_FROM_ISR is an op"),
    ):
        place = at(SOURCE, word, int(word == "loop\n"))
        with pytest.raises(Exception, match=why):
            await client.text_document_rename_async(types.RenameParams(identifier, place, name))


async def test_completion(client: LanguageClient, path: Path) -> None:
    text = SOURCE + "\tMOV_FR\n(p6)\tld8.a\n\tmov r16 = cr.i\n"
    uri = await opened(client, path, text)

    async def proposed(word: str) -> dict[str, types.CompletionItem]:
        place = at(text, word)
        place.character += len(word)
        found = await client.text_document_completion_async(
            types.CompletionParams(types.TextDocumentIdentifier(uri), place)
        )
        assert isinstance(found, types.CompletionList)
        return {each.label: each for each in found.items}

    heads = await proposed("MOV_FR\n"[:-1] if text.endswith("\n") else "MOV_FR")
    assert {"MOV_FROM_IFA", "ld8.acq", "TWICE", "loop"} <= heads.keys()
    assert "cr.ifa" not in heads
    assert {"ld8.acq", "MOV_FROM_IFA"} <= (await proposed("ld8.a")).keys()
    operands = await proposed("= cr.i\n"[:-1])
    assert {"cr.ifa", "r31", "loop"} <= operands.keys()
    assert "MOV_FROM_IFA" not in operands


async def test_hints_and_symbols(client: LanguageClient, path: Path) -> None:
    text = "f:\n\tRSM_PSR_I(p0, r8, r9)\n\tadd r1 = r2, r3\n\tadd r4 = r2, r3 ;;\n"
    uri = await opened(client, path, text)
    identifier = types.TextDocumentIdentifier(uri)
    whole = types.Range(types.Position(0, 0), types.Position(9, 0))
    found = await client.text_document_inlay_hint_async(types.InlayHintParams(identifier, whole))
    assert [(each.position.line, each.label) for each in found or ()] == [
        (1, "clobbers clob0:"),
        (1, "clobbers clob1:"),
        (3, "group of 3 instructions"),
    ]
    symbols = await client.text_document_document_symbol_async(types.DocumentSymbolParams(identifier))
    assert [each.name for each in symbols or ()] == ["f"]


async def test_an_instance_file(client: LanguageClient, tmp_path: Path) -> None:
    text = "extends: xen\nname: mine\ndescription: Mine\nops:\n  COVER:\n    templat: cover\n"
    uri = await opened(client, tmp_path / "mine.yaml", text)
    ((line, *_, message),) = told(client, uri)
    assert (line, message) == (
        6,
        "ops.COVER: unknown key templat (did you mean template?); known are template, apart, not_among",
    )
    await edited(client, uri, 2, text.replace("templat:", "template:"))
    assert [code for *_, code, _ in told(client, uri) if code == "None"] == []
    found = await client.text_document_hover_async(
        types.HoverParams(types.TextDocumentIdentifier(uri), at(text, "COVER"))
    )
    assert found is not None
    assert isinstance(found.contents, types.MarkupContent)
    assert "replaces `cover`" in found.contents.value
    await edited(client, uri, 3, "services:\n  web: {image: nginx}\n")  # YAML of somebody else's
    assert not client.diagnostics[uri]
    text += "  RF\n"
    await edited(client, uri, 4, text)
    place = types.Position(6, 4)
    proposed = await client.text_document_completion_async(
        types.CompletionParams(types.TextDocumentIdentifier(uri), place)
    )
    assert isinstance(proposed, types.CompletionList)
    assert "RFI" in {each.label for each in proposed.items}
