"""What all tests share: the corpus, and limits that hypothesis works within."""

from __future__ import annotations

import gc
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

from tests import slow
from tests.corpus import build
from tests.corpus.build import Corpus, CorpusError


def pytest_configure(config: pytest.Config) -> None:
    """Before tests are imported, which ask for numbers of examples."""
    if config.getoption("markexpr") == "not slow":
        slow.be_short()
    # Times differ from machine to machine; that something takes too long is for `make bench` to say.
    settings.register_profile(
        "pvasm", deadline=None, max_examples=slow.examples(100), suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("pvasm")


def pytest_collection_finish() -> None:
    """Tests and what they import stay: looking through them for garbage again and again took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


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
