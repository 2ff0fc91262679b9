"""Floor 7: diagnostics for people and for programs."""
