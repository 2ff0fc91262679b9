"""What makes a random state one that code can begin in: what its first instructions need of it.

Bare hardware faults for an index that there is not, for a control register of interruptions while these are collected,
for reserved fields of a page. A kernel gives it no such thing, and what a variant does then nobody has to know. And
what an instruction changes has to be otherwise before, if anybody is to see that it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from pvasm.isa.instruction import Instruction
from pvasm.isa.operands import IndexedRegister
from pvasm.isa.registers import CONTROL, PSR_MASKS, Register
from pvsim.machine.configuration import Configuration
from pvsim.random_values import interrupt_vector, page_entry, page_size, region_register, status, task_priority, word
from pvsim.scenario import MEMORY_BITS, PAGE_SIZES, Interrupt, Page, Scenario

_COUNTS: Final = Configuration().counts
_NAT: Final = 0.08
_REGION: Final = 61
_MAPPED: Final = 8  # translation registers below map the code itself
_SIZES: Final = sorted(PAGE_SIZES)

UNCOLLECTED: Final = frozenset(
    ["M32.mov.int", "M33.mov.int", "M41.itc.i", "M41.itc.d", "M42.itr.i", "M42.itr.d", "B8.rfi"]
)
"""Forms that are for code whose state is not collected: psr.ic is 0, or they fault (SDM 3:2)."""

_MASKS: Final = frozenset(["M44.ssm", "M44.rsm"])
_TURNED: Final = ("psr.be", "psr.dt")
_ALONG: Final = {"psr.dt": ("psr.dt", "psr.rt")}  # with data, the register stack's references are translated or not
_SOURCES: Final[dict[str, Callable[[Random], int]]] = {
    **dict.fromkeys(("M41.itc.i", "M41.itc.d", "M42.itr.i", "M42.itr.d"), page_entry),
    "M42.mov.rr": region_register,
    "M45.ptc.ga": page_size,
    "M45.ptc.g": page_size,
    "M45.ptc.l": page_size,
}
"""What the last operand of an instruction holds."""

_OF_CONTROL: Final[dict[int, Callable[[Random], int]]] = {
    CONTROL["itir"]: page_size,
    CONTROL["tpr"]: task_priority,
    CONTROL["ipsr"]: status,
}
"""What a control register is given."""


def suit(state: Scenario, code: Sequence[Instruction], random: Random) -> None:
    """Makes a state one that suits the code which is executed first. Lists and registers of the scenario change."""
    _Suited(state, random).all_of(code)


class _Suited:
    """A state, and what code has written by now."""

    def __init__(self, state: Scenario, random: Random) -> None:
        self.state, self.random = state, random
        self.registers = state.numbers
        self.nats: set[str] = set(state.nat)
        self.written: set[Register | str] = set()

    def all_of(self, code: Sequence[Instruction]) -> None:
        """Goes by each instruction in turn."""
        for instruction in code:
            self._status(instruction)
            self._operands(instruction)
            self._interrupts(instruction)
            for each in instruction.reads:
                if isinstance(each, Register) and self._is_free(each) and self.random.random() < _NAT:
                    self.nats.add(each.text)
            self.written |= {each if isinstance(each, Register) else str(each) for each in instruction.writes}
        self.state.nat[:] = sorted(self.nats)

    def _is_free(self, register: object) -> bool:
        """Whether a general register is as the state has it, so that the state can say what is in it."""
        return (
            isinstance(register, Register)
            and register.file == "r"
            and register.text in self.registers
            and register not in self.written
        )

    def _put(self, register: object, value: int) -> None:
        if self._is_free(register):
            assert isinstance(register, Register)
            self.registers[register.text] = value

    # ------------------------------------------------------------------------------------ status

    def _status(self, instruction: Instruction) -> None:
        form, random = instruction.form.id, self.random
        if form in UNCOLLECTED and "psr.ic" not in self._set_by_now():
            self.registers["psr.ic"] = 0
        if form.startswith("B8.bsw.") and "psr.bn" not in self._set_by_now():
            self.registers["psr.bn"] = 1 - int(form[-1])
        if form not in _MASKS:
            return
        mask = instruction.operands[0]
        assert isinstance(mask, int)
        for name in _TURNED:
            if mask & PSR_MASKS[name] and name not in self._set_by_now():
                self.registers |= dict.fromkeys(_ALONG.get(name, (name,)), random.getrandbits(1))
        lets_in = form == "M44.ssm" and mask & PSR_MASKS["psr.i"] and self.registers["psr.ic"]
        if lets_in and "psr.i" not in self._set_by_now() and random.random() < 0.75:  # one waits to be let in
            self.registers["psr.i"] = 0
            self.state.interrupts.append(Interrupt(interrupt_vector(random), 0))

    def _set_by_now(self) -> set[str]:
        return {each.text if isinstance(each, Register) else each for each in self.written}

    # ---------------------------------------------------------------------------------- operands

    def _operands(self, instruction: Instruction) -> None:
        form, random, operands = instruction.form.id, self.random, instruction.operands
        source = _SOURCES.get(form)
        if source is not None:
            self._put(operands[-1], source(random))
        first = operands[0] if operands else None
        if isinstance(first, Register) and first.file == "cr" and first.number in _OF_CONTROL:
            self._put(operands[1], _OF_CONTROL[first.number](random))
        for at, each in enumerate(operands):
            if isinstance(each, IndexedRegister):
                self._index(each, operands[1] if at == 0 else None)
        if form.startswith("M45.ptc."):
            self._page(operands[0])

    def _index(self, indexed: IndexedRegister, source: object) -> None:
        """An index that there is; of a region register that is written, one that code does not run by.

        A change of the code's own region is in effect at the next serialization or before: at once where it is
        emulated.
        """
        random, index = self.random, indexed.index
        if indexed.file != "rr":
            first = _MAPPED if indexed.file in ("dtr", "itr") else 0
            number = random.randrange(first, _COUNTS[indexed.file])
            self._put(index, number)
            if indexed.file == "pmd":
                self.registers[f"pmd[{number}]"] = word(random)
        elif source is not None and isinstance(index, Register):
            if self._is_free(index) and index != source:
                held = self.registers[index.text] & (1 << _REGION) - 1
                self._put(index, random.randrange(1, 8) << _REGION | held)
            else:  # region 0, in which the code is: it stays as it is
                self._put(source, self.registers["rr[0]"])

    def _page(self, address: object) -> None:
        """A page at an address, and one elsewhere, that a purge meets or leaves alone."""
        random = self.random
        if not self._is_free(address):
            return
        assert isinstance(address, Register)
        value = self.registers[address.text] & (1 << _REGION) - 1 | random.randrange(1, 8) << _REGION
        self._put(address, value)
        for at in (value, value ^ 1 << random.randrange(40)):
            to, size, kinds = (
                random.getrandbits(MEMORY_BITS - 1),
                random.choice(_SIZES),
                random.choice(("d", "i", "di")),
            )
            page = Page(at=at >> size << size, to=to >> size << size, size=size, kinds=kinds)
            if not any(_meet(each, page) for each in self.state.pages):
                self.state.pages.append(page)

    # -------------------------------------------------------------------------------- interrupts

    def _interrupts(self, instruction: Instruction) -> None:
        """Interrupts in service, for what ends one."""
        if instruction.form.id == "M32.mov.eoi":
            count = self.random.randrange(3)
            vectors = {interrupt_vector(self.random) for _ in range(count)}
            self.state.in_service.extend(sorted(vectors.difference(self.state.in_service)))


def _meet(one: Page, other: Page) -> bool:
    """Whether two pages of a kind have addresses in common: of a cache, the later throws the other out."""
    size = max(one.size, other.size)
    return one.at >> size == other.at >> size and bool({*one.kinds} & {*other.kinds})
