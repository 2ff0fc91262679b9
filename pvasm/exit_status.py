"""The exit statuses of the command line, and what the commands' help says of them."""

FOUND = 1  # findings at error level
CANNOT_RUN = 2
FAILED = 1  # what a compiler, and pvasm in its place, finds wrong in a source
NOT_FOUND, NOT_EXECUTABLE = 127, 126  # of a program that is to be run; as shells and `env` have them
INTERRUPTED = 130  # as shells have it for SIGINT
PIPE_CLOSED = 141  # as they have it for SIGPIPE

_ANY = ((INTERRUPTED, "it was interrupted"), (PIPE_CLOSED, "nobody reads its output."))

# By command: when its exit status is 0, when it is FOUND or other than those that all have, and when CANNOT_RUN.
_MEANINGS = {
    "init": ("a configuration is written, whatever a check finds", "", "there is one, or the tree cannot be checked"),
    "parse": ("all is read", "", "it could not run, or text is no statement"),
    "check": (
        "nothing at error level was found (or --exit-zero)",
        f"{FOUND} findings at error level; with --diff, something to fix or left at error level",
        "it could not run, or could not check everything",
    ),
    "explain": ("done", "", "there is no such code"),
    "report": ("the report is written, whatever is found", "", "it could not run, or could not check everything"),
    "expand": (
        "all variants are written",
        "",
        "something is wrong with a source or the command, and nothing is written",
    ),
    "cc": (
        "done",
        f"{FAILED} something is wrong with a source; else the compiler's own, or {NOT_FOUND} or {NOT_EXECUTABLE} if it "
        "cannot be run",
        "something is wrong with the command or the instance",
    ),
    "disasm": ("done", "", "the file cannot be read, is damaged, or there is no such section or symbol"),
    "diff": (
        "the code is the same",
        f"{FOUND} it differs",
        "a file cannot be read, is damaged, or there is no such function",
    ),
    "patch": (
        "done",
        f"{FOUND} with --verify: the code is not that of the instance alone, and nothing is written",
        "the file cannot be read or has no records, they are not right, or something cannot be put in its place",
    ),
    "header": ("done", "", "it could not run"),
    "tables": (
        "done",
        f"{FOUND} no object defines a symbol that is asked for, and nothing is written",
        "it could not run, or the tables are not complete",
    ),
    "import": ("done", "", "something is wrong with the header or the command"),
    "simulate": (
        "the code returned; with --batch, all programs were run, however they ended",
        f"{FOUND} it ended otherwise: why is told",
        "it could not run, a group is not right (--strict), or a program of --batch",
    ),
    "compare": (
        "the variants do the same, as far as was tried",
        f"{FOUND} they differ: how is told",
        "it could not run",
    ),
    "scenario new": ("done", "", "the source is wrong, there is no such label, or the file exists"),
    "scenario schema": ("done", "", "it could not run"),
    "test": (
        "every scenario ends as it says, and for each instance alike",
        f"{FOUND} one does not",
        "it could not run, or a file is no scenario",
    ),
    "lsp": (
        "the editor has ended it",
        f"{FAILED} the editor has gone without telling it to stop",
        "pygls is not installed",
    ),
    "completion": ("done", "", "shtab is not installed"),
    "serve": (
        "nobody has asked for a while, or it was stopped",
        f"{FOUND} with --stop: there is none",
        "there can be none",
    ),
    "help": ("done", "", "there is no such command"),
    "man": ("done", "", "there is no such command, or the folder cannot be written"),
    "instance list": ("done", "", "it could not run"),
    "instance show": ("done", "", "there is no such instance or op, or it is not valid"),
    "instance validate": ("complete and sound", f"{FOUND} findings at error level", "a file is no instance"),
    "instance new": ("done", "", "it could not run, or the file exists"),
    "instance diff": ("the instances do the same", f"{FOUND} they differ", "there is no such instance or op"),
    "instance entry": ("done", "", "there is no such instance, or it has no entry of its own"),
    "instance schema": ("done", "", "it could not run"),
}

COMMANDS = tuple(_MEANINGS)
"""The commands that have exit statuses of their own."""


def meanings(command: str) -> list[tuple[int, str]]:
    """The exit statuses of a command (`instance show`), in order, and what each means; none for what is no command."""
    known = _MEANINGS.get(command)
    if known is None:
        return []
    done, found, wrong = known
    status, _, said = found.partition(" ")
    return [(0, done), *([(int(status), said)] if found else []), (CANNOT_RUN, wrong), *_ANY]


def told(command: str) -> str | None:
    """What the help of a command (`instance show`) says of its exit status; None for what is no command."""
    found = meanings(command)
    if not found:
        return None
    return f"Exit status: {'; '.join(f'{status} {said}' for status, said in found)}"
