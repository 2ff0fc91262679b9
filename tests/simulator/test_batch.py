"""Programs of a batch: the state that each begins with, and what is told of its end."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pvsim.batch import Result, Room, hexadecimal, lines_of_stream, results, run
from pvsim.memory_map import BACKING_STORE, CODE, DATA, END_BUNDLE, HANDLERS, INPUT
from pvsim.modes import MODES
from pvsim.specification import specification_of

from pvasm.errors import PvasmError
from tests.slow import examples

WORD = (1 << 64) - 1
IC, DT, RT, IT, BN = 1 << 13, 1 << 17, 1 << 27, 1 << 36, 1 << 44


def ending(asm: str = "", room: Room = Room(), **keys: Any) -> Result:  # noqa: B008 (frozen)
    """What a program ends with, its specification having been JSON."""
    return run(specification_of(json.loads(json.dumps({"asm": asm, **keys}))), room)


words = st.one_of(st.sampled_from([0, 1, WORD, 1 << 63]), st.integers(0, WORD))


@st.composite
def states(draw: st.DrawFn) -> dict[str, Any]:
    """A state with a frame of any size, rotated in any way, and the backing store at any place."""
    sof = draw(st.integers(0, 96))
    sor = draw(st.integers(0, min(sof // 8, 12)))
    bsp = BACKING_STORE + 8 * draw(st.integers(0, 200))
    general = {
        number: [draw(words), draw(st.integers(0, 1))]
        for number in draw(st.sets(st.sampled_from([*range(1, 32), *range(32, 32 + sof)]), max_size=20))
    }
    return {
        "mode": draw(st.sampled_from(sorted(MODES))),
        "cfm": {
            "sof": sof,
            "sol": draw(st.integers(0, sof)),
            "sor": sor,
            "rrb_gr": draw(st.integers(0, 8 * sor - 1)) if sor else 0,
            "rrb_fr": draw(st.integers(0, 95)),
            "rrb_pr": draw(st.integers(0, 47)),
        },
        "bsp": bsp + 8 if bsp >> 3 & 63 == 63 else bsp,
        "gr": general,
        "fr": {
            number: draw(st.integers(0, (1 << 82) - 1)) for number in draw(st.sets(st.integers(2, 127), max_size=9))
        },
        "pr": draw(words) | 1,
        "br": {number: draw(words) for number in range(8)},
        "ar": {name: draw(words) for name in ("unat", "ccv", "lc", "csd", "ssd", "k0", "k7")},
        "mem": [[DATA + 8 * draw(st.integers(0, 500)), draw(st.binary(max_size=90)).hex()]],
    }


@settings(max_examples=examples(60), deadline=None)
@given(states())
def test_a_program_that_does_nothing_ends_with_what_it_began_with(state: dict[str, Any]) -> None:
    result = ending("", **state)
    sof = state["cfm"]["sof"]
    assert (result["end"], result["vector_name"], result["cr"]["iim"]) == ("end", "break", 0x1FF0)
    for number in range(1, 32 + sof):
        value, nat = state["gr"].get(number, [0, 0])
        assert (result["gr"][number], result["nat"] >> number & 1) == (value, nat)
    assert result["gr"][32 + sof :] == [None] * (96 - sof)
    assert result["fr"] == [0, 0xFFFF << 64 | 1 << 63, *(state["fr"].get(number, 0) for number in range(2, 128))]
    assert (result["pr"], result["b"]) == (state["pr"], [state["br"][number] for number in range(8)])
    assert {name: result["ar"][name] for name in state["ar"]} == state["ar"]
    assert result["ar"]["bsp"] == state["bsp"]
    assert (result["mem"], result["bsmem"]) == ([], [])
    assert result["cfm"] == result["init"]["cfm"]
    assert result["psr"] == MODES[state["mode"]] == result["init"]["psr"]


def test_what_is_told_and_in_which_form() -> None:
    """The keys that the specification of results has, but for those that are asked for."""
    result = ending("st8 [r32]=r33 ;;", name="n", cfm={"sof": 2}, gr={"32": DATA + 8, "33": "0x0102030405060708"})
    assert set(result) == {
        *("end", "vector", "vector_name", "ip", "psr", "cfm", "gr", "nat", "pr", "b", "ar", "cr", "rse", "fr"),
        *("mem", "bsmem", "init", "name"),
    }
    assert (result["vector"], result["name"], result["ip"]) == (0x2C00, "n", CODE + 4096 + 16)
    assert result["mem"] == [[DATA + 8, "0807060504030201"]]
    assert set(result["init"]) == {"ip", "psr", "cfm", "pr", "gr", "ar", "b", "bsp", "rnat_at_bspstore", "bspstore"}
    assert result["init"]["gr"] == {32: (DATA + 8, 0), 33: (0x0102030405060708, 0)}
    assert set(result["rse"]) == {"bspstore", "rnat", "bspstore_flushed", "rnat_flushed"}
    assert result["rse"]["bspstore_flushed"] == BACKING_STORE + 512 + 16
    assert set(result["cr"]) == {
        *("isr", "ifa", "itir", "iipa", "ifs", "iim", "iha", "dcr", "iva", "pta", "tpr", "itm", "itv"),
    }
    shown = hexadecimal(result)
    assert (shown["gr"][32], shown["gr"][127], shown["mem"]) == (
        hex(DATA + 8),
        None,
        [[hex(DATA + 8), "0807060504030201"]],
    )


@pytest.mark.parametrize(
    ("asm", "mode", "vector", "isr", "address"),
    [
        ("ld8 r8=[r2]", "user", "alt_data_tlb", 1 << 34, 0x5000_0000),
        ("st8 [r2]=r8", "user", "alt_data_tlb", 1 << 33, 0x5000_0000),
        ("ld8 r8=[r2]", "user", "data_access_rights", 1 << 34, INPUT),
        ("st8 [r2]=r8", "user", "data_access_rights", 1 << 33, 0x10),
        ("ld4 r8=[r2]", "userphys", "unaligned", 1 << 34, DATA + 1),
        ("mov r8=cr.iva", "user", "general_exception", 0x10, None),
        ("add r0=r2,r3", "sys", "general_exception", 0, None),
    ],
)
def test_a_fault_ends_a_program(asm: str, mode: str, vector: str, isr: int, address: int | None) -> None:
    result = ending(f"nop.m 0\n nop.i 0 ;;\n {asm} ;;", mode=mode, gr={"2": address or 0})
    slot = result["ip"] & 3
    defers = 1 << 43 if mode == "user" and address is not None else 0
    assert (result["end"], result["vector_name"]) == ("fault", vector)
    assert result["cr"]["isr"] == isr | slot << 41 | defers
    assert result["psr"] == MODES[mode] | slot << 41
    assert result["cr"]["iipa"] == CODE + 4096
    if address is not None:
        assert result["cr"]["ifa"] == address


def test_control_registers_hold_what_they_are_given_until_an_interruption_sets_them() -> None:
    given = {"iipa": 0x4560, "iha": 0x777, "ifa": 5, "iim": 9}
    result = ending("ld4 r8=[r2] ;;", mode="sysphys", gr={"2": DATA + 1}, cr=given)
    assert {name: result["cr"][name] for name in given} == {"iipa": 0x4560, "iha": 0x774, "ifa": DATA + 1, "iim": 9}


def test_a_trap_is_behind_its_instruction() -> None:
    result = ending("nop.m 0 ;;\n mov r8=1 ;;", psr={"ic": 1, "bn": 1, "ss": 1})
    assert (result["vector_name"], result["ip"] & 15, result["cr"]["isr"] & 0xF) == ("single_step", 1, 8)


def test_a_loop_without_end_is_out_of_time() -> None:
    result = ending("top: br.sptk.few top ;;", Room(most_steps=100))
    assert (result["end"], result["vector"], result["vector_name"]) == ("timeout", None, None)
    assert result["ip"] & ~15 == CODE + 4096


def test_names_with_an_at_sign_are_labels() -> None:
    assert ending("br.sptk.few L@1 ;;\n mov r8=1 ;;\nL@1: mov r9=2 ;;")["gr"][8:10] == [0, 2]


def test_the_bank_that_is_not_shown_is_told_of_when_asked() -> None:
    result = ending(
        "mov r16=5 ;;\n bsw.1 ;;\n mov r16=6 ;;\n bsw.0 ;;\n add r1=r16,r17 ;;",
        psr={"ic": 1, "dt": 1, "rt": 1, "it": 1},
        bank0=True,
        gr0={"17": 100, "20": [3, 1]},
    )
    assert (result["end"], result["gr"][1], result["gr"][16]) == ("end", 105, 6)
    assert (result["gr0"][:5], result["nat0"]) == ([5, 100, 0, 0, 3], 1 << 4)


def test_pages_regions_and_keys_are_inserted() -> None:
    page = 0x2000_0000_0000_4000
    result = ending(
        "ld8 r8=[r2] ;;\n mov r9=rr[r2] ;;\n tpa r10=r2 ;;\n tak r11=r2 ;;",
        mode="sys",
        gr={"2": page + 8},
        rr={"1": 0x777 << 8 | 14 << 2},
        pkr={"3": 0x123 << 8 | 1},
        tr=[{"kind": "d", "slot": 8, "va": page, "ps": 14, "pte": DATA | 0x661 | 2 << 9, "key": 0x123}],
        mem=[[DATA + 8, "55" * 8]],
    )
    assert result["gr"][8:12] == [0x5555555555555555, 0x777 << 8 | 14 << 2, DATA + 8, 0x123 << 8]
    assert (result["rr"][1], result["pkr"][3], len(result["pkr"])) == (0x777 << 8 | 14 << 2, 0x123 << 8 | 1, 16)


def test_a_program_may_have_handlers_of_its_own() -> None:
    """One maps what was missed; another goes on to the table that ends programs, which is where cr.iva pointed."""
    table = CODE + 0x18000
    asm = f"""
 movl r8=0x2000000000004010 ;;
 ld8 r9=[r8] ;;
 add r10=r9,r9 ;;
 break.m 0x77 ;;
.org 0x18000+0x1000
 mov r18=14<<2 ;;
 mov cr.itir=r18
 movl r19=0x2000661|(2<<9) ;;
 itc.d r19 ;;
 srlz.d ;;
 rfi ;;
.org 0x18000+0x2c00
 brl.sptk.few {HANDLERS - table} ;;
"""
    result = ending(asm, Room(stride=0x10000), mode="sys", cr={"iva": table}, mem=[[DATA + 16, "33" * 8]])
    assert (result["end"], result["vector_name"], result["cr"]["iim"]) == ("fault", "break", 0x77)
    assert result["gr"][8:11] == [0x2000000000004010, 0x3333333333333333, 0x6666666666666666]
    assert result["ip"] & ~15 == result["cr"]["iipa"] & ~15 or result["ip"] > CODE


def test_code_may_be_bytes() -> None:
    result = run(specification_of({"code": END_BUNDLE.hex(), "slot": 5}))
    assert (result["end"], result["ip"]) == ("end", CODE + 6 * 4096)


def test_advanced_loads_hold_where_there_is_an_alat() -> None:
    asm = "ld8.a r8=[r2] ;;\n add r9=1,r8 ;;\n chk.a.nc r8,L@ ;;\n mov r9=7 ;;\nL@: nop.m 0 ;;"
    assert ending(asm, gr={"2": DATA})["gr"][9] == 1
    assert ending(asm, Room(has_alat=True), gr={"2": DATA})["gr"][9] == 7


def test_registers_beyond_the_frame_are_left_out() -> None:
    assert ending("", cfm={"sof": 1}, gr={"40": 5})["gr"][32:34] == [0, None]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "a program has either `asm' (text) or `code' (hexadecimal bytes)"),
        ({"asm": "", "code": "00"}, "a program has either `asm' (text) or `code' (hexadecimal bytes)"),
        ({"asm": 5}, "asm: text is expected, not a number"),
        ({"code": "0g"}, "code: hexadecimal bytes are expected (\"0011aa\"), not '0g'"),
        ({"asm": "", "grs": {}}, "`grs' is no key of a program (did you mean gr?)"),
        ({"asm": "", "gr": {"128": 1}}, "gr: '128' is no number from 0 to 127"),
        ({"asm": "", "gr": {"5": True}}, 'gr.5: a number is expected (16, "0x10"), not True'),
        ({"asm": "", "gr": {"5": 1.5}}, 'gr.5: a number is expected (16, "0x10"), not 1.5'),
        ({"asm": "", "gr": {"5": [1]}}, "gr.5: a value, or [value, NaT], is expected"),
        ({"asm": "", "gr": {"5": [1, 2]}}, "gr.5: 2 is no number from 0 to 0x1"),
        ({"asm": "", "gr": {"5": 1 << 64}}, "gr.5: 0x10000000000000000 is more than 64 bits"),
        ({"asm": "", "gr": [1]}, "gr: an object of numbers and values is expected, not a list"),
        ({"asm": "", "gr0": {"5": 1}}, "gr0: '5' is no number from 16 to 31"),
        ({"asm": "", "mode": "kernel"}, "mode: 'kernel' is none of user, sys, userphys, sysphys"),
        ({"asm": "", "psr": {"id2": 1}}, "`psr.id2' is no key of a program (did you mean id?)"),
        ({"asm": "", "psr": {"cpl": 4}}, "psr.cpl: 4 is no number from 0 to 0x3"),
        (
            {"asm": "", "cfm": {"sof": 8, "sol": 9}},
            "cfm: sol and the registers that rotate (8 times sor) are at most sof",
        ),
        ({"asm": "", "fr": {"4": [0, 1 << 17, 0]}}, "fr.4: 131072 is no number from 0 to 0x1ffff"),
        ({"asm": "", "ar": {"itc": 1}}, "`ar.itc' is no key of a program"),
        ({"asm": "", "mem": [[DATA - 1, "00"]]}, "mem: 1 bytes at 0x1ffffff are not within 0x2000000 to 0x2001000"),
        (
            {"asm": "", "mem": [[DATA + 4095, "0000"]]},
            "mem: 2 bytes at 0x2000fff are not within 0x2000000 to 0x2001000",
        ),
        ({"asm": "", "mem": [DATA]}, "mem[0]: [address, hexadecimal bytes] is expected"),
        (
            {"asm": "", "bsp": BACKING_STORE + 4000},
            "bsp: 96 registers at 0x3000fa0 are not within 0x3000000 to 0x3001000",
        ),
        ({"asm": "", "tr": [{"kind": "d"}]}, "tr[0]: `va' is missing"),
        ({"asm": "", "tr": [{"kind": "d", "slot": 1, "va": 0, "ps": 12, "pte": 1}]}, "tr[0].slot: 1 is in use; free"),
        (
            {"asm": "", "tr": [{"kind": "d", "slot": 8, "va": 0, "ps": 15, "pte": 1}]},
            "tr: a page that the processor does not take: general exception",
        ),
        ({"asm": "", "slot": 4095}, "slot: 4095 is no number from 0 to 0xffe"),
        ({"asm": " mvo r8=r9"}, "asm:1:2: `mvo' is no instruction and no macro that is defined"),
        ({"asm": " mov r8=nowhere"}, "asm:1:2: nothing defines `nowhere'"),
    ],
)
def test_what_is_wrong_is_said(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(PvasmError) as caught:
        run(specification_of(json.loads(json.dumps(keys))))
    assert str(caught.value).startswith(message)


def test_what_is_no_object_is_said() -> None:
    with pytest.raises(PvasmError, match=r"a program is an object, .*, and not a number"):
        specification_of(5)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(json_values)
@settings(max_examples=examples(60))
def test_a_line_is_written_as_the_module_json_has_it(name: Any) -> None:
    """Names that are no text, or are of any characters, an error's text, and numbers of 82 bits."""
    line = json.dumps({"name": name, "asm": "mov r8 = 1 ;;", "fr": {"9": (1 << 82) - 1}}).encode()
    ((written, error),) = lines_of_stream([line], "x", Room())
    ((result, _),) = results([line], "x", Room())
    assert written == json.dumps(result)
    assert (error is None) == (name is None or isinstance(name, str))


@pytest.mark.parametrize(
    "line", ['{"name": "\\ud800", "asm": ""}', '{"asm": "", "name": "a", "gr": {"3": 0e1}}', '{"name": NaN}']
)
def test_a_line_is_read_as_the_module_json_does(line: str) -> None:
    """Surrogates, fractions and NaN, too."""
    ((result, _),) = results([line.encode()], "x", Room())
    assert json.dumps(result["name"]) == json.dumps(json.loads(line).get("name"))


@pytest.mark.parametrize("line", ["{", "[1", '{"name": "\x01"}'])
def test_what_is_no_json_is_said_as_the_module_json_does(line: str) -> None:
    ((_, error),) = results([line.encode()], "x", Room())
    assert error is not None
    with pytest.raises(ValueError, match=re.escape(error.message.removeprefix("this is no JSON: "))):
        json.loads(line)


@pytest.mark.parametrize(
    "line",
    [
        '{"asm": "a:", "gr": {"4": 1, "4": 2}}',
        '{"asm": "\\u003a", "gr": {"4": 1, "4": 2}}',
        '{"asm": "", "asm" : ""}',
        '{"asm": "", "cfm": {"sof": 96, "sof"\n: 96}}',
        '{"asm": "", "tr": [{"kind": "d", "kind": "d"}]}',
        '{"asm": "", "mem": ["a:"], "mem": []}',
        '[{"asm": "", "asm": ":"}]',
    ],
)
def test_a_key_that_is_there_twice_is_told_of(line: str) -> None:
    """Wherever it is, and whatever colons stand in texts beside it."""
    ((_, error),) = results([line.encode()], "x", Room())
    assert error is not None
    assert error.message.endswith("is there twice")


odd_words = st.integers(-2, 2) | st.integers((1 << 64) - 2, (1 << 64) + 1) | st.sampled_from((True, "0x10", None))


@given(
    st.sampled_from(("gr", "fr")),
    st.dictionaries(
        st.integers(-1, 130), odd_words | st.lists(odd_words, max_size=3) | st.tuples(*[odd_words] * 3), max_size=3
    ),
)
def test_registers_are_read_together_as_each_is_alone(key: str, registers: dict[int, Any]) -> None:
    """Beside others that are written as most are, too."""
    others = {number: 7 if key == "gr" else [0, 5, 7] for number in range(40, 60)}
    each = [_read_registers(key, {number: value}) for number, value in registers.items()]
    wrong = [found for found in each if isinstance(found, str)]
    whole = {number: found for one in each if not isinstance(one, str) for number, found in one.items()}
    assert _read_registers(key, registers) == (wrong[0] if wrong else whole)
    together = _read_registers(key, {**others, **registers})
    if wrong:
        assert together in wrong
    else:
        assert together == {**_found(_read_registers(key, others)), **whole}


def _read_registers(key: str, registers: dict[int, Any]) -> dict[int, Any] | str:
    """What is read of registers, or what is wrong with them."""
    try:
        given = specification_of(json.loads(json.dumps({"asm": "", key: registers})))
    except PvasmError as error:
        return str(error)
    return given.general if key == "gr" else given.floating


def _found(read: dict[int, Any] | str) -> dict[int, Any]:
    assert not isinstance(read, str)
    return read
