"""Paravirtualization of hand-written IA-64 assembly: parse, check, expand."""

__version__ = "0.2.0.dev0"
