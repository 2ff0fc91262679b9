"""A compiler's command, with ops expanded in its assembly: preprocess, expand, assemble."""
