"""Templates: the few constructs of Jinja2 that describing an op takes, with bounds on what they may do.

A template comes from a file that nobody vetted. It is run in Jinja2's immutable sandbox, and before that its syntax
tree is checked against a short list of constructs: text, `{{ name }}`, `{% if %}`, `{% set %}`,
`{% for NAME in range(...) %}`, comparisons, and arithmetic on integers. There is no attribute (but a kernel register's
`number`), no method, no filter, no macro, no include; so nothing can be reached that was not given. Every value is a
word, an integer or an argument (a list stands after `in` alone), so none can grow; and the steps of all loops together
are counted, the fewer the longer the template.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pvasm.errors import PvasmError
from pvasm.paravirt.arguments import RegisterNotKnownError, TemplateArgument
from pvasm.paravirt.yaml_nodes import Node, Written, control_character, fault
from pvasm.suggestions import near

if TYPE_CHECKING:
    from jinja2 import Template as JinjaTemplate
    from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SOURCE = 16 << 10  # characters
MAX_OUTPUT = 64 << 10  # characters
MAX_STEPS = 10_000  # of all loops together
MAX_WORK = 1_000_000  # steps, times the characters of the template
_MAX_INTEGER = 1 << 128
_MOST_MARKED = 16 * MAX_OUTPUT  # with the numbers of lines in it
_TOO_LONG = f"more than {MAX_OUTPUT} characters"

# What Python raises for source that is nested too deep, or too large.
_TOO_MUCH = (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError)

_CONSTRUCTS = frozenset(
    (
        *("Template", "Output", "TemplateData", "Name", "Const", "If", "For", "Assign", "Compare"),
        *("Operand", "And", "Or", "Not", "CondExpr", "Tuple", "List", "Add", "Sub"),
        *("Mul", "FloorDiv", "Neg", "Pos", "Call", "Getattr", "Test"),
    )
)
_ATTRIBUTES = frozenset({"number"})
_TESTS = frozenset({"even", "odd"})


# Before each line of a compiled template's text, its number stands between these; no text can hold them itself.
_PLACE_START, _PLACE_END = "\x03", "\x04"


class Rendered(NamedTuple):
    """What a template yielded: the lines, the lines of the template that they come from (from 1), and what that took.

    `work` counts the lines and the steps of loops.
    """

    lines: tuple[str, ...]
    numbers: tuple[int, ...]
    work: int


class _RefusedError(Exception):
    """A template does what it may not; the message says what."""


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        """The sandbox, with arithmetic for integers of a bounded size alone."""

        intercepted_binops = frozenset({"+", "-", "*", "//"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            for side in (left, right):
                if not isinstance(side, int) or isinstance(side, bool):
                    raise _RefusedError(f"`{operator}' is for integers")
            result = super().call_binop(context, operator, int(left), int(right))
            if abs(result) > _MAX_INTEGER:
                raise _RefusedError(f"an integer beyond 128 bits from `{operator}'")
            return result

    environment = Environment(
        undefined=StrictUndefined,
        loader=None,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        finalize=_printed,
        optimized=False,  # no arithmetic while compiling
    )
    environment.globals.clear()
    environment.filters.clear()
    for name in set(environment.tests) - _TESTS:
        del environment.tests[name]
    return environment


def _printed(value: Any) -> Any:
    """How a value stands in the output: a constant as it was written, a large integer in hexadecimal."""
    from jinja2 import Undefined

    if isinstance(value, Written):
        return value.text
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > _MAX_INTEGER:
            raise _RefusedError("an integer beyond 128 bits")
        return hex(value) if abs(value) > 0xFFFF else value
    if isinstance(value, str | TemplateArgument | Undefined):
        return value
    raise _RefusedError("what is printed must be text, an integer or an argument")


class _Steps:
    """`range` in a template; its calls share one budget of steps, which is smaller for a long template."""

    def __init__(self, characters: int) -> None:
        self.limit = min(MAX_STEPS, MAX_WORK // max(characters, 1))
        self.left = self.limit

    def __call__(self, *limits: int) -> range:
        if not all(isinstance(limit, int) and not isinstance(limit, bool) for limit in limits):
            raise _RefusedError("range is for integers")
        steps = range(*(int(limit) for limit in limits))
        # `len` does not take a range longer than a machine word.
        self.left -= max(1, abs((steps.stop - steps.start) // steps.step)) if steps else 1
        if self.left < 0:
            raise _RefusedError(f"loops of more than {self.limit} steps")
        return steps


class Template:
    """A template, compiled when it is first rendered. `names` are those that it may use.

    `file` and `path` (`ops.COVER.template`) say where it stands.
    """

    def __init__(self, node: Node, file: str, path: str, names: Iterable[str]) -> None:
        self._node = node
        self._file = file
        self._path = path
        self._names = frozenset(names)
        self._compiled: JinjaTemplate | None = None

    def kept(self) -> list[Any]:
        """What `of_kept` makes the template of, as JSON can hold it."""
        node = self._node
        return [node.value, node.line, node.column, node.is_block, os.path.basename(self._file), self._path]

    @classmethod
    def of_kept(cls, kept: Sequence[Any], folder: str, names: Iterable[str]) -> Template:
        """The template of what `kept` returned, of a file in `folder`."""
        value, line, column, is_block, file, path = kept
        return cls(Node(value, line, column, {}, is_block), os.path.join(folder, file), path, names)

    def is_same(self, other: Template | None) -> bool:
        """Whether another template is this one: of the same text, at the same place of the same file."""
        return other is not None and self.kept() == other.kept()

    @property
    def source(self) -> str:
        """The template's text."""
        return str(self._node.value)

    def followed_by(self, text: str) -> Template:
        """The template with more lines at its end."""
        source = self.source.rstrip("\n")
        node = msgspec.structs.replace(self._node, value=f"{source}\n{text}" if source else text)
        return Template(node, self._file, self._path, self._names)

    @property
    def file(self) -> str:
        """The file that it stands in."""
        return self._file

    def place(self, line: int | None = None) -> tuple[int, int]:
        """The line and column in the file of a line of the template (from 1), or of its first."""
        node = self._node
        return (node.line + (line or 1), 1) if node.is_block else (node.line, node.column)

    def error(self, message: str, line: int | None = None) -> PvasmError:
        """The error about a line of the template (from 1), or about all of it."""
        return fault(message, self._file, self.place(line), self._path)

    def undeclared(self) -> Iterator[tuple[int, str]]:
        """The names that nothing declares: each with its line in the template, and what is wrong with it.

        Nothing for a template that `compile` refuses for another reason.
        """
        from jinja2 import TemplateError, nodes

        source = self._node.value
        if len(source) > MAX_SOURCE:
            return
        try:
            syntax = _environment().parse(source)
        except (TemplateError, *_TOO_MUCH):
            return
        known = self._known(syntax)
        for name in syntax.find_all(nodes.Name):
            problem = _problem(name, known)
            if problem:
                yield name.lineno, problem

    def _known(self, syntax: Any) -> set[str]:
        """The names that the template may use: those given, and those that it sets."""
        from jinja2 import nodes

        known = set(self._names) | {"range"}
        known.update(name.name for name in syntax.find_all(nodes.Name) if name.ctx == "store")
        return known

    def compile(self) -> JinjaTemplate:
        """The compiled template.

        Raises PvasmError with the place for a syntax error, an undefined name, and a construct that is not allowed.
        """
        if self._compiled is None:
            self._compiled = self._compile()
        return self._compiled

    def _compile(self) -> JinjaTemplate:
        from jinja2 import TemplateSyntaxError

        source = self._node.value
        environment = _environment()
        if len(source) > MAX_SOURCE:
            raise self.error(f"a template of more than {MAX_SOURCE} characters")
        try:
            syntax = environment.parse(source)
            self._check(syntax)
            _number_lines(syntax)
            # The tree that was checked is the one that runs.
            return environment.template_class.from_code(environment, environment.compile(syntax), {})
        except TemplateSyntaxError as error:
            raise self.error(error.message or "syntax error", error.lineno) from None
        except _TOO_MUCH as error:
            raise self.error(f"nested too deep, or too large ({type(error).__name__})") from None

    def _check(self, syntax: Any) -> None:
        """Whether the tree is made of the constructs that are allowed, and speaks of names that exist."""
        from jinja2 import nodes

        known = self._known(syntax)
        line = 1
        lists = {id(operand.expr) for operand in syntax.find_all(nodes.Operand) if operand.op in ("in", "notin")}
        loops = {id(loop.iter) for loop in syntax.find_all(nodes.For)}
        pending: list[Any] = [syntax]
        while pending:
            node = pending.pop()
            line = getattr(node, "lineno", line)
            problem = _problem(node, known)
            if isinstance(node, nodes.Tuple | nodes.List) and id(node) not in lists:
                problem = "a list stands after `in' or `not in' alone"
            elif isinstance(node, nodes.Call) and problem is None and id(node) not in loops:
                problem = "range stands in a loop alone"
            if problem:
                raise self.error(problem, line)
            pending.extend(node.iter_child_nodes())

    def render(self, values: Mapping[str, Any]) -> Rendered:
        """The lines that the template yields, without blanks around them; empty lines are left out.

        Raises RegisterNotKnownError where the result depends on which register an argument is and its text does not
        tell; PvasmError with the place where the template fails or yields what is not assembly lines, or too much.
        """
        steps = _Steps(len(self._node.value))
        lines: list[str] = []
        numbers: list[int] = []
        number = 1
        size = 0
        for marked in self._generate(self.compile(), values, steps).split("\n"):
            first, *rest = marked.split(_PLACE_START)
            pieces = [first.strip(" \t")]
            size += len(first) + 1
            for index, piece in enumerate(rest):
                place, _, piece = piece.partition(_PLACE_END)
                if not index or not any(pieces):
                    number = int(place)
                pieces.append(piece)
                size += len(piece)
            if line := "".join(pieces).strip(" \t"):
                self._refuse_comment(line)
                lines.append(line)
                numbers.append(number)
        if size > MAX_OUTPUT + 1:
            raise self.error(_TOO_LONG)
        return Rendered(tuple(lines), tuple(numbers), len(lines) + steps.limit - steps.left)

    def _generate(self, compiled: JinjaTemplate, values: Mapping[str, Any], steps: _Steps) -> str:
        """The text that the compiled template yields, with the numbers of lines."""
        pieces: list[str] = []
        size = 0
        try:
            for piece in compiled.generate({**values, "range": steps}):
                pieces.append(piece)
                size += len(piece)
                if size > _MOST_MARKED:
                    raise _RefusedError(_TOO_LONG)
        except RegisterNotKnownError:
            raise
        except Exception as error:
            raise self.error(str(error) or type(error).__name__, _line(error)) from None
        return "".join(pieces)

    def _refuse_comment(self, line: str) -> None:
        if "//" in line or "/*" in line or line.startswith("#"):
            raise self.error(f"`{line[:40]}': a comment in the output; write {{# ... #}}")


def _number_lines(syntax: Any) -> None:
    """Puts the number of each line of a template's text before it."""
    from jinja2 import nodes

    for text in syntax.find_all(nodes.TemplateData):
        lines = enumerate(text.data.split("\n"), start=text.lineno)
        text.data = "\n".join(f"{_PLACE_START}{number}{_PLACE_END}{line}" for number, line in lines)


def _problem(node: Any, known: set[str]) -> str | None:
    """What is wrong with one node of a template's tree."""
    from jinja2 import nodes

    match node:
        case nodes.Name(name=name) if name not in known:
            return f"{name} is undefined{near(name, known)}"
        case nodes.Const(value=str(text)) if control_character(text):
            return f"the character {control_character(text)} is not allowed"
        case nodes.For(iter=nodes.Call(node=nodes.Name(name="range")), recursive=False, target=nodes.Name(name=name)):
            return f"{name} is taken" if name == "range" else None
        case nodes.For():
            return "a loop is written `for NAME in range(...)'"
        case nodes.Assign(target=target) if not isinstance(target, nodes.Name) or target.name == "range":
            return "`set' sets one name"
        case nodes.Call(node=nodes.Name(name="range"), kwargs=[], dyn_args=None, dyn_kwargs=None):
            return None
        case nodes.Call():
            return "only range may be called"
        case nodes.Getattr(attr=attribute) if attribute not in _ATTRIBUTES:
            return f"the attribute {attribute} is not allowed"
        case nodes.Test(name=name) if name not in _TESTS:
            return f"the test {name} is not allowed"
    kind = type(node).__name__
    return None if kind in _CONSTRUCTS else f"the construct {kind} is not allowed in a template"


def _line(error: BaseException) -> int | None:
    """The line of the template in which an error was raised."""
    line = None
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == "<template>":
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
