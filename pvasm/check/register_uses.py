"""What each step of a program does to registers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from pvasm.expand.program import Node
from pvasm.isa.constant_results import idle_sources
from pvasm.isa.control_transfer import passing
from pvasm.isa.effects import plan_of
from pvasm.isa.instruction import Instruction
from pvasm.isa.operands import IndexedRegister, MemoryOperand, Unknown, Value
from pvasm.isa.registers import Register
from pvasm.isa.resources import CONSTANTS
from pvasm.paravirt.catalog import Op


class Uses(Struct, frozen=True):
    """What a step does to registers.

    `done` are those that it writes whenever it is executed (a parallel compare may leave its predicates alone), `sure`
    those that it writes whenever it is reached. `predicate` is the name of the one that it stands under
    (`p6`, or a name that the file does not explain), empty for none. `reads_unknown` names the register files of which
    it may read others as well, `writes_unknown` says that it may write others. `predicates` are the predicates among
    `writes`, as bits.
    """

    reads: frozenset[Register]
    writes: frozenset[Register]
    done: frozenset[Register]
    sure: frozenset[Register]
    predicate: str
    reads_unknown: str
    writes_unknown: bool
    predicates: int = 0


_NONE: frozenset[Register] = frozenset()
_NOTHING = Uses(_NONE, _NONE, _NONE, _NONE, "", "", False)
_ANYTHING = Uses(_NONE, _NONE, _NONE, _NONE, "", "rfpb", True)
_FILES = frozenset("rpfb")


_MOST_REMEMBERED = 20_000
_REMEMBERED: dict[int, tuple[Instruction, Uses]] = {}  # by the instructions' ids
_REMEMBERED_OPS: dict[tuple[int, tuple[str, ...], tuple[Value | None, ...]], tuple[Op, Uses]] = {}  # by the ops' ids


def uses_of(node: Node) -> Uses:
    """What a node does to registers; an op by its contract, unknown code anything."""
    if node.op is not None and node.kind == "op":
        key = id(node.op), node.arguments, node.values
        of_op = _REMEMBERED_OPS.get(key)
        if of_op is None:
            if len(_REMEMBERED_OPS) > _MOST_REMEMBERED:
                _REMEMBERED_OPS.clear()
            of_op = _REMEMBERED_OPS[key] = node.op, _of_op(node, node.op)
        return of_op[1]
    if node.kind in ("opaque", "end"):
        return _ANYTHING
    if node.resolved is None:
        return _NOTHING
    if node.resolved.predicate is None:
        return _of_instruction(node.resolved, node.predicate)  # the name of its predicate is the node's
    # The same instruction is resolved once, whichever file it stands in.
    known = _REMEMBERED.get(id(node.resolved))
    if known is None:
        if len(_REMEMBERED) > _MOST_REMEMBERED:
            _REMEMBERED.clear()
        known = _REMEMBERED[id(node.resolved)] = node.resolved, _of_instruction(node.resolved, node.predicate)
    return known[1]


def _of_instruction(resolved: Instruction, predicate: str) -> Uses:
    plan = plan_of(resolved.spelling)
    writes = _registers(resolved.writes)
    reads = _registers(resolved.reads) - idle_sources(resolved.form, resolved.operands)
    done = writes
    if plan.parallel:
        done = frozenset([each for each in writes if each.file != "p"])
    # A check load that hits leaves its target as the advanced load left it.
    checked = _registers(resolved.operands[place] for place, way in plan.writes if way == "check")
    done, reads = done - checked, reads | checked
    is_sure = resolved.predicate == 0 or resolved.clears_when_false
    reads_unknown, writes_unknown = _unknown(resolved)
    sure = done if is_sure else _NONE
    return Uses(reads, writes, done, sure, predicate, reads_unknown, writes_unknown, _predicates(writes))


def _registers(values: Iterable[object]) -> frozenset[Register]:
    return frozenset([each for each in values if isinstance(each, Register)])


def _predicates(registers: frozenset[Register]) -> int:
    mask = 0
    for register in registers:
        if register.file == "p":
            mask |= 1 << register.number
    return mask


def _unknown(resolved: Instruction) -> tuple[str, bool]:
    """The files of which an instruction may read registers that are not known, and whether it writes such ones."""
    outputs = len(resolved.form.outputs)
    files = "p" if resolved.predicate is None else ""
    writes = False
    for place, (spec, value) in enumerate(zip(resolved.form.operands, resolved.operands, strict=True)):
        if value.__class__ is Register or value.__class__ is int:
            continue
        if isinstance(value, Unknown):
            if place < outputs:
                writes = True
            elif spec.shape in _FILES:
                files += spec.shape
        elif isinstance(_inner(value), Unknown):
            files += "r"
    if passing(resolved.mnemonic).transfer == "break" and resolved.operands[-1] != 0:
        files += "rp"  # a hypervisor or a monitor takes arguments in registers
    return files, writes


def _inner(value: Value) -> object:
    if isinstance(value, MemoryOperand):
        return value.base
    return value.index if isinstance(value, IndexedRegister) else None


def _of_op(node: Node, op: Op) -> Uses:
    """What an op does by its contract: a clobber may be overwritten or not."""
    given = [
        (parameter, value, text)
        for parameter, value, text in zip(op.parameters, node.values, node.arguments, strict=True)
        if parameter.kind != "kernel-register"
    ]
    known = [(parameter, value) for parameter, value, _ in given if isinstance(value, Register)]
    unknown = [parameter for parameter, value, _ in given if not isinstance(value, Register)]
    predicates = [
        value.text if isinstance(value, Register) else text
        for parameter, value, text in given
        if (parameter.kind, parameter.use) == ("predicate", "in")
    ]
    always = all(name == "p0" for name in predicates)
    outputs = frozenset(value for parameter, value in known if parameter.use == "out") - CONSTANTS
    writes = frozenset(value for parameter, value in known if parameter.use != "in") - CONSTANTS
    return Uses(
        reads=frozenset(value for parameter, value in known if parameter.use == "in") - CONSTANTS,
        writes=writes,
        done=outputs,
        sure=outputs if always else _NONE,
        predicate=predicates[0] if len(predicates) == 1 and not always else "",
        reads_unknown="".join(_FILE_OF_KIND[each.kind] for each in unknown if each.use == "in"),
        writes_unknown=any(each.use != "in" for each in unknown),
        predicates=_predicates(writes),
    )


_FILE_OF_KIND = {"general": "r", "predicate": "p"}


def mnemonics(node: Node) -> Iterator[str]:
    """The mnemonics of a node: an instruction's, or those of the instructions that an op replaces; none for others."""
    if node.op is not None:
        yield from _replaced(node.op)
    elif node.resolved is not None:
        yield node.resolved.mnemonic


_REPLACED: dict[str, tuple[str, ...]] = {}


def _replaced(op: Op) -> tuple[str, ...]:
    found = _REPLACED.get(op.replaces)
    if found is None:
        pieces = (piece.rpartition(")")[2].split() for piece in op.replaces.replace(";;", ";").split(";"))
        found = _REPLACED[op.replaces] = tuple(words[0] for words in pieces if words)
    return found
