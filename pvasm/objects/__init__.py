"""Object files: ELF for IA-64, back to sections, symbols, relocations and instructions."""
