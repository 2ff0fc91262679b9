"""The samples expanded for every instance, with GNU as to say whether that is assembly, and which bytes it means."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pvasm.paravirt.loading import load_instance
from tests.oracle import require_tool
from tests.samples import pipeline
from tests.samples.pipeline import CLEAN, OP, SYMBOLS, build, build_reference, contents, expand
from tests.slow import few

each_sample = pytest.mark.parametrize("source", CLEAN, ids=lambda path: path.stem)
each_instance = pytest.mark.parametrize("instance", [*few(SYMBOLS, "native", "xen")])


@each_instance
@each_sample
def test_a_variant_assembles_without_a_warning(source: Path, instance: str, tmp_path: Path) -> None:
    assembled = build(source, instance, tmp_path)
    assert assembled.messages == ""
    assert assembled.status == 0


@each_sample
def test_native_is_what_plain_instructions_give(source: Path, tmp_path: Path) -> None:
    reference = build_reference(source, tmp_path)
    assert (reference.status, reference.messages) == (0, "")
    assert contents(build(source, "native", tmp_path).object) == contents(reference.object)


@each_instance
def test_line_markers_change_no_byte_and_lead_to_the_source(instance: str, tmp_path: Path) -> None:
    source = pipeline.SAMPLES / "ivt.S"
    (tmp_path / "plain").mkdir()
    plain = build(source, instance, tmp_path / "plain")
    marked = build(source, instance, tmp_path, "--line-markers")
    assert contents(marked.object) == contents(plain.object)
    assert f'"{source}"' in (tmp_path / f"ivt-{instance}.s").read_text()


@each_instance
@each_sample
def test_lines_without_an_op_stay_as_they_are(source: Path, instance: str, tmp_path: Path) -> None:
    variant = iter(expand(source, instance, tmp_path / source.name).read_bytes().split(b"\n"))
    renamed = load_instance(instance).renames
    untouched = [
        line
        for line in source.read_bytes().split(b"\n")
        if not OP.search(line.decode()) and not any(name in line.decode() for name in renamed)
    ]
    missing = [line for line in untouched if line not in variant]  # `in` consumes: the order counts
    assert missing == []


@each_instance
@each_sample
def test_no_op_is_left_outside_comments(source: Path, instance: str, tmp_path: Path) -> None:
    require_tool("gcc")
    variant = expand(source, instance, tmp_path / source.name)
    text = pipeline.preprocess(variant, tmp_path / "text.s", f"-D{SYMBOLS[instance]}", "-P").read_text()
    assert OP.findall(text) == []


def test_the_samples_use_every_op() -> None:
    reference = pipeline.REFERENCE.read_text()
    known = {line.split("(")[0].split()[1] for line in reference.splitlines() if line.startswith("#define")}
    used = {name for source in CLEAN for name in OP.findall(source.read_text())}
    assert used == known
    assert len(known) == 34


def test_all_instances_at_once_get_a_folder_each(tmp_path: Path) -> None:
    done = pipeline.pvasm("expand", *CLEAN, "--instance", "all", "--output-dir", tmp_path)
    assert (done.status, done.errors) == (0, b"")
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert {Path(instance) / source.name for instance in SYMBOLS for source in CLEAN} <= written
    for instance in SYMBOLS:
        alone = expand(CLEAN[0], instance, tmp_path / "alone.S")
        assert (tmp_path / instance / CLEAN[0].name).read_bytes() == alone.read_bytes()


def test_a_pipe_gives_the_same_text(tmp_path: Path) -> None:
    source = pipeline.SAMPLES / "switch_to.S"
    piped = pipeline.pvasm("expand", "-", "--instance", "xen", "-o", "-", stdin=source.read_bytes())
    assert piped.status == 0, piped.errors.decode()
    assert piped.output == expand(source, "xen", tmp_path / "switch_to.S").read_bytes()


@pytest.mark.parametrize(("instance", "symbol"), [("native", "ia64_ivt"), ("xen", "xen_ivt")])
def test_each_instance_has_a_vector_table_of_its_own_name(instance: str, symbol: str, tmp_path: Path) -> None:
    nm = require_tool("ia64-linux-gnu-nm")
    assembled = build(pipeline.SAMPLES / "ivt.S", instance, tmp_path)
    symbols = subprocess.run([nm, "-g", "--defined-only", str(assembled.object)], capture_output=True, text=True)
    assert symbols.stdout.split() == ["0" * 16, "T", symbol]
