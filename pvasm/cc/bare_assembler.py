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
from pvasm.cc.processes import become, run_program, stoppable, temporary_folder
from pvasm.depfile import extended
from pvasm.errors import PvasmError
from pvasm.exit_status import FAILED
from pvasm.expand.expander import ExpandErrors, Reading, expand
from pvasm.expand.preprocessed import defined_constants
from pvasm.expand.variants import unseen_constants
from pvasm.files import write_atomically
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.instance import Instance
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.syntax.document import looks_preprocessed, read_document
from pvasm.syntax.run_cpp import preprocess
from pvasm.text import check_text, decode, encode, read_text, shown_name

# GNU as, "Command-Line Options": those whose argument is the next word.
_SEPARATE: Final = frozenset({"-o", "-I", "--defsym", "--MD", "--debug-prefix-map"})
# What is the C preprocessor's alone, as gcc has it; `as` knows `-D` and ignores it.
_CPP_JOINED: Final = ("-D", "-U", "-isystem", "-iquote", "-include")
_CPP_SOURCES: Final = (".S", ".sx")


class _Words(Struct, frozen=True):
    """What an assembler's command says: the assembler's own options, the preprocessor's, the inputs."""

    options: tuple[str, ...]
    for_cpp: tuple[str, ...]
    inputs: tuple[str, ...]
    output: str
    depfile: str | None
    is_cut_short: bool  # the argument of the last option is missing


def assemble_with(
    instance: str, assembler: Sequence[str], arguments: Sequence[str], say: Callable[[PvasmError], None]
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
    if any(is_same(words.output, name) for name in words.inputs):
        raise PvasmError("the output would overwrite an input: name another file with -o", words.output)
    job = _Job(words, catalog, loaded)
    with stoppable(), temporary_folder() as folder:
        status = job.run(assembler, folder, say)
    if status != 0 and os.path.isfile(words.output):
        os.unlink(words.output)
    return status


def _read(arguments: Sequence[str]) -> _Words:
    options: list[str] = []
    for_cpp: list[str] = []
    inputs: list[str] = []
    output, depfile = "a.out", None
    is_cut_short = False
    for name, value, given in _parts(arguments):
        is_cut_short = given == (name,) and name in (*_SEPARATE, *_CPP_JOINED)
        if not name:
            inputs.append(value)
        elif name == "-o":
            output = value
        elif name == "--MD":
            depfile = value
        elif name in _CPP_JOINED:
            for_cpp += given
        else:
            options += given
            if name == "-I":
                for_cpp += given
    return _Words(tuple(options), tuple(for_cpp), tuple(inputs), output, depfile, is_cut_short)


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
        for name in ("-o", "-I", *_CPP_JOINED):
            if word.startswith(name) and len(word) > len(name):
                yield name, word[len(name) :], (word,)
                break
        else:
            name, equals, value = word.partition("=")
            yield (name if equals else word), value, (word,)


class _Job:
    """One assembler's command."""

    def __init__(self, words: _Words, catalog: Catalog, instance: Instance) -> None:
        self.words = words
        self.catalog = catalog
        self.instance = instance

    def run(self, assembler: Sequence[str], folder: str, say: Callable[[PvasmError], None]) -> int:
        """Expands the inputs and has them assembled; the exit status."""
        files: list[str] = []
        rules: list[str] = []
        for number, name in enumerate(self.words.inputs):
            rule = os.path.join(folder, f"{number}.d")
            try:
                text = self._expanded(name, rule)
            except ExpandErrors as several:
                for error in several.errors:
                    say(error)
                return FAILED
            except PvasmError as error:
                say(error)
                return FAILED
            files.append(os.path.join(folder, f"{number}.s"))
            write_atomically(files[-1], encode(text))
            rules.append(rule)
        status = run_program([*assembler, *self.words.options, "-o", self.words.output, *files]).status
        if status == 0 and self.words.depfile is not None:
            write_atomically(self.words.depfile, encode("".join(map(self._dependencies, rules))))
        return status

    def _expanded(self, name: str, rule: str) -> str:
        shown = shown_name(name)
        constants: dict[str, str] = {}
        is_plain = not name.endswith(_CPP_SOURCES)
        if is_plain:
            text = read_text(name) if name != "-" else check_text(decode(sys.stdin.buffer.read()), shown)
            if self.words.depfile is not None:
                write_atomically(rule, encode(f"{self.words.output}: {name}\n"))
        else:
            text = self._preprocessed(name, rule)
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

    def _preprocessed(self, name: str, rule: str) -> str:
        symbols = [self.instance.defines, *(self.catalog.blocks[block].kept for block in self.instance.blocks)]
        dependencies = () if self.words.depfile is None else ("-MD", "-MF", rule, "-MT", self.words.output)
        flags = ("-dD", *self.words.for_cpp, *dependencies)
        return preprocess(name, defines=[symbol for symbol in symbols if symbol], flags=flags)

    def _dependencies(self, rule: str) -> str:
        return extended(read_text(rule), [*self.instance.files, self.catalog.path], phony=False)
