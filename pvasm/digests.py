"""Digests, which tell contents from each other: BLAKE2b, of 256 bits.

Python has it in a module of its own. `hashlib` looks for all that OpenSSL has first, which takes as long as importing
the checker.
"""

from __future__ import annotations

try:
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

SIZE = 32
"""Of a digest, in bytes."""


def digest(content: bytes) -> bytes:
    """The digest of some bytes."""
    return blake2b(content, digest_size=SIZE).digest()
