"""Running a header's macros, as the C preprocessor and GNU as would, to see what they make of an op.

The op's arguments are words that stand for any register: where a macro asks which one it is, every answer is followed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.header.read import GasMacro, HeaderMacros
from pvasm.header.write import CHECKS
from pvasm.paravirt.arguments import Kind, operand
from pvasm.paravirt.catalog import Catalog, Op
from pvasm.paravirt.decision_paths import MOST_PATHS, Answers, DecisionPath, TooManyPathsError, every_path
from pvasm.regex import made_regex, regex
from pvasm.syntax import tree
from pvasm.syntax.document import Place, read_document
from pvasm.syntax.macros import bind, substitute
from pvasm.syntax.parser import parse_condition
from pvasm.syntax.preprocess import Preprocessor

_ARGUMENT, _NUMBER, _CONSTANT = "__pvasm_argument_", "__pvasm_number_", "__pvasm_constant_"
_Path = DecisionPath[tuple[str, ...] | None]  # what it refuses has no lines
_END = "__"
_INNER = r"(?:(?!__pvasm_)\w)+?"  # a hole holds no hole
_HOLE = regex(rf"({_ARGUMENT}|{_NUMBER}|{_CONSTANT})({_INNER}){_END}(?!\w)")
_PASTED = regex(rf"(?<!\w)(?P<prefix>[A-Za-z_]\w*?){_ARGUMENT}(?P<name>{_INNER}){_END}(?!\w)")
_CONSTANT_NAME = regex(r"[A-Z][A-Z0-9_]*")
_UNKNOWN = regex(r"(?<![\w.$\\])_*[A-Z][A-Z0-9_]+(?![\w.$])")
_STRING = regex(r'(?<!\\)"(?:\\.|[^"\\])*"')
_BLANKS = regex(r'((?<!\\)"(?:\\.|[^"\\])*")|\s+')
_PREDICATE = regex(r"\(\s*+([^()\s]++(?:\s++[^()\s]++)*+)\s*+\)\s*+")
_DEEPEST: Final = 40
_MOST_STATEMENTS: Final = 200_000  # for all paths of all ops of a header

_CONDITIONALS = frozenset({".if", ".ifc", ".ifnc", ".ifeqs", ".ifnes", ".ifb", ".ifnb"})
_ENDS = frozenset({".endif", ".endc"})
_REFUSALS = frozenset({".error", ".err", ".abort"})
# Directives that an op may hold: those about the instructions beside them.
_HARMLESS = regex(r"\.(?:mem\.offset|serialize\.\w+|pred\.\w+|reg\.val|explicit|auto|default|entry|save|vframe\w*)")

_SHOWN: Final = 60

_UNARY: Final[Mapping[str, Callable[[int], int]]] = {
    "!": lambda a: int(not a),
    "-": lambda a: -a,
    "~": lambda a: ~a,
    "+": lambda a: a,
}
_COMPARISONS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


class _RefusedError(Exception):
    """The macro refuses its arguments (`.error`)."""


class _ExitError(Exception):
    """`.exitm`."""


class _Step(Struct, frozen=True):
    """A statement to run: its syntax, its text, and where it stands in the header."""

    syntax: tree.Syntax
    text: str
    place: Place


class Interpreter:
    """Runs ops, by the macros of a header, and for a catalog.

    `constants` are the names that may stay in the lines, beside the header's own: the catalog's and those of the
    instance that is extended. `used` collects those of the header that do, with their values.
    """

    def __init__(self, macros: HeaderMacros, catalog: Catalog, constants: Sequence[str]) -> None:
        self.macros = macros
        self.catalog = catalog
        self.used: dict[str, int] = {}
        self._left = _MOST_STATEMENTS
        self._constants = frozenset(constants)
        self._cpp = Preprocessor(macros.cpp, self._stands_for)
        self._hidden: frozenset[str] = frozenset()

    # ------------------------------------------------------------------------------------------- ops

    def paths(self, op: Op) -> list[_Path]:
        """What the header makes of an op, on every path.

        Raises PvasmError, with the place in the header, for what cannot be understood.
        """
        place = self.macros.cpp[op.name].place
        kinds: dict[str, Kind] = {parameter.name: parameter.kind for parameter in op.parameters}
        words = ", ".join(f"{_ARGUMENT}{name}{_END}" for name in kinds)
        text = self._cpp.expand(f"{op.name}({words})" if op.parentheses else op.name, place)
        if made_regex(rf"(?<!\w){op.name}(?!\w)").search(text):
            raise PvasmError(f"{op.name} is left as it is; as an op, it is {op.signature}", *place)

        def run(answers: Answers) -> tuple[str, ...] | None:
            machine = _Machine(self, kinds, answers)
            try:
                machine.run([(self.numbers(text, place), place)])
            except _RefusedError:
                return None
            except _ExitError:
                raise PvasmError(".exitm outside of a .macro", *place) from None
            return tuple(machine.lines)

        try:
            return every_path(run)
        except TooManyPathsError:
            raise PvasmError(f"{op.name} depends on its arguments in more than {MOST_PATHS} ways", *place) from None

    def block(self, name: str, parameters: Sequence[str]) -> tuple[str, ...]:
        """The lines of a block, with ops left in them. Raises PvasmError for what cannot be understood."""
        place = self.macros.cpp[name].place
        self._hidden = frozenset(self.catalog.ops)
        try:
            words = ", ".join(f"{_CONSTANT}{parameter}{_END}" for parameter in parameters)
            text = self.numbers(self._cpp.expand(f"{name}({words})", place), place)
            machine = _Machine(self, {}, Answers(()), self._hidden)
            machine.run([(text, place)])
        finally:
            self._hidden = frozenset()
        return tuple(machine.lines)

    def spend(self, place: Place) -> None:
        """Counts a statement that is run. Raises PvasmError, with the place, for one too many."""
        self._left -= 1
        if self._left < 0:
            raise PvasmError(f"the header's macros come to more than {_MOST_STATEMENTS} statements", *place)

    # ---------------------------------------------------------------------------------------- words

    def expand(self, text: str, place: Place) -> str:
        """A statement of a `.macro`'s body as the C preprocessor leaves it."""
        return self.numbers(self._cpp.expand(text, place), place)

    def value(self, name: str) -> int | None:
        """The number that a constant which was left in a text stands for, if the header says it."""
        return self._cpp.number(name)

    def _stands_for(self, name: str) -> str | None:
        """What the preprocessor leaves in the text for a name: a hole for a constant, or an op in a block."""
        if name in self._hidden:
            return name
        if not _CONSTANT_NAME.fullmatch(name):
            return None
        is_constant = name not in self.macros.cpp and name in self._constants
        if not is_constant and self._cpp.number(name) is None:
            return None
        return f"{_CONSTANT}{name}{_END}"

    def numbers(self, text: str, place: Place) -> str:
        """A text with the numbers of kernel registers, which their names are pasted to, as holes."""
        for macro in self.catalog.operand_macros:
            if macro not in self.macros.cpp:
                called = rf"(?<!\w){macro}\(\s*{_ARGUMENT}({_INNER}){_END}\s*\)"
                form = self.catalog.operand_macros[macro].replace("{number}", rf"{_NUMBER}\1{_END}")
                text = made_regex(called).sub(form, text)

        def number(found: re.Match[str]) -> str:
            prefix, name = found["prefix"], found["name"]
            if not self._are_numbers(prefix):
                numbers = f"{prefix}{next(iter(self.catalog.kernel_registers))}, ..."
                message = (
                    f"{prefix} is pasted to the parameter {name}: that is understood for a kernel register's name,"
                )
                raise PvasmError(f"{message} where {numbers} are their numbers", *place)
            return f"{_NUMBER}{name}{_END}"

        return _PASTED.sub(number, text)

    def _are_numbers(self, prefix: str) -> bool:
        """Whether a prefix before the names of kernel registers makes macros of their numbers."""
        if all(self._cpp.number(f"{prefix}{name}") == number for name, number in self.catalog.kernel_registers.items()):
            return True
        # Linux's asm/kregs.h, which such a header need not include.
        return prefix.removesuffix("_") in self.catalog.operand_macros


# ------------------------------------------------------------------------------------------ statements


class _Machine:
    """Runs statements along one path, and collects the lines that they leave."""

    def __init__(
        self,
        interpreter: Interpreter,
        kinds: Mapping[str, Kind],
        answers: Answers,
        ops: frozenset[str] = frozenset(),
    ) -> None:
        self.lines: list[str] = []
        self._interpreter = interpreter
        self._kinds = kinds
        self._answers = answers
        self._ops = ops

    def run(self, texts: Sequence[tuple[str, Place]], depth: int = 0) -> None:
        """Runs pieces of text, each with its place."""
        taken: list[bool | None] = []  # for each open conditional: whether its arm is, None when one was before
        for step in self._steps(texts):
            directive = step.syntax if isinstance(step.syntax, tree.Directive) else None
            if directive is not None and directive.name.startswith(".if"):
                taken.append(self._holds(directive, step.place) if all(taken) else None)
            elif directive is not None and directive.name in (".else", ".elseif"):
                if not taken:
                    raise PvasmError(f"{directive.name} without .if", *step.place)
                is_next = taken[-1] is False
                taken[-1] = None
                if is_next:
                    is_taken = directive.name == ".else" or not all(taken[:-1]) or self._holds(directive, step.place)
                    taken[-1] = is_taken
            elif directive is not None and directive.name in _ENDS:
                if not taken:
                    raise PvasmError(f"{directive.name} without .if", *step.place)
                taken.pop()
            elif all(taken):
                self._run(step, depth)
        if taken:
            raise PvasmError("a conditional has no .endif", *texts[-1][1])

    def _steps(self, texts: Sequence[tuple[str, Place]]) -> Iterator[_Step]:
        for text, place in texts:
            document = read_document(assembly_parser(), text, preprocessed=True)
            for problem in document.problems:
                raise PvasmError(problem.message, *place)
            for statement in document.statements:
                self._interpreter.spend(place)
                yield _Step(statement.syntax, document.source(statement), place)

    def _run(self, step: _Step, depth: int) -> None:
        match step.syntax:
            case tree.Stop():
                self.lines.append(";;")
            case tree.Instruction():
                self._keep(step)
            case tree.Directive(name=".exitm"):
                raise _ExitError
            case tree.Directive(name=name) if name in _REFUSALS:
                raise _RefusedError
            case tree.Directive(name=name) if _HARMLESS.fullmatch(name):
                self._keep(step)
            case tree.Label() | tree.BundleOpen() | tree.BundleClose() | tree.Template():
                self.lines.append(step.text)
            case tree.MacroCall(name=name) if name in CHECKS.values():
                pass  # what the header checks, whoever uses the instance checks anyway
            case tree.MacroCall(name=name) as call if name in self._interpreter.macros.gas:
                self._call(self._interpreter.macros.gas[name], call, step, depth)
            case tree.MacroCall() if self._ops:  # in a block, whatever the sources define may stand
                self._keep(step)
            case tree.MacroCall(name=name):
                message = f"`{name}' is neither an instruction nor a macro of the header"
                raise PvasmError(f"{message}; if a header that it includes defines it, say where with -I", *step.place)
            case tree.Unparsed(reason=reason):
                raise PvasmError(f"`{_shown(step.text)}': {reason}", *step.place)
            case _:
                message = f"`{_shown(step.text)}' in an op: an instruction, a stop, a conditional or a macro is due"
                raise PvasmError(message, *step.place)

    def _keep(self, step: _Step) -> None:
        """Has a statement as a line of the op."""
        bare = _HOLE.sub(" ", _STRING.sub(" ", step.text))
        unknown = next(iter(_UNKNOWN.findall(bare)), None)
        if unknown is not None and not self._ops:  # in a block, it is a name of the sources
            message = f"{unknown} in `{_shown(step.text)}' has no value: give it with -D {unknown}=NUMBER,"
            raise PvasmError(f"{message} or say with -I where the header that defines it is", *step.place)
        for kind, name in _HOLE.findall(step.text):
            value = self._interpreter.value(name) if kind == _CONSTANT else None
            if value is not None:
                self._interpreter.used[name] = value
        line = _BLANKS.sub(lambda found: found[1] or " ", step.text.strip())
        predicate = _PREDICATE.match(line)
        if predicate is not None:
            rest = line[predicate.end() :]
            line = rest if predicate[1] == "p0" else f"({predicate[1]}) {rest}"
        self.lines.append(_HOLE.sub(_printed, line))

    def _call(self, called: GasMacro, call: tree.MacroCall, step: _Step, depth: int) -> None:
        name = called.macro.name
        if call.predicate is not None:
            raise PvasmError(f"a predicate before {name}, which is a .macro: GNU as does not take it", *step.place)
        if called.is_ambiguous:
            raise PvasmError(
                f"there are several definitions of the .macro {name}; say which holds, with -D", *step.place
            )
        if depth >= _DEEPEST:
            raise PvasmError(f"{name}: macros in macros in macros without an end", *step.place)
        text = step.text[call.name_start - call.start + len(name) :]
        bound = bind(called.macro, text.strip())
        expand = self._interpreter.expand
        body = [(substitute(expand(line, place), bound), place) for line, place in called.body]
        with contextlib.suppress(_ExitError):
            self.run([(self._interpreter.numbers(line, place), place) for line, place in body], depth + 1)

    # ------------------------------------------------------------------------------------- conditions

    def _holds(self, directive: tree.Directive, place: Place) -> bool:
        """Whether a condition holds."""
        given = directive.arguments
        match directive.name, len(given):
            case (".ifc" | ".ifeqs" | ".ifnc" | ".ifnes") as name, 2:
                left, right = (_unquoted(text) for text in given)
                return self._same_text(left, right, place) is (name in (".ifc", ".ifeqs"))
            case (".ifb" | ".ifnb") as name, (0 | 1):
                return (not "".join(given).strip().strip('"')) is (name == ".ifb")
            case ((".if" | ".elseif"), _):
                return self._true(", ".join(given), place)
        kinds = ", ".join(sorted(_CONDITIONALS))
        raise PvasmError(f"`{directive.name} {_shown(', '.join(given))}': {kinds} are understood", *place)

    def _same_text(self, left: str, right: str, place: Place) -> bool:
        """Whether two texts of `.ifc` are the same: for arguments, whether they are the same register."""
        if left == right:
            return True
        holes = [_HOLE.fullmatch(text) for text in (left, right)]
        if not any(_HOLE.search(text) for text in (left, right)):
            return False
        if not all(hole or not _HOLE.search(text) for hole, text in zip(holes, (left, right), strict=True)):
            shown = f"`{_shown(left)}' with `{_shown(right)}'"
            raise PvasmError(f"an argument is compared within more text: {shown}", *place)
        if any(hole and hole[1] != _ARGUMENT for hole in holes):
            if all(holes) or any(hole and hole[1] == _NUMBER for hole in holes):
                raise PvasmError("a number is compared as text: an argument and a register are due", *place)
            return False  # a constant that nobody has defined stands for no register
        return self._same(left, right, place)

    def _same(self, left: str, right: str, place: Place) -> bool:
        """Whether two words are the same register; one of them at least is an argument."""
        words = [self._word(word, place) for word in (left, right)]
        if None in words:
            return False
        (first, kind), (second, other_kind) = (word for word in words if word is not None)
        if kind != other_kind:
            return False
        if first.startswith("%"):
            first, second = second, first
        return first == second if first.startswith("%") else self._answers.same(first, second)

    def _word(self, text: str, place: Place) -> tuple[str, str] | None:
        """What a word is in a question, and its kind; None for what is no register."""
        hole = _HOLE.fullmatch(text)
        if hole is not None and hole[1] == _ARGUMENT:
            return hole[2], self._kinds[hole[2]]
        given = operand(text)
        if given.register is not None:
            return f"%{given.register}", given.kind
        if given.frame is not None or given.kind == "general":
            raise PvasmError(f"an argument is compared with {text}, which is no fixed register", *place)
        return None

    def _true(self, text: str, place: Place) -> bool:
        """Whether the expression of an `.if` is not 0."""
        expression = parse_condition(text)
        value = None if expression is None else self._value(expression, place)
        if value is None:
            shown = _HOLE.sub(lambda found: found[2], text)
            message = f"`.if {_shown(shown)}': a comparison of arguments with registers, or of numbers, is due"
            raise PvasmError(message, *place)
        return value != 0

    def _value(self, node: tree.Expression, place: Place) -> int | None:
        match node:
            case tree.Number(value=value):
                return value
            case tree.Name(text=text):
                hole = _HOLE.fullmatch(text)
                return self._interpreter.value(hole[2]) if hole and hole[1] == _CONSTANT else None
            case tree.Unary(operator=operator, operand=inner):
                value = self._value(inner, place)
                return None if value is None or operator not in _UNARY else _UNARY[operator](value)
            case tree.Binary(operator="||" | "&&" as operator, left=left, right=right):
                value = self._value(left, place)
                if value is None or bool(value) is (operator == "||"):
                    return value
                return self._value(right, place)
            case tree.Binary(operator="==" | "!=" as operator, left=tree.Name(text=left), right=tree.Name(text=right)):
                if any((hole := _HOLE.fullmatch(word)) and hole[1] == _ARGUMENT for word in (left, right)):
                    return int(self._same(left, right, place) is (operator == "=="))
        if isinstance(node, tree.Binary):
            return self._compared(node, place)
        return None

    def _compared(self, node: tree.Binary, place: Place) -> int | None:
        """A comparison of numbers."""
        left, right = self._value(node.left, place), self._value(node.right, place)
        compare = _COMPARISONS.get(node.operator)
        return None if left is None or right is None or compare is None else int(compare(left, right))


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _printed(found: re.Match[str]) -> str:
    """How a hole stands in a template."""
    return f"{{{{ {found[2]}{'.number' if found[1] == _NUMBER else ''} }}}}"


def _shown(text: str) -> str:
    """A piece of text in a message."""
    return _HOLE.sub(lambda found: found[2], text)[:_SHOWN]
