"""The rules, one file each: code, documentation, examples that are its tests, and what it looks for."""
