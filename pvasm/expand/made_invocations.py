"""Invocations that the C preprocessor puts together: `READ(r16)`, where `READ` is the name of an op by a `#define`.

Where an op is invoked in the body of a `#define`, it is expanded there. A name alone, passed on or pasted, cannot be:
the statement that makes an invocation of it gives way to what the C preprocessor makes of it, with its ops expanded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from pvasm.asm.reading import assembly_parser
from pvasm.expand.definitions import Definitions
from pvasm.expand.invocations import Given, Hidden, Invocation, bundle_around, find_written, is_well_formed
from pvasm.paravirt.catalog import Op
from pvasm.regex import regex
from pvasm.sources import is_header
from pvasm.syntax.document import Document, read_document
from pvasm.syntax.traced import Traced

_WORD = regex(r"[A-Za-z_]\w*+")
_NOT_FOLLOWED = "may make an op here, and what it comes to is not followed (PV902 of `pvasm check' says why); "
_NOT_FOLLOWED += "expand after the C preprocessor has run"
_SEVERAL = "may be one of several ops here, as the conditions around its definitions have it; expand after the C "
_SEVERAL += "preprocessor has run"


class _Made(Struct, frozen=True):
    """What the C preprocessor makes of a statement: its text, the same as a document, and the names of ops in it.

    Those of `wrong` are no invocations, by the place of each.
    """

    source: Traced
    document: Document
    invocations: list[Invocation]
    wrong: dict[int, str]

    def origins(self) -> Iterator[int]:
        """Where the names of the ops that are invoked stand in the document that the statement is of."""
        return (self.source.origin(each.start) for each in self.invocations)

    def unexplained(self, told: Container[int]) -> Iterator[str]:
        """The names that are wrong, but for those of which it is told where they stand in the document."""
        return (name for start, name in self.wrong.items() if self.source.origin(start) not in told)


def find_invocations(
    document: Document, ops: Mapping[str, Op], definitions: Definitions
) -> tuple[list[Invocation], list[Hidden]]:
    """The invocations of `ops` in a document, and their names where no invocation can stand; both in order.

    What is written in a statement that gives way to what the C preprocessor makes of it, and a name that is used for
    that alone, is no invocation by itself.
    """
    found, hidden = find_written(document, ops, definitions)
    if document.preprocessed or not _may_be_made(document, found, hidden, ops):
        return found, hidden
    found, hidden = _with_made(document, ops, definitions, found, hidden)
    return sorted(found, key=lambda each: each.start), sorted(hidden, key=lambda each: each.start)


def _may_be_made(document: Document, found: list[Invocation], hidden: list[Hidden], ops: Mapping[str, Op]) -> bool:
    """Whether the C preprocessor may make invocations of names that stand alone, or are pasted together."""
    if not document.defines:
        return False
    return (
        bool(hidden)
        or any("##" in define.body for define in document.defines)
        or any(
            not is_well_formed(each, ops) or (not each.parenthesised and document.statements[each.statement].in_define)
            for each in found
        )
    )


def _with_made(
    document: Document,
    ops: Mapping[str, Op],
    definitions: Definitions,
    found: Sequence[Invocation],
    hidden: Sequence[Hidden],
) -> tuple[list[Invocation], list[Hidden]]:
    """The invocations and hidden names of a document with those that the C preprocessor puts together."""
    written = {each.start: (each.end, is_well_formed(each, ops)) for each in found}
    told = {each.start for each in hidden} | {start for start, (_, is_right) in written.items() if not is_right}
    used: set[int] = set()  # where the names stand that invocations are made of
    wrong: set[int] = set()  # ... and those that are no invocations then, either
    spans: set[int] = set()  # the statements that give way
    gone: set[int] = set()  # those of which the C preprocessor takes the names away
    made: list[Invocation] = []
    unclear: list[Hidden] = []
    not_followed: list[int] = []
    for index, readings in definitions.code.made.items():
        statement = document.statements[index]
        if not definitions.is_compiled(statement):
            continue
        if not readings:
            not_followed.append(index)
            continue
        several = [_made(source, document, index, ops, definitions) for source, _ in readings]
        name = _first_word(document, index)
        if not any(each.invocations or each.wrong for each in several):
            gone.add(index)
        elif any(each.wrong for each in several):
            for each in several:
                wrong.update(each.source.origin(start) for start in each.wrong)
            strange = next((op for each in several for op in each.unexplained(told)), None)
            if strange is not None:
                message = f"makes {strange} here, which is no invocation of it: {ops[strange].signature} is"
                unclear.append(Hidden(name, statement.start, statement.end, index, message))
        elif not all(_is_written(each, written, ops) for each in several):
            spans.add(index)
            for each in several:
                used.update(each.origins())
            if len(several) == 1:
                made += _placed(several[0], document, index)
            else:
                unclear.append(Hidden(name, statement.start, statement.end, index, _SEVERAL, True))
    if not_followed:
        makers = _makers(document, definitions, {each.start for each in found if not each.parenthesised})
        for index in not_followed:
            statement = document.statements[index]
            if not makers.isdisjoint(_WORD.findall(document.text, statement.start, statement.end)):
                name = _first_word(document, index)
                unclear.append(Hidden(name, statement.start, statement.end, index, _NOT_FOLLOWED))
    if is_header(document.path):
        used.clear()  # other files use what it defines
    used -= wrong

    def stays(start: int, index: int) -> bool:
        return index not in spans and not (start in told and (start in used or index in gone))

    return (
        [each for each in found if stays(each.start, each.statement)] + made,
        [each for each in hidden if stays(each.start, each.statement)] + unclear,
    )


def _first_word(document: Document, index: int) -> str:
    """What a statement begins with: the name of a macro."""
    return document.text[document.statements[index].start : document.statements[index].end].partition("(")[0].strip()


def _makers(document: Document, definitions: Definitions, names: set[int]) -> set[str]:
    """The macros that may put an op together: of pieces, of the `names` of ops that stand alone, or by such macros."""
    users: dict[str, list[str]] = {}
    makers: set[str] = set()
    waiting: list[str] = []
    places = sorted(names)
    for define in definitions.defines:
        for word in set(_WORD.findall(define.body)):
            users.setdefault(word, []).append(define.name)
        if "##" in define.body or bisect_left(places, define.body_start) < bisect_left(places, define.body_end):
            waiting.append(define.name)
    while waiting:
        name = waiting.pop()
        if name not in makers:
            makers.add(name)
            waiting += users.get(name, ())
    return makers


def _made(source: Traced, document: Document, index: int, ops: Mapping[str, Op], definitions: Definitions) -> _Made:
    """What a statement is made into."""
    statement = document.statements[index]
    if not any(name in source.text for name in ops):
        return _Made(source, document, [], {})
    made = read_document(assembly_parser(), source.text, document.path, preprocessed=True)
    for each in made.statements:
        each.conditions, each.macro = statement.conditions, statement.macro
    found, hidden = find_written(made, ops, definitions)
    wrong = {each.start: each.name for each in hidden}
    wrong.update((each.start, each.name) for each in found if not (each.parenthesised or is_well_formed(each, ops)))
    return _Made(source, made, [each for each in found if each.start not in wrong], wrong)


def _is_written(made: _Made, written: Mapping[int, tuple[int, bool]], ops: Mapping[str, Op]) -> bool:
    """Whether all invocations stand in the document as they are, but for their arguments."""
    for each in made.invocations:
        end, is_right = written.get(made.source.origin(each.start), (-1, False))
        if end != made.source.origin(each.end - 1) + 1 or (not is_right and is_well_formed(each, ops)):
            return False
    return True


def _placed(made: _Made, document: Document, index: int) -> Iterator[Invocation]:
    """The invocations where the statement stands that makes them."""
    statement = document.statements[index]
    bundle = bundle_around(document, index)
    for each in made.invocations:
        as_made = each if bundle is None else replace(each, bundle=bundle)
        yield Invocation(
            name=each.name,
            arguments=tuple(Given(given.text, statement.start, statement.end) for given in each.arguments),
            parenthesised=each.parenthesised,
            start=statement.start,
            end=statement.end,
            statement=index,
            predicate=None if each.predicate is None else statement.start,
            in_argument=each.in_argument,
            bundle=as_made.bundle,
            made=made.document,
            as_made=as_made,
        )
