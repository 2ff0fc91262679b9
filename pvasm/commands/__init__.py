"""The commands: a file for each, with its options (`add`) and what it does. Each imports what it needs when it runs."""
