"""How the language server ends."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("messages", "status"), [(("shutdown", "exit"), 0), (("exit",), 1), ((), 1)])
def test_an_editor_goes(messages: tuple[str, ...], status: int) -> None:
    """With a word, or without one: then nothing is said, either."""
    bodies = [{"method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}, "id": 1}]
    bodies += [{"method": each} | ({"id": 2} if each == "shutdown" else {}) for each in messages]
    sent = b""
    for body in bodies:
        content = json.dumps({"jsonrpc": "2.0"} | body).encode()
        sent += b"Content-Length: %d\r\n\r\n%s" % (len(content), content)
    done = subprocess.run(
        [sys.executable, "-m", "pvasm", "lsp"], input=sent, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (status, b"")
