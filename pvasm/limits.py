"""How much anybody may ask for."""

MAX_JOBS = 256  # processes
