"""A bare assembler in the compiler's place: `pvasm cc -i xen -- ia64-linux-gnu-as -o x.o x.S`.

Debian has GNU as for IA-64 and no gcc. The C preprocessor is `$PVASM_CPP`, or the host's `gcc -E` without the host's
macros and header folders; then the assembler is run, as it was given, on the expanded text.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from pvasm.asm.reading import assembly_parser
from pvasm.cc.command_line import is_same
from pvasm.cc.overlay_folder import OverlayFolder
from pvasm.cc.processes import become, run_program, stoppable, temporary_folder
from pvasm.depfile import extended, with_first
from pvasm.errors import PvasmError
from pvasm.exit_status import FAILED
from pvasm.expand.expander import ExpandErrors, Reading, expand
from pvasm.expand.op_headers import find_op_headers, is_bare_hardware
from pvasm.expand.preprocessed import defined_constants
from pvasm.expand.variants import unseen_constants
from pvasm.files import write_atomically
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.regex import regex
from pvasm.syntax.document import looks_preprocessed, read_document
from pvasm.syntax.missing_headers import with_remedy
from pvasm.syntax.run_cpp import preprocess
from pvasm.text import check_text, decode, encode, read_text, shown_name

# GNU as, "Command-Line Options": those whose argument is the next word, and those of a compiler that builds give.
_SEPARATE: Final = frozenset({"-o", "-I", "--defsym", "--MD", "--debug-prefix-map", "-MF", "-MT", "-MQ"})
# What is the C preprocessor's alone, as gcc has it; `as` knows `-D` and ignores it.
_CPP_JOINED: Final = ("-D", "-U", "-isystem", "-iquote", "-idirafter", "-include", "-imacros")
_CPP_FLAGS: Final = frozenset({"-nostdinc", "-undef", "-P", "-C", "-CC"})
_CPP_SOURCES: Final = (".S", ".sx")
_LINKER_SCRIPT: Final = ".lds.S"
_OBJECTS: Final = (".o", ".a", ".so")
# What a build tells its compiler and an assembler has no use for: GNU as would take `-c` for an error.
_FOR_COMPILER: Final = regex(r"-c|-pipe|-f.+|-O[0-9a-z]*|-std=.+|-W[a-z][\w+-]*(?:=.*)?|-MG|-nostdlib")


class _Words(Struct):
    """What an assembler's command says: the assembler's own options, the preprocessor's, the inputs.

    `depfile` is where the rule goes that says what the output depends on, `target` what it is for, None for the output;
    `phony` as `-MP`. With `only_expands` nothing is assembled (`-E`): `output` is the text then, "" standard output.
    """

    options: list[str]
    for_cpp: list[str]
    inputs: list[str]
    output: str | None = None
    depfile: str | None = None
    has_rule: bool = False  # -MD, without a name
    target: str | None = None
    phony: bool = False
    only_expands: bool = False
    is_cut_short: bool = False  # the argument of the last option is missing

    @property
    def made(self) -> str:
        """The name of what is made; empty for standard output."""
        return self.output or ("" if self.only_expands else "a.out")

    @property
    def rule(self) -> str | None:
        """Where the rule goes; None if none is asked for. gcc names it after the output, or else the input."""
        if self.depfile is None and self.has_rule:
            return f"{os.path.splitext(self.output or os.path.basename(self.inputs[0]))[0]}.d"
        return self.depfile


def assemble_with(
    instance: str,
    assembler: Sequence[str],
    arguments: Sequence[str],
    say: Callable[[PvasmError], None],
    op_headers: Sequence[str] = (),
) -> int:
    """Runs an assembler's command with the ops in its sources expanded for an instance; returns the exit status.

    Errors in the sources are told through `say`. Raises PvasmError for an instance that is not valid and for an output
    that is an input, CannotRunError and StoppedError as `compile_with`.
    """
    words = _read(arguments)
    catalog = load_catalog()
    loaded = load_instance(instance, catalog)
    if not words.inputs or words.is_cut_short:  # `--version`, nothing to do, or wrong: the assembler knows what to say
        become([*assembler, *arguments])
    if all(name.endswith(_OBJECTS) for name in words.inputs):
        become(_linker(assembler, arguments))
    if words.made and any(is_same(words.made, name) for name in words.inputs):
        raise PvasmError("the output would overwrite an input: name another file with -o", words.made)
    with stoppable(), temporary_folder() as folder:
        overlays = OverlayFolder(os.path.join(folder, "op-headers"), op_headers, catalog)
        status = _Job(words, catalog, loaded, overlays).run(assembler, folder, say)
    if status != 0 and os.path.isfile(words.made):
        os.unlink(words.made)
    return status


def expanded_after_cpp(path: str, instance: str, flags: Sequence[str], op_headers: Sequence[str] = ()) -> str:
    """What is to be assembled of a source for an instance, after the C preprocessor has been run with these flags.

    Raises ExpandErrors, or PvasmError, for what is wrong with the source, the instance or the flags.
    """
    catalog = load_catalog()
    loaded = load_instance(instance, catalog)
    with temporary_folder() as folder:
        overlays = OverlayFolder(os.path.join(folder, "op-headers"), op_headers, catalog)
        words = _Words([], list(flags), [path], only_expands=True)
        return _Job(words, catalog, loaded, overlays).expanded(path, os.devnull)


def _linker(assembler: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """What links objects: the linker beside the assembler, told what a compiler would be.

    Kbuild has its compiler link the gate page.
    """
    folder, name = os.path.split(assembler[-1])
    start, _, version = name.rpartition("as")
    words = [*assembler[:-1], os.path.join(folder, f"{start.removesuffix('g')}ld{version}")]
    for word in arguments:
        if word.startswith("-Wl,"):
            words += word.split(",")[1:]
        elif word != "-x" and not _FOR_COMPILER.fullmatch(word):
            words.append(word)
    return words


def _read(arguments: Sequence[str]) -> _Words:
    words = _Words([], [], [])
    for name, value, given in _parts(arguments):
        words.is_cut_short = given == (name,) and name in (*_SEPARATE, *_CPP_JOINED)
        if not name:
            words.inputs.append(value)
        elif name in _TAKEN:
            _TAKEN[name](words, value)
        elif name in _CPP_JOINED or name in _CPP_FLAGS:
            words.for_cpp += given
        elif name == "-I":
            words.options += given
            words.for_cpp += given
        elif given[0].startswith("-Wa,"):
            words.options += given[0].split(",")[1:]
        elif given[0].startswith("-Wp,"):
            _take_for_cpp(words, given[0].split(",")[1:])
        elif not _FOR_COMPILER.fullmatch(given[0]):
            words.options += given
    return words


def _take_for_cpp(words: _Words, parts: Sequence[str]) -> None:
    """Takes what stands behind `-Wp,`: the C preprocessor's own `-MD` has its file behind it, as Kbuild gives it."""
    waiting = list(reversed(parts))
    while waiting:
        part = waiting.pop()
        if part in ("-MD", "-MMD") and waiting:
            words.depfile = waiting.pop()
        elif part in _TAKEN and part in _SEPARATE and waiting:
            _TAKEN[part](words, waiting.pop())
        elif part in _TAKEN:
            _TAKEN[part](words, "")
        else:
            words.for_cpp.append(part)


def _taker(name: str, of: Callable[[str], object]) -> Callable[[_Words, str], None]:
    return lambda words, value: setattr(words, name, of(value))


# What is done by us, and told neither the assembler nor the preprocessor as it stands.
_TAKEN: Final[dict[str, Callable[[_Words, str], None]]] = {
    "-o": _taker("output", str),
    "--MD": _taker("depfile", str),
    "-MF": _taker("depfile", str),
    "-MD": _taker("has_rule", lambda _: True),
    "-MMD": _taker("has_rule", lambda _: True),
    "-MT": _taker("target", str),
    "-MQ": _taker("target", str),
    "-MP": _taker("phony", lambda _: True),
    "-E": _taker("only_expands", lambda _: True),
}


def _parts(arguments: Sequence[str]) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Each option with its argument, and each input, whose option is empty; and how it is given."""
    waiting = list(reversed(arguments))
    while waiting:
        word = waiting.pop()
        if word == "-" or not word.startswith("-"):
            yield "", word, (word,)
            continue
        if (word in _SEPARATE or word in _CPP_JOINED) and waiting:
            value = waiting.pop()
            yield word, value, (word, value)
            continue
        for name in ("-o", "-I", "-MF", "-MT", "-MQ", *_CPP_JOINED):
            if word.startswith(name) and len(word) > len(name):
                yield name, word[len(name) :], (word,)
                break
        else:
            name, equals, value = word.partition("=")
            yield (name if equals else word), value, (word,)


class _Job:
    """One assembler's command."""

    def __init__(self, words: _Words, catalog: Catalog, instance: Instance, overlays: OverlayFolder) -> None:
        self.words = words
        self.catalog = catalog
        self.instance = instance
        self.overlays = overlays

    def run(self, assembler: Sequence[str], folder: str, say: Callable[[PvasmError], None]) -> int:
        """Expands the inputs and has them assembled; the exit status."""
        texts: list[str] = []
        rules: list[str] = []
        for number, name in enumerate(self.words.inputs):
            rules.append(os.path.join(folder, f"{number}.d"))
            try:
                texts.append(self.expanded(name, rules[-1]))
            except ExpandErrors as several:
                for error in several.errors:
                    say(error)
                return FAILED
            except PvasmError as error:
                say(error)
                return FAILED
        status = self._told(texts) if self.words.only_expands else self._assembled(assembler, folder, texts)
        if status == 0 and self.words.rule is not None:
            told = (self._dependencies(name, rule) for name, rule in zip(self.words.inputs, rules, strict=True))
            write_atomically(self.words.rule, encode("".join(told)))
        return status

    def _told(self, texts: Sequence[str]) -> int:
        """Writes text that is expanded, and not to be assembled."""
        data = encode("".join(texts))
        if self.words.made:
            write_atomically(self.words.made, data)
        else:
            sys.stdout.buffer.write(data)
        return 0

    def _assembled(self, assembler: Sequence[str], folder: str, texts: Sequence[str]) -> int:
        files: list[str] = []
        for number, text in enumerate(texts):
            files.append(os.path.join(folder, f"{number}.s"))
            write_atomically(files[-1], encode(text))
        return run_program([*assembler, *self.words.options, "-o", self.words.made, *files]).status

    def expanded(self, name: str, rule: str) -> str:
        """What is to be assembled of an input; what it depends on goes to the file `rule`, if that is asked for.

        Raises ExpandErrors, or PvasmError, for what is wrong with it.
        """
        if name.endswith(_LINKER_SCRIPT):  # no assembly, whatever is done with it
            return self._preprocessed(name, rule, ("-P",))
        shown = shown_name(name)
        if name.endswith((".c", ".i")):
            raise PvasmError("is C, and what was given in the compiler's place is an assembler", shown)
        constants: dict[str, str] = {}
        is_plain = not name.endswith(_CPP_SOURCES)
        if is_plain:
            text = read_text(name) if name != "-" else check_text(decode(sys.stdin.buffer.read()), shown)
            if self.words.rule is not None:
                write_atomically(rule, encode(f"{self._target}: {name}\n"))
        else:
            text = self._preprocessed(name, rule, ("-dD",))
            self._refuse_op_headers(name, text)
            users = self.instance.users_of_constants()
            if any(user in text for user in users):
                constants = defined_constants(text, sorted(self.catalog.constants), name, users)
        document = read_document(assembly_parser(), text, shown, preprocessed=True)
        if document.problems:
            raise ExpandErrors(list(map(document.error, document.problems)))
        reading = Reading(document, self.catalog)
        if is_plain and (unseen := unseen_constants(reading, self.instance)) is not None:
            raise unseen
        markers = is_plain and not looks_preprocessed(text, "")
        return expand(document, self.catalog, self.instance, line_markers=markers, constants=constants, reading=reading)

    def _preprocessed(self, name: str, rule: str, more: Sequence[str]) -> str:
        symbols = [self.instance.defines, *(self.catalog.blocks[block].kept for block in self.instance.blocks)]
        phony = ("-MP",) if self.words.phony else ()
        dependencies = () if self.words.rule is None else ("-MD", "-MF", rule, "-MT", self._target, *phony)
        given = [word for word in self.words.for_cpp if word != "-P"]  # lines are named by markers
        flags = (*more, *self.overlays.flags, *given, *dependencies)

        def run(last_directories: Sequence[str]) -> str:
            defines = [each for each in symbols if each]
            return preprocess(name, defines=defines, flags=flags, last_directories=last_directories)

        return self.overlays.renamed(with_remedy(run, name))

    def _refuse_op_headers(self, name: str, text: str) -> None:
        """Raises ExpandErrors if headers' own ops have taken the place of the instance's."""
        if is_bare_hardware(self.instance):
            return
        headers = find_op_headers(text, self.catalog.ops, self.overlays.read)
        if headers:
            raise ExpandErrors([header.error(name, self.overlays.names) for header in headers])

    @property
    def _target(self) -> str:
        return self.words.target or self.words.made or "-"

    def _dependencies(self, name: str, rule: str) -> str:
        """The rule of an input, which comes first: fixdep, of Kbuild, takes the first name for the source's."""
        text = with_first(self.overlays.without_rules(read_text(rule)), name)
        return extended(text, [*self.instance.files, self.catalog.path], phony=self.words.phony)
