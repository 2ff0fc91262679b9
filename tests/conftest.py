"""What all tests share: the corpus, and limits that hypothesis works within."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.corpus import build
from tests.corpus.build import Corpus, CorpusError

# Times differ from machine to machine; that something takes too long is for `make bench` to say.
settings.register_profile("pvasm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pvasm")


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Real IA-64 assembly with its ground truth; skipped where it cannot be had, but in CI that is a failure."""
    stop = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    reason = build.available()
    if reason is not None:
        stop(f"no corpus: {reason}")
    try:
        return build.corpus()
    except CorpusError as error:
        stop(f"no corpus: {error}")
        raise
