"""A tree that there is: what a configuration for it should say, and the file that says so."""
