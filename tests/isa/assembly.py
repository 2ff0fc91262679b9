"""Instructions as text: parsed, generated from the table, assembled and disassembled."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from pvasm.isa import table
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.syntax.parser import Parser
from pvasm.syntax.tree import Instruction
from tests.oracle import require_tool

_PARSER = Parser(is_mnemonic)
SLOT = (1 << 41) - 1
NOP = 0x8000000  # nop.m 0 and nop.i 0


def instruction(text: str) -> Instruction:
    (parsed,) = _PARSER.chunk(text)
    assert isinstance(parsed, Instruction), parsed
    return parsed


# ------------------------------------------------------------------------------- from the table


def legal_texts(spec: table.OperandSpec, rng: random.Random) -> list[str]:
    """Texts of an operand: the least, the greatest, and one between. Targets are the labels that `assemble` makes."""
    if spec.literal is not None:
        return [spec.literal.text]
    numbers = sorted({0, 127, rng.randrange(128)})
    if spec.form == "memory":
        return [f"[r{number}]" for number in numbers]
    if spec.form == "indexed":
        return [f"{spec.file}[r{number}]" for number in numbers]
    kind = spec.kind
    assert kind is not None
    if kind.name == "mbtype4":
        return ["@brcst", "@mix", "@shuf", "@alt", "@rev"]
    if kind.choices:
        return [str(value) for value in kind.choices]
    if kind.is_target:
        return ["here"] if kind.name.startswith("tag") else ["here", "start"]
    between = [value for value in range(kind.low, kind.low + 2000) if value not in kind.excluded]
    values = [kind.low, kind.high, rng.choice(between), rng.randint(max(kind.low, kind.high // 2), kind.high)]
    values = [value - value % kind.scale for value in values if value <= kind.high and value not in kind.excluded]
    prefix = kind.shape if kind.shape != "i" else ""
    return [f"{prefix}{value}" for value in values]


def written(mnemonic: str, candidate: table.Candidate, operands: Sequence[str]) -> str:
    outputs = len(candidate.outputs)
    left = f"{','.join(operands[:outputs])}=" if candidate.has_equals else ""
    return f"{mnemonic} {left}{','.join(operands[outputs:])}".strip()


def readings() -> Iterator[tuple[str, table.Candidate]]:
    """Every mnemonic string with every list of operands that it takes."""
    for stem in sorted(table.STEMS):
        for mnemonic, candidates in table.mnemonics(stem).items():
            for candidate in candidates:
                yield mnemonic, candidate


def instances(rng: random.Random) -> Iterator[str]:
    """For every reading, instructions in which every operand takes every one of its `legal_texts` at least once."""
    for mnemonic, candidate in readings():
        texts = [legal_texts(spec, rng) for spec in candidate.operands]
        for turn in range(max(map(len, texts), default=1)):
            chosen = [choices[(turn + place) % len(choices)] for place, choices in enumerate(texts)]
            yield written(mnemonic, candidate, chosen)


# ------------------------------------------------------------------------------- GNU as, objdump

# Where an instruction of each unit is put: a template, what stands before and after it, its slot; `M;` ends its group.
_PLACES = {
    "M": (".mii", "", "nop.i 0\nnop.i 0", 0),
    "M;": (".mmi", "", ";;\nnop.m 0\nnop.i 0", 0),
    "A": (".mii", "", "nop.i 0\nnop.i 0", 0),
    "I": (".mii", "nop.m 0\nnop.i 0", "", 2),
    "F": (".mfi", "nop.m 0", "nop.i 0", 1),
    "B": (".mib", "nop.m 0\nnop.i 0", "", 2),
    "X": (".mlx", "nop.m 0", "", 2),
}


def assemble(texts: Sequence[tuple[str, str]], folder: Path) -> tuple[list[int | None], dict[int, str]]:
    """GNU as's bits of each (instruction, unit), as `encode` gives them, and what as said of those that it refuses.

    Bundle N of those that it takes stands at address 16 * N; `start` is the first, `here` is the instruction's own.
    """
    gnu_as, objcopy = require_tool("ia64-linux-gnu-as"), require_tool("ia64-linux-gnu-objcopy")
    source, made, raw = folder / "in.s", folder / "out.o", folder / "out.bin"
    refused: dict[int, str] = {}
    while True:
        lines = ["start:"]
        owner: dict[int, int] = {}
        for index, (text, unit) in enumerate(texts):
            if index in refused:
                continue
            template, before, after, _ = _PLACES[unit]
            own = text.replace("here", f"here{index}")
            label = [f"here{index}:"] if own != text else []
            block = [*label, "{", template, *before.split("\n"), own, *after.split("\n"), ";;", "}"]
            block = [line for line in block if line]
            owner.update((len(lines) + 1 + offset, index) for offset in range(len(block)))
            lines += block
        source.write_text("\n".join(lines) + "\n")
        result = subprocess.run([gnu_as, "-x", source, "-o", made], capture_output=True, text=True, check=False)
        if result.returncode == 0:
            break
        said = {owner.get(int(found[1]), -1): found[2] for found in re.finditer(r":(\d+): Error: (.*)", result.stderr)}
        new = {index: message for index, message in said.items() if index not in refused}
        assert new, result.stderr[:2000]
        assert -1 not in new, result.stderr[:2000]
        refused.update(new)
    subprocess.run([objcopy, "-O", "binary", "-j", ".text", made, raw], check=True)
    code = raw.read_bytes()
    bits: list[int | None] = []
    address = 0
    for index, (_, unit) in enumerate(texts):
        if index in refused:
            bits.append(None)
            continue
        bundle = int.from_bytes(code[address : address + 16], "little")
        slot = _PLACES[unit][3]
        own_bits = bundle >> (5 + 41 * slot) & SLOT
        bits.append(own_bits | (bundle >> 46 & SLOT) << 41 if unit == "X" else own_bits)
        address += 16
    return bits, refused


_TEMPLATES = {"M": (0x00, 0), "I": (0x00, 2), "F": (0x0C, 1), "B": (0x10, 2), "X": (0x04, 2)}


def disassemble(slots: Sequence[int], unit: str, folder: Path) -> list[tuple[int, str] | None]:
    """What objdump makes of each slot: predicate and text, None for no instruction. Bundle N is at 16 * N."""
    template, place = _TEMPLATES[unit]
    code = bytearray()
    for bits in slots:
        parts = [NOP, NOP, NOP]
        parts[place] = bits & SLOT
        if unit == "X":
            parts[1] = bits >> 41
        code += (template | parts[0] << 5 | parts[1] << 46 | parts[2] << 87).to_bytes(16, "little")
    raw = folder / f"{unit}.bin"
    raw.write_bytes(code)
    command = [require_tool("ia64-linux-gnu-objdump"), "-b", "binary", "-m", "ia64", "-Dz", str(raw)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found: dict[int, tuple[int, str]] = {}
    line_form = re.compile(r"\s*([0-9a-f]+):\t[0-9a-f ]+\t(?:\[\w+\])?\s*(?:\(p(\d+)\))?\s*(.*)")
    for line in lines:
        match = line_form.match(line)
        if match:
            text = re.sub(r" <[^>]*>", "", match[3]).replace(";;", "").strip()
            found[int(match[1], 16)] = (int(match[2] or 0), text)
    offsets = (0, 6, 12)
    texts = []
    for index in range(len(slots)):
        at = index * 16
        there = found.get(at + offsets[place]) or (found.get(at + 6) if unit == "X" else None)
        texts.append(None if there is None or not there[1] or "data8" in there[1] else there)
    return texts
