"""The exit statuses of the command line."""

FOUND = 1  # findings at error level
CANNOT_RUN = 2
INTERRUPTED = 130  # as shells have it for SIGINT
PIPE_CLOSED = 141  # as they have it for SIGPIPE
