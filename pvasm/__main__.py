"""`python -m pvasm`."""

from pvasm.cli import main

main(prog_name="pvasm")
