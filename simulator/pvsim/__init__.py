"""Runs IA-64 code: `Machine` is one processor with memory, `load_image` puts code there."""
