"""`python -m pvasm`."""

from pvasm.cli import run

run()
