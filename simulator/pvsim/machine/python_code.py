"""The back end that makes Python of programs: a basic block becomes the source of one function.

A block keeps what it reads and writes of the register files in local variables, and puts back what it wrote when it is
left, by whatever way. General registers and their NaT bits, predicates, branch and floating-point registers are lists
in the machine, in the order in which instructions name them (`register_stack.py` renames by moving); application
registers are a list too. All values are ints below 2**width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from pvasm.isa.registers import FIRST_STACKED
from pvasm.isa.semantics.branches import BRANCH
from pvasm.isa.semantics.frames import ROTATE
from pvasm.isa.semantics.memory import LOADS, STORES
from pvasm.isa.semantics.operation import CHECK_TARGET
from pvasm.isa.semantics.programs import CALLS, Assign, Call, Effect, If, every_effect, terms_of
from pvasm.isa.semantics.terms import Cell, Term, mask
from pvsim.machine.decoding import Decoded
from pvsim.machine.memory import PAGE


class Step(Struct, frozen=True, eq=False):
    """An instruction of a block: the address of its bundle with its slot in the low bits, and itself.

    `stop` says that it is the last of its group.
    """

    ip: int
    code: Decoded
    stop: bool = False

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What it does."""
        return self.code.effects


# What the variables of a block begin with, by the lists of the machine that they are of.
_KEPT: Final = {file: file[0] for file in ("gr", "nat", "pr", "br", "fr", "ar")}


def source(steps: Sequence[Step], next_ip: int, sof: int) -> str:
    """The source of a function `block(m, left)` that runs the steps on a machine, and leaves `m.ip` at what is next.

    `sof` is the frame's size, with which it is run. A block that branches back to where it begins goes on there, as
    long as it does no more than `left` instructions. The function adds what it has done to `m.instructions`; where a
    step faults, those before it in the last turn are not counted yet.
    """
    return BlockWriter(steps, next_ip, sof).source()


class BlockWriter:
    """Writes the source of one block."""

    def __init__(self, steps: Sequence[Step], next_ip: int, sof: int) -> None:
        self.steps = steps
        self.end_of_frame = FIRST_STACKED + sof
        self.next_ip = next_ip
        self.lines: list[str] = []
        self.depth = 2
        self.temporaries = 0
        self.scopes: list[dict[int, str]] = [{}]  # the names of terms that have been computed, by identity
        self.old: dict[Cell, str] = {}  # what cells held when the instruction began
        self.results: dict[int, str] = {}
        self.uses: dict[int, int] = {}
        self.ip = 0
        self.is_loop = False
        self.at = 0  # steps of the block before this one
        self.kept: list[Cell] = []  # the cells that the block has in variables
        self.back: list[Cell] = []  # those that it writes
        self.views: dict[str, str] = {}  # the names of the machine's views that the block looks at
        self.ends = False  # whether the step ends the block, and its registers have other names then

    def source(self) -> str:
        """The whole function."""
        touched: dict[Cell, None] = {}
        written: dict[Cell, None] = {}
        for step in self.steps:
            for effect in every_effect(step.effects):
                for term in terms_of(effect):
                    touched.update(dict.fromkeys(cells_of(term)))
                if isinstance(effect, Assign):
                    written[effect.cell] = None
        kept = self.kept = [cell for cell in {**touched, **written} if cell.file in _KEPT]
        self.back = [cell for cell in written if cell.file in _KEPT]
        count = len(self.steps)
        last = list(every_effect(self.steps[-1].effects))
        renames = any(isinstance(effect, Call) and CALLS[effect.name].ends and effect.name != ROTATE for effect in last)
        self.is_loop = not renames and any(self._is_back(effect) for effect in last)
        self.depth = 3 if self.is_loop else 2
        for at, step in enumerate(self.steps):
            self.at = at
            self._step(step)
        self._line(f"m.ip = {self.next_ip}")
        self._line(f"done += {count}")
        if self.is_loop:
            self._line("return")
        head = ["def block(m, left):", " done = 0"]
        files = dict.fromkeys(cell.file for cell in kept)
        head += [f" {_KEPT[file].upper()} = m.{file}" for file in files]
        head += [f" {name} = {place}" for name, place in self.views.items()]
        head += [f" {_name(cell)} = {_place(cell)}" for cell in kept]
        head.append(" try:")
        if self.is_loop:
            head.append("  while True:")
        tail = [f"  {_place(cell)} = {_name(cell)}" for cell in self.back]
        if self.ends and tail:
            head.insert(1, " are_back = False")
            tail = ["  if not are_back:", *(f" {line}" for line in tail)]
        return "\n".join([*head, *self.lines, " finally:", "  m.instructions += done", *tail, ""])

    def _is_checked(self, effect: Call) -> bool:
        """Whether a call checks a target that is in the frame, so that there is nothing to do."""
        number = effect.arguments[0] if effect.name == CHECK_TARGET else 0
        return isinstance(number, int) and 0 < number < self.end_of_frame

    def _is_back(self, effect: Effect) -> bool:
        """Whether an effect is a branch to where the block begins."""
        return (
            isinstance(effect, Call)
            and effect.name == BRANCH
            and isinstance(effect.arguments[0], Term)
            and effect.arguments[0].constant == self.steps[0].ip
        )

    def _line(self, text: str) -> None:
        self.lines.append(" " * self.depth + text)

    def _step(self, step: Step) -> None:
        self.scopes = [{}]
        self.old = {}
        self.uses = {}
        self.ip = step.ip
        assigned: dict[Cell, int] = {}
        kept_old: dict[Cell, None] = {}
        reads_all = False
        for at, effect in enumerate(every_effect(step.effects)):
            for term in terms_of(effect):
                self._count(term)
                kept_old.update((cell, None) for cell in cells_of(term) if cell in assigned)
                reads_all = reads_all or any(cell.file == "prs" for cell in cells_of(term))
            if isinstance(effect, Assign):
                assigned.setdefault(effect.cell, at)
            self.ends = self.ends or (isinstance(effect, Call) and CALLS[effect.name].ends)
        if reads_all:
            self._put_back("pr")
        for cell in kept_old:
            name = f"o{cell.file}{cell.number}"
            self._line(f"{name} = {self._cell(cell)}")
            self.old[cell] = name
        self._effects(step.effects)

    def _count(self, term: Term) -> None:
        seen = self.uses.get(id(term), 0)
        self.uses[id(term)] = seen + 1
        if not seen:
            for argument in term.arguments:
                if isinstance(argument, Term):
                    self._count(argument)

    def _effects(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Assign):
                self._assign(effect)
            elif isinstance(effect, Call):
                self._call(effect)
            else:
                self._if(effect)

    def _assign(self, effect: Assign) -> None:
        value = self._value(effect.value)
        cell = effect.cell
        if cell.file in _KEPT:
            if self.ends or value != _name(cell):
                self._line(f"{_name(cell)} = {f'{_place(cell)} = ' if self.ends else ''}{value}")
        else:
            self._line(f"m.set_{cell.file}({value})" if cell.file != "cr" else f"m.cr[{cell.number}] = {value}")
        if cell.file == "prs":
            for each in self.kept:
                if each.file == "pr":
                    self._line(f"{_name(each)} = {_place(each)}")

    def _put_back(self, *files: str) -> None:
        """Gives the machine what the block has in variables of some files; of all that it has, if none is named."""
        for cell in self.back:
            if not files or cell.file in files:
                self._line(f"{_place(cell)} = {_name(cell)}")

    def _call(self, effect: Call) -> None:
        interface = CALLS[effect.name]
        if self._is_checked(effect):
            return
        goal = effect.arguments[0].constant if effect.name == BRANCH and isinstance(effect.arguments[0], Term) else None
        if goal is not None and not goal >> 50 & 0x7FF:  # on any processor an address that is implemented
            self._branch(goal)
            return
        arguments = [self._value(each) if isinstance(each, Term) else repr(each) for each in effect.arguments]
        names = []
        for result in effect.results:
            number = result.arguments[0]
            assert isinstance(number, int)
            name = f"r{number}"
            self.results[number] = name
            names.append(name)
        if interface.counts:
            self._line(f"m.instructions += done + {self.at}")
            self._line(f"left -= done + {self.at}")
            self._line(f"done = -{self.at}")
        if interface.ends:
            self._put_back()
            self._line("are_back = True")
        if effect.name in _READ or effect.name in _WRITTEN:
            self._reach(effect.name, arguments, names)
            return
        if interface.may_fault:
            self._line(f"m.ip = {self.ip}")
        text = f"m.{effect.name}({', '.join(arguments)})"
        assert len(names) == len(interface.results)
        self._line(f"{', '.join(names)} = {text}" if names else text)
        if interface.leaves:
            self._line(f"done += {len(self.steps)}")
            self._line("return")

    def _reach(self, name: str, arguments: list[str], names: list[str]) -> None:
        """Loads or stores an integer: at once where its page has been reached before and it is aligned."""
        size = _READ.get(name) or _WRITTEN[name]
        views = f"{'V' if name in _READ else 'W'}{size}"
        self.views[views] = f"m.{'read_views' if name in _READ else 'written_views'}[{size}]"
        address = arguments[0]
        if not address.isidentifier():
            address = f"x{self.temporaries}"
            self.temporaries += 1
            self._line(f"{address} = {arguments[0]}")
        self._line(f"v = {views}.get({address} >> {_PAGE_BITS})")
        index = f"{address} >> {size.bit_length() - 1}" if size > 1 else address
        at = f"v[{index} & {PAGE // size - 1}]"
        is_misplaced = f" or {address} & {size - 1}" if size > 1 else ""
        slow = f"m.{name}({', '.join([address, *arguments[1:]])})"
        self._line(f"if v is None{is_misplaced}:")
        self._line(f" m.ip = {self.ip}")
        self._line(f" {f'{names[0]} = ' if names else ''}{slow}")
        self._line(f"else: {f'{names[0]} = {at}' if names else f'{at} = {arguments[1]}'}")

    def _branch(self, target: int) -> None:
        """Goes to a bundle that is known."""
        count = len(self.steps)
        self._line(f"done += {count}")
        if self.is_loop and target == self.steps[0].ip:
            self._line(f"if done + {count} <= left:")
            if self.ends:  # registers may have other names
                self._line(" if are_back:")
                for cell in self.kept:
                    self._line(f"  {_name(cell)} = {_place(cell)}")
                self._line("  are_back = False")
            self._line(" continue")
        self._line(f"m.ip = {target & ~15}")
        self._line("return")

    def _if(self, effect: If) -> None:
        condition = self._value(effect.condition)
        for keyword, arm in ((f"if {condition}:", effect.then), ("else:", effect.otherwise)):
            if not arm:
                if keyword != "else:":
                    self._line(keyword)
                    self._line(" pass")
                continue
            self._line(keyword)
            self.depth += 1
            self.scopes.append({})
            before = len(self.lines)
            self._effects(arm)
            if len(self.lines) == before:
                self._line("pass")
            self.scopes.pop()
            self.depth -= 1

    # ------------------------------------------------------------------------------------- values

    def _cell(self, cell: Cell) -> str:
        if cell in self.old:
            return self.old[cell]
        if cell.file == "ip":
            return str(self.ip & ~15)
        if cell.file in _KEPT:
            return _name(cell)
        return f"m.cr[{cell.number}]" if cell.file == "cr" else f"m.{cell.file}"

    def _value(self, term: Term) -> str:
        """An expression for a term; one that is used again is computed once."""
        for scope in reversed(self.scopes):
            if id(term) in scope:
                return scope[id(term)]
        text = self._text(term)
        if self.uses.get(id(term), 0) > 1 and term.operator not in ("const", "read", "result"):
            name = f"t{self.temporaries}"
            self.temporaries += 1
            self._line(f"{name} = {text}")
            self.scopes[-1][id(term)] = name
            return name
        return text

    def _text(self, term: Term) -> str:
        arguments = term.arguments
        match term.operator:
            case "const":
                return str(arguments[0])
            case "read":
                assert isinstance(arguments[0], Cell)
                return self._cell(arguments[0])
            case "result":
                assert isinstance(arguments[0], int)
                return self.results[arguments[0]]
            case "bits":
                value, low = arguments
                assert isinstance(value, Term)
                assert isinstance(low, int)
                text = self._value(value)
                shifted = f"({text} >> {low})" if low else text
                return shifted if low + term.width == value.width else f"({shifted} & {mask(term.width)})"
            case "zext":
                (value,) = arguments
                assert isinstance(value, Term)
                return self._value(value)
            case "sext":
                (value,) = arguments
                assert isinstance(value, Term)
                half = 1 << (value.width - 1)
                return f"((({self._value(value)} ^ {half}) - {half}) & {mask(term.width)})"
            case "join":
                parts = []
                low = 0
                for part in arguments:
                    assert isinstance(part, Term)
                    if part.constant != 0:
                        parts.append(f"{self._value(part)} << {low}" if low else self._value(part))
                    low += part.width
                return f"({' | '.join(parts)})" if parts else "0"
            case "choose":
                condition, then, otherwise = (self._value(each) for each in arguments if isinstance(each, Term))
                return f"({then} if {condition} else {otherwise})"
            case "function":
                name, *given = arguments
                return f"{name}({', '.join(self._value(each) for each in given if isinstance(each, Term))})"
        left, right = arguments
        assert isinstance(left, Term)
        assert isinstance(right, Term)
        return self._binary(term.operator, left, right)

    def _binary(self, operator: str, left: Term, right: Term) -> str:
        a, b, width = self._value(left), self._value(right), left.width
        ones = mask(width)
        match operator:
            case "add" | "sub" | "mul":
                return f"({a} {_SIGNS[operator]} {b} & {ones})"
            case "and" | "or" | "xor":
                return f"({a} {_SIGNS[operator]} {b})"
            case "shl" | "shr" | "sar":
                return self._shift(operator, left, right)
            case "eq":
                return f"({a} == {b})"
            case "ltu":
                return f"({a} < {b})"
            case "lts":
                half = 1 << (width - 1)
                first = str(left.constant ^ half) if left.constant is not None else f"({a} ^ {half})"
                second = str(right.constant ^ half) if right.constant is not None else f"({b} ^ {half})"
                return f"({first} < {second})"
        raise ValueError(operator)

    def _shift(self, operator: str, left: Term, right: Term) -> str:
        a, b, width = self._value(left), self._value(right), left.width
        ones, half = mask(width), 1 << (width - 1)
        number = right.constant
        if operator == "sar":
            count = str(min(number, width - 1)) if number is not None else f"({b} if {b} < {width} else {width - 1})"
            return f"((({a} ^ {half}) - {half} >> {count}) & {ones})"
        if number is not None:
            if number >= width:
                return "0"
            return f"({a} << {number} & {ones})" if operator == "shl" else f"({a} >> {number})"
        if operator == "shl":
            return f"({a} << {b} & {ones} if {b} < {width} else 0)"
        return f"({a} >> {b} if {b} < {width} else 0)"


_READ: Final = {LOADS[size]: size for size in (1, 2, 4, 8)}
_WRITTEN: Final = {STORES[size]: size for size in (1, 2, 4, 8)}
_PAGE_BITS: Final = PAGE.bit_length() - 1

_SIGNS: Final = {"add": "+", "sub": "-", "mul": "*", "and": "&", "or": "|", "xor": "^"}


def _name(cell: Cell) -> str:
    return f"{_KEPT[cell.file]}{cell.number}"


def _place(cell: Cell) -> str:
    return f"{_KEPT[cell.file].upper()}[{cell.number}]"


def cells_of(term: Term) -> Iterator[Cell]:
    """The cells that a term reads."""
    waiting = [term]
    seen: set[int] = set()
    while waiting:
        for argument in waiting.pop().arguments:
            if isinstance(argument, Term):
                if id(argument) not in seen:
                    seen.add(id(argument))
                    waiting.append(argument)
            elif isinstance(argument, Cell):
                yield argument
