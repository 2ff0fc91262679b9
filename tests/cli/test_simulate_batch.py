"""`pvasm simulate --batch`: a line for each program, in order, and what is said of those that are not right."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import pvasm

DATA = 0x200_0000


def lines(*programs: Any) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in programs)


def adding(number: int, **keys: Any) -> dict[str, Any]:
    return {"name": f"p{number}", "asm": f" adds r8={number},r0 ;;\n mov r9=ip ;;\n", **keys}


def test_each_program_has_a_line(tmp_path: Path) -> None:
    path = tmp_path / "specs.jsonl"
    path.write_bytes(lines(*map(adding, range(3))))
    done = pvasm("simulate", "--batch", path)
    found = [json.loads(line) for line in done.output.splitlines()]
    assert [(each["name"], each["end"], each["gr"][8]) for each in found] == [
        (f"p{number}", "end", number) for number in range(3)
    ]
    assert [each["gr"][9] for each in found] == [0x100_1000, 0x100_2000, 0x100_3000]  # a place for each
    assert (done.status, done.errors) == (0, "")


def test_what_is_not_right_has_a_result_and_a_line_that_says_why() -> None:
    text = b'{"asm": "", "gr": {"5": "x"}}\n\n{"name": "b", "asm": " frob r8=r9"}\n{]\n' + lines(adding(4))
    done = pvasm("simulate", "--batch", "-", stdin=text)
    found = [json.loads(line) for line in done.output.splitlines()]
    assert [(each["name"], each["end"]) for each in found] == [
        (None, "error"),
        ("b", "error"),
        (None, "error"),
        ("p4", "end"),
    ]
    messages = [
        "<stdin>:1: gr.5: a number is expected (16, \"0x10\"), not 'x'",
        "<stdin>:3: asm:1:2: `frob' is no instruction and no macro that is defined",
        "<stdin>:4:2: this is no JSON: Expecting property name enclosed in double quotes",
    ]
    assert [each.get("error") for each in found] == [*messages, None]
    assert done.error_lines == [f"pvasm: error: {message}" for message in messages]
    assert done.status == 2
    assert found[3]["ip"] & ~0xFFF == 0x100_4000  # those that are not right have places too


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"asm": "", "gr": {"4": 1, "4": 2}}', "<stdin>:1: the key '4' is there twice"),
        (b'{"asm": "", "mem": [], "mem": []}', "<stdin>:1: the key 'mem' is there twice"),
        (b'{"name": "\xff"}', "<stdin>:1:11: this is no JSON: no UTF-8"),
        (b"[" * 100_000, "<stdin>:1: this is nested deeper than any program"),
        (b'{"bsp": ' + b"9" * 5000 + b"}", "<stdin>:1: a number has more digits than any register holds"),
        (b'{"asm": "", "bsp": ' + b"9" * 400 + b"}", "<stdin>:1: bsp: a number is more than 64 bits"),
        (b'{"asm": "", "bsp": NaN}', '<stdin>:1: bsp: a number is expected (16, "0x10"), not nan'),
        (b'{"' + b"k" * 5000 + b'": 1}', f"<stdin>:1: `{'k' * 40}...' is no key of a program"),
        (b'{"code": "0011"}', "<stdin>:1: code: bundles of 16 bytes are expected, not 2 bytes"),
        (b'{"asm": ".data\\n.skip 16777216"}', "<stdin>:1: asm: 16777232 bytes are more than the code has room for"),
        (b'{"asm": null}', "<stdin>:1: asm: text is expected, not null"),
        (b'{"asm": "", "gr": []}', "<stdin>:1: gr: an object of numbers and values is expected, not a list"),
        (b'{"asm": "", "ar": 0}', "<stdin>:1: ar: an object of names and values is expected, not a number"),
        (
            b'{"asm": "", "mem": {}}',
            "<stdin>:1: mem: a list of [address, hexadecimal bytes] is expected, not an object",
        ),
        (b'{"asm": "", "tr": {}}', "<stdin>:1: tr: a list of at most 4 pages is expected"),
        (b'{"asm": ".fill -1,-1,0"}', "<stdin>:1: asm:1:1: .fill of -1 times -1 bytes"),
        (b'{"code": ""}', "<stdin>:1: code: bundles of 16 bytes are expected, not 0 bytes"),
        (b'{"a\\u001b[2J\\n": 1}', "<stdin>:1: `a?[2J ' is no key of a program"),
    ],
)
def test_a_hostile_line_is_one_error(line: bytes, message: str) -> None:
    done = pvasm("simulate", "--batch", "-", stdin=line + b"\n")
    (said,) = done.error_lines
    assert said.startswith(f"pvasm: error: {message}")
    assert (done.status, json.loads(done.output)["end"]) == (2, "error")


@pytest.mark.parametrize(
    "option", [("--reg", "r8=1"), ("--mode", "sysphys"), ("--trace",), ("-I", "."), ("--stub", "x"), ("--entry", "f")]
)
def test_options_for_one_program_are_refused(option: tuple[str, ...]) -> None:
    done = pvasm("simulate", "--batch", "-", *option, stdin=lines(adding(1)))
    said = f"pvasm: error: {option[0]}: each program of --batch says itself what it begins with"
    assert (done.status, done.error_lines, done.output) == (2, [said], "")


def test_a_batch_that_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = pvasm("simulate", "--batch", "pipe", cwd=tmp_path)
    assert (done.status, done.error_lines) == (
        2,
        ["pvasm: error: pipe: is a pipe, not a file (- reads standard input)"],
    )
    done = pvasm("simulate", "--batch", "/dev/zero")
    assert (done.status, done.error_lines) == (2, ["pvasm: error: /dev/zero: is a device, not a file"])


def test_a_line_may_have_a_list_of_programs() -> None:
    done = pvasm("simulate", "--batch", "-", stdin=lines([adding(1), adding(2)], adding(3, slot=70)))
    found = [json.loads(line) for line in done.output.splitlines()]
    assert [each["gr"][9] for each in found] == [0x100_1000, 0x100_2000, 0x1000_000 + 71 * 0x1000]


def test_numbers_may_be_printed_in_hexadecimal() -> None:
    done = pvasm("simulate", "--batch", "-", "--hex", stdin=lines(adding(26)))
    found = json.loads(done.output)
    assert (found["gr"][8], found["vector"], found["gr"][127]) == ("0x1a", "0x2c00", "0x0")


def test_windows_have_other_sizes_when_asked() -> None:
    program = {"asm": " st8 [r2]=r2 ;;", "gr": {"2": DATA + 0x7FF8}}
    short = json.loads(pvasm("simulate", "--batch", "-", stdin=lines(program)).output)
    done = pvasm("simulate", "--batch", "-", "--dw", "0x8000", "--stride", "65536", stdin=lines(program))
    found = json.loads(done.output)
    assert (short["end"], short["vector_name"]) == ("fault", "alt_data_tlb")
    assert (found["mem"][0][0], found["init"]["ip"]) == (DATA + 0x7FF8, 0x101_0000)


def random_program(rng: random.Random) -> dict[str, Any]:
    operations = [
        "add r{}=r{},r{}",
        "shl r{}=r{},r{}",
        "cmp.eq p6,p7=r{},r{} ;;\n (p6) add r8=r{},r8",
        "padd1 r{}=r{},r{}",
    ]
    body = [rng.choice(operations).format(*(rng.randint(8, 40) for _ in range(3))) for _ in range(8)]
    state = {number: rng.getrandbits(64) for number in range(8, 41)}
    return {"asm": "".join(f" {line} ;;\n" for line in body), "gr": state, "cfm": {"sof": 16}}


def test_several_processes_find_the_same_in_the_same_order(tmp_path: Path) -> None:
    rng = random.Random(3)
    path = tmp_path / "specs.jsonl"
    programs: list[Any] = [random_program(rng) for _ in range(60)]
    programs[20] = {"asm": 3}
    programs[40] = [random_program(rng), random_program(rng)]
    path.write_bytes(lines(*programs))
    one, three = (pvasm("simulate", "--batch", path, "--jobs", jobs) for jobs in ("1", "3"))
    assert one.output.count("\n") == 61
    assert one == three
    piped = pvasm("simulate", "--batch", "-", "--jobs", "2", stdin=path.read_bytes())
    assert (piped.status, piped.output.count("\n")) == (2, 61)
    assert piped.errors == one.errors.replace(str(path), "<stdin>")
    assert one.error_lines == [f"pvasm: error: {path}:21: asm: text is expected, not a number"]


def test_an_answer_does_not_wait_for_the_next_program() -> None:
    command = [sys.executable, "-m", "pvasm", "simulate", "--batch", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in (1, 2):
            process.stdin.write(lines(adding(number)))
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["gr"][8] == number
        process.stdin.close()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch", "nowhere.jsonl"], "nowhere.jsonl: no such file or folder"),
        (["--batch", "-", "t.s"], "--batch names its own file: leave out t.s"),
        ([], "which file is to be run? Name one, or - for standard input"),
    ],
)
def test_what_makes_no_sense_is_an_error(options: list[str], message: str, tmp_path: Path) -> None:
    done = pvasm("simulate", *options, cwd=tmp_path)
    assert (done.status, done.errors.strip()) == (2, f"pvasm: error: {message}")


def test_sizes_are_powers_of_two() -> None:
    done = pvasm("simulate", "--batch", "-", "--dw", "5000")
    assert done.status == 2
    assert "argument --dw: '5000' is no power of two from 4096 to 8388608" in done.errors
