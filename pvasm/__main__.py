"""`python -m pvasm`."""

from pvasm.start import run

run()
