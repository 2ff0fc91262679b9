"""What all tests share: the corpus, and limits that hypothesis works within."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from tests.corpus import build
from tests.corpus.build import Corpus, CorpusError

# Times differ from machine to machine; that something takes too long is for `make bench` to say.
settings.register_profile("pvasm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pvasm")


# A job that a shell has put into the background ignores Ctrl-C, and what it starts does so, too: tests of Ctrl-C would
# wait for nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
