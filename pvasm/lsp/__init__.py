"""A language server: what the other commands tell, as one types."""
