"""The language server: what the Language Server Protocol asks for, from the files that are open in an editor."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, get_args
from urllib.parse import quote, unquote_to_bytes, urlsplit

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol

from pvasm import __version__
from pvasm.check.checker import is_instance_file
from pvasm.check.diagnostic import Change, Diagnostic
from pvasm.errors import PvasmError
from pvasm.lsp import completions, hints, names
from pvasm.lsp.editor_positions import Lines, Span, Units
from pvasm.lsp.hover import hover, hover_word
from pvasm.lsp.open_document import Configured, OpenDocument
from pvasm.lsp.signatures import signature_at
from pvasm.paravirt.loading import load_catalog
from pvasm.regex import regex
from pvasm.syntax import missing_headers
from pvasm.text import Edit, let_be_read

_SEVERITY: Final = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "note": types.DiagnosticSeverity.Information,
}
_KINDS: Final = {
    "op": types.CompletionItemKind.Function,
    "instruction": types.CompletionItemKind.Keyword,
    "register": types.CompletionItemKind.Variable,
    "label": types.CompletionItemKind.Reference,
    "macro": types.CompletionItemKind.Constant,
    "value": types.CompletionItemKind.Constant,
    "key": types.CompletionItemKind.Property,
    "directive": types.CompletionItemKind.Keyword,
    "instance": types.CompletionItemKind.File,
}
_NUMBER: Final = regex(r"\d+")
_IDLE: Final = 1.0  # seconds without a check, before what is left behind is freed
_LONG: Final = 0.02  # seconds
_MOST_UNTIDY: Final = 20  # checks, whether anybody pauses or not
_FIX_ALL: Final = "source.fixAll.pvasm"
_DELAY: Final = 0.03  # seconds without an edit before a file is checked again that has just been checked
_LARGE: Final = 0.3  # seconds that the check of a large file takes, after an edit
_LONGEST_DELAY: Final = 2.0  # seconds
_SUFFIXES: Final = (".S", ".s", ".sx", ".h", ".c", ".yaml", ".yml")

ForFile = Callable[[str], Configured]
"""How a file is checked, by its path. Raises PvasmError for a configuration that is wrong."""


class _Protocol(LanguageServerProtocol):
    """The protocol, in which whoever asks is answered: one who asks wrongly, too, else they would wait for ever."""

    def structure_message(self, data: dict[str, Any]) -> Any:
        """What a message says."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" not in data or "method" not in data:
                raise
            self._send_response(data["id"], error=error.to_response_error())
            raise _AnsweredError from None


class _AnsweredError(Exception):
    """A request makes no sense, and whoever has asked has been told."""


class Server(LanguageServer):
    """The server, with what is open."""

    def __init__(self, for_file: ForFile) -> None:
        sync = types.TextDocumentSyncKind.Full
        super().__init__("pvasm", __version__, text_document_sync_kind=sync, protocol_cls=_Protocol)
        self.is_told_to_stop = False  # before it is told to exit, as the protocol wants
        self._for_file = for_file
        self._open: dict[str, OpenDocument] = {}
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._published: dict[str, dict[str, list[types.Diagnostic]]] = {}  # by the file that was checked, and by place
        self._found: dict[str, list[Diagnostic]] = {}
        self._tidier = _Tidier()
        self._tidying: asyncio.TimerHandle | None = None
        self._checks = 0
        self._checked = 0.0  # when the last one ended, by the loop's clock
        self._delay = _DELAY

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Shows what has gone wrong, if nobody has been told."""
        if not isinstance(error, _AnsweredError):
            super().report_server_error(error, source)

    # --------------------------------------------------------------------------------- open files

    @property
    def units(self) -> Units:
        """What columns count, as the editor and the server have agreed."""
        encoding = str(getattr(self.workspace.position_encoding, "value", self.workspace.position_encoding))
        return next((each for each in get_args(Units) if each == encoding), "utf-16")

    def document(self, uri: str) -> OpenDocument | None:
        """The open file; None for one that cannot be checked, with a configuration that is wrong."""
        return self._open.get(uri)

    def assembly(self, uri: str) -> OpenDocument | None:
        """The open file, if it is assembly."""
        found = self._open.get(uri)
        return found if found is not None and found.holds_assembly else None

    def changed(self, uri: str, text: str) -> None:
        """A file is opened, or its text is another: it is checked.

        At once, if nothing has been checked for a while; what is typed fast is checked once. A large file is checked
        when one pauses as long as that takes: nothing else is answered meanwhile.
        """
        path = _path_of(uri)
        try:
            self._open[uri] = OpenDocument(path, text, self.units, self._for_file(path), self._open.get(uri))
        except PvasmError as error:
            self._open.pop(uri, None)
            self._publish(uri, {uri: [_of_error(error, Lines(text, self.units), path)]})
            return
        if uri in self._waiting:
            self._waiting[uri].cancel()
        loop = asyncio.get_running_loop()
        delay = 0 if loop.time() - self._checked > self._delay else self._delay
        self._waiting[uri] = loop.call_later(delay, self._check_now, uri)

    def closed(self, uri: str) -> None:
        """A file is closed: what the disk has counts again."""
        if uri in self._waiting:
            self._waiting.pop(uri).cancel()
        self._open.pop(uri, None)
        self._found.pop(uri, None)
        let_be_read(_path_of(uri))
        self._publish(uri, {})

    def check_again(self) -> None:
        """All open files are checked again: a file that they depend on is another, their configuration perhaps."""
        missing_headers.look_again()
        for uri, document in list(self.workspace.text_documents.items()):
            self.changed(uri, document.source)

    def _check_now(self, uri: str) -> None:
        start = asyncio.get_running_loop().time()
        is_opened = uri not in self._published
        self._check(uri)
        if self._checks == 1:
            self._tidier.keep()  # modules and tables, above all
        self._checked = asyncio.get_running_loop().time()
        took = self._checked - start
        self._delay = _DELAY if is_opened or took < _LARGE else min(took, _LONGEST_DELAY)

    def _check(self, uri: str) -> None:
        self._waiting.pop(uri, None)
        document = self._open.get(uri)
        if document is None:
            return
        self._tidy_soon()
        places: dict[str, list[types.Diagnostic]] = {uri: []}
        try:
            result = document.check()
        except PvasmError as error:
            self._found.pop(uri, None)  # what fixed the text before may not fit it any more
            places[uri].append(_of_error(error, document.lines, document.path))
            self._publish(uri, places)
            return
        self._found[uri] = result.diagnostics
        others: dict[str, Lines] = {}
        for each in result.diagnostics:
            target = uri if each.path == document.path else self.uri_of(each.path)
            lines = document.lines if target == uri else _lines_of(each.path, self.units, others)
            places.setdefault(target, []).append(self._diagnostic(each, lines, document))
        places[uri] += (_of_error(error, document.lines, document.path) for error in result.errors)
        self._publish(uri, places)

    def _tidy_soon(self) -> None:
        """Frees what earlier texts have left behind, once nobody types: pvasm has no garbage collected by itself."""
        if self._tidying is not None:
            self._tidying.cancel()
        self._checks += 1
        if self._checks % _MOST_UNTIDY == 0:
            self._tidier.tidy()
        self._tidying = asyncio.get_running_loop().call_later(_IDLE, self._tidier.tidy)

    def _publish(self, uri: str, places: dict[str, list[types.Diagnostic]]) -> None:
        """Shows what was found by checking a file, at each place, beside what was found there by checking others."""
        before = self._published.get(uri, {})
        self._published[uri] = places
        for target in dict.fromkeys((*before, *places)):
            every = [each for by_place in self._published.values() for each in by_place.get(target, ())]
            found = list({repr(each): each for each in every}.values())  # a header's, of several files, show once
            version = self.workspace.text_documents[target].version if target in self.workspace.text_documents else None
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(target, found, version))
        if not places:
            del self._published[uri]

    def _diagnostic(self, found: Diagnostic, lines: Lines, document: OpenDocument) -> types.Diagnostic:
        others: dict[str, Lines] = {document.path: document.lines}
        related = [
            types.DiagnosticRelatedInformation(
                types.Location(self.uri_of(each.path), _range(_span(each, _lines_of(each.path, self.units, others)))),
                each.message,
            )
            for each in found.related
        ]
        instance = f" ({found.instance})" if found.instance else ""
        message = "\n".join((f"{found.message}{instance}", *found.details))
        return types.Diagnostic(
            _range(_span(found, lines)),
            message,
            severity=_SEVERITY[found.severity],
            code=found.code,
            source="pvasm",
            tags=[types.DiagnosticTag.Unnecessary] if found.code == "PV900" else None,
            related_information=related or None,
        )

    # ------------------------------------------------------------------------------------- fixes

    def fixes(self, uri: str, span: types.Range, kinds: Sequence[str] | None) -> list[types.CodeAction]:
        """What fixes the findings in a range, each by itself; and all that can be fixed in the file."""
        document = self._open.get(uri)
        if document is None:
            return []
        if uri in self._waiting:  # asked on the heels of an edit
            self._waiting[uri].cancel()
            self._check_now(uri)
        found = [each for each in self._found.get(uri, ()) if each.changes]
        actions = []
        for each in found if _is_wanted(types.CodeActionKind.QuickFix, kinds) else ():
            place = _range(_span(each, document.lines))
            if each.path == document.path and _overlap(place, span):
                edits = self._text_edits(_edits_of(each, document), document)
                if edits:
                    diagnostic = self._diagnostic(each, document.lines, document)
                    title = f"{each.code}: write {_shown(each.changes)}"
                    edit = types.WorkspaceEdit(changes={uri: edits})
                    kind = types.CodeActionKind.QuickFix
                    actions.append(types.CodeAction(title, kind=kind, diagnostics=[diagnostic], edit=edit))
        if found and _is_wanted(_FIX_ALL, kinds):
            action = types.CodeAction("Fix all that pvasm can fix", kind=_FIX_ALL)
            if _takes_edits_later(self.client_capabilities):
                action.data = uri
            else:
                action.edit = self.all_fixes(uri)
            actions += [action] if action.data or action.edit else []
        return actions

    def all_fixes(self, uri: str) -> types.WorkspaceEdit | None:
        """What `pvasm check --fix` would make of the file; None if that is the file as it is."""
        document = self._open.get(uri)
        edits = self._text_edits(document.all_fixes(), document) if document is not None else None
        return types.WorkspaceEdit(changes={uri: edits}) if edits else None

    def _text_edits(self, edits: Iterable[Edit], document: OpenDocument) -> list[types.TextEdit]:
        return [types.TextEdit(_range(document.lines.span(each.start, each.end)), each.replacement) for each in edits]

    # ------------------------------------------------------------------------------------ places

    def location(self, target: names.Target) -> types.Location:
        """A place in a file, open or not."""
        lines = _lines_of(target.path, self.units, {each.path: each.lines for each in self._open.values()})
        start = lines.text_offset(target.line, target.column)
        return types.Location(self.uri_of(target.path), _range(lines.span(start, start + target.length)))

    def uri_of(self, path: str) -> str:
        """What an editor calls a file: as it has called it, if it is open there."""
        is_open = (uri for uri, document in self._open.items() if document.path == path)
        return next(is_open, None) or f"file://{quote(os.fsencode(os.path.abspath(path)))}"


class _Tidier:
    """Collects garbage. If that takes long, what is there is not looked through again soon: most of it stays.

    Some does not, as the texts that are open. So once there is twice as much of that as there was, all is looked
    through: what is kept in vain is never more than what is needed.
    """

    def __init__(self) -> None:
        self._needed = 0  # objects, when all were looked through

    def keep(self) -> None:
        """What is there need not be looked through for now: most of it is needed."""
        gc.freeze()
        self._needed = gc.get_freeze_count()

    def tidy(self) -> None:
        """Does it."""
        start = time.perf_counter()
        gc.collect()
        if time.perf_counter() - start <= _LONG:
            return
        gc.freeze()
        if gc.get_freeze_count() > 2 * self._needed:
            gc.unfreeze()
            gc.collect()
            self.keep()


def _path_of(uri: str) -> str:
    """The path of a file; for what an editor has not saved, what its name would be."""
    if uri.startswith("file:///"):
        return os.fsdecode(unquote_to_bytes(urlsplit(uri).path))
    name = uri.rpartition(":")[2].replace("/", "_") or "untitled"
    return os.path.abspath(name if name.endswith(_SUFFIXES) else f"{name}.S")


def _lines_of(path: str, units: Units, known: dict[str, Lines]) -> Lines:
    """The lines of a file; those of an empty one if it cannot be read."""
    from pvasm.text import read_text

    if path not in known:
        try:
            known[path] = Lines(read_text(path), units)
        except PvasmError:
            known[path] = Lines("", units)
    return known[path]


def _span(found: Any, lines: Lines) -> Span:
    """The place of a finding, a change or a related place: whole lines where there are no columns."""
    start = lines.text_offset(found.line, max(found.column, 1))
    end = lines.text_offset(found.end_line, found.end_column) if found.end_column else lines.end_of_line(found.line)
    return lines.span(start, max(start, end))


def _range(span: Span) -> types.Range:
    return types.Range(types.Position(span.line, span.column), types.Position(span.end_line, span.end_column))


def _of_error(error: PvasmError, lines: Lines, path: str) -> types.Diagnostic:
    """What is wrong with a file as a whole, or with what it depends on: then at its first line."""
    is_here = error.path in (path, None) and error.line
    start = lines.text_offset(error.line or 1, error.column or 1) if is_here else 0
    end = lines.end_of_line(error.line if is_here and error.line else 1)
    message = error.message if error.path == path else str(error)
    return types.Diagnostic(
        _range(lines.span(start, max(start, end))),
        message,
        severity=types.DiagnosticSeverity.Error,
        source="pvasm",
    )


def _overlap(one: types.Range, other: types.Range) -> bool:
    return _pair(one.start) <= _pair(other.end) and _pair(other.start) <= _pair(one.end)


def _pair(position: types.Position) -> tuple[int, int]:
    return position.line, position.character


def _takes_edits_later(capabilities: types.ClientCapabilities) -> bool:
    """Whether an editor asks for the edits of a code action once it is chosen."""
    return "edit" in (_get(capabilities, "text_document.code_action.resolve_support.properties") or ())


def _is_wanted(kind: str, kinds: Sequence[str] | None) -> bool:
    """Whether code actions of a kind are asked for: `source` stands for all below it."""
    return kinds is None or any(kind == each or kind.startswith(f"{each}.") for each in kinds)


def _edits_of(found: Diagnostic, document: OpenDocument) -> tuple[Edit, ...]:
    """What fixes a finding, as edits of the open file; none where it changes another."""
    if any(each.path != document.path for each in found.changes):
        return ()
    place = document.lines.text_offset
    return tuple(
        Edit(place(each.line, each.column), place(each.end_line, each.end_column), each.replacement)
        for each in found.changes
    )


def _shown(changes: Sequence[Change]) -> str:
    text = next((each.replacement for each in changes if each.replacement.strip()), "nothing there")
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


# --------------------------------------------------------------------------------------- the features


def server(for_file: ForFile) -> Server:
    """A language server for files that are checked as `for_file` says."""
    logging.getLogger("pygls").setLevel(logging.CRITICAL)  # what it says of clients goes to nobody
    made = Server(for_file)
    for name, (handler, options) in _HANDLERS.items():
        made.feature(name, options)(partial(_called, handler, made))
    return made


def _called(handler: Callable[[Server, Any], Any], ls: Server, params: Any) -> Any:
    try:
        return handler(ls, params)
    except PvasmError:
        return None  # what is wrong, in an instance of somebody's own say, stands among the findings


def _did_open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    ls.changed(params.text_document.uri, params.text_document.text)


def _did_change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    uri = params.text_document.uri
    ls.changed(uri, ls.workspace.get_text_document(uri).source)


def _did_save(ls: Server, _: types.DidSaveTextDocumentParams) -> None:
    ls.check_again()  # a header, an instance or a configuration of others may have been saved


def _did_change_watched(ls: Server, _: types.DidChangeWatchedFilesParams) -> None:
    ls.check_again()


def _did_close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    ls.closed(params.text_document.uri)


def _shutdown(ls: Server, _: Any) -> None:
    ls.is_told_to_stop = True


def _offset(document: OpenDocument, position: types.Position) -> int:
    return document.lines.offset(position.line, position.character)


def _hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
    document = ls.document(params.text_document.uri)
    if document is None:
        return None
    offset = _offset(document, params.position)
    if is_instance_file(document.path):
        word, start, end = _word_at(document.text, offset)
        text = hover_word(load_catalog(), (document.path,), word)
        found = None if text is None else (text, start, end)
    else:
        found = hover(document, offset) if document.holds_assembly else None
    if found is None:
        return None
    return types.Hover(
        types.MarkupContent(types.MarkupKind.Markdown, found[0]), _range(document.lines.span(found[1], found[2]))
    )


def _word_at(text: str, offset: int) -> tuple[str, int, int]:
    start = end = offset
    while start and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    return text[start:end], start, end


def _definition(ls: Server, params: types.DefinitionParams) -> list[types.Location]:
    document = ls.assembly(params.text_document.uri)
    found = names.definitions(document, _offset(document, params.position)) if document is not None else ()
    return [ls.location(each) for each in found]


def _references(ls: Server, params: types.ReferenceParams) -> list[types.Location]:
    uri = params.text_document.uri
    document = ls.assembly(uri)
    found = names.references(document, _offset(document, params.position)) if document is not None else ()
    return [types.Location(uri, _range(document.lines.span(*each))) for each in found] if document is not None else []


def _document_highlight(ls: Server, params: types.DocumentHighlightParams) -> list[types.DocumentHighlight]:
    document = ls.assembly(params.text_document.uri)
    if document is None:
        return []
    found = names.highlights(document, _offset(document, params.position))
    return [types.DocumentHighlight(_range(document.lines.span(*each))) for each in found]


def _prepare_rename(ls: Server, params: types.PrepareRenameParams) -> types.Range | None:
    document = ls.assembly(params.text_document.uri)
    if document is None:
        return None
    offset = _offset(document, params.position)
    try:
        spans = names.renamable(document, offset)
    except names.CannotRenameError as error:
        raise JsonRpcException(error.message, types.LSPErrorCodes.RequestFailed) from None
    return next((_range(document.lines.span(*each)) for each in spans if each[0] <= offset <= each[1]), None)


def _rename(ls: Server, params: types.RenameParams) -> types.WorkspaceEdit | None:
    uri = params.text_document.uri
    document = ls.assembly(uri)
    if document is None:
        return None
    try:
        spans = names.renamed(document, _offset(document, params.position), params.new_name)
    except names.CannotRenameError as error:
        raise JsonRpcException(error.message, types.LSPErrorCodes.RequestFailed) from None
    edits = [types.TextEdit(_range(document.lines.span(*each)), params.new_name) for each in spans]
    return types.WorkspaceEdit(changes={uri: edits})


def _completion(ls: Server, params: types.CompletionParams) -> types.CompletionList:
    document = ls.document(params.text_document.uri)
    if document is None:
        return types.CompletionList(False, [])
    offset = _offset(document, params.position)
    if is_instance_file(document.path):
        found, start = completions.instance_completions(document.text, load_catalog(), offset)
    elif document.holds_assembly:
        found, start = completions.completions(document, offset)
    else:
        return types.CompletionList(False, [])
    place = _range(document.lines.span(start, offset))
    takes_snippets = bool(_get(ls.client_capabilities, "text_document.completion.completion_item.snippet_support"))
    return types.CompletionList(False, [_item(each, place, takes_snippets) for each in found])


def _item(found: completions.Proposal, place: types.Range, takes_snippets: bool) -> types.CompletionItem:
    is_snippet = takes_snippets and found.snippet is not None and "${" in found.snippet
    text = found.snippet if found.snippet is not None and (is_snippet or "${" not in found.snippet) else found.word
    return types.CompletionItem(
        found.word,
        kind=_KINDS[found.kind],
        detail=found.detail,
        sort_text=_NUMBER.sub(lambda digits: digits[0].zfill(3), found.word) if found.kind == "register" else None,
        text_edit=types.TextEdit(place, text),
        insert_text_format=types.InsertTextFormat.Snippet if is_snippet else types.InsertTextFormat.PlainText,
    )


def _signature_help(ls: Server, params: types.SignatureHelpParams) -> types.SignatureHelp | None:
    document = ls.assembly(params.text_document.uri)
    found = signature_at(document, _offset(document, params.position)) if document is not None else None
    if found is None:
        return None
    parameters = [types.ParameterInformation(label, documentation=about) for label, about in found.parameters]
    signature = types.SignatureInformation(found.text, documentation=found.about, parameters=parameters)
    return types.SignatureHelp([signature], active_signature=0, active_parameter=found.active)


def _get(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


def _code_action(ls: Server, params: types.CodeActionParams) -> list[types.CodeAction]:
    return ls.fixes(params.text_document.uri, params.range, params.context.only)


def _resolve_code_action(ls: Server, action: types.CodeAction) -> types.CodeAction:
    if action.edit is None and isinstance(action.data, str):
        action.edit = ls.all_fixes(action.data)
    return action


def _inlay_hint(ls: Server, params: types.InlayHintParams) -> list[types.InlayHint]:
    document = ls.assembly(params.text_document.uri)
    if document is None:
        return []
    start, end = (_offset(document, each) for each in (params.range.start, params.range.end))
    return [
        types.InlayHint(
            types.Position(*document.lines.position(each.offset)),
            each.text,
            padding_left=not each.text.endswith(":"),
            padding_right=each.text.endswith(":"),
        )
        for each in hints.hints(document, start, end)
    ]


def _document_symbol(ls: Server, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
    document = ls.assembly(params.text_document.uri)
    kinds = {
        "label": types.SymbolKind.Function,
        "macro": types.SymbolKind.Constant,
        "value": types.SymbolKind.Variable,
    }
    return [
        types.DocumentSymbol(each.name, kinds[each.kind], place, place)
        for each in (names.symbols(document) if document is not None else ())
        for place in [_range(document.lines.span(each.start, each.end))]  # type: ignore[union-attr]
    ]


_HANDLERS: Final[dict[str, tuple[Callable[[Server, Any], Any], Any]]] = {
    types.SHUTDOWN: (_shutdown, None),
    types.TEXT_DOCUMENT_DID_OPEN: (_did_open, None),
    types.TEXT_DOCUMENT_DID_CHANGE: (_did_change, None),
    types.TEXT_DOCUMENT_DID_SAVE: (_did_save, None),
    types.TEXT_DOCUMENT_DID_CLOSE: (_did_close, None),
    types.WORKSPACE_DID_CHANGE_WATCHED_FILES: (_did_change_watched, None),
    types.TEXT_DOCUMENT_HOVER: (_hover, None),
    types.TEXT_DOCUMENT_DEFINITION: (_definition, None),
    types.TEXT_DOCUMENT_REFERENCES: (_references, None),
    types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT: (_document_highlight, None),
    types.TEXT_DOCUMENT_SIGNATURE_HELP: (_signature_help, types.SignatureHelpOptions(trigger_characters=["(", ","])),
    types.TEXT_DOCUMENT_PREPARE_RENAME: (_prepare_rename, None),
    types.TEXT_DOCUMENT_RENAME: (_rename, types.RenameOptions(prepare_provider=True)),
    types.TEXT_DOCUMENT_COMPLETION: (_completion, types.CompletionOptions(trigger_characters=["."])),
    types.TEXT_DOCUMENT_CODE_ACTION: (
        _code_action,
        types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix, _FIX_ALL], resolve_provider=True),
    ),
    types.CODE_ACTION_RESOLVE: (_resolve_code_action, None),
    types.TEXT_DOCUMENT_INLAY_HINT: (_inlay_hint, None),
    types.TEXT_DOCUMENT_DOCUMENT_SYMBOL: (_document_symbol, None),
}
