"""Alternatives: one object that holds the code of several instances, and its records."""
