"""Requests that make no sense: whoever asks is answered all the same, and the server goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest


def answers(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    """What a server says to these, which it is told one after the other."""
    start = {"method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}, "id": 1}
    sent = b""
    for message in (start, *messages, {"method": "shutdown", "id": 2}, {"method": "exit"}):
        content = json.dumps({"jsonrpc": "2.0"} | message).encode()
        sent += b"Content-Length: %d\r\n\r\n%s" % (len(content), content)
    command = [sys.executable, "-m", "pvasm", "lsp"]
    done = subprocess.run(command, input=sent, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    found = []
    rest = done.stdout
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
        found.append(json.loads(rest[:length]))
        rest = rest[length:]
    return found


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        [],
        None,
        {"textDocument": {"uri": "file:///a.S"}, "position": {"line": -1, "character": -1}},
        {"position": 3},
    ],
)
def test_a_request_with_wrong_parameters_is_answered(parameters: object) -> None:
    asked = {"method": "textDocument/hover", "params": parameters, "id": 77}
    right = {"textDocument": {"uri": "file:///a.S"}, "position": {"line": 1 << 30, "character": 1 << 30}}
    later = {"method": "textDocument/hover", "params": right, "id": 78}
    said = answers(asked, later)
    by_number = {each["id"]: each for each in said if "id" in each}
    assert by_number[77]["error"] == {"code": -32602, "message": "Invalid Params"}
    assert by_number[78]["result"] is None
    assert by_number[2]["result"] is None
    assert not [each for each in said if each.get("method") == "window/showMessage"]
