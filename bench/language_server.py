"""How soon `pvasm lsp` tells what it finds: `python bench/language_server.py [FILE.S]` (by default the corpus' ivt.S).

Times are wall times, seen from the client: from the start of the server, and from the opening of the file, to the first
diagnostics; and from an edit to its diagnostics. The edits are those of somebody who types: a comment, a new line, a
character less, each somewhere else.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.corpus.build import corpus

STARTS, EDITS = 5, 30
PAUSE = 0.25  # seconds between edits
DIAGNOSTICS = "textDocument/publishDiagnostics"


class Client:
    """A server, and what is said to it."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "pvasm", "lsp"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout

    def send(self, method: str, parameters: object, number: int | None = None) -> None:
        """Sends a notification, or a request with this number."""
        message = {"jsonrpc": "2.0", "method": method, "params": parameters} | (
            {} if number is None else {"id": number}
        )
        body = json.dumps(message).encode()
        self._to.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._to.flush()

    def wait_for(self, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message of this sort."""
        while True:
            length = 0
            while line := self._from.readline().strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            if not length:
                sys.exit("bench: the server has gone")
            message: dict[str, Any] = json.loads(self._from.read(length))
            if is_wanted(message):
                return message

    def diagnostics(self) -> int:
        """Waits for diagnostics; how many there are."""
        return len(self.wait_for(lambda message: message.get("method") == DIAGNOSTICS)["params"]["diagnostics"])

    def end(self) -> None:
        """Ends the server."""
        self._process.kill()
        self._process.communicate()


def opened(path: Path, text: str) -> tuple[Client, float, float, int]:
    """A server with the file open: seconds from its start, and from the opening, to its findings, and their number."""
    start = time.perf_counter()
    client = Client(path.parent)
    client.send("initialize", {"processId": None, "rootUri": path.parent.as_uri(), "capabilities": {}}, 1)
    client.wait_for(lambda message: "id" in message)
    client.send("initialized", {})
    opening = time.perf_counter()
    document = {"uri": path.as_uri(), "languageId": "asm", "version": 1, "text": text}
    client.send("textDocument/didOpen", {"textDocument": document})
    found = client.diagnostics()
    end = time.perf_counter()
    return client, end - start, end - opening, found


def edited(lines: list[str], number: int) -> None:
    """Changes a line, or inserts one."""
    at = (300 + 60 * number) % len(lines)
    if number % 3 == 0:
        lines[at] += " // x"
    elif number % 3 == 1:
        lines.insert(at, f"\tadd r{14 + number} = r2, r3")
    else:
        lines[at] = lines[at][:-1]


def main() -> int:
    """Measures, and prints."""
    if sys.argv[1:]:
        path = Path(sys.argv[1]).resolve()
    else:
        (path,) = (file.raw for file in corpus().files if file.name == "ivt")
    text = path.read_text()
    starts = []
    for number in range(STARTS):
        client, since_start, since_opening, found = opened(path, text)
        starts.append((since_start, since_opening))
        if number < STARTS - 1:
            client.end()
    lines, edits = text.split("\n"), []
    for number in range(EDITS):
        edited(lines, number)
        document = {"uri": path.as_uri(), "version": number + 2}
        start = time.perf_counter()
        changes = [{"text": "\n".join(lines)}]
        client.send("textDocument/didChange", {"textDocument": document, "contentChanges": changes})
        client.diagnostics()
        edits.append(time.perf_counter() - start)
        time.sleep(PAUSE)
    client.end()
    first, later = (statistics.median(column) for column in zip(*starts, strict=True))
    print(f"{path.name}, {text.count(chr(10)):,} lines, {found} findings; medians, and the most:")
    print(f"from the start of the server {first:.3f} s ({max(each for each, _ in starts):.3f})")
    print(f"from the opening of the file {later:.3f} s ({max(each for _, each in starts):.3f})")
    print(f"from an edit {statistics.median(edits):.3f} s ({max(edits):.3f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
