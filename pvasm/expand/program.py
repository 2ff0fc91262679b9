r"""A document as the processor meets it: instructions, ops, stops and labels in their order, and what may follow what.

Raw source has several orders in one: each arm of a `#if` is an alternative to the others. So a program is a graph whose
nodes know the nodes that may stand next. Macros are expanded where they are invoked (pvasm/asm/elaborate.py); what is
not known (a macro of a header that is not seen) is a node of its own, `opaque`.

`Program.graph` gives the order for an instance's ops as such, or with their expansions in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from functools import cached_property
from typing import Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from pvasm.asm.annotations import ANNOTATIONS, arguments_of
from pvasm.asm.elaborate import Fork, Repeater, Step
from pvasm.asm.reading import statements_of
from pvasm.asm.rereading import Made, Shift
from pvasm.asm.resolve import resolve
from pvasm.asm.scope import OperandError, Scope
from pvasm.errors import PvasmError
from pvasm.expand.contexts import Contexts
from pvasm.expand.definitions import Definitions
from pvasm.expand.invocations import argument_text
from pvasm.isa.instruction import Instruction
from pvasm.isa.operands import Unknown, Value
from pvasm.isa.registers import REGISTERS
from pvasm.paravirt.arguments import RegisterNotKnownError
from pvasm.paravirt.catalog import Catalog, Op
from pvasm.paravirt.expansion import Context, Expansion, Statement
from pvasm.paravirt.instance import Instance
from pvasm.regex import regex
from pvasm.syntax import tree
from pvasm.syntax.cpp import Known, arm_taken, reachable
from pvasm.syntax.document import Document
from pvasm.syntax.macros import CLOSING, may_replace_words
from pvasm.syntax.parser import parse_expression
from pvasm.syntax.sections import SECTION_DIRECTIVES, SectionPlace, Sections
from pvasm.syntax.tokens import symbol_name
from pvasm.syntax.traced import NOWHERE, Traced, text_number

Kind = Literal["instruction", "op", "stop", "label", "directive", "bundle", "opaque", "arm", "end", "section"]

_PLAIN = frozenset({"instruction", "stop", "label", "directive", "opaque"})  # that follow what stands before them
_Expanding = tuple[int, tuple[int, int, int] | None, tuple[tuple[str, Value], ...]]

_MOST_EXPANDED = 10_000  # ops with their arguments
_MOST_GRAPHS = 3  # that are kept: they are large
_MOST_CALLS = 64  # of ops, one after the other without a separator; what follows is not looked into

# The assembler's own conditionals and loops: which lines they yield, or how often, is not followed.
_STEERING = frozenset(
    {".if", ".else", ".elsec", ".elseif", ".endif", ".endc", ".endr", ".exitm", ".mexit", ".include", *CLOSING}
) - {".macro"}


class Node(Struct):
    """A step of a program, at its place in the document's text.

    `text` is its source, or a statement of an expansion. An op has its arguments' values (None where one is none) in
    `values`; in an instance's graph the nodes of its expansion bear the op too, and the number of the invocation in
    `invocation`. `name` is a label's or directive's, or a brace or template of a bundle (graphs have no such
    steps). `target` is the label that an instruction may branch to. `macro` is the macro whose body it stands in.
    `frame` and `names` are what the scope has for an op's arguments. `inlined` says that a macro made it, and the span
    is that of the macro's invocation. The graphs of a program share its nodes. `content` may be something that is the
    same for steps that say the same, wherever they stand.
    """

    kind: Kind
    statement: int
    start: int
    end: int
    text: str = ""
    conditions: tuple[tree.Condition, ...] = ()
    resolved: Instruction | None = None
    op: Op | None = None
    arguments: tuple[str, ...] = ()
    values: tuple[Value | None, ...] = ()
    invocation: int = -1
    name: str = ""
    target: str = ""
    macro: str | None = None
    inlined: bool = False
    frame: tuple[int, int, int] | None = None
    names: dict[str, Value] = {}
    content: object = None

    @property
    def predicate(self) -> str:
        """The name of the predicate that an instruction stands under, as far as known `p6`; empty for none."""
        number = None if self.resolved is None else self.resolved.predicate
        if number is None:
            return self.text.partition(")")[0].strip(" (\t")
        return f"p{number}" if number else ""


class Refusal(Struct, frozen=True):
    """An instruction that the assembler refuses: where to report it, why, and what a macro makes there if one does."""

    start: int
    end: int
    error: OperandError
    made: str
    conditions: tuple[tree.Condition, ...]


class Graph(Struct):
    """The nodes of a program, for an instance or for any.

    `next` has for each node those that may stand next in the text, wherever control goes: higher numbers alone.
    `changing` are the names that the file defines or undefines: conditions that ask of them need not agree.
    """

    nodes: list[Node]
    next: list[list[int]]
    changing: frozenset[str] = frozenset()


_WORD = regex(r"[A-Za-z_.$][\w.$]*+")
_BRANCHING = ("br", "chk", "fchkf")  # how the mnemonics begin that have a label among their operands


def _target(syntax: tree.Instruction) -> str:
    """The label among an instruction's operands; empty if there is none."""
    for operand in syntax.inputs:
        name = symbol_name(operand.text) if isinstance(operand, tree.Name | tree.String) else ""
        if name and name not in REGISTERS:
            return name
    return ""


class Program(Repeater):
    """The steps of a document, whichever instance it is compiled for.

    It looks on while the document is read (`elaborate`). Of `headers`, documents that it includes, it is asked whether
    they bring code. `definitions` has the document's definitions, by which macros are known; others ask it, too.
    """

    def __init__(
        self,
        document: Document,
        catalog: Catalog,
        headers: Sequence[Document],
        definitions: Callable[[Known], Definitions],
    ) -> None:
        self.document = document
        self._definitions = definitions
        self.catalog = catalog
        self.headers = headers
        self.scope = Scope(lenient=True)
        self._invoked: list[str] = []  # the names of the ops, one for each invocation
        self.refusals: list[Refusal] = []
        self._words_may_be_replaced = may_replace_words(document.text)
        self.steps: list[Node | Fork] = []  # whichever way the code is compiled
        self._earlier: Program | None = None
        # By the expansion's id, and by what is known where an op is invoked.
        self._expanded: dict[_Expanding, tuple[Expansion, list[_Meant]]] = {}
        # By what it depends on; each with the instance, of which the id is part of that.
        self._graphs: dict[tuple[int, tuple[tuple[str, bool], ...]], tuple[Graph, Instance | None]] = {}

    @property
    def ops_used(self) -> Set[str]:
        """The names of the ops that are invoked."""
        return set(self._invoked)

    # -------------------------------------------------------------------------------------- reading

    def step(self, step: Step, scope: Scope) -> None:
        """Adds what a statement is."""
        self.scope = scope
        syntax = step.syntax
        statement = self.document.statements[step.statement]
        base = Node(
            "opaque",
            step.statement,
            statement.start,
            statement.end,
            conditions=step.conditions,
            macro=step.macro,
            # An instruction whose operands macros stand for is written here all the same.
            inlined=step.made
            and not (isinstance(syntax, tree.Instruction) and isinstance(statement.syntax, tree.Instruction)),
        )
        if step.macro is not None and step.macro in self.catalog.ops:
            return  # an instance's definition of the op
        if isinstance(syntax, tree.CppDirective):
            if syntax.name.startswith("include") and self._may_be_code(syntax.text):
                self._add(base, "opaque", name=f"#{syntax.name}")
        else:
            self._statement(syntax, base, step.source)

    def begin(self, scope: Scope) -> None:
        """Reading begins."""
        self.scope = scope

    def basis(self) -> object:
        """What steps depend on, beside the statements before."""
        return self._words_may_be_replaced

    def made(self) -> Made:
        """How many steps there are, ops among them, and refusals."""
        return len(self.steps), len(self._invoked), len(self.refusals)

    def can_be_repeated(self, made: Made) -> bool:
        """Whether nothing is refused, which may be at a place elsewhere."""
        return not made[2]

    def repeat(self, earlier: Program, before: Made, after: Made, shift: Shift | None) -> None:
        """Takes over steps, and what is known of ops if names mean the same."""
        if self._earlier is None:  # without those before it, of which nobody may have asked for a graph
            self._earlier, earlier._earlier = earlier, None
        steps = earlier.steps[before[0] : after[0]]
        by = len(self._invoked) - before[1]
        self._invoked += earlier._invoked[before[1] : after[1]]
        if shift is not None:
            steps = [_fork_moved(step, shift) if isinstance(step, Fork) else _moved(step, shift, by) for step in steps]
        elif by:
            steps = [
                replace(step, invocation=step.invocation + by)
                if isinstance(step, Node) and step.invocation >= 0
                else step
                for step in steps
            ]
        self.steps += steps

    def fork(self, fork: Fork) -> None:
        """Alternatives begin, go on or end."""
        self.steps.append(fork)

    def boundary(self, macro: str | None, statement: int) -> None:
        """The body of a macro begins or ends: nothing falls from one side to the other."""
        start = self.document.statements[statement].start
        before = self.document.statements[statement - 1].macro if statement else None
        self.steps.append(Node("end", statement, start, start, macro=before))

    def gap(self, reason: str, statement: int, conditions: tuple[tree.Condition, ...]) -> None:
        """What stands here is not known."""
        where = self.document.statements[statement]
        self.steps.append(Node("opaque", statement, where.start, where.end, conditions=conditions, name=reason))

    def _may_be_code(self, name: str) -> bool:
        """Whether an included file may bring instructions in, rather than definitions; of one not found, it may."""
        word = name.strip('"<> \t')
        found = next(
            (header for header in self.headers if header.path.endswith(f"/{word}") or header.path == word), None
        )
        return found is None or any(
            isinstance(statement.syntax, tree.Instruction | tree.MacroCall) and statement.macro is None
            for statement in found.statements
        )

    def _statement(self, syntax: tree.Syntax, base: Node, source: Traced) -> None:
        """Adds the steps of a statement. `base` says where it stands, `source` is what its offsets count in.

        `base` itself may become the step.
        """
        match syntax:
            case tree.Instruction():
                self._instruction(syntax, base, source)
            case tree.Stop():
                base.kind, base.text = "stop", ";;"
                self.steps.append(base)
            case tree.Label():
                self._label(syntax, base, source)
            case tree.BundleOpen():
                self._add(base, "bundle", name="{")
            case tree.BundleClose():
                self._add(base, "bundle", name="}")
            case tree.Template(name=name):
                self._add(base, "bundle", name=name)
            case tree.MacroCall():
                self._call(syntax, base)
            case tree.Directive(name=name, arguments=arguments):
                self._directive(name, arguments, base)
            case tree.Unparsed():
                self._add(base, "opaque", text=source.text)

    def _label(self, label: tree.Label, base: Node, source: Traced) -> None:
        """Adds a label. Its place is that of its name, if that stands in the statement."""
        node = self._add(base, "label", name=label.name)
        own = self.document.statements[base.statement].syntax
        if isinstance(own, tree.Label):
            node.end = node.start + len(own.name)
            return
        found = source.span(label.start, label.start + len(label.name))
        if found is not None and base.start <= found[0] and found[1] <= base.end:
            node.start, node.end = found

    def _add(
        self,
        base: Node,
        kind: Kind,
        text: str = "",
        resolved: Instruction | None = None,
        op: Op | None = None,
        arguments: tuple[str, ...] = (),
        values: tuple[Value | None, ...] = (),
        name: str = "",
    ) -> Node:
        node = Node(
            kind,
            base.statement,
            base.start,
            base.end,
            text,
            base.conditions,
            resolved,
            op,
            arguments,
            values,
            name=name,
            macro=base.macro,
            inlined=base.inlined,
        )
        self.steps.append(node)
        return node

    def _instruction(self, syntax: tree.Instruction, base: Node, source: Traced) -> None:
        scope, text = self.scope, source.text
        scope.beyond_frame = None
        try:
            resolved = resolve(syntax, scope)
        except OperandError as error:
            self._add(base, "opaque", text=text[syntax.start : syntax.end])
            self._refuse(error, base, source)
            return
        if scope.beyond_frame is not None:
            self._refuse(scope.beyond_frame, base, source)
        base.kind, base.text, base.resolved = "instruction", text[syntax.start : syntax.end], resolved
        if resolved.form.mnemonic.startswith(_BRANCHING):
            base.target = _target(syntax)
        self.steps.append(base)

    def _refuse(self, error: OperandError, base: Node, source: Traced) -> None:
        """Takes note of an instruction that the assembler refuses: where it stands in the document, else as made.

        The body of a `#define` need not be whole, and its parameters may be called as registers are; so may those of a
        `.macro` after `.altmacro`.
        """
        if base.macro is not None and (
            self.document.statements[base.statement].in_define or self._words_may_be_replaced
        ):
            return
        span = source.span(error.start, error.end)
        if span is not None and text_number(span[0]) == 0:
            self.refusals.append(Refusal(*span, error, "", base.conditions))
        else:
            self.refusals.append(Refusal(base.start, base.end, error, source.text, base.conditions))

    def _directive(self, name: str, arguments: tuple[str, ...], base: Node) -> None:
        if name in _STEERING:
            self._add(base, "opaque")
        elif name in SECTION_DIRECTIVES:
            self._add(base, "section", name=name, arguments=arguments)
        elif name[0] == "." or name.startswith("data"):
            arguments = arguments_of(name, arguments)
            values = tuple(_value(each, self.scope) for each in arguments) if name in ANNOTATIONS else ()
            self._add(base, "directive", name=name, arguments=arguments, values=values)

    def _call(self, call: tree.MacroCall, base: Node) -> None:
        for _ in range(_MOST_CALLS):
            op = self.catalog.ops.get(call.name)
            if op is None:
                if not self._bounds_function(call, base):
                    self._add(base, "opaque", name=call.name)
                return
            arguments = tuple(argument_text(argument.text) for argument in call.arguments)
            self._op(op, () if arguments == ("",) else arguments, call, base)
            if not call.tail:
                return
            base = _like(base, "opaque")
            base.inlined = True
            text = call.tail
            statements = statements_of(text)
            if not statements:
                return
            *before, last = statements
            for statement in before:
                self._statement(statement.syntax, replace(base), _untraced(text[statement.origin : statement.end]))
            if not isinstance(last.syntax, tree.MacroCall):
                self._statement(last.syntax, replace(base), _untraced(text[last.origin : last.end]))
                return
            call = last.syntax
        self._add(base, "opaque")

    def _bounds_function(self, call: tree.MacroCall, base: Node) -> bool:
        """Adds the bounds of a function if the invocation is one by its name: `GLOBAL_ENTRY(f)`, `END(f)`."""
        if len(call.arguments) != 1 or not call.parenthesised or call.predicate is not None or call.tail:
            return False
        argument = call.arguments[0].text
        if call.name.endswith("ENTRY"):
            if call.name.startswith("GLOBAL"):
                self._add(base, "directive", name=".global", arguments=(argument,))
            self._add(base, "directive", name=".proc", arguments=(argument,))
            label = self._add(base, "label", name=argument)
            if not base.inlined:
                label.start = base.start - call.start + call.arguments[0].start
                label.end = label.start + len(argument)
            return True
        if call.name == "END":
            self._add(base, "directive", name=".endp", arguments=(argument,))
            return True
        return False

    def _op(self, op: Op, arguments: tuple[str, ...], call: tree.MacroCall, base: Node) -> None:
        if len(arguments) != len(op.parameters) or call.predicate is not None:
            self._add(base, "opaque", name=op.name)
            return
        start, end = base.start, base.end
        if not base.inlined:
            start = base.start - call.start + call.name_start
            end = base.start - call.start + call.call_end
        node = self._add(
            base, "op", op=op, arguments=arguments, values=tuple(_value(each, self.scope) for each in arguments)
        )
        node.start, node.end, node.frame = start, end, self.scope.frame
        node.names = self._meant(arguments)
        node.invocation = len(self._invoked)
        self._invoked.append(op.name)

    def _meant(self, arguments: tuple[str, ...]) -> dict[str, Value]:
        """What the names in an op's arguments mean here: a macro that is defined further down means nothing yet."""
        names: dict[str, Value] = {}
        for word in _WORD.findall(" ".join(arguments)):
            if word in self.scope.names:
                names[word] = self.scope.names[word]
            elif word not in REGISTERS and word not in self.scope.operand_macros and word in self._defined:
                names[word] = Unknown()
        return names

    @cached_property
    def _defined(self) -> frozenset[str]:
        """The names that the document defines anywhere."""
        return frozenset(define.name for define in self.document.defines)

    # ---------------------------------------------------------------------------------------- graphs

    def graph(self, known: Known, instance: Instance | None = None) -> Graph:
        """The nodes that are compiled where `known` says which cpp symbols are defined, and their order.

        With an instance, its expansions stand in the place of the ops. Nobody may change a graph: others have it, too.
        """
        with_ops = instance if self.ops_used else None  # where there are none, all are alike
        key = id(with_ops), tuple((name, known[name]) for name in sorted(known) if name in self._conditions)
        kept = self._graphs.get(key)
        if kept is None:
            self._take_over_expansions()
            builder = _Builder(self, known, with_ops)
            builder.build(self._runs)
            if len(self._graphs) >= _MOST_GRAPHS:
                del self._graphs[next(iter(self._graphs))]
            kept = self._graphs[key] = Graph(builder.nodes, builder.next, self._changing), with_ops
        return kept[0]

    def _take_over_expansions(self) -> None:
        """Takes over what expansions mean, which depends on what names mean at the end of the text."""
        earlier, scope = self._earlier, self.scope
        self._earlier = None
        if earlier is None or len(earlier._expanded) > _MOST_EXPANDED:
            return
        before = earlier.scope
        mine, theirs = ((each.operand_macros, each.names, each.rotating) for each in (scope, before))
        if mine == theirs:
            self._expanded = earlier._expanded

    @cached_property
    def _runs(self) -> list[list[Node] | Node | Fork]:
        """The steps, those as lists that follow one another in every graph."""
        runs: list[list[Node] | Node | Fork] = []
        run: list[Node] = []
        for step in self.steps:
            if isinstance(step, Fork) or step.kind not in _PLAIN:
                run = []
                runs.append(step)
            elif run and step.conditions is run[0].conditions:
                run.append(step)
            else:
                run = [step]
                runs.append(run)
        return runs

    @cached_property
    def _conditions(self) -> str:
        """The text of all conditions on which it depends what is compiled."""
        conditions = {condition for each in {step.conditions for step in self.steps} for condition in each}
        conditions.update(step.condition for step in self.steps if isinstance(step, Fork) and step.condition)
        return " ".join({text for each in conditions for text in (each.expression, *each.earlier)})

    @cached_property
    def _changing(self) -> frozenset[str]:
        undefined = (
            statement.syntax.text.split(maxsplit=1)[0]
            for statement in self.document.statements
            if isinstance(statement.syntax, tree.CppDirective)
            and statement.syntax.name == "undef"
            and statement.syntax.text
        )
        return frozenset([*(define.name for define in self.document.defines), *undefined])

    def contexts(self, known: Known, instance: Instance) -> Contexts:
        """What words mean where ops are invoked, as the expander has it."""
        return Contexts(self._definitions(known), self.catalog, instance)

    def expansion(self, node: Node, contexts: Contexts) -> list[Node]:
        """The nodes that an op is in an instance; an opaque one where it has none, or it cannot be known."""
        assert node.op is not None
        try:
            context = contexts.at(self.document.statements[node.statement])
            if not _is_taken(node, contexts.instance, context):
                return [_like(node, "opaque")]  # not what the expander would make
            expansion = contexts.instance.expand(node.op, node.arguments, context)
        except (RegisterNotKnownError, PvasmError):
            return [_like(node, "opaque")]
        return [
            Node(
                each.kind,
                node.statement,
                node.start,
                node.end,
                each.text,
                node.conditions,
                each.resolved,
                node.op,
                node.arguments if each.arguments is None else each.arguments,
                each.values,
                node.invocation,
                each.name,
                "",
                node.macro,
                node.inlined,
                content=None if node.conditions or node.macro is not None else each,
            )
            for each in self._meant_in(expansion, node)
        ]

    def _meant_in(self, expansion: Expansion, node: Node) -> list[_Meant]:
        """What the statements of an op's expansion mean; the same where names mean the same."""
        key = id(expansion), node.frame, tuple(node.names.items()) if node.names else ()
        known = self._expanded.get(key)
        if known is None:
            scope = Scope(
                lenient=True,
                operand_macros=self.scope.operand_macros,
                names={**self.scope.names, **node.names} if node.names else self.scope.names,
                rotating=self.scope.rotating,
                frame=node.frame,
            )
            meant = [found for each in expansion.statements if (found := _meant(each, scope)) is not None]
            known = self._expanded[key] = expansion, meant
        return known[1]


class _Meant(NamedTuple):
    """What a statement of an expansion means, wherever it is invoked: a node's fields."""

    kind: Kind
    text: str = ""
    resolved: Instruction | None = None
    name: str = ""
    arguments: tuple[str, ...] | None = None
    values: tuple[Value | None, ...] = ()


_OPAQUE: Final = _Meant("opaque")


def _untraced(text: str) -> Traced:
    return Traced.whole(text, NOWHERE)


def _is_taken(node: Node, instance: Instance, context: Context) -> bool:
    """Whether an instance takes an op's arguments together.

    In the body of a macro it may depend on the invocations, which the expander judges one by one. Raises
    RegisterNotKnownError where it depends on which register an argument is.
    """
    assert node.op is not None
    try:
        return not any(True for _ in instance.conflicts(node.op, node.arguments, context))
    except RegisterNotKnownError:
        if node.macro is None or node.inlined:
            raise
        return True


def _meant(statement: Statement, scope: Scope) -> _Meant | None:
    """What a statement of an op's expansion is; None for what is no step."""
    match statement.syntax:
        case tree.Instruction():
            try:
                return _Meant("instruction", statement.text, statement.resolved(scope))
            except OperandError:
                return _OPAQUE
        case tree.Stop():
            return _Meant("stop", ";;")
        case tree.Directive(name=name, arguments=arguments):
            arguments = arguments_of(name, arguments)
            values = tuple(_value(each, scope) for each in arguments) if name in ANNOTATIONS else ()
            return _Meant("directive", statement.text, None, name, arguments, values)
        case tree.BundleOpen() | tree.BundleClose() | tree.Template():
            return None
    return _OPAQUE


def _value(text: str, scope: Scope) -> Value | None:
    """What an argument is worth; None where it is no expression."""
    expression = parse_expression(text)
    if expression is None:
        return None
    try:
        return scope.evaluate(expression)
    except OperandError:
        return None


def _like(node: Node, kind: Kind, text: str = "", resolved: Instruction | None = None) -> Node:
    """A node at the place of another."""
    return Node(
        kind,
        node.statement,
        node.start,
        node.end,
        text,
        node.conditions,
        resolved,
        node.op,
        node.arguments,
        invocation=node.invocation,
        macro=node.macro,
        inlined=node.inlined,
    )


def _moved(node: Node, shift: Shift, invocations: int) -> Node:
    """A node where it stands in the next version of the text, with so many invocations more before it."""
    return Node(
        node.kind,
        shift.statement(node.statement),
        shift.offset(node.start),
        shift.offset(node.end),
        node.text,
        shift.conditions(node.conditions) if node.conditions else (),
        node.resolved,
        node.op,
        node.arguments,
        node.values,
        node.invocation + invocations if node.invocation >= 0 else -1,
        node.name,
        node.target,
        node.macro,
        node.inlined,
        node.frame,
        node.names,
        None if node.conditions and shift.moves_lines else node.content,  # conditions have other lines
    )


def _fork_moved(fork: Fork, shift: Shift) -> Fork:
    condition = fork.condition
    if condition is not None:
        (condition,) = shift.conditions((condition,))
    return Fork(
        fork.name,
        condition,
        shift.conditions(fork.conditions),
        shift.statement(fork.statement),
        fork.is_written,
    )


class _Open(Struct):
    """A conditional that is open: what falls into its arms, what falls out of those read, the last arm's condition.

    `certain` says that an arm read is compiled for sure, so that none after it is; `dead`, that this one is not.
    """

    entry: list[int]
    exits: list[int]
    last: tree.Condition | None
    conditions: tuple[tree.Condition, ...]
    has_else: bool = False
    certain: bool = False
    dead: bool = False


class _Builder:
    """Puts the nodes of a graph in order."""

    def __init__(self, program: Program, known: Known, instance: Instance | None) -> None:
        self.program = program
        self.known = known
        self.instance = instance
        self.contexts: Contexts | None = None
        self.nodes: list[Node] = []
        self.next: list[list[int]] = []
        self.frontier: list[int] = []  # the nodes that the next one follows
        self.open: list[_Open] = []
        self.dead = 0  # how many of them are in an arm that is not compiled
        self.outside: list[list[int]] = []  # what waits for the end of the macro's body being read
        self.sections = Sections()
        self.ends: dict[SectionPlace, list[int]] = {}  # what the next node of each section follows
        self.reachable: dict[tuple[tree.Condition, ...], bool] = {(): True}

    def build(self, runs: Sequence[list[Node] | Node | Fork]) -> None:
        """Adds the steps of a program."""
        for part in runs:
            if isinstance(part, list):
                if self.is_compiled(part[0].conditions):
                    self.add(part)
            elif isinstance(part, Fork):
                self.fork(part)
            else:
                self.step(part)

    def is_compiled(self, conditions: tuple[tree.Condition, ...]) -> bool:
        """Whether a step under these conditions, in the arms that are open, may be compiled."""
        if self.dead:
            return False
        found = self.reachable.get(conditions)
        if found is None:
            found = self.reachable[conditions] = reachable(conditions, self.known)
        return found

    def step(self, step: Node) -> None:
        if step.kind == "end":
            self.end(step)
        elif step.kind == "bundle" or not self.is_compiled(step.conditions):
            return
        elif step.kind == "section":
            self.change_section(step)
        elif step.kind == "op" and self.instance is not None:
            self.contexts = self.contexts or self.program.contexts(self.known, self.instance)
            self.add(self.program.expansion(step, self.contexts))
            if step.op is not None and "rfi" in step.op.replaces:
                self.add([_like(step, "end")])  # control does not come back, whatever instruction it goes with
        else:
            self.add([step])

    def add(self, nodes: Sequence[Node]) -> None:
        """Adds nodes that follow one another."""
        if not nodes:
            return
        start = len(self.nodes)
        end = start + len(nodes)
        for before in self.frontier:
            self.next[before].append(start)
        self.frontier = [end - 1]
        self.nodes += nodes
        self.next += [[after] for after in range(start + 1, end)]
        self.next.append([])

    def end(self, step: Node) -> None:
        """The body of a macro begins or ends."""
        if step.macro is not None:
            self.add([step])
            self.frontier = self.outside.pop() if self.outside else []
        following = self.program.document.statements[step.statement].macro
        if following is not None:
            self.outside.append(self.frontier)
            self.frontier = []

    def change_section(self, step: Node) -> None:
        """What stands in one section does not fall into another; the group ends (GNU as fills up its bundle)."""
        if self.frontier:
            self.add([_like(step, "stop")])
        self.ends[self.sections.place] = self.frontier
        self.sections.turn(step.name, step.arguments)
        self.frontier = self.ends.get(self.sections.place, [])

    def fork(self, fork: Fork) -> None:
        if fork.name in ("if", "ifdef", "ifndef"):
            self.open.append(_Open(self.frontier, [], fork.condition, fork.conditions))
            self.enter(self.open[-1], fork.condition)
            return
        if not self.open:
            return
        last = self.open[-1]
        last.exits += self.frontier
        if fork.name != "endif":
            last.last = fork.condition
            last.has_else = fork.name == "else"
            self.enter(last, fork.condition)
            return
        self.open.pop()
        self.dead -= last.dead
        if last.entry and set(last.exits) <= set(last.entry):
            self.frontier = last.entry  # there is no code in it
            return
        if not last.has_else and not last.certain and not self.dead:
            # As if there were an empty #else: a node that stands for it says under which condition it is taken.
            self.frontier = last.entry
            if last.last is not None:
                condition = tree.Condition("1", (*last.last.earlier, last.last.expression), last.last.line)
                self.add([Node("arm", 0, 0, 0, conditions=(*last.conditions, condition))])
            last.exits += self.frontier
        self.frontier = list(dict.fromkeys(last.exits))

    def enter(self, opened: _Open, condition: tree.Condition | None) -> None:
        taken = None if condition is None else arm_taken(condition, self.known)
        self.dead -= opened.dead
        opened.dead = opened.certain or taken is False
        self.dead += opened.dead
        self.frontier = [] if opened.dead else list(opened.entry)
        opened.certain = opened.certain or taken is True
