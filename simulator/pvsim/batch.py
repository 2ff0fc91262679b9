"""Programs one after the other, each with a state to begin with, and what each ends with: `simulate --batch`."""

from __future__ import annotations

import contextlib
import json
import marshal
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, groupby
from typing import Any, Final

import msgspec
from msgspec import Struct

from pvasm.asm.layout import lay_out
from pvasm.asm.plain_code import lay_out_plain
from pvasm.asm.reading import assembly_parser
from pvasm.errors import PvasmError
from pvasm.isa.registers import APPLICATION, CONTROL, FIRST_STACKED, PSR_FIELDS
from pvasm.regex import regex
from pvasm.syntax.document import read_document
from pvasm.workers import can_fork, run_in_workers
from pvsim.load import load_image
from pvsim.machine.configuration import Configuration
from pvsim.machine.interruptions import Interruption, Vector
from pvsim.machine.machine import Machine
from pvsim.machine.register_stack import above, slot
from pvsim.memory_map import (
    BACKING_STORE,
    CODE,
    CODE_SIZE,
    DATA,
    END_BUNDLE,
    END_IMMEDIATE,
    FIRST_BSP,
    HANDLERS,
    HANDLERS_OF_BANK_0,
    PTA,
    REGIONS,
    pages,
)
from pvsim.specification import PageToInsert, Specification, shown, specification_of

Result = dict[str, Any]

_LOCAL_NAME: Final = regex(r"(?<=\w)@")
_RI: Final = PSR_FIELDS["ri"][0]
_BANK_1: Final = 1 << PSR_FIELDS["bn"][0]
_COLLECTION: Final = 63

_HANDLERS: Final = (HANDLERS, HANDLERS_OF_BANK_0)

VECTOR_NAMES: Final = {
    Vector.ALTERNATE_INSTRUCTION_TLB: "alt_instruction_tlb",
    Vector.ALTERNATE_DATA_TLB: "alt_data_tlb",
    Vector.BREAK_INSTRUCTION: "break",
    Vector.VIRTUAL_EXTERNAL_INTERRUPT: "virt_external_interrupt",
    Vector.DISABLED_FP_REGISTER: "disabled_fp",
    Vector.UNALIGNED_REFERENCE: "unaligned",
    Vector.FLOATING_POINT_FAULT: "fp_fault",
    Vector.FLOATING_POINT_TRAP: "fp_trap",
    Vector.LOWER_PRIVILEGE_TRANSFER_TRAP: "lower_privilege",
    Vector.TAKEN_BRANCH_TRAP: "taken_branch",
    Vector.SINGLE_STEP_TRAP: "single_step",
}
"""The vectors that results call otherwise than `Vector` does."""

_APPLICATION_TOLD: Final = (
    *("rsc", "unat", "fpsr", "pfs", "lc", "ec", "ccv", "csd", "ssd", "bsp"),
    *(f"k{number}" for number in range(8)),
)
_CONTROL_TOLD: Final = (
    *("isr", "ifa", "itir", "iipa", "ifs", "iim", "iha"),
    *("dcr", "iva", "pta", "tpr", "itm", "itv"),
)


class Room(Struct, frozen=True):
    """What the programs of a batch have: bytes of the data window and the backing store's (powers of two), and from one
    program's place to the next; whether there is an ALAT; how many instructions are executed at most.
    """

    data: int = 4096
    backing_store: int = 4096
    stride: int = 4096
    has_alat: bool = False
    most_steps: int = 10_000_000

    @property
    def places(self) -> int:
        """How many programs there are places for."""
        return CODE_SIZE // self.stride - 1


def results(
    lines: Iterable[bytes], path: str, room: Room, *, line: int = 1, place: int = 0
) -> Iterator[tuple[Result, PvasmError | None]]:
    """The result of each program of a file with an object of JSON a line, or with a list of them.

    A program that is not right has a result too, with `end` "error", and the error. Empty lines do not count. `line` is
    the number of the first one, `place` where the first program stands, if it does not say so itself.
    """
    for number, text in enumerate(lines, line):
        if not text.strip():
            continue
        try:
            given = _read(text)
        except PvasmError as error:
            yield _wrong(None, PvasmError(error.message, path, number, error.column))
            place += 1
            continue
        for each in given if isinstance(given, list) else [given]:
            try:
                yield run(specification_of(each), room, place % room.places, f"{path}:{number}: asm"), None
            except PvasmError as error:
                name = each.get("name") if isinstance(each, dict) else None
                said = str(error) if error.path is not None else error.message  # with its place in the text
                yield _wrong(name, PvasmError(said, *(() if error.path is not None else (path, number))))
            place += 1


def lines_of_results(
    lines: Sequence[bytes], path: str, room: Room, jobs: int, *, has_hexadecimal: bool = False
) -> Iterator[tuple[str, PvasmError | None]]:
    """What `results` finds, as lines of JSON, in their order; many programs are run by several processes."""
    here = _LINES_BEFORE
    if jobs < 2 or len(lines) <= _LINES_OF_A_TASK * 2 or not can_fork:
        here = len(lines)
    yield from lines_of_stream(lines[:here], path, room, has_hexadecimal=has_hexadecimal)
    if here == len(lines):
        return
    # What was read for the first programs the processes have too.
    show = hexadecimal if has_hexadecimal else _as_it_is
    starts = range(here, len(lines), _LINES_OF_A_TASK)
    places = [0, *accumulate(map(_programs_in, lines))]

    def work(task: int) -> bytes:
        first = starts[task]
        part = lines[first : first + _LINES_OF_A_TASK]
        found = results(part, path, room, line=first + 1, place=places[first])
        return marshal.dumps([(_written(show(result)), _parts(error)) for result, error in found])

    waiting: dict[int, bytes] = {}
    following = 0
    for task, answer in run_in_workers(work, range(len(starts)), min(jobs, len(starts)), lambda: None):
        if isinstance(answer, int):
            first = starts[task]
            raise PvasmError(f"the process that ran this and the next programs ended with {answer}", path, first + 1)
        waiting[task] = answer
        while following in waiting:
            for text, error in marshal.loads(waiting.pop(following)):
                yield text, None if error is None else PvasmError(*error)
            following += 1


def lines_of_stream(
    lines: Iterable[bytes], path: str, room: Room, *, has_hexadecimal: bool = False
) -> Iterator[tuple[str, PvasmError | None]]:
    """The same of lines that come in while others are run: each has its answer before the next is asked for."""
    show = hexadecimal if has_hexadecimal else _as_it_is
    return ((_written(show(result)), error) for result, error in results(lines, path, room))


_LINES_OF_A_TASK: Final = 16
_LINES_BEFORE: Final = 4  # that are run while there is one process: as many as make most be loaded that all need


def _written(result: Result) -> str:
    """A result as a line of JSON: of characters of ASCII, with blanks, as the module json has it."""
    if not _is_plain(result):
        return json.dumps(result)
    return msgspec.json.format(msgspec.json.encode(result), indent=0).decode()


def _is_plain(result: Result) -> bool:
    """Whether all text in a result is of characters that JSON has as they are: a name and an error may be others."""
    texts = result["name"] or "", result.get("error", "")
    return all(isinstance(each, str) and each.isascii() and each.isprintable() for each in texts)


def _as_it_is(result: Result) -> Result:
    return result


def _parts(error: PvasmError | None) -> list[Any] | None:
    return None if error is None else [error.message, error.path, error.line, error.column]


def _read(text: bytes) -> Any:
    """What a line of JSON says. Raises PvasmError, with the column if it is known, for what is no JSON."""
    given = _read_plain(text)
    if given is not None:
        return given
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise PvasmError(f"this is no JSON: {error.msg}", column=error.colno) from None
    except UnicodeDecodeError as error:
        raise PvasmError("this is no JSON: no UTF-8", column=error.start + 1) from None
    except RecursionError:
        raise PvasmError("this is nested deeper than any program") from None
    except ValueError:  # what int() says of more digits than it reads
        raise PvasmError("a number has more digits than any register holds") from None


def _read_plain(text: bytes) -> dict[str, Any] | None:
    """The same of a program as most are, by a faster reader; None for all else, and for what it does not take.

    It does not tell of a key that is there twice: so there must be a key for each colon outside of strings.
    """
    try:
        given = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(given, dict) or b"\\u" in text:  # which may be a colon that is not seen
        return None
    keys, colons = len(given), text.count(b":")
    for value in given.values():
        if isinstance(value, dict):
            keys += len(value)
        elif isinstance(value, str):
            colons -= value.count(":")
    return given if keys == colons else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. Raises PvasmError for a key that is there twice: which value is meant, nobody knows."""
    made = dict(pairs)
    if len(made) != len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise PvasmError(f"the key {shown(twice)} is there twice")
    return made


def _programs_in(line: bytes) -> int:
    """How many programs a line has."""
    if not line.lstrip().startswith(b"["):
        return bool(line.strip())
    try:
        return len(_read(line))
    except PvasmError:
        return 1


def _wrong(name: object, error: PvasmError) -> tuple[Result, PvasmError]:
    return {"name": name, "end": "error", "error": str(error)}, error


def run(given: Specification, room: Room = Room(), place: int = 0, path: str = "asm") -> Result:  # noqa: B008 (frozen)
    """Runs a program; what it ends with.

    `place` is where it stands if it does not say so, `path` what its text is called in errors. Raises PvasmError for
    what does not fit, and for text that is no program.
    """
    if given.slot is not None:
        place = given.slot
    if place >= room.places:
        raise PvasmError(f"slot: {place} is beyond the code; the last is {room.places - 1}")
    return _Run(given, room, CODE + (place + 1) * room.stride, path).result()


class _Machine(Machine):
    """A machine that can gather what its register stack stores, instead of storing it word by word."""

    gathered: list[int] | None = None

    def store_rse(self, address: int, value: int) -> None:
        """Stores a word into the backing store."""
        if self.gathered is None:
            super().store_rse(address, value)
        else:
            self.gathered.append(value)


class _Run:
    """One program, from its specification to its result."""

    def __init__(self, given: Specification, room: Room, ip: int, path: str) -> None:
        self.given = given
        self.room = room
        self.ip = ip
        self.path = path
        self.machine = _Machine(configuration=Configuration(physical_bits=63, alat_entries=32 if room.has_alat else 0))
        self.collection = 0

    def result(self) -> Result:
        """Sets the machine up, runs it, and tells the state."""
        self._load_code()
        self._set_system()
        self._set_registers()
        self._fill("mem", DATA, self.room.data, self.given.memory)
        self._fill("bsmem", BACKING_STORE, self.room.backing_store, self.given.backing_store)
        top = self._spread_frame()
        machine = self.machine
        data = machine.memory.read(DATA, self.room.data)
        stored = machine.memory.read(BACKING_STORE, self.room.backing_store)
        init = self._initial(top)
        made = self._ending(self._stopped())
        made["mem"] = _changes(data, machine.memory.read(DATA, self.room.data), DATA)
        made["bsmem"] = _changes(stored, machine.memory.read(BACKING_STORE, self.room.backing_store), BACKING_STORE)
        return {**made, "init": init, "name": self.given.name}

    # ---------------------------------------------------------------------------------------- before

    def _load_code(self) -> None:
        machine, given = self.machine, self.given
        machine.memory.write(CODE, END_BUNDLE)
        if given.code is not None:
            if self.ip + len(given.code) > CODE + CODE_SIZE:
                raise PvasmError(f"code: {len(given.code)} bytes are more than the code has room for")
            machine.memory.write(self.ip, given.code)
            return
        text = _LOCAL_NAME.sub("T_", given.asm or "")
        text = f"{text}\nT_end:\n break.m {END_IMMEDIATE} ;;\n"
        image = lay_out_plain(assembly_parser(), text, address=CODE, start=self.ip - CODE)
        if image is None:
            document = read_document(assembly_parser(), text, self.path, preprocessed=True)
            image = lay_out(document, address=CODE, start=self.ip - CODE, tells_lines=False)
        size = sum(len(each.data) for each in image.segments)
        if any(each.address + len(each.data) > CODE + CODE_SIZE for each in image.segments):
            raise PvasmError(f"asm: {size} bytes are more than the code has room for")
        load_image(machine, image)

    def _set_system(self) -> None:
        machine, given, room = self.machine, self.given, self.room
        is_bank_0 = given.tells_bank0 if given.tells_bank0 is not None else not given.psr & _BANK_1
        machine.translation_registers.update(pages(room.data, room.backing_store))
        machine.rr[:] = REGIONS
        for number, value in given.regions.items():
            if number:  # region 0 stays: the map lies there
                machine.write_indexed("rr", number << 61, value)
        for page in given.pages:
            _insert(machine, page)
        for number, value in given.keys.items():
            machine.files["pkr"][number] = value
        machine.cr[CONTROL["pta"]] = PTA
        machine.cr[CONTROL["iva"]] = HANDLERS_OF_BANK_0 if is_bank_0 else HANDLERS
        machine.cr[CONTROL["ifa"]] = machine.cr[CONTROL["itir"]] = machine.cr[CONTROL["itv"]] = 0
        for name, value in given.control.items():
            machine.cr[CONTROL[name]] = value if name != "iha" else value & ~3
        machine.last_executed = machine.cr[CONTROL["iipa"]]  # as long as nothing has been executed

    def _set_registers(self) -> None:
        machine, given, frame = self.machine, self.given, self.given.frame
        machine.sof, machine.sol, machine.sor = frame.sof, frame.sol, frame.sor
        machine.rrb_gr, machine.rrb_fr, machine.rrb_pr = frame.rrb_gr, frame.rrb_fr, frame.rrb_pr
        for number, (value, nat) in given.general.items():
            if 0 < number < FIRST_STACKED + frame.sof:
                machine.gr[number], machine.nat[number] = value, nat
        for number, (value, nat) in given.bank0.items():
            machine.other_bank[number - 16], machine.other_bank_nat[number - 16] = value, nat
        if not given.psr & _BANK_1:
            machine.gr[16:32], machine.other_bank = machine.other_bank, machine.gr[16:32]
            machine.nat[16:32], machine.other_bank_nat = machine.other_bank_nat, machine.nat[16:32]
        for number, value in given.floating.items():
            if number > 1:
                machine.fr[number] = value
        machine.set_prs(given.predicates)
        machine.br[0] = CODE
        for number, value in given.branch.items():
            machine.br[number] = value
        for name, value in given.application.items():
            machine.ar[APPLICATION[name]] = value if name != "ec" else value & 63
        machine.psr = given.psr & ~(3 << _RI)
        machine.ip = self.ip | given.psr >> _RI & 3
        machine.cr[CONTROL["iip"]], machine.cr[CONTROL["ipsr"]] = self.ip, given.psr

    def _fill(self, key: str, start: int, size: int, blocks: list[tuple[int, bytes]]) -> None:
        for address, data in blocks:
            if not start <= address <= address + len(data) <= start + size:
                what = f"{len(data)} bytes at {address:#x} are"
                raise PvasmError(f"{key}: {what} not within {start:#x} to {start + size:#x}")
            self.machine.memory.write(address, data)

    def _spread_frame(self) -> int:
        """Puts the frame's registers in the backing store as well, where they come from; the address behind them.

        Of the NaT collection that the first of them belongs to, `collection` has what ar.rnat holds then.
        """
        machine = self.machine
        bsp = FIRST_BSP if self.given.bsp is None else self.given.bsp
        sof = machine.sof
        end = BACKING_STORE + self.room.backing_store
        if bsp % 8 or not BACKING_STORE <= bsp < end or slot(bsp) == _COLLECTION or above(bsp, sof) >= end:
            raise PvasmError(
                f"bsp: {sof} registers at {bsp:#x} are not within {BACKING_STORE:#x} to {end:#x}, or stand where a NaT "
                "collection does"
            )
        address = bsp
        collection = self.given.application["rnat"] & (1 << slot(bsp)) - 1
        first = None
        words = []
        gr, nat, rotating = machine.gr, machine.nat, machine.sor
        for at in range(sof):
            number = FIRST_STACKED + ((at - machine.rrb_gr) % rotating if at < rotating else at)
            words.append(gr[number])
            if nat[number]:
                collection |= 1 << slot(address)
            address += 8
            if address >> 3 & 63 == _COLLECTION:
                words.append(collection)
                first = collection if first is None else first
                if at < sof - 1:
                    collection = 0
                    address += 8
        machine.memory.write(bsp, struct.pack(f"<{len(words)}Q", *words))
        machine.ar[APPLICATION["bsp"]] = machine.ar[APPLICATION["bspstore"]] = bsp
        machine.ar[APPLICATION["rnat"]] = collection if first is None else first
        self.collection = collection
        return address

    def _initial(self, top: int) -> Result:
        """What the program begins with, in a result."""
        machine, given = self.machine, self.given
        return {
            "ip": self.ip,
            "psr": given.psr,
            "cfm": machine.cfm,
            "pr": given.predicates,
            "gr": given.general,
            "ar": given.application,
            "b": list(machine.br),
            "bsp": machine.ar[APPLICATION["bsp"]],
            "rnat_at_bspstore": self.collection,
            "bspstore": top,
        }

    # ----------------------------------------------------------------------------------------- after

    def _stopped(self) -> int | None:
        """Runs the program; the vector of the interruption that ends it, None where its time is over.

        An interruption ends it as long as cr.iva has what it began with; a program with handlers of its own goes on
        there, and ends when it comes to where that table is.
        """
        machine = self.machine
        end = self.room.most_steps
        while machine.instructions < end:
            stopped = machine.run(end - machine.instructions)
            if stopped is None:
                break
            table = machine.ip & ~0x7FFF
            if table in _HANDLERS and stopped.vector == Vector.BREAK_INSTRUCTION:
                return machine.ip - table
            machine.deliver_interruption(stopped)
            if machine.cr[CONTROL["iva"]] & ~0x7FFF in _HANDLERS:
                return int(stopped.vector)
            end -= 1  # a handler that faults is no way to go on for ever
        return None

    def _ending(self, vector: int | None) -> Result:
        machine, cr = self.machine, self.machine.cr
        if vector is None:
            ip, psr = machine.ip, machine.psr | (machine.ip & 3) << _RI
        else:
            psr = cr[CONTROL["ipsr"]]
            ip = cr[CONTROL["iip"]] | psr >> _RI & 3
        made: Result = {
            "end": _end(vector, cr[CONTROL["iim"]]),
            "vector": vector,
            "vector_name": None if vector is None else _name(vector),
            "ip": ip,
            "psr": psr,
            "cfm": machine.cfm,
        }
        if machine.psr & _BANK_1:
            bank_0, bank_0_nat = machine.other_bank, machine.other_bank_nat
        else:
            bank_0, bank_0_nat = machine.gr[16:32], machine.nat[16:32]
            machine.gr[16:32], machine.nat[16:32] = machine.other_bank, machine.other_bank_nat
        end = FIRST_STACKED + machine.sof
        made["gr"] = [*map(int, machine.gr[:end]), *[None] * (128 - end)]
        made["nat"] = _joined(machine.nat[:end])
        made["pr"] = machine.prs
        made["b"] = list(machine.br)
        made["ar"] = {name: machine.ar[APPLICATION[name]] for name in _APPLICATION_TOLD}
        made["cr"] = {name: machine.cr[CONTROL[name]] for name in _CONTROL_TOLD}
        made["fr"] = list(machine.fr)
        if self.given.regions or self.given.pages or self.given.keys:
            made["rr"] = [0, *machine.rr[1:]]  # that of region 0 is the map's
            made["pkr"] = list(machine.files["pkr"])
        if self.given.tells_bank0:
            made["gr0"], made["nat0"] = list(map(int, bank_0)), _joined(bank_0_nat)
        made["rse"] = self._flushed()
        return made

    def _flushed(self) -> Result:
        """Spills all registers, as a handler does that keeps them; ar.bspstore and ar.rnat before and after."""
        machine = self.machine
        before = machine.read_bspstore(), machine.read_rnat()
        machine.psr &= ~(3 << PSR_FIELDS["cpl"][0] | 1 << PSR_FIELDS["ic"][0])
        machine.ar[APPLICATION["rsc"]] = 0
        machine.cover()
        end = BACKING_STORE + self.room.backing_store
        if BACKING_STORE <= before[0] <= machine.read_bsp() < end:  # where they may be stored
            machine.gathered = []
            machine.flush_registers()
            machine.memory.write(before[0], struct.pack(f"<{len(machine.gathered)}Q", *machine.gathered))
        else:
            with contextlib.suppress(Interruption):  # where nothing can be stored, that is how far it comes
                machine.flush_registers()
        return {
            "bspstore": before[0],
            "rnat": before[1],
            "bspstore_flushed": machine.read_bspstore(),
            "rnat_flushed": machine.read_rnat(),
        }


def _insert(machine: Machine, page: PageToInsert) -> None:
    """Inserts a page, as `itr` and `itc` do. Raises PvasmError for one that they do not take."""
    machine.cr[CONTROL["ifa"]] = page.address
    machine.cr[CONTROL["itir"]] = page.size << 2 | page.key << 8
    kind = page.kind[-1]
    try:
        machine.check_insertion(page.entry)
        if "c" in page.kind:
            machine.insert_translation(kind, page.entry)
        else:
            machine.check_slot(kind, page.slot)
            machine.insert_translation_register(kind, page.slot, page.entry)
    except Interruption as interruption:
        raise PvasmError(f"tr: a page that the processor does not take: {interruption}") from None


def _end(vector: int | None, immediate: int) -> str:
    if vector is None:
        return "timeout"
    return "end" if vector == Vector.BREAK_INSTRUCTION and immediate == END_IMMEDIATE else "fault"


def _name(vector: int) -> str:
    """What results call a vector; `?` for an offset that is none."""
    if vector not in list(Vector):
        return "?"
    return VECTOR_NAMES.get(Vector(vector), Vector(vector).name.lower())


def _joined(bits: Iterable[int]) -> int:
    """Bits as one number, the first at the right."""
    return sum(int(bit) << at for at, bit in enumerate(bits) if bit)


_ROW: Final = 128


def _changes(before: bytes, after: bytes, start: int) -> list[list[Any]]:
    """The rows of 8-byte words that changed: address, and what is there now."""
    if before == after:
        return []
    changed = [
        at // 8
        for row in range(0, len(after), _ROW)
        if before[row : row + _ROW] != after[row : row + _ROW]
        for at in range(row, row + _ROW, 8)
        if before[at : at + 8] != after[at : at + 8]
    ]
    rows = []
    for _, run_of_words in groupby(enumerate(changed), key=lambda entry: entry[1] - entry[0]):
        places = [8 * at for _, at in run_of_words]
        rows.append([start + places[0], after[places[0] : places[-1] + 8].hex()])
    return rows


def hexadecimal(value: Any) -> Any:
    """A result with its numbers as `"0x..."`."""
    if isinstance(value, dict):
        return {key: hexadecimal(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [hexadecimal(each) for each in value]
    return hex(value) if isinstance(value, int) and not isinstance(value, bool) else value
