"""A header as an instance in YAML, written as a person would write it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, get_args

from msgspec import Struct

from pvasm.errors import PvasmError
from pvasm.header.interpret import Interpreter
from pvasm.header.read import HeaderMacros, read_macros
from pvasm.header.write import DEFINES, ENVIRONMENT, INSTANCE
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.isa.registers import REGISTERS
from pvasm.paravirt.catalog import Catalog, Op
from pvasm.paravirt.decision_paths import DecisionPath, Question, equal_to
from pvasm.paravirt.instance import Environment, Instance
from pvasm.paravirt.instance_file import ENVIRONMENT_FILE
from pvasm.paravirt.loading import load_instance
from pvasm.paravirt.shipped import ALL, instance_names, is_instance_name
from pvasm.regex import regex
from pvasm.suggestions import near

_Path = DecisionPath[tuple[str, ...] | None]  # what it refuses has no lines
_SYMBOL = regex(r"[A-Za-z_]\w*")
_BLANKS = regex(r"\s+")
_PLAIN_SCALAR = regex(r"[A-Za-z(;][^:#'\"\n]*[^:#'\"\n\s]|[A-Za-z]")
_NO_NAME = regex(r"[^a-z0-9]+")
_INTEGER = regex(r"0x[0-9a-fA-F]+|[1-9][0-9]*|0")
_MOST_WIDE: Final = 120
_SMALL: Final = 1 << 12  # a number that is less negative is one; another is an address
_ONES: Final = (1 << 64) - 1


class ImportSettings(Struct, frozen=True):
    """What to read, and what the header does not say of the instance (None: what it says, or what is extended)."""

    header: str
    name: str | None = None
    extends: str | None = None
    environment: str | None = None
    defines: str | None = None
    directories: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


class Imported(Struct, frozen=True):
    """The instance file's text, and the ops that the header does not define."""

    text: str
    missing: tuple[str, ...]


class _If(Struct, frozen=True):
    """A question in a template, and what follows from either answer."""

    question: Question
    yes: tuple[_Piece, ...]
    no: tuple[_Piece, ...]


_Piece = str | _If


class _Entry(Struct, frozen=True):
    """What an op's entry says."""

    apart: Sequence[tuple[str, str]]
    not_among: Mapping[str, Sequence[str]]
    pieces: Sequence[_Piece]


def import_header(settings: ImportSettings, catalog: Catalog) -> Imported:
    """The instance that a header's macros are.

    Raises PvasmError, with the place in the header, for what cannot be understood; for a header that defines no op; and
    where something that an instance needs is said nowhere.
    """
    macros = read_macros(settings.header, settings.directories, settings.definitions, settings.before)
    base = None if settings.extends is None else load_instance(settings.extends, catalog)
    ops = [op for op in catalog.ops.values() if op.name in macros.cpp]
    if not ops:
        raise PvasmError("defines no op of the catalog", macros.path)
    names = [*catalog.constants, *(() if base is None else base.constants)]
    interpreter = Interpreter(macros, catalog, names)
    entries = {op.name: _entry(op, interpreter.paths(op), macros) for op in ops}
    blocks = dict(_blocks(interpreter, macros, catalog))
    lines = [
        *_head(settings, macros, base),
        *_mapping("renames", _renames(macros, catalog)),
        *_mapping("constants", {name: _number(value, name, macros) for name, value in interpreter.used.items()}),
        "",
        "ops:",
    ]
    for name, entry in entries.items():
        lines += _entry_lines(name, entry)
    if blocks:
        lines += ["", "blocks:"]
        for name, block in blocks.items():
            lines += [f"  {name}:", *_template(block)]
    text = "".join(f"{line}\n" for line in lines)
    return Imported(text, tuple(name for name in catalog.ops if name not in entries))


# ------------------------------------------------------------------------------------------- the head


def _head(settings: ImportSettings, macros: HeaderMacros, base: Instance | None) -> Iterator[str]:
    """What the file says of the instance as a whole."""
    environment = settings.environment or _said(macros, ENVIRONMENT)
    known = get_args(Environment)
    if environment is not None and environment not in known and not ENVIRONMENT_FILE.fullmatch(environment):
        said = f"{environment} is no environment{near(environment, known)}: {', '.join(known)}, or FILE.yaml"
        raise PvasmError(said, macros.path)
    defines = settings.defines or _said(macros, DEFINES)
    if base is None and (environment is None or defines is None):
        message = "the header does not say what the instance runs on: give --extends INSTANCE,"
        raise PvasmError(f"{message} or --environment and --defines", macros.path)
    yield f"name: {_name(settings, macros)}"
    yield f"description: Imported from {os.path.basename(macros.path)}".replace("<stdin>", "a header")
    if base is None or (environment is not None and environment != base.environment):
        yield f"environment: {environment}"
    if base is None or (defines is not None and defines != base.defines):
        yield f"defines: {defines}"
    if settings.extends is not None:
        yield f"extends: {os.path.basename(settings.extends)}"


def _said(macros: HeaderMacros, name: str) -> str | None:
    macro = macros.cpp.get(name)
    return None if macro is None or macro.parameters is not None else macro.body or None


def _name(settings: ImportSettings, macros: HeaderMacros) -> str:
    """The instance's name: as it is given, or else after the header."""
    taken = (ALL, *instance_names())
    if settings.name is not None:
        if not is_instance_name(settings.name) or settings.name in taken:
            message = f"{settings.name!r}: a name of small letters, digits and - is due, and none of {', '.join(taken)}"
            raise PvasmError(message)
        return settings.name
    stem = os.path.basename(macros.path).partition(".")[0]
    name = _NO_NAME.sub("-", (_said(macros, INSTANCE) or stem).lower()).strip("-")
    name = name if is_instance_name(name) else "header"
    return f"{name}-imported" if name in taken else name


def _renames(macros: HeaderMacros, catalog: Catalog) -> dict[str, str]:
    """The symbols that the header itself renames: macros that are nothing but another symbol."""
    found = {}
    for name in macros.cpp:
        macro = macros.cpp[name]
        if name not in macros.own or macro.parameters is not None or macro.is_ambiguous:
            continue
        are_symbols = all(_SYMBOL.fullmatch(word) and not word.isupper() for word in (name, macro.body))
        stands = macro.body in REGISTERS or macro.body in macros.cpp or macro.body in macros.gas
        if (
            are_symbols
            and not stands
            and not is_mnemonic(macro.body)
            and name not in catalog.ops
            and name != macro.body
        ):
            found[name] = macro.body
    return found


def _number(value: int, name: str, macros: HeaderMacros) -> str:
    """A constant as it is written in the header, if that is a number; in hexadecimal otherwise, if it is large."""
    written = macros.cpp[name].body
    if _INTEGER.fullmatch(written):
        return written
    return str(value) if -_SMALL < value < 10 else hex(value & _ONES)


def _mapping(key: str, entries: Mapping[str, str]) -> Iterator[str]:
    if entries:
        yield from ("", f"{key}:", *(f"  {name}: {value}" for name, value in entries.items()))


def _blocks(
    interpreter: Interpreter, macros: HeaderMacros, catalog: Catalog
) -> Iterator[tuple[str, tuple[_Piece, ...]]]:
    """The blocks that the header replaces."""
    for block in catalog.blocks.values():
        macro = macros.cpp.get(block.name)
        if macro is None or (macro.parameters is None and macro.body == block.otherwise):
            continue
        if macro.parameters is None and _SYMBOL.fullmatch(macro.body) and macro.body not in macros.cpp:
            # A macro of the sources, as `otherwise` is.
            yield block.name, (f"{macro.body}({', '.join(f'{{{{ {name} }}}}' for name in block.parameters)})",)
            continue
        yield block.name, interpreter.block(block.name, block.parameters)


# ------------------------------------------------------------------------------------------------ ops


def _entry(op: Op, paths: Sequence[_Path], macros: HeaderMacros) -> _Entry:
    """What is to be said of an op. Raises PvasmError where it refuses arguments in a way that cannot be said."""
    apart: list[tuple[str, str]] = []
    not_among: dict[str, list[str]] = {}
    order = [parameter.name for parameter in op.parameters]
    for path in paths:
        if path.result is not None:
            continue
        pair, register = _reason(path, order)
        one, other = pair or ((register[0], f"%{register[1]}") if register else ("", ""))
        if any(taken.result is not None and other in equal_to(one, taken.answers) for taken in paths):
            pair = register = None  # it takes more than that to be refused
        if pair is not None:
            apart += [pair] if pair not in apart else []
        elif register is not None:
            not_among.setdefault(register[0], []).append(register[1])
        else:
            message = f"{op.name} refuses arguments (.error): because two of them are the same, or one is a certain"
            raise PvasmError(f"{message} register, is understood", *macros.cpp[op.name].place)
    return _Entry(apart, not_among, _pieces([path for path in paths if path.result is not None], 0))


def _reason(path: _Path, order: Sequence[str]) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
    """Two parameters that are the same where a macro refuses its arguments; or one, and the register that it is."""
    asked = dict.fromkeys(word for question, answer in path.answers if answer for word in question)
    for name in reversed(asked):
        same = sorted((word for word in equal_to(name, path.answers) if word in order), key=order.index)
        if len(same) > 1:
            return (same[0], same[1]), None
    for question, answer in reversed(path.answers):
        if answer:
            return None, (question[0], question[1].removeprefix("%"))
    return None, None


def _pieces(paths: Sequence[_Path], depth: int) -> tuple[_Piece, ...]:
    """The template of paths that have their first answers, `depth` of them, in common."""
    if not paths:
        return ()
    deeper = [path for path in paths if len(path.answers) > depth]
    if not deeper:
        return tuple(paths[0].result or ())
    question = deeper[0].answers[depth][0]
    yes = _pieces([path for path in paths if path.answers[depth][1]], depth + 1)
    no = _pieces([path for path in paths if not path.answers[depth][1]], depth + 1)
    if all(path.answers[depth][1] for path in paths):
        return yes
    if not any(path.answers[depth][1] for path in paths):
        return no
    return _chosen(question, yes, no)


def _chosen(question: Question, yes: tuple[_Piece, ...], no: tuple[_Piece, ...]) -> tuple[_Piece, ...]:
    """A choice, with what both sides start and end with outside of it."""
    start = 0
    while start < min(len(yes), len(no)) and yes[start] == no[start]:
        start += 1
    end = 0
    while end < min(len(yes), len(no)) - start and yes[-1 - end] == no[-1 - end]:
        end += 1
    before, after = yes[:start], yes[len(yes) - end :]
    inner = _If(question, yes[start : len(yes) - end], no[start : len(no) - end])
    return (*before, *((inner,) if inner.yes or inner.no else ()), *after)


# ----------------------------------------------------------------------------------------------- text


def _entry_lines(name: str, entry: _Entry) -> Iterator[str]:
    yield f"  {name}:"
    if entry.apart:
        yield f"    apart: [{', '.join(f'[{first}, {second}]' for first, second in entry.apart)}]"
    if entry.not_among:
        forbidden = ", ".join(f"{word}: [{_ranges(registers)}]" for word, registers in entry.not_among.items())
        yield f"    not_among: {{{forbidden}}}"
    yield from _template(entry.pieces)


def _ranges(registers: Sequence[str]) -> str:
    """Registers, with `r16-r31` for many in a row."""
    numbers = sorted({int(word[1:]) for word in registers if word[0] == "r"})
    found = sorted({word for word in registers if word[0] != "r"})
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    for run in runs:
        found += [f"r{run[0]}-r{run[-1]}"] if len(run) > 2 else [f"r{number}" for number in run]
    return ", ".join(found)


def _template(pieces: Sequence[_Piece]) -> list[str]:
    """The key `template` of an entry."""
    lines = _lines(pieces)
    if not lines:
        return ['    template: ""']
    if len(lines) == 1 and _PLAIN_SCALAR.fullmatch(lines[0]) and len(lines[0]) < _MOST_WIDE:
        return [f"    template: {lines[0]}"]
    return ["    template: |", *(f"      {line}" for line in lines)]


def _lines(pieces: Sequence[_Piece]) -> list[str]:
    """The lines of a template: stops at the ends of lines, conditions on lines of their own."""
    lines: list[str] = []
    may_stop = False
    for piece in pieces:
        if isinstance(piece, _If):
            lines += _if_lines(piece)
            may_stop = False
        elif piece == ";;" and may_stop:
            lines[-1] += " ;;"
            may_stop = False
        else:
            lines.append(piece)
            may_stop = piece not in (";;", "{", "}") and not piece.endswith(":")
    return lines


def _if_lines(choice: _If) -> Iterator[str]:
    if not choice.yes:
        yield f"{{% if {_condition(choice.question, '!=')} %}}"
        yield from _lines(choice.no)
        yield "{% endif %}"
        return
    yield f"{{% if {_condition(choice.question, '==')} %}}"
    while True:
        yield from _lines(choice.yes)
        following = choice.no[0] if len(choice.no) == 1 else None
        if not isinstance(following, _If) or not following.yes:
            break
        choice = following
        yield f"{{% elif {_condition(choice.question, '==')} %}}"
    if choice.no:
        yield "{% else %}"
        yield from _lines(choice.no)
    yield "{% endif %}"


def _condition(question: Question, operator: str) -> str:
    parameter, other = question
    return f'{parameter} {operator} "{other[1:]}"' if other.startswith("%") else f"{parameter} {operator} {other}"
