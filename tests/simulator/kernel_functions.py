"""Functions of Linux that nobody here wrote, on random inputs, against references in Python.

    python -m tests.simulator.kernel_functions [NAME ...] --inputs N --seed S

A function is called as code calls it, with stacked registers below its frame, scratch registers full of rubbish and
NaTs, and pages of user memory that are not there. A fault on one is treated as the kernel does: the address of the
instruction is looked up in the exception table, r8 gets -EFAULT, r9 gets 0 if the table says so, and it goes on at the
fix-up. Compared are the result, the memory around everything that was given, and all that a call preserves.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from pvsim.load import load_image
from pvsim.machine.interruptions import Interruption, Vector
from pvsim.machine.machine import Machine

from pvasm.asm.image import Image
from pvasm.asm.layout import lay_out
from pvasm.asm.reading import assembly_parser
from pvasm.isa.bundle import Bundle
from pvasm.syntax.document import read_document
from pvasm.text import read_text
from tests.corpus import build
from tests.corpus.build import Corpus, CorpusFile

PAGE_BITS: Final = 14
PAGE: Final = 1 << PAGE_BITS
"""A page of the kernel that the corpus is configured for: copy_user of memcpy_mck.S counts on it."""

USER, KERNEL = 0x10_0000, 0x20_0000
"""Memory of a process, of which pages may be absent, and of the kernel; the code tells them apart by which is lower."""
PAGES: Final = 8
"""Pages of each."""

RETURN: Final = 0x8000
RETURN_BUNDLE: Final = Bundle(0x00, (0x1FF0 << 6, 1 << 27, 1 << 27))  # break.m, nop.i, nop.i
STACK, BACKING_STORE = 0x7FFF_0000, 0x6000_0000
LOCALS: Final = 21  # stacked registers of the caller
MOST: Final = 2_000_000
AROUND: Final = 64
"""How many bytes on each side of what a function is given have to stay as they are."""

EFAULT: Final = 14
WORD: Final = (1 << 64) - 1
_PRESENT: Final = 1 | 1 << 5 | 1 << 6 | 3 << 7 | 2 << 9  # accessed, dirty, level 3, to be read and written
_MISSES: Final = (Vector.ALTERNATE_DATA_TLB, Vector.DATA_TLB, Vector.PAGE_NOT_PRESENT)
_IC, _DT, _BN, _ED = 1 << 13, 1 << 17, 1 << 44, 1 << 43
_SP, _NA, _LFETCH = 1 << 36, 1 << 35, 4
_IFA, _ITIR = 20, 21
_LC, _PFS, _EC, _UNAT, _FPSR = 65, 64, 66, 36, 40
_USUAL_FPSR: Final = 0x0009804C0270033F
_PRESERVED: Final = [4, 5, 6, 7, 12, 13]
_PRESERVED_PREDICATES: Final = [*range(1, 6), *range(16, 64)]
_PRESERVED_FLOATS: Final = [*range(2, 6), *range(16, 32)]


@dataclass
class Call:
    """One call, and what has to come of it.

    `memory` are bytes by address before, `after` what they are then, for all that changes. `result` is r8, or None for
    a function that gives nothing, `width` how many bits of it count. `lost` is what the kernel's code does not
    preserve, though it should.
    """

    entry: str
    arguments: list[int]
    result: int | None
    memory: dict[int, bytes] = field(default_factory=dict)
    after: dict[int, bytes] = field(default_factory=dict)
    absent: frozenset[int] = frozenset()
    width: int = 64
    lost: frozenset[str] = frozenset()


class KernelCode:
    """A file of the kernel, laid out and in a machine, to be called again and again."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.machine = machine = Machine()
        load_image(machine, image)
        machine.memory.write(RETURN, RETURN_BUNDLE.to_bytes())
        self.fix_ups = dict(_exception_table(image))

    # --------------------------------------------------------------------------------------- calling

    def check(self, call: Call, chance: random.Random) -> None:
        """Makes a call. Raises AssertionError, with the call, for whatever is not as it has to be."""
        self._map(call.absent)
        around = self._write(call, chance)
        kept = self._enter(call, chance)
        what = f"{call.entry}({', '.join(map(hex, call.arguments))})"
        if call.absent:
            what += f" without {', '.join(map(hex, sorted(call.absent)))}"
        self._run(what)
        if call.result is not None:
            found = self.machine.gr[8] & (1 << call.width) - 1
            assert found == call.result & (1 << call.width) - 1, f"{what}: {found:#x}, not {call.result:#x}"
            assert not self.machine.nat[8], f"{what} gives a NaT"
        self._compare_memory(call, around, what)
        changed = {name: (was, is_) for name, was, is_ in self._preserved(kept) if was != is_ and name not in call.lost}
        assert not changed, f"{what} changes {changed}"

    def _map(self, absent: frozenset[int]) -> None:
        machine = self.machine
        machine.purge_translation_cache()
        for page in (*range(USER, USER + PAGES * PAGE, PAGE), *range(KERNEL, KERNEL + PAGES * PAGE, PAGE)):
            if page not in absent:
                machine.cr[_IFA], machine.cr[_ITIR] = page, PAGE_BITS << 2
                machine.insert_translation("d", _PRESENT | page)

    def _write(self, call: Call, chance: random.Random) -> dict[int, bytes]:
        """Puts what is given in memory, rubbish around it; what there is around it, by address."""
        memory = self.machine.memory
        for at, data in call.memory.items():
            memory.write(at - AROUND, chance.randbytes(len(data) + 2 * AROUND))
        for at, data in call.memory.items():
            memory.write(at, data)
        return {at: memory.read(at - AROUND, len(data) + 2 * AROUND) for at, data in call.memory.items()}

    def _compare_memory(self, call: Call, around: dict[int, bytes], what: str) -> None:
        for at, before in around.items():
            start = at - AROUND
            expected = bytearray(before)
            for address, data in call.after.items():
                first, last = max(address, start), min(address + len(data), start + len(before))
                if first < last:
                    expected[first - start : last - start] = data[first - address : last - address]
            found = self.machine.memory.read(start, len(before))
            wrong = [number for number in range(len(before)) if found[number] != expected[number]]
            if wrong:
                first = wrong[0]
                place = f"byte {first - AROUND} from {at:#x} on is {found[first]:#x}, not {expected[first]:#x}"
                raise AssertionError(f"{what}: {place} ({len(wrong)} are wrong)")

    def _enter(self, call: Call, chance: random.Random) -> dict[str, int]:
        """Makes the frame of a callee with its arguments; what has to be preserved."""
        machine = self.machine
        machine.psr = 0
        machine.set_psr(_IC | _DT | _BN)
        machine.gr[1:128] = [chance.getrandbits(64) for _ in range(127)]
        machine.nat[1:128] = [int(chance.random() < 0.2) for _ in range(127)]
        machine.pr[1:] = [chance.getrandbits(1) for _ in range(63)]
        machine.br[1:] = [chance.getrandbits(64) & ~15 for _ in range(7)]
        machine.ar[_LC], machine.ar[_EC], machine.ar[_UNAT] = chance.getrandbits(64), chance.getrandbits(6), 0
        machine.ar[_FPSR] = _USUAL_FPSR
        machine.gr[1], machine.gr[12] = self._got(), STACK
        machine.nat[1] = machine.nat[12] = 0
        machine.restore_frame(0, 0, 0)
        machine.dirty = machine.clean = 0
        machine.write_bspstore(BACKING_STORE + 8 * chance.randrange(63))
        machine.sof, machine.sol, machine.sor = LOCALS + len(call.arguments), LOCALS, 8
        for number, value in enumerate(call.arguments):
            machine.gr[32 + LOCALS + number], machine.nat[32 + LOCALS + number] = value & WORD, 0
        kept = {name: value for name, value, _ in self._preserved({})}
        machine.ar[_PFS] = machine.cfm | machine.ar[_EC] << 52
        machine.preserve_frame()
        machine.br[0] = RETURN
        machine.ip = self.image.symbols[call.entry]
        return kept

    def _got(self) -> int:
        return next((each.address for each in self.image.segments if each.name == ".got"), 0)

    def _preserved(self, before: dict[str, int]) -> Iterator[tuple[str, int, int]]:
        """What a call leaves as it is: the name, what it was, what it is."""
        machine = self.machine
        now = {
            **{f"r{number}": machine.gr[number] for number in (*_PRESERVED, *range(32, 32 + LOCALS))},
            **{f"r{number}'s NaT": machine.nat[number] for number in (*_PRESERVED, *range(32, 32 + LOCALS))},
            **{f"p{number}": machine.pr[number] for number in _PRESERVED_PREDICATES},
            **{f"b{number}": machine.br[number] for number in range(1, 6)},
            **{f"f{number}": machine.fr[number] for number in _PRESERVED_FLOATS},
            "ar.lc": machine.ar[_LC],
            "ar.ec": machine.ar[_EC],
            "cfm": machine.cfm,
            "ar.fpsr but its flags": machine.ar[_FPSR] & ~sum(0x3F << 13 + 13 * number for number in range(4)),
        }
        return (
            (name, before.get(name, value), value) if before else (name, value, value) for name, value in now.items()
        )

    # ----------------------------------------------------------------------------------------- running

    def _run(self, what: str) -> None:
        """Runs to the return, through faults that have a fix-up."""
        machine = self.machine
        end = machine.instructions + MOST
        while True:
            stop = machine.run(end - machine.instructions)
            assert stop is not None, f"{what} does not return"
            if machine.ip & ~15 == RETURN:
                return
            assert self._is_fixed_up(stop), f"{what}: {stop} at {self.image.symbol_of(machine.ip)} {machine.ip:#x}"

    def _is_fixed_up(self, stop: Interruption) -> bool:
        """Does what the kernel does of a fault on a page of a process that is not there; whether it could."""
        machine = self.machine
        if stop.vector not in _MISSES:
            return False
        if stop.code & _SP or (stop.code & _NA and stop.code & 0xF == _LFETCH):
            machine.set_psr(machine.psr | _ED)
            return True
        fix_up = self.fix_ups.get(machine.ip)
        if fix_up is None:
            return False
        machine.gr[8], machine.nat[8] = -EFAULT & WORD, 0
        if fix_up & 4:
            machine.gr[9], machine.nat[9] = 0, 0
        machine.ip = fix_up & ~0xF | fix_up & 3
        return True


def _exception_table(image: Image) -> Iterator[tuple[int, int]]:
    """Where instructions that may fault are, with their slots, and where to go on: all relative to their own places."""
    for segment in image.segments:
        if segment.name == "__ex_table":
            for offset in range(0, len(segment.data), 8):
                at = segment.address + offset
                first, second = (
                    int.from_bytes(segment.data[offset + part : offset + part + 4], "little", signed=True)
                    for part in (0, 4)
                )
                yield at + first, at + 4 + second


# ------------------------------------------------------------------------------------------ the code


def _file(corpus: Corpus, name: str) -> CorpusFile:
    return next(each for each in corpus.files if each.name == name)


@cache
def kernel_code(corpus: Corpus, *names: str, defined: tuple[str, ...] = ()) -> KernelCode:
    """Some files of the corpus together, preprocessed again if macros are to be defined."""
    texts = []
    for name in names:
        file = _file(corpus, name)
        texts.append(_preprocessed(corpus, file, defined) if defined else file.preprocessed.read_text())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{'_'.join(names)}.s"
        path.write_text("\n".join(texts))
        return KernelCode(lay_out(read_document(assembly_parser(), read_text(path), str(path))))


def _preprocessed(corpus: Corpus, file: CorpusFile, defined: tuple[str, ...]) -> str:
    command = ["gcc", "-E", *corpus.cpp_flags, *(f"-D{name}" for name in defined), str(file.raw)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# ------------------------------------------------------------------------------------- inputs, references


def _length(chance: random.Random) -> int:
    """Mostly short, with all that is odd about short lengths; sometimes some pages."""
    return chance.choice([chance.randrange(34), chance.randrange(300), chance.randrange(300), chance.randrange(9000)])


def _near_a_page(chance: random.Random, base: int, size: int) -> int:
    """An address such that so many bytes lie in the window of `base`, often across the end of a page."""
    end = base + PAGES * PAGE - size - AROUND
    if chance.random() < 0.5:
        at = base + chance.randrange(1, PAGES) * PAGE - chance.randrange(size + 40)
    else:
        at = base + PAGE + chance.randrange(PAGE)
    return max(base + AROUND, min(at, end))


def _absent(chance: random.Random, at: int, size: int) -> frozenset[int]:
    """Pages that are not there, of those that so many bytes at an address lie in and the next one."""
    if chance.random() < 0.3:
        return frozenset()
    pages = range(at & -PAGE, at + size + 1, PAGE)
    return frozenset(page for page in pages if chance.random() < 0.4)


def reached(at: int, size: int, absent: frozenset[int]) -> int:
    """How many bytes from an address on can be reached before a page is not there."""
    pages = range(at & -PAGE, at + size, PAGE)
    return next((max(0, page - at) for page in pages if page in absent), size)


def strlen(chance: random.Random) -> Call:
    """The bytes before the first 0."""
    text = bytes(chance.randrange(1, 256) for _ in range(_length(chance)))
    at = _near_a_page(chance, KERNEL, len(text) + 1)
    return Call("strlen", [at], len(text), {at: text + b"\0" + chance.randbytes(20)})


def memset(chance: random.Random) -> Call:
    """All bytes the low one of the second argument; gives the address."""
    size, value = _length(chance), chance.choice([0, chance.getrandbits(64)])
    at = _near_a_page(chance, KERNEL, size)
    return Call("memset", [at, value, size], at, {at: chance.randbytes(size)}, {at: bytes([value & 0xFF]) * size})


def clear_page(chance: random.Random) -> Call:
    """A page of zeros."""
    at = KERNEL + PAGE * chance.randrange(1, PAGES - 1)
    return Call("clear_page", [at], None, {at: chance.randbytes(PAGE)}, {at: bytes(PAGE)})


def copy_page(chance: random.Random) -> Call:
    """The target first."""
    target, source = (KERNEL + PAGE * number for number in chance.sample(range(1, PAGES - 1), 2))
    data = chance.randbytes(PAGE)
    return Call("copy_page", [target, source], None, {target: chance.randbytes(PAGE), source: data}, {target: data})


def _apart(chance: random.Random, size: int) -> tuple[int, int]:
    """Two places of so many bytes that do not overlap, in any order, often in one page."""
    first = _near_a_page(chance, KERNEL, 2 * size + 200)
    second = first + size + AROUND + chance.randrange(100)
    return (first, second) if chance.random() < 0.5 else (second, first)


def memcpy(chance: random.Random) -> Call:
    """Gives the target."""
    size = _length(chance)
    target, source = _apart(chance, size)
    data = chance.randbytes(size)
    return Call("memcpy", [target, source, size], target, {target: bytes(size), source: data}, {target: data})


def copy_to_user(chance: random.Random) -> Call:
    """What could not be written any more: all from the first page on that is not there."""
    size = _length(chance)
    target, source = _near_a_page(chance, USER, size), _near_a_page(chance, KERNEL, size)
    if (target ^ source) % 16 == 8:
        source -= 8  # of the two stores a turn copy_user.S has a fix-up for one: the other is to be on the same page
    absent = _absent(chance, target, size)
    done = reached(target, size, absent)
    data = chance.randbytes(size)
    memory = {target: chance.randbytes(size), source: data}
    return Call("__copy_user", [target, source, size], size - done, memory, {target: data[:done]}, absent)


def copy_from_user(chance: random.Random, *, zeroes: bool) -> Call:
    """What could not be read any more; some copies fill the rest of the target with zeros."""
    size = _length(chance)
    target, source = _near_a_page(chance, KERNEL, size), _near_a_page(chance, USER, size)
    absent = _absent(chance, source, size)
    done = reached(source, size, absent)
    data = chance.randbytes(size)
    after = {target: data[:done] + bytes(size - done if zeroes else 0)}
    memory = {target: chance.randbytes(size), source: data}
    left = size - done + (_counted_twice(target, source, size) if zeroes and not done else 0)
    return Call("__copy_user", [target, source, size], left, memory, after, absent)


def _counted_twice(target: int, source: int, size: int) -> int:
    """By how much copy_user.S is wrong where nothing can be read: it then says more than it was asked for.

    To an aligned target it loads whole words at once, and counts the first from its beginning, before the source.
    """
    offset = source % 8
    loads_words = target % 8 == 0 and offset and size > 16 and size - (8 - offset) >= 16
    return offset if loads_words else 0


def clear_user(chance: random.Random) -> Call:
    """How many bytes could not be cleared."""
    size = _length(chance)
    at = _near_a_page(chance, USER, size)
    absent = _absent(chance, at, size)
    done = reached(at, size, absent)
    lost = frozenset(["ar.lc"] if 16 < size < 32 else [])  # its way to the tail without a loop leaves ar.lc changed
    memory, after = {at: chance.randbytes(size)}, {at: bytes(done)}
    return Call("__do_clear_user", [at, size], size - done, memory, after, absent, lost=lost)


def strncpy_from_user(chance: random.Random) -> Call:
    """The length without the 0, the room if there is no 0 in it, or -EFAULT."""
    room, size = _length(chance), _length(chance)
    text = bytes(chance.randrange(1, 256) for _ in range(size)) + b"\0"
    source, target = _near_a_page(chance, USER, len(text)), _near_a_page(chance, KERNEL, len(text))
    absent = _absent(chance, source, len(text))
    wanted = min(room, len(text))
    done = reached(source, wanted, absent)
    result = -EFAULT if done < wanted else min(room, size)
    memory = {source: text, target: chance.randbytes(wanted)}
    return Call("__strncpy_from_user", [target, source, room], result, memory, {target: text[:done]}, absent)


def strnlen_user(chance: random.Random) -> Call:
    """The length with the 0, more than the limit if there is none within it, or 0 for a page that is not there."""
    limit, size = 1 + _length(chance), _length(chance)
    text = bytes(chance.randrange(1, 256) for _ in range(size)) + b"\0"
    at = _near_a_page(chance, USER, len(text))
    absent = _absent(chance, at, len(text))
    wanted = min(limit, len(text))
    result = 0 if reached(at, wanted, absent) < wanted else min(limit + 1, size + 1)
    return Call("__strnlen_user", [at, limit], result, {at: text}, {}, absent)


def ones_complement_sum(data: bytes) -> int:
    """The sum of 16-bit words, lowest byte first, in which what leaves at the left comes back at the right."""
    padded = data + bytes(len(data) % 2)
    total = sum(padded[::2]) + 256 * sum(padded[1::2])
    return (total - 1) % 0xFFFF + 1 if total else 0


def do_csum(chance: random.Random) -> Call:
    """Internet checksums: a sum in ones' complement."""
    size = _length(chance)
    data = chance.choice([chance.randbytes(size), bytes(size), b"\xff" * size])
    at = _near_a_page(chance, KERNEL, len(data))
    return Call("do_csum", [at, len(data)], ones_complement_sum(data), {at: data})


def ip_fast_csum(chance: random.Random) -> Call:
    """Of the header of an IP packet, in words of 4 bytes: the complement of the sum."""
    words = chance.choice([5, 5, chance.randrange(5, 16)])
    data = chance.randbytes(4 * words)
    at = _near_a_page(chance, KERNEL, len(data))
    return Call("ip_fast_csum", [at, words], ~ones_complement_sum(data), {at: data}, width=16)


def xor(chance: random.Random) -> Call:
    """The first of some blocks becomes the exclusive or of them all."""
    count, size = chance.randrange(2, 6), 8 * chance.randrange(1, 100)
    places = [KERNEL + AROUND + 8 * chance.randrange(20) + number * 0x1000 for number in range(count)]
    blocks = [chance.randbytes(size) for _ in places]
    result = bytes(size)
    for block in blocks:
        result = bytes(one ^ other for one, other in zip(result, block, strict=True))
    memory = dict(zip(places, blocks, strict=True))
    return Call(f"xor_ia64_{count}", [size, *places], None, memory, {places[0]: result})


def _number(chance: random.Random, bits: int) -> int:
    """Any number of so many bits: often one near a power of two, or short."""
    if chance.random() < 0.3:
        return (chance.choice([1, -1]) * (1 << chance.randrange(bits)) + chance.randrange(-2, 3)) % (1 << bits)
    return (chance.choice([1, -1]) * chance.getrandbits(chance.randrange(1, bits + 1))) % (1 << bits)


def _division(chance: random.Random, bits: int, *, signed: bool, remainder: bool) -> Call:
    letters = {32: "si3", 64: "di3"}[bits]
    name = f"__{'' if signed else 'u'}{'mod' if remainder else 'div'}{letters}"
    dividend, divisor = _number(chance, bits), _number(chance, bits) or 1
    high = chance.getrandbits(64) >> bits << bits  # nothing is said of what is left of an int in its register
    return Call(
        name,
        [high | dividend, high | divisor],
        exact_division(dividend, divisor, bits, signed=signed, remainder=remainder),
        width=bits,
    )


def exact_division(dividend: int, divisor: int, bits: int, *, signed: bool, remainder: bool) -> int:
    """The quotient towards 0, or the remainder with the dividend's sign."""
    if signed:
        half = 1 << bits - 1
        dividend, divisor = (dividend ^ half) - half, (divisor ^ half) - half
    quotient = abs(dividend) // abs(divisor) * (-1 if (dividend < 0) != (divisor < 0) else 1)
    return (dividend - quotient * divisor if remainder else quotient) % (1 << bits)


# ------------------------------------------------------------------------------------------ all of them


@dataclass(frozen=True)
class Subject:
    """A function: the files that it is in, how they are preprocessed, and how inputs are made."""

    files: tuple[str, ...]
    made: Callable[[random.Random], Call]
    defined: tuple[str, ...] = ()

    def code(self, corpus: Corpus) -> KernelCode:
        """Its code, in a machine."""
        return kernel_code(corpus, *self.files, defined=self.defined)


def _divisions() -> Iterator[tuple[str, Subject]]:
    for bits in (32, 64):
        for signed in (True, False):
            for remainder in (False, True):
                defined = (*(["UNSIGNED"] if not signed else []), *(["MODULO"] if remainder else []))
                name = f"{'' if signed else 'u'}{'mod' if remainder else 'div'}{bits}"

                def made(chance: random.Random, given: tuple[int, bool, bool] = (bits, signed, remainder)) -> Call:
                    return _division(chance, given[0], signed=given[1], remainder=given[2])

                yield name, Subject((f"idiv{bits}",), made, defined)


DIVISIONS: Final = dict(_divisions())
SUBJECTS: Final[dict[str, Subject]] = {
    "strlen": Subject(("strlen",), strlen),
    "memset": Subject(("memset",), memset),
    "memcpy": Subject(("memcpy",), memcpy),
    "memcpy_mck": Subject(("memcpy_mck",), memcpy),
    "clear_page": Subject(("clear_page",), clear_page),
    "copy_page": Subject(("copy_page",), copy_page),
    "copy_page_mck": Subject(("copy_page_mck",), copy_page),
    "copy_to_user": Subject(("copy_user",), copy_to_user),
    "copy_from_user": Subject(("copy_user",), lambda chance: copy_from_user(chance, zeroes=True)),
    "copy_to_user_mck": Subject(("memcpy_mck",), copy_to_user),
    "copy_from_user_mck": Subject(("memcpy_mck",), lambda chance: copy_from_user(chance, zeroes=False)),
    "clear_user": Subject(("clear_user",), clear_user),
    "strncpy_from_user": Subject(("strncpy_from_user",), strncpy_from_user),
    "strnlen_user": Subject(("strnlen_user",), strnlen_user),
    "do_csum": Subject(("do_csum",), do_csum),
    "ip_fast_csum": Subject(("ip_fast_csum", "do_csum"), ip_fast_csum),
    "xor": Subject(("xor",), xor),
    **DIVISIONS,
}


def failures(corpus: Corpus, name: str, inputs: int, seed: int) -> list[str]:
    """What is wrong with a function on so many inputs; the seed of each is its number after `seed`."""
    subject = SUBJECTS[name]
    code = subject.code(corpus)
    found = []
    for number in range(seed, seed + inputs):
        chance = random.Random(number)
        try:
            code.check(subject.made(chance), chance)
        except AssertionError as error:
            found.append(f"{name}, seed {number}: {error}")
    return found


def main() -> int:
    """Runs functions on many inputs; exit status 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {' '.join(SUBJECTS)}; all if none is named")
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    corpus = build.corpus()
    wrong = 0
    for name in options.names or SUBJECTS:
        found = failures(corpus, name, options.inputs, options.seed)
        wrong += len(found)
        executed = SUBJECTS[name].code(corpus).machine.instructions
        print(f"{name:20} {options.inputs} inputs, {len(found)} wrong, {executed} instructions so far", flush=True)
        for line in found[:5]:
            print(f"    {line}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
