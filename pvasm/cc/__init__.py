"""A compiler's command, with ops expanded in its assembly: preprocess, expand, assemble."""

from pvasm.cc.run import compile_with

__all__ = ["compile_with"]
