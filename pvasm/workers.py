"""Worker processes: forked, so that they have all that was imported and read before, and fed one task at a time."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from types import FrameType
from typing import NoReturn

can_fork = hasattr(os, "fork")

_TASK = 4  # bytes of a task's number
_LENGTH = 8  # bytes of the length before an answer
_GRACE = 1.0  # seconds that a worker has to end, once told to
_TICK = 100  # milliseconds


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Worker:
    """One process: where its tasks go in and its answers come out, and the task that it is at."""

    def __init__(self, pid: int, tasks: int, answers: int) -> None:
        self.pid = pid
        self.tasks = tasks
        self.answers = answers
        self.task: int | None = None
        self.received = bytearray()
        self.is_fed = True

    def close(self) -> None:
        """Closes this process's ends of the pipes."""
        os.close(self.answers)
        if self.is_fed:
            os.close(self.tasks)

    def feed(self, waiting: list[int]) -> None:
        """Gives it the next task. With none left to give, its supply ends, and so will it."""
        if waiting:
            self.task = waiting.pop()
            with contextlib.suppress(BrokenPipeError):  # it is dead: its answers end too
                os.write(self.tasks, self.task.to_bytes(_TASK, "little"))
        elif self.is_fed:
            self.is_fed = False
            os.close(self.tasks)

    def answer(self) -> bytes | None:
        """The answer, once it has come in whole; the worker is at no task then."""
        length = int.from_bytes(self.received[:_LENGTH], "little")
        if len(self.received) < _LENGTH + length or len(self.received) < _LENGTH:
            return None
        answer = bytes(self.received[_LENGTH:])
        self.received.clear()
        self.task = None
        return answer


def run_in_workers(
    work: Callable[[int], bytes], tasks: Sequence[int], number: int, tick: Callable[[], None]
) -> Generator[tuple[int, bytes | int], None, None]:
    """Has `number` processes do the tasks, the first ones first; yields each with its answer as it comes in.

    For a task that its process died of, the answer is the exit status, or the number of the signal below zero. `tick`
    is called ten times a second, or as often as something comes in. When the caller has had enough (an exception,
    Ctrl-C), the processes end; should this process be killed, they end after what they are at.
    """
    import select

    waiting = list(reversed(tasks))
    workers: dict[int, _Worker] = {}
    poll = select.poll()

    def start() -> None:
        # A signal between the fork and our knowing of the process would leave it behind.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _DEFERRED)
        try:
            worker = _start(work, list(workers.values()), before)
            workers[worker.answers] = worker
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        poll.register(worker.answers, select.POLLIN)
        worker.feed(waiting)

    try:
        for _ in range(number):
            start()
        while workers:
            for descriptor, _ in poll.poll(_TICK):
                worker = workers[descriptor]
                data = os.read(descriptor, 1 << 16)
                if data:
                    worker.received += data
                    task, answer = worker.task, worker.answer()
                    if task is not None and answer is not None:
                        worker.feed(waiting)
                        yield task, answer
                    continue
                poll.unregister(descriptor)
                (status,) = _end([workers.pop(descriptor)])
                if worker.task is not None:
                    yield worker.task, status
                if waiting and not workers:
                    start()
            tick()
    finally:
        _end(list(workers.values()))


_DEFERRED = {signal.SIGINT, signal.SIGTERM}


def _start(work: Callable[[int], bytes], others: Sequence[_Worker], mask: Iterable[int]) -> _Worker:
    task_end, tasks = os.pipe()
    answers, answer_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        for worker in others:
            worker.close()
        os.close(tasks)
        os.close(answers)
        _live(work, task_end, answer_end, mask)
    os.close(task_end)
    os.close(answer_end)
    return _Worker(pid, tasks, answers)


def _live(work: Callable[[int], bytes], tasks: int, answers: int, mask: Iterable[int]) -> NoReturn:
    """What a worker does, from its start to its end."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches our parent as well, and it ends us
        signal.signal(signal.SIGTERM, _stop)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        while len(number := os.read(tasks, _TASK)) == _TASK:
            answer = work(int.from_bytes(number, "little"))
            rest = memoryview(len(answer).to_bytes(_LENGTH, "little") + answer)
            while rest:
                rest = rest[os.write(answers, rest) :]
        status = 0
    finally:
        os._exit(status)  # no traceback: the parent does what we died of itself, and that tells


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit  # so that what we have started (the C preprocessor) ends too


def _end(workers: Sequence[_Worker]) -> list[int]:
    """Ends processes that may be at work, and waits until they are gone; returns their exit statuses."""
    for worker in workers:
        worker.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE
    return [os.waitstatus_to_exitcode(_wait(worker.pid, deadline)) for worker in workers]


def _wait(pid: int, deadline: float) -> int:
    """The wait status of a process, which has until a time of the monotonic clock to end by itself."""
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status
        if time.monotonic() >= deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return os.waitpid(pid, 0)[1]
        time.sleep(0.002)
