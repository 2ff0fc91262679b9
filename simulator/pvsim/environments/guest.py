"""A guest under a hypervisor: its kernel runs at a privilege level above 0, on a virtual processor.

There are two processors. `machine` runs the code, at the level that the hypervisor gives its guest; its control and
region registers, its psr and its translations are the hypervisor's. `processor` is the virtual one, as the guest's
kernel sees it: with psr.cpl 0, its own control registers, and the translations that the guest has made. General
registers and all else that code reaches at any level are the same. Where the machine is interrupted, the hypervisor
takes the virtual processor up, does what is to be done there, and lets the machine go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace

from pvasm.errors import PvasmError
from pvasm.isa.registers import APPLICATION, CONTROL, PSR_FIELDS, PSR_MASKS, REGISTERS, Register
from pvasm.paravirt.interface import Call
from pvasm.suggestions import near
from pvsim.environments.description import DescriptionFile, Hypercalls
from pvsim.environments.effects import Effects, effects_of
from pvsim.environments.environment import Costs, RefusedError, is_stop
from pvsim.environments.shared_page import PLACE, SharedPage
from pvsim.machine.configuration import Configuration
from pvsim.machine.direct import execute
from pvsim.machine.interruptions import GENERAL_CODES, REGISTER_STACK, SPECULATIVE_LOAD, Interruption, Vector
from pvsim.machine.machine import Machine
from pvsim.machine.translation_cache import Translation

Calls = Mapping[str, tuple[int, Call]]
"""The calls of an instance by their names: the number of the `break`, and its registers."""

_CPL_AT: Final = PSR_FIELDS["cpl"][0]
_CPL: Final = 3 << _CPL_AT
_USER: Final = 3
_DT, _RT, _IT, _IC = (PSR_MASKS[f"psr.{name}"] for name in ("dt", "rt", "it", "ic"))
_PASSED: Final = (
    sum(
        PSR_MASKS[f"psr.{name}"]
        for name in (
            *("be", "up", "ac", "mfl", "mfh", "dfl", "dfh", "sp", "pp", "pk", "db", "lp", "tb"),
            *("ss", "da", "dd", "id", "ed"),
        )
    )
    | 1 << PSR_FIELDS["ia"][0]
)
"""Bits of psr that are the machine's as they are the virtual processor's."""

_HOST: Final = sum(PSR_MASKS[f"psr.{name}"] for name in ("ic", "i", "dt", "rt", "it", "bn"))
_SI: Final = PSR_MASKS["psr.si"]

_OWN: Final = frozenset(
    [
        *("psr", "cr", "rr", "files", "configuration", "translation_registers", "translation_caches"),
        *("other_bank", "other_bank_nat", "in_service", "attend_at", "_timer_at", "itc_offset", "last_executed"),
        *("read_views", "written_views", "_views_psr", "_blocks", "_decoded", "stepped", "delivers", "guest"),
    ]
)
"""What each of the two processors has for itself; all else is one."""

_MISSES: Final = {Vector.ALTERNATE_DATA_TLB: "d", Vector.ALTERNATE_INSTRUCTION_TLB: "i"}
_GENERAL_CODE: Final = 0xF0  # of cr.isr: bits 3:0 tell non-access instructions apart (SDM vol. 2, cr.isr)
_EMULATED: Final = frozenset(
    GENERAL_CODES[each] for each in ("privileged_operation", "privileged_register", "illegal_operation")
)
"""Codes of the faults of an instruction that the guest's kernel has not the level for. To reach control registers of
interruptions is an Illegal Operation at any level, since the machine's own psr.ic is 1 (SDM 3:2, mov cr)."""

_ED: Final = PSR_MASKS["psr.ed"]
_OFFSET: Final = (1 << 61) - 1
_WORD: Final = (1 << 64) - 1
_ITM: Final = CONTROL["itm"]
_LITTLE: Final = 0xFF
_RSC: Final = APPLICATION["rsc"]
_PL_AT: Final = 2  # of ar.rsc, the level of the register stack's loads and stores
_UNCACHED: Final = 1 << 63
_ALL: Final = 1 | 1 << 5 | 1 << 6 | 3 << 7 | 3 << 9  # present, accessed, dirty; read, write, execute at every level
_PROMOTES: Final = 7  # access rights of a page for epc
_UNCACHEABLE: Final = 4 << 2
_SMALL: Final = 12
_PHYSICAL_BITS: Final = 48
_HOST_TABLE: Final = 0x5A5A_0000_0000_0000 & ~0x7FFF | 20 << 2  # no walker: where the hypervisor's own table would be
_HOST_CPUID: Final = tuple(int.from_bytes(text.ljust(8, b"\0"), "little") for text in (b"Hypervis", b"or", b"", b""))


class _Virtual(Machine):
    """The processor as the guest's kernel sees it."""

    guest: Guest | None = None

    def reach_changed(self, kinds: str) -> None:
        """What may be reached has changed: the hypervisor's translations for it are no longer good."""
        super().reach_changed(kinds)
        if self.guest is not None:
            self.guest.forget_translations()


class Guest:
    """A hypervisor's guest, as `Environment` has it."""

    def __init__(self, description: DescriptionFile, calls: Calls, configuration: Configuration) -> None:
        """Raises PvasmError for a call of the description that is no instruction, or that has no number."""
        told = description.value
        self.name = told.name
        self.level = told.level
        self.weights = told.weights
        self.stops: set[int] = set()
        self.costs = Costs()
        virtual = _Virtual(configuration=configuration)
        self.processor: Machine = virtual
        self.machine = Machine(virtual.memory, _host_model(configuration))
        self.machine.files = {**virtual.files, "cpuid": self.machine.files["cpuid"]}
        self.page = None if told.page is UNSET else SharedPage(told.page, virtual.memory)
        self._tells_offset = self.page is not None and "itc_offset" in self.page.page.fields
        self._si = _SI if told.secures_time else 0
        self._refuses = frozenset(told.refuses)
        self._calls = _effects_of_calls(description, calls)
        self._hypercalls = told.hypercalls
        self._effects_of_hypercalls = _effects_of_hypercalls(description)
        self._told_apart = _DT | _RT | _IT | (_CPL if self.level == _USER else 0)
        self._status = 0  # psr of the virtual processor, when its translations were put into the machine
        for region in range(8):  # no region of the machine's is one of the guest's
            self.machine.rr[region] = (0x800 + region) << 8 | _SMALL << 2
        self.machine.cr[CONTROL["pta"]] = _HOST_TABLE
        virtual.guest = self

    # ------------------------------------------------------------------------- from one to the other

    def begin(self) -> None:
        """The virtual processor has been set up: its registers go where the guest finds them."""
        if self.page is not None:
            self.page.begin()
        is_timed = self.processor.has_timer
        if self._tells_offset:
            assert self.page is not None
            offset = self._begin_time(self.page, self.processor.itc_offset)
            self.page.put("cr.itm", self.processor.cr[_ITM])
            self.processor.cr[_ITM] = self.processor.cr[_ITM] - offset & _WORD
            self.processor.itc_offset = self.machine.itc_offset = 0
            if is_timed:
                self.processor.set_timer()
        else:
            self.machine.itc_offset = 0
        settings = self.processor.ar
        if settings[_RSC] >> _PL_AT & 3 < self.level:  # writing it at that level does the same (SDM 3:2, mov ar)
            settings[_RSC] = settings[_RSC] & ~(3 << _PL_AT) | self.level << _PL_AT
        self.forget_translations()
        self._go_on()
        self.machine.forget_code()

    def _begin_time(self, page: SharedPage, offset: int) -> int:
        """Tells the guest what its time is more than the machine's, and, if it keeps that, the last that it has read.

        Where time stands still, the guest may have come from a machine that was a little ahead: then the time is what
        it has read last, and one more.
        """
        behind = 0
        if "itc_last" in page.page.fields and not self.processor.configuration.ticks_per_instruction:
            behind = offset & _LITTLE if offset & _LITTLE + 1 else 0
            page.put("itc_last", offset - 1 if behind else offset >> 1)
        page.put("itc_offset", offset - behind & _WORD)
        return offset - behind

    def _take_up(self) -> None:
        """The virtual processor gets what the guest has changed."""
        machine, processor = self.machine, self.processor
        _share(machine, processor)
        level = _USER if machine.psr >> _CPL_AT & 3 > self.level else 0
        if self.level == _USER:
            level = processor.psr >> _CPL_AT & 3
        if processor.psr & _IC:
            processor.last_executed = machine.last_executed
        processor.set_psr(processor.psr & ~(_PASSED | _CPL) | machine.psr & _PASSED | level << _CPL_AT)
        if self.page is not None:
            self.page.load(processor)
        self._check_status()

    def _go_on(self) -> None:
        """The machine gets what has become of the virtual processor."""
        machine, processor = self.machine, self.processor
        if self.page is not None:
            self.page.store(processor)
        self._check_status()
        _share(processor, machine)
        level = self.level if not processor.psr & _CPL else _USER
        machine.set_psr(_HOST | self._si | processor.psr & _PASSED | level << _CPL_AT)

    def _check_status(self) -> None:
        """Translation on or off is the guest's; the machine's is always on.

        A kernel at the level of its programs has pages that they have not.
        """
        if (self._status ^ self.processor.psr) & self._told_apart:
            self.forget_translations()
        self._status = self.processor.psr

    # ----------------------------------------------------------------------------------- translations

    def forget_translations(self) -> None:
        """The machine's translations are made of the guest's again."""
        for cache in self.machine.translation_caches.values():
            cache.clear()
        self.machine.reach_changed("di")

    def _translate(self, kind: str, address: int, access: int) -> None:
        """Gives the machine the page of an address. Raises Interruption where the guest has none."""
        entry, size = self._entry(kind, address, access)
        start = (address & _OFFSET) >> size << size
        cache = self.machine.translation_caches[kind]
        region = self.machine.rr[address >> 61] >> 8
        cache.purge(start, size, region)
        cache.add(Translation(start, size, region, entry >> 64, entry & (1 << 64) - 1))
        self.machine.reach_changed(kind)

    def _entry(self, kind: str, address: int, access: int) -> tuple[int, int]:
        """The entry of an address's page, its key above, with the size's exponent."""
        processor = self.processor
        if self.page is not None and self.page.has(address):
            return self.page.physical(address) >> _SMALL << _SMALL | _ALL, _SMALL
        bit = _IT if kind == "i" else _RT if access & REGISTER_STACK else _DT
        if not processor.psr & bit:
            physical = address & ~_UNCACHED
            if physical >> processor.configuration.physical_bits:
                raise Interruption(Vector.GENERAL_EXCEPTION, GENERAL_CODES["reserved_register_field"] | access, address)
            attribute = _UNCACHEABLE if address & _UNCACHED else 0
            return physical >> _SMALL << _SMALL | _ALL | attribute, _SMALL
        found = processor.found_translation(address, access, kind)
        entry = found.entry
        if self._raises_level(entry):
            entry = entry & ~(3 << 7) | self.level << 7
        return found.key << 64 | entry, found.size

    def _raises_level(self, entry: int) -> bool:
        """Whether a page of the guest's kernel is at the level of that: but for those that its programs must not reach.

        A page for promotion is always: its level is what epc gives, and the machine's 0 is the hypervisor's.
        """
        if entry >> 7 & 3 >= self.level:
            return False
        is_for_kernel = self.level < _USER or not self.processor.psr & _CPL
        return is_for_kernel or entry >> 9 & 7 == _PROMOTES

    # --------------------------------------------------------------------------------------- running

    def run(self, most: int) -> Interruption | None:
        """Runs at most so many instructions; an interruption counts as one. Raises RefusedError."""
        machine = self.machine
        end = machine.instructions + most
        stop = None
        while machine.instructions < end:
            stop = self._attend() if machine.instructions >= self.processor.attend_at else None
            if stop is None:
                left = min(end, max(self.processor.attend_at, machine.instructions + 1)) - machine.instructions
                stop = machine.run(left)
            if stop is None:
                continue
            if is_stop(stop, machine, self.stops):
                break
            end -= stop.origin is None
            self._take_up()
            self._handle(stop)
            self._go_on()
            stop = None
        self.costs.instructions, self.costs.groups = machine.instructions, machine.groups
        self.costs.bundles = machine.bundles
        self._take_up()
        return stop

    def _attend(self) -> Interruption | None:
        """An interrupt of the guest's, where one is due."""
        self._take_up()
        stop = self.processor.attend()
        self._go_on()
        return stop

    def _handle(self, stop: Interruption) -> None:
        try:
            if stop.vector in _MISSES:
                assert stop.address is not None
                self._translate(_MISSES[stop.vector], stop.address, stop.code)
                self.costs.events["translation", _MISSES[stop.vector]] += 1
            elif not self._does(stop):
                self._reflect(stop)
        except Interruption as found:
            self._reflect(found)

    def _does(self, stop: Interruption) -> bool:
        """Does what the guest's kernel has asked for, if that is what it was interrupted for."""
        processor = self.processor
        if processor.psr & _CPL:
            return False
        if stop.vector == Vector.BREAK_INSTRUCTION:
            return self._calls_hypervisor(stop.immediate)
        if stop.vector == Vector.GENERAL_EXCEPTION and stop.code & _GENERAL_CODE in _EMULATED:
            return self._emulates()
        return False

    def _calls_hypervisor(self, immediate: int | None) -> bool:
        """Does the call that a `break` is, if it is one."""
        if immediate in self._calls:
            self._carry_out(*self._calls[immediate])
            return True
        if self._hypercalls is not UNSET and immediate == self._hypercalls.immediate:
            self._call_by_number(self._hypercalls)
            return True
        return False

    def _carry_out(self, name: str, effects: Effects, page_to: int | None = None) -> None:
        """Does a call, and goes on behind it; before that, the shared page moves to `page_to`, if there is one."""
        self.costs.events["call", name] += 1
        following = self.machine.next_step()[1]  # asked for now: what is done may change translations
        if page_to is not None and self.page is not None:
            if not self.page.move(page_to):
                raise RefusedError(f"{self.name} has no room for the shared page at {page_to:#x}")
            self.forget_translations()
        if not effects.carry_out(self.processor):
            self.processor.ip = following

    def _call_by_number(self, hypercalls: Hypercalls) -> None:
        """Does the call whose number is in a register. Raises RefusedError for one that is not described."""
        processor = self.processor
        number = processor.gr[REGISTERS[hypercalls.number_in].number]
        found = self._effects_of_hypercalls.get(number)
        if found is None:
            raise RefusedError(f"{self.name} has no hypercall {number:#x} ({hypercalls.number_in})")
        page_to, effects = found
        to = None if page_to is None else processor.gr[page_to.number]
        self._carry_out(f"hypercall {number:#x}", effects, to)

    def _emulates(self) -> bool:
        """Does the next instruction on the virtual processor; false for what would fault there as well."""
        step, following = self.machine.next_step()
        instruction = step.code.instruction
        if instruction is None:
            return False
        if instruction.mnemonic in self._refuses:
            raise RefusedError(f"{self.name} does not emulate {instruction.text}")
        self.costs.events["emulated", instruction.mnemonic] += 1
        if not execute(self.processor, step.code.effects):
            self.processor.ip = following
        return True

    def observed(self, name: str) -> int | None:
        """What the kernel would read as a control register, where that is not what the virtual processor has in it."""
        offset = 0 if self.page is None else self.page.word("itc_offset")
        if name == "timer":
            return self.processor.cr[_ITM] + offset & _WORD
        if self.page is not None and name in self.page.page.fields and self.page.page.fields[name].told:
            return self.page.word(name)
        return None

    def _reflect(self, stop: Interruption) -> None:
        """Hands an interruption on to the guest's kernel.

        What the processor would defer, of a speculative load, is deferred: psr.ed makes it so (SDM vol. 2, 5.5.5).
        """
        if stop.code & SPECULATIVE_LOAD and self.processor.defers(stop):
            self.processor.set_psr(self.processor.psr | _ED)
            return
        self.costs.events["reflected", stop.vector.name.lower()] += 1
        self.processor.deliver_interruption(stop)


def _effects_of_calls(description: DescriptionFile, calls: Calls) -> dict[int, tuple[str, Effects]]:
    """What each call does, by the number of its `break`."""
    made: dict[int, tuple[str, Effects]] = {}
    for name, does in description.value.calls.items():
        number, call = calls.get(name, (None, Call()))
        if number is None:
            known = near(name, calls)
            raise description.fault(f"the instance has no call of this name{known}", "calls", name)
        place = description.place_of_text("calls", name)
        made[number] = name, effects_of(does, tuple(call.gives), description.path, place)
    return made


def _effects_of_hypercalls(description: DescriptionFile) -> dict[int, tuple[Register | None, Effects]]:
    """What the calls by number do, and which register has the address that the page moves to."""
    told = description.value.hypercalls
    made: dict[int, tuple[Register | None, Effects]] = {}
    for word, each in {} if told is UNSET else told.calls.items():
        place = description.place_of_text("hypercalls", "calls", word, "does")
        gives = tuple(REGISTERS[name] for name in each.gives)
        page_to = None if each.page_to is UNSET else REGISTERS[each.page_to]
        made[int(word, 0)] = page_to, effects_of(each.does, gives, description.path, place)
    return made


def _share(source: Machine, target: Machine) -> None:
    """Makes one of two processors have what both have in common."""
    held: dict[str, Any] = vars(target)
    held.update((name, value) for name, value in vars(source).items() if name not in _OWN)


def _host_model(configuration: Configuration) -> Configuration:
    """The machine below: the guest's, but for what identifies it."""
    return replace(configuration, cpuid=(*_HOST_CPUID[:3], *configuration.cpuid[3:]), physical_bits=_PHYSICAL_BITS + 2)


def guest_model(configuration: Configuration) -> Configuration:
    """A model for a guest's processor: memory ends where the hypervisor's own begins.

    Raises PvasmError for a model that has no room for it.
    """
    if 1 << configuration.physical_bits <= PLACE:
        raise PvasmError(f"memory of {configuration.physical_bits} bits has no room for a hypervisor")
    return replace(configuration, physical_bits=_PHYSICAL_BITS)
