"""Templates: the few constructs of Jinja2 that describing an op takes, with bounds on what they may do.

A template comes from a file that nobody vetted. It is run in Jinja2's immutable sandbox, and before that its syntax
tree is checked against a short list of constructs: text, `{{ name }}`, `{% if %}`, `{% set %}`,
`{% for NAME in range(...) %}`, comparisons, and arithmetic on integers. There is no attribute (but a kernel register's
`number`), no method, no filter, no macro, no include; so nothing can be reached that was not given, and the steps of
all loops together are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from pvasm.errors import PvasmError
from pvasm.paravirt.arguments import RegisterNotKnownError
from pvasm.paravirt.yaml_nodes import Node, Written, fault, near

if TYPE_CHECKING:
    from jinja2 import Template as JinjaTemplate
    from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SOURCE = 16 << 10  # characters
MAX_OUTPUT = 64 << 10  # characters
MAX_STEPS = 10_000  # of all loops together
_MAX_INTEGER = 1 << 128

_CONSTRUCTS = frozenset(
    (
        *("Template", "Output", "TemplateData", "Name", "Const", "If", "For", "Assign", "Compare"),
        *("Operand", "And", "Or", "Not", "CondExpr", "Tuple", "List", "Add", "Sub"),
        *("Mul", "FloorDiv", "Neg", "Pos", "Call", "Getattr", "Test"),
    )
)
_ATTRIBUTES = frozenset({"number"})
_TESTS = frozenset({"even", "odd"})


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
    if isinstance(value, Written):
        return value.text
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 0xFFFF:
        return hex(value)
    return value


class _Steps:
    """`range` in a template; its calls share one budget of steps."""

    def __init__(self) -> None:
        self.left = MAX_STEPS

    def __call__(self, *limits: int) -> range:
        if not all(isinstance(limit, int) for limit in limits):
            raise _RefusedError("range is for integers")
        steps = range(*(int(limit) for limit in limits))
        # `len` does not take a range longer than a machine word.
        self.left -= max(1, abs((steps.stop - steps.start) // steps.step)) if steps else 1
        if self.left < 0:
            raise _RefusedError(f"loops of more than {MAX_STEPS} steps")
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

    def _error(self, message: str, line: int | None) -> PvasmError:
        node = self._node
        if not node.is_block:
            return fault(message, self._file, (node.line, node.column), self._path)
        return fault(message, self._file, (node.line + (line or 1), 1), self._path)

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
            raise self._error(f"a template of more than {MAX_SOURCE} characters", None)
        try:
            syntax = environment.parse(source)
            self._check(syntax)
            return environment.from_string(source)
        except TemplateSyntaxError as error:
            raise self._error(error.message or "syntax error", error.lineno) from None
        except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
            raise self._error(f"nested too deep, or too large ({type(error).__name__})", None) from None

    def _check(self, syntax: Any) -> None:
        """Whether the tree is made of the constructs that are allowed, and speaks of names that exist."""
        from jinja2 import nodes

        known = set(self._names) | {"range"}
        known.update(name.name for name in syntax.find_all(nodes.Name) if name.ctx == "store")
        line = 1
        pending: list[Any] = [syntax]
        while pending:
            node = pending.pop()
            line = getattr(node, "lineno", line)
            problem = _problem(node, known)
            if problem:
                raise self._error(problem, line)
            pending.extend(node.iter_child_nodes())

    def render(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        """The lines that the template yields, without blanks around them; empty lines are left out.

        Raises RegisterNotKnownError where the result depends on which register an argument is and its text does not
        tell; PvasmError with the place where the template fails or yields what is not assembly lines, or too much.
        """
        compiled = self.compile()
        pieces: list[str] = []
        size = 0
        try:
            for piece in compiled.generate({**values, "range": _Steps()}):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_OUTPUT:
                    raise _RefusedError(f"more than {MAX_OUTPUT} characters")
        except RegisterNotKnownError:
            raise
        except Exception as error:
            raise self._error(str(error) or type(error).__name__, _line(error)) from None
        lines = tuple(line.strip() for line in "".join(pieces).splitlines() if line.strip())
        for line in lines:
            if "//" in line or "/*" in line or line.startswith("#"):
                raise self._error(f"`{line[:40]}': a comment in the output; write {{# ... #}}", None)
        return lines


def _problem(node: Any, known: set[str]) -> str | None:
    """What is wrong with one node of a template's tree."""
    from jinja2 import nodes

    match node:
        case nodes.Name(name=name) if name not in known:
            return f"{name} is undefined{near(name, known)}"
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
