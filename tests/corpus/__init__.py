"""Real IA-64 assembly, and the truth about it: `build.corpus()`."""
