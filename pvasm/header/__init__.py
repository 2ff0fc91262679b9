"""Instances as headers for the C preprocessor and GNU as, and such headers as instances."""
