"""Floor 6: the checker. An engine, and rules that it knows only by their common face."""
