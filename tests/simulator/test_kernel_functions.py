"""Functions of Linux, as `kernel_functions.py` calls them: a few inputs each, and more in CI."""

from __future__ import annotations

import itertools
import random

import pytest

from tests.corpus.build import Corpus
from tests.simulator.kernel_functions import DIVISIONS, SUBJECTS, Call, exact_division, failures, reached

_EDGES = [0, 1, 2, 3, *(1 << bits for bits in (15, 16, 31, 32, 52, 53, 62, 63))]


@pytest.mark.parametrize("name", SUBJECTS)
def test_random_inputs(corpus: Corpus, name: str) -> None:
    assert failures(corpus, name, 10, 0) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBJECTS)
def test_more_random_inputs(corpus: Corpus, name: str) -> None:
    assert failures(corpus, name, 30, 1000) == []


@pytest.mark.parametrize("name", DIVISIONS)
def test_division_of_edge_values(corpus: Corpus, name: str) -> None:
    """0, powers of two and their neighbours, of both signs: each by each, but none by 0."""
    bits = int(name[-2:])
    code = DIVISIONS[name].code(corpus)
    numbers = sorted({(sign * (each + by)) % (1 << bits) for each in _EDGES for by in (-1, 0, 1) for sign in (1, -1)})
    chance = random.Random(name)
    pairs = [(dividend, divisor) for dividend, divisor in itertools.product(numbers, numbers) if divisor]
    for dividend, divisor in chance.sample(pairs, 150):
        signed, remainder = not name.startswith("u"), "mod" in name
        result = exact_division(dividend, divisor, bits, signed=signed, remainder=remainder)
        entry = f"__{name[:-2]}{'si3' if bits == 32 else 'di3'}"
        code.check(Call(entry, [dividend, divisor], result, width=bits), chance)


def test_faults_go_to_their_fix_ups(corpus: Corpus) -> None:
    """A quarter of the inputs and more have a page that is not there: each way out of copy_user is taken."""
    code = SUBJECTS["copy_from_user"].code(corpus)
    taken = set()
    for seed in range(60):
        chance = random.Random(seed)
        call = SUBJECTS["copy_from_user"].made(chance)
        if reached(call.arguments[1], call.arguments[2], call.absent) < call.arguments[2]:
            taken.add(call.result)
    assert len(taken) > 15
    assert len(code.fix_ups) == 38
