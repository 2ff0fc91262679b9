"""Pages in translation registers and caches, and the instructions about them, on a few pages made by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pvsim.machine.interruptions import Vector
from pvsim.machine.machine import Machine
from pvsim.machine.translation_cache import Translation, TranslationCache

from tests.simulator.code import END, START, loaded
from tests.slow import examples

IFA, ITIR, PTA = 20, 21, 8
DT, PK, IC = 1 << 17, 1 << 15, 1 << 13
REGION = 2 << 61
PAGE = REGION | 0x4000
RID = 0x1234


def entry(frame: int, *, rights: int = 3, level: int = 0, bits: int = 0x61) -> int:
    """The bits of a page table entry: present, accessed and dirty, and write-back, unless it is said otherwise."""
    return bits | level << 7 | rights << 9 | frame


def with_page(text: str, *, psr: int = DT, pte: int = entry(0x9000_0000), size: int = 14) -> Machine:
    """A machine about to run a program, with a page at PAGE in a cache of data."""
    machine = loaded(text)
    machine.psr = psr
    machine.rr[2] = RID << 8 | 14 << 2
    machine.cr[IFA], machine.cr[ITIR] = PAGE, size << 2 | 7 << 8
    machine.insert_translation("d", pte)
    return machine


def ended(machine: Machine) -> tuple[str, int]:
    """How a program ends, and r8 then."""
    stop = machine.run(100)
    assert stop is not None
    return "" if stop.immediate == END else f"{stop} {stop.code:#x}", machine.gr[8]


@pytest.mark.parametrize("size", [12, 14, 20, 28])
def test_tpa_puts_the_offset_into_the_frame(size: int) -> None:
    machine = with_page("tpa r8=r9", pte=entry(0x4_7654_3000), size=size)
    machine.gr[9] = PAGE + 0x123
    low = (1 << size) - 1
    assert ended(machine) == ("", 0x4_7654_3000 & ~low | (0x4123 & low))


@pytest.mark.parametrize(
    ("address", "psr", "ended_in"),
    [
        (PAGE + 0x4000, DT | IC, "alternate data tlb 0x800000000"),
        (PAGE + (1 << 61), DT | IC, "alternate data tlb 0x800000000"),
        (PAGE + 0x4000, DT, "data nested tlb 0x800000000"),
    ],
)
def test_tpa_misses(address: int, psr: int, ended_in: str) -> None:
    machine = with_page("tpa r8=r9", psr=psr)
    machine.gr[9] = address
    assert ended(machine)[0] == ended_in


def test_a_page_that_is_not_present_and_one_of_nats() -> None:
    for bits, name in [(0x60, "page not present 0x800000000"), (0x7D, "nat consumption 0x800000020")]:
        machine = with_page("tpa r8=r9", psr=DT | IC, pte=entry(0, bits=bits))
        machine.gr[9] = PAGE
        assert ended(machine)[0] == name


# What may be read and written, by TLB.ar and TLB.pl, at the levels 3 2 1 0 (SDM vol. 2, table 4-2); 6 for both.
RIGHTS = {
    (0, 3): "rrrr",
    (0, 1): "--rr",
    (1, 2): "-rrr",
    (2, 3): "6666",
    (3, 0): "---6",
    (4, 3): "r666",
    (4, 2): "-r66",
    (4, 0): "---6",
    (5, 3): "rrr6",
    (5, 1): "--r6",
    (6, 3): "6666",
    (6, 1): "--66",
    (7, 3): "---r",
}


@pytest.mark.parametrize(("kind", "own"), RIGHTS)
def test_probe_tells_the_rights(kind: int, own: int) -> None:
    for level, expected in zip((3, 2, 1, 0), RIGHTS[kind, own], strict=True):
        for access, letters in [("r", "r6"), ("w", "6")]:
            machine = with_page(f"probe.{access} r8=r9,{level}", pte=entry(0, rights=kind, level=own))
            machine.gr[9] = PAGE
            assert ended(machine) == ("", int(expected in letters))
            machine = with_page(f"probe.{access}.fault r9,{level}", pte=entry(0, rights=kind, level=own))
            machine.gr[9] = PAGE
            assert ended(machine)[0].startswith("" if expected in letters else "data access rights")


def test_probe_asks_for_no_better_level_than_that_of_the_code() -> None:
    machine = with_page("probe.w r8=r9,0", psr=DT | 3 << 32, pte=entry(0, rights=2, level=2))
    machine.gr[9] = PAGE
    assert ended(machine) == ("", 0)


def test_dirty_and_accessed_bits() -> None:
    for bits, text, vector in [(0x21, "w", Vector.DIRTY_BIT), (0x41, "r", Vector.DATA_ACCESS_BIT)]:
        machine = with_page(f"probe.{text}.fault r9,0", pte=entry(0, bits=bits))
        machine.gr[9] = PAGE
        stop = machine.run(10)
        assert stop is not None
        assert (stop.vector, stop.address) == (vector, PAGE)


@pytest.mark.parametrize(
    ("register", "ended_in", "result"),
    [
        (7 << 8 | 1, "", 1),
        (7 << 8 | 3, "", 0),
        (7 << 8, "data key miss 0xa00000002", 0),
        (8 << 8 | 1, "data key miss 0xa00000002", 0),
    ],
)
def test_keys(register: int, ended_in: str, result: int) -> None:
    machine = with_page("probe.w r8=r9,0", psr=DT | PK | IC)
    machine.files["pkr"][5] = register
    machine.gr[9] = PAGE
    assert ended(machine) == (ended_in, result)


def test_tak_gives_a_key() -> None:
    machine = with_page("tak r8=r9")
    machine.gr[9] = PAGE
    assert ended(machine) == ("", 7 << 8)
    machine = with_page("tak r8=r9")
    machine.gr[9] = PAGE - 1
    assert ended(machine) == ("", 1)


def test_pages_are_inserted_and_purged() -> None:
    text = (
        "mov cr.ifa=r9\n mov cr.itir=r10 ;;\n itr.d dtr[r11]=r12 ;;\n tpa r8=r9 ;;\n ptc.l r9,r10 ;;\n tpa r13=r9 ;;\n"
    )
    machine = with_page(f"{text} ptr.d r9,r10 ;;\n tak r8=r9", psr=0)
    machine.gr[9:13] = PAGE | 0x77, 16 << 2, 5, entry(0x5_0000)
    assert ended(machine) == ("", 1)
    assert machine.gr[13] == 0x5_4077
    assert not any(machine.translation_caches.values())
    assert machine.translation_registers == {"d": {}, "i": {}}


def test_a_purge_leaves_other_regions() -> None:
    machine = with_page("ptc.ga r9,r10")
    machine.rr[3] = (RID + 1) << 8 | 14 << 2
    machine.gr[9:11] = PAGE + (1 << 61), 14 << 2
    assert ended(machine)[0] == ""
    assert len(machine.translation_caches["d"]) == 1
    machine.ip, machine.rr[3] = START, machine.rr[2]
    assert ended(machine)[0] == ""
    assert not machine.translation_caches["d"]


@pytest.mark.parametrize(
    ("itir", "pte", "index", "good"),
    [
        (14 << 2, entry(0), 3, True),
        (11 << 2, entry(0), 3, False),
        (14 << 2, entry(0) | 2, 3, False),
        (14 << 2, entry(0) | 1 << 50, 3, False),
        (14 << 2, entry(0) | 2 << 2, 3, False),
        (14 << 2, (entry(0) | 2) & ~1, 3, True),
        (14 << 2, entry(0), 64, False),
    ],
)
def test_reserved_fields_of_insertions(itir: int, pte: int, index: int, good: bool) -> None:
    machine = loaded("mov cr.itir=r10 ;;\n itr.i itr[r11]=r12")
    machine.gr[10:13] = itir, index, pte
    assert ended(machine)[0] == ("" if good else "general exception 0x30")


def test_the_short_hash_walks_over_pages() -> None:
    """The table of a region is linear: 8 bytes a page, from the base on that cr.pta has."""
    machine = loaded("thash r8=r9")
    machine.cr[PTA] = 20 << 2 | 0x1FFF_8000_0000_0000
    machine.rr[2] = 13 << 2
    for page in (0, 1, 77, (1 << 17) - 1, 1 << 17):
        machine.ip, machine.gr[9] = START, REGION | page << 13 | 0x1ABC & 0x1FFF
        assert ended(machine) == ("", REGION | 0x1FFF_8000_0000_0000 | page % (1 << 17) * 8)


@pytest.mark.parametrize("name", ["thash", "ttag"])
def test_hashes_of_nats_are_nats(name: str) -> None:
    machine = loaded(f"{name} r8=r9")
    machine.nat[9] = 1
    assert ended(machine)[0] == ""
    assert machine.nat[8] == 1


def test_changed_code_runs_after_it_is_flushed() -> None:
    machine = loaded("mov r8=1 ;;\n mov r8=r8")
    other = loaded("mov r8=2 ;;\n mov r8=r8")
    assert ended(machine) == ("", 1)
    machine.memory.write(START, other.memory.read(START, 64))
    machine.flush_cache(START, 0)
    machine.synchronize()
    machine.serialize_instructions()
    machine.ip = START
    assert ended(machine) == ("", 2)


def test_a_page_over_one_of_a_register_is_noted() -> None:
    """It is a machine check on hardware; the same register may be given another page."""
    text = "mov cr.ifa=r9\n mov cr.itir=r10 ;;\n itr.d dtr[r11]=r12 ;;\n itr.d dtr[r11]=r12 ;;\n {} ;;"
    for again, notes in [("nop.m 0", 0), ("itc.d r12", 1), ("itr.d dtr[r13]=r12", 1), ("itc.i r12", 0)]:
        machine = with_page(text.format(again), psr=0)
        machine.gr[9:14] = PAGE, 16 << 2, 5, entry(0x5_0000), 6
        assert ended(machine)[0] == ""
        assert len(machine.notes) == notes
        for note in machine.notes:
            assert "the page at 0x0 of its region is inserted over one of a translation register" in note.told()


PAGES = st.tuples(st.sampled_from([12, 14, 16, 20]), st.integers(0, 300), st.integers(0, 1))


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["insert", "purge", "find"]), PAGES), max_size=40))
def test_a_cache_is_as_a_list_of_pages(steps: list[tuple[str, tuple[int, int, int]]]) -> None:
    """Where each byte of a page's range is looked at as a number of 4 KiB."""

    def parts(size: int, at: int) -> range:
        first = (at << 12 >> size << size) >> 12
        return range(first, first + (1 << size - 12))

    cache, pages = TranslationCache(), dict[tuple[int, int, int], Translation]()
    for what, (size, at, region) in steps:
        met = [key for key in pages if key[2] == region and set(parts(*key[:2])) & set(parts(size, at))]
        if what == "find":
            found = [pages[key] for key in pages if key[2] == region and at in parts(*key[:2])]
            assert cache.of(at << 12 | 0x123, region) == (found[0] if found else None)
            continue
        assert cache.purge(at << 12, size, region) == bool(met)
        for key in met:
            del pages[key]
        if what == "insert":
            page = Translation(at << 12 >> size << size, size, region, 0, 1)
            cache.add(page)
            pages[size, at, region] = page
        assert len(cache) == len(pages)
        assert set(cache) == set(pages.values())
