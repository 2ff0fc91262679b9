"""Floor 2: the syntax of IA-64 assembly as GNU as and the C preprocessor read it; text becomes a Document."""
