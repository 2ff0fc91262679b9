"""Real files that use ops (Linux 6.1's entry, fsys, gate and ivt), expanded before and after the C preprocessor."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from pvasm.expand import expand
from pvasm.isa.mnemonics import is_mnemonic
from pvasm.paravirt.loading import load_catalog, load_instance
from pvasm.paravirt.shipped import instance_names
from pvasm.syntax.document import read_document
from pvasm.syntax.parser import Parser
from pvasm.text import read_text
from tests.corpus import build
from tests.corpus.build import Corpus, CorpusError, CorpusFile, available
from tests.oracle import require_tool
from tests.paravirt.assembler import assemble

PARSER = Parser(is_mnemonic)
# ivt.S sets it so; after the C preprocessor that can no more be seen.
CATALOG = replace(load_catalog(), constants={"PSR_DEFAULT_BITS": "0"})
WITH_OPS = ("entry", "fsys", "gate", "ivt")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    in_ci = os.environ.get("CI") == "true"
    if reason := available():
        (pytest.fail if in_ci else pytest.skip)(reason)
    try:
        return build.corpus()
    except CorpusError as error:
        (pytest.fail if in_ci else pytest.skip)(str(error))


def preprocessed(corpus: Corpus, path: Path, text: str, *flags: str) -> str:
    """The text of a file after the C preprocessor."""
    command = [require_tool("gcc"), "-E", *flags, *corpus.cpp_flags, "-iquote", str(path.parent), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def variant(corpus: Corpus, file: CorpusFile, instance: str, *, after_cpp: bool, folder: Path) -> str:
    """A file expanded for an instance and preprocessed, in this order or, `after_cpp`, in the other."""
    definition = load_instance(instance, CATALOG)
    raw = read_text(file.raw)
    if not after_cpp:
        document = read_document(PARSER, raw, str(file.raw))
        return preprocessed(corpus, file.raw, expand(document, CATALOG, definition, line_markers=True))
    # In the place of the kernel's header of ops, one that leaves their names alone.
    header = folder / "asm" / "native" / "inst.h"
    header.parent.mkdir(parents=True)
    header.write_text("#define DO_SAVE_MIN IA64_NATIVE_DO_SAVE_MIN\n")
    text = preprocessed(corpus, file.raw, raw, f"-I{folder}")
    return expand(read_document(PARSER, text, preprocessed=True), CATALOG, definition, line_markers=True)


def sections(path: Path) -> str:
    """What objdump shows of all sections, without the file's name."""
    command = [require_tool("ia64-linux-gnu-objdump"), "-s", "-r", str(path)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return listing.partition("file format")[2]


@pytest.mark.parametrize("after_cpp", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", WITH_OPS)
def test_native_is_what_the_kernel_makes_of_it(name: str, after_cpp: bool, corpus: Corpus, tmp_path: Path) -> None:
    file = next(file for file in corpus.files if file.name == name)
    output, _ = assemble(variant(corpus, file, "native", after_cpp=after_cpp, folder=tmp_path), tmp_path)
    got = sections(output)
    assert got == sections(assemble(read_text(file.preprocessed), tmp_path)[0])


@pytest.mark.parametrize("after_cpp", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", WITH_OPS)
def test_xen_has_no_register_violation(name: str, after_cpp: bool, corpus: Corpus, tmp_path: Path) -> None:
    file = next(file for file in corpus.files if file.name == name)
    _, messages = assemble(variant(corpus, file, "xen", after_cpp=after_cpp, folder=tmp_path), tmp_path)
    resources = set(re.findall(r"dependency '([^']*)'", messages))
    # Serialization after a purge in another handler: as follows the text, and `break` does not end a path as rfi does.
    assert resources <= {"DTC"}


def test_files_without_ops_stay(corpus: Corpus) -> None:
    for file in corpus.files:
        if file.name not in WITH_OPS:
            text = read_text(file.raw)
            document = read_document(PARSER, text, str(file.raw))
            for name in instance_names():
                instance = load_instance(name, CATALOG)
                renamed = text
                for old, new in instance.renames.items():
                    renamed = re.sub(rf"\b{old}\b", new, renamed)
                assert expand(document, CATALOG, instance) == renamed
