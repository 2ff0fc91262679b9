"""A command with assembly in it, step by step: each such input is preprocessed, expanded, assembled."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import cached_property

from msgspec.structs import replace

from pvasm.asm.reading import assembly_parser
from pvasm.cc import dependency_files
from pvasm.cc.command_line import PLAIN, WITH_CPP, CommandLine, Word, dumps_macros, is_ours, is_same, stem
from pvasm.cc.overlay_folder import OverlayFolder
from pvasm.cc.processes import Done, run_program
from pvasm.errors import PvasmError
from pvasm.exit_status import FAILED
from pvasm.expand.expander import ExpandErrors, Reading, expand
from pvasm.expand.op_headers import find_op_headers, is_bare_hardware
from pvasm.expand.preprocessed import defined_constants
from pvasm.expand.variants import unseen_constants
from pvasm.files import reason_of, write_atomically, writing_to_output
from pvasm.paravirt.catalog import Catalog
from pvasm.paravirt.instance import Instance
from pvasm.syntax.document import looks_preprocessed, read_document
from pvasm.text import check_text, decode, encode

Say = Callable[[PvasmError], None]
"""Tells a person of an error in a source, as a compiler does."""

# What the compiler does with an input, that each step is told itself.
_MODES = frozenset({"-c", "-S", "-E"})
# What the C preprocessor alone needs: a compiler may warn of it when it is given assembly (clang does, and Kbuild makes
# that an error). `-I` is the assembler's as well, for `.include`. clang's -MJ would tell of a file that is temporary.
_FOR_PREPROCESSOR = frozenset(
    [
        *("-D", "-U", "-include", "-imacros", "-isystem", "-iquote", "-idirafter"),
        *("-nostdinc", "-undef", "-P", "-C", "-CC", "-H", "-MJ"),
    ]
)


class Steps:
    """One command that has assembly in it."""

    def __init__(
        self,
        command: CommandLine,
        catalog: Catalog,
        instance: Instance,
        folder: str,
        say: Say,
        op_headers: Sequence[str] = (),
    ) -> None:
        self.command = command
        self.catalog = catalog
        self.instance = instance
        self.folder = folder
        self.say = say
        self.prerequisites = [*instance.files, catalog.path]
        self.overlays = OverlayFolder(os.path.join(folder, "op-headers"), op_headers, catalog)

    @cached_property
    def standard_input(self) -> bytes:
        """All of standard input: the compiler needs it more than once."""
        return sys.stdin.buffer.read() if sys.stdin is not None else b""

    def status(self) -> int:
        """Does what the command says; the exit status, of the first input that fails if one does."""
        statuses: list[int] = []
        objects: dict[int, str] = {}
        linking = self.command.mode == "link"
        for number, word in enumerate(self.command.inputs):
            if is_ours(self.command, word):
                objects[number] = self.object_name(number, word)
                statuses.append(self.tried(number, word, objects[number]))
            elif not linking:
                statuses.append(self.handed_on(word))
        failed = next(filter(None, statuses), 0)
        return failed or (self.linked(objects) if linking else 0)

    def object_name(self, number: int, word: Word) -> str:
        """Where the object goes that is made of an input."""
        if self.command.mode == "link":
            return os.path.join(self.folder, f"{number}-{stem(word.value)}.o")
        return self.command.last("-o") or f"{stem(word.value)}.o"

    def handed_on(self, word: Word) -> int:
        """Has the compiler do what it does with one input that is not ours."""
        language = ("-x", word.language) if word.language else ()
        flags = [part for option in self.command.options for part in option.given]
        return run_program([*self.command.compiler, *flags, *language, *word.given]).status

    def linked(self, objects: dict[int, str]) -> int:
        """Has the compiler do the command, with objects in the place of the inputs that are ours."""
        arguments: list[str] = []
        language = "none"
        inputs = iter(range(len(self.command.inputs)))
        for word in self.command.words:
            if word.name == "-x":
                language = word.value
            made = None if word.name else objects.get(next(inputs))
            arguments += word.given if made is None else ("-x", "none", made, "-x", language)
        return run_program([*self.command.compiler, *arguments]).status

    def tried(self, number: int, word: Word, output: str) -> int:
        """Does what the command says with one input; tells what is wrong with it. The exit status."""
        try:
            return self.made(number, word, output)
        except ExpandErrors as several:
            for error in several.errors:
                self.say(error)
        except PvasmError as error:
            self.say(error)
        self.discard(output)
        return FAILED

    def made(self, number: int, word: Word, output: str) -> int:
        """Does what the command says with one input; the exit status.

        Raises ExpandErrors for what is wrong with the source, PvasmError for a file that cannot be read or written.
        """
        mode = self.command.mode
        if word.language == PLAIN:
            return self.plain(number, word, output)
        if mode == "dependencies":
            return self.rules(word)
        done = self.preprocessed(number, word)
        if done.status != 0:
            # As the compiler: an object stays what it was, if the preprocessor already finds something wrong.
            if mode == "preprocess":
                self.discard(output)
            return done.status
        if mode == "preprocess" and any(word.given[0] == "-dM" for word in self.command.options):
            text = done.output
        else:
            text = encode(self.expanded(word, decode(done.output)))
        if mode in ("preprocess", "generate"):
            file = self.command.last("-o") if mode == "preprocess" else None  # with -S the compiler minds no -o
            return self.told(text, file)
        return self.assembled(number, word, text, output)

    def discard(self, output: str) -> None:
        """Removes what the command was to make, so that nobody takes it for made."""
        if self.command.mode in ("assemble", "link"):
            _remove(output)
        elif self.command.mode == "preprocess" and (file := self.command.last("-o")):
            _remove(file)

    def told(self, text: bytes, file: str | None) -> int:
        """Writes text to a file, or to standard output."""
        if file in (None, "-"):
            with writing_to_output():
                sys.stdout.buffer.write(text)
                sys.stdout.flush()
        else:
            write_atomically(file or "", text)
        return 0

    # ------------------------------------------------------------------------------- preprocessing

    def preprocessor(self, word: Word, options: Sequence[str], kept: Callable[[Word], bool]) -> list[str]:
        """The command that preprocesses an input: with the instance's symbol, then the options that are `kept`."""
        asked = [
            part
            for option in self.command.options
            if option.name not in (*_MODES, *dependency_files.OPTIONS, *dependency_files.PASSED_ON, "-o", "-save-temps")
            if kept(option)
            for part in option.given
        ]
        symbols = [self.instance.defines, *(self.catalog.blocks[name].kept for name in self.instance.blocks)]
        symbol = [f"-D{each}" for each in symbols if each]
        return [
            *self.command.compiler,
            *symbol,
            *self.overlays.flags,
            *asked,
            *options,
            "-x",
            word.language or WITH_CPP,
            *word.given,
        ]

    def preprocessed(self, number: int, word: Word) -> Done:
        """What the C preprocessor makes of an input. The dependency file is written, whether it fails or not."""
        rule = os.path.join(self.folder, f"{number}.d")
        asked = dependency_files.asked_for(self.command, word, rule)
        explains = self.command.mode == "preprocess"
        command = self.preprocessor(word, (*asked.options, "-E"), lambda option: explains or not dumps_macros(option))
        done = self.run(command, word)
        text = dependency_files.read_rule(rule)
        if text is not None:
            text = self.overlays.without_rules(text)
            self.told(encode(dependency_files.write_extended(asked, text, self.prerequisites)), None)
        return replace(done, output=encode(self.overlays.renamed(decode(done.output))))

    def rules(self, word: Word) -> int:
        """Tells what an input depends on, and nothing else."""
        asked = dependency_files.asked_for(self.command, word, os.devnull)
        done = self.run(self.preprocessor(word, asked.options, lambda option: True), word)
        if done.status == 0:
            text = self.overlays.without_rules(decode(done.output))
            text = dependency_files.write_extended(asked, text, self.prerequisites)
            self.told(encode(text), None)
        return done.status

    def run(self, command: Sequence[str], word: Word, *, quiet: bool = False) -> Done:
        """Runs a command that writes what it makes of an input to standard output."""
        given = self.standard_input if word.value == "-" else None
        return run_program(command, given=given, captured=True, quiet=quiet)

    # ----------------------------------------------------------------------------------- expanding

    def expanded(self, word: Word, text: str) -> str:
        """Preprocessed text with its ops expanded. Raises ExpandErrors, or PvasmError, for what is wrong with it."""
        name = "<stdin>" if word.value == "-" else word.value
        document = read_document(assembly_parser(), check_text(text, name), name, preprocessed=True)
        if document.problems:
            raise ExpandErrors(list(map(document.error, document.problems)))
        self.refuse_op_headers(word, name, text)
        constants = self.constants(word, text) if word.language == WITH_CPP else {}
        reading = Reading(document, self.catalog)
        if word.language == PLAIN and (unseen := unseen_constants(reading, self.instance)) is not None:
            raise unseen
        markers = word.language == PLAIN and not looks_preprocessed(text, "")
        return expand(document, self.catalog, self.instance, line_markers=markers, constants=constants, reading=reading)

    def constants(self, word: Word, text: str) -> dict[str, str]:
        """What the source makes of the catalog's constants, if it has ops in which they stand."""
        names = sorted(self.catalog.constants)
        users = self.instance.users_of_constants()
        if not any(name in text for name in users):
            return {}
        return defined_constants(self.with_defines(word), names, word.value, users)

    def with_defines(self, word: Word) -> str:
        """What the C preprocessor makes of an input, with the definitions of macros."""
        options = (*dependency_files.passed_on(self.command), "-E", "-dD")
        command = self.preprocessor(word, options, lambda option: not dumps_macros(option))
        return self.overlays.renamed(decode(self.run(command, word, quiet=True).output))

    def refuse_op_headers(self, word: Word, name: str, text: str) -> None:
        """Raises ExpandErrors if headers' own ops have taken the place of the instance's."""
        ops = self.catalog.ops
        if word.language != WITH_CPP or is_bare_hardware(self.instance):
            return
        defines = [option.value for option in self.command.options if option.name == "-D"]
        read = self.overlays.read
        if not self.command.has("-imacros") and not find_op_headers(text, ops, read, defines):
            return
        headers = find_op_headers(self.with_defines(word), ops, read)  # the preprocessor itself knows
        if headers:
            raise ExpandErrors([header.error(name, self.overlays.names) for header in headers])

    # ---------------------------------------------------------------------------------- assembling

    def plain(self, number: int, word: Word, output: str) -> int:
        """Assembles an input that is not to be preprocessed; itself, where it has no ops. The exit status."""
        given = self.standard_input if word.value == "-" else None
        source = _read(word.value) if given is None else given
        if source is not None:
            asked = dependency_files.of_plain(self.command, word)
            if asked.file is not None:
                self.told(encode(dependency_files.write_own(asked, self.command, word, self.prerequisites)), None)
            text = encode(self.expanded(word, decode(source)))
            if text != source:
                return self.assembled(number, word, text, output)
        return self.assembler(word.value, output, given)

    def assembled(self, number: int, word: Word, text: bytes, output: str) -> int:
        """Assembles text; the exit status."""
        source = os.path.join(self.folder, f"{number}-{stem(word.value)}.s")
        if self.command.has("-save-temps") and word.language != PLAIN:
            beside = dependency_files.side_file(self.command, word, ".s")
            if self.command.last("-save-temps") == "cwd":
                beside = os.path.basename(beside)
            if not any(is_same(beside, other.value) for other in self.command.inputs):
                source = beside
        write_atomically(source, text)
        return self.assembler(source, output, None)

    def assembler(self, source: str, output: str, given: bytes | None) -> int:
        """Has the compiler assemble a file; the exit status."""
        left_out = {
            *_MODES,
            *_FOR_PREPROCESSOR,
            *dependency_files.OPTIONS,
            *dependency_files.PASSED_ON,
            "-o",
            "-save-temps",
        }
        flags = [
            part
            for option in self.command.options
            if option.name not in left_out and not dumps_macros(option)
            for part in option.given
        ]
        command = [*self.command.compiler, *flags, "-c", "-x", PLAIN, source, "-o", output]
        return run_program(command, given=given).status


def _read(path: str) -> bytes | None:
    """The content of a file; None if it cannot be read, which the compiler will tell of."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _remove(path: str) -> None:
    """Removes an output that would be wrong, if it is a file."""
    try:
        if os.path.isfile(path):
            os.unlink(path)
    except OSError as error:
        raise PvasmError(f"cannot be removed: {reason_of(error)}", path) from error
