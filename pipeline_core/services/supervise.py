"""Keep processes running: start them, pass on what they say, start again what has ended."""

import ctypes
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from oddspipe.core.clock import Clock
from oddspipe.core.errors import RunError

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 10.0
LIVED_S: Final = 20.0
"""A process that ran for so long had begun well: its next start waits the shortest pause again."""
LOOK_S: Final = 0.1
STOP_S: Final = 45.0
"""Longest wait for processes that were told to end; they finish what they have read."""
FOR_GOOD: Final = frozenset({1, 2, 3})
"""Exit codes after which another start would end the same way: spec, usage, plug-in."""
_PR_SET_PDEATHSIG: Final = 1


@dataclass(slots=True)
class Child:
    """One process that is kept running.

    Attributes:
        name: What it is called in front of its lines.
        command: Its words.
        last: Words that let it end by itself once all is drained.
        starts: How often it was started.
    """

    name: str
    command: Sequence[str]
    last: Sequence[str] = ()
    starts: int = 0
    process: "subprocess.Popen[str] | None" = None
    began_ns: int = 0
    due_ns: int = 0
    pause_s: float = FIRST_PAUSE_S
    ending: bool = False
    _reader: threading.Thread | None = field(default=None, repr=False)


class Supervisor:
    """Keeps processes running until it is told to stop, or all have drained.

    Args:
        levels: Processes by how they follow each other: what a level makes, the next one takes.
        environ: Surroundings of all of them.
        tell: Takes each line that one says, with its name.
        clock: What pauses go by.
    """

    def __init__(
        self,
        levels: Sequence[Sequence[Child]],
        environ: Mapping[str, str],
        tell: Callable[[str, str], None],
        clock: Clock,
    ) -> None:
        """Take what is to run; nothing is started yet."""
        self._levels = [list(level) for level in levels if level]
        self._environ, self._tell, self._clock = dict(environ), tell, clock
        # Loaded before any fork: a child may not import in between.
        self._libc = ctypes.CDLL(None)

    @property
    def children(self) -> list[Child]:
        """Return all processes, in order."""
        return [child for level in self._levels for child in level]

    def run(self, stopped: Callable[[], bool], *, until_idle: bool) -> None:
        """Keep all running; level by level to their end with `until_idle`.

        Raises:
            RunError: One ended in a way that no other start would mend; all others were stopped.
        """
        try:
            if until_idle:
                for level in self._levels:
                    self._drain(level, stopped)
            while not stopped() and not until_idle:
                self._look(self.children)
                self._clock.sleep(LOOK_S)
        finally:
            self._stop(self.children)

    def pass_on(self, number: int) -> None:
        """Send a signal to all that run."""
        for child in self.children:
            if child.process is not None:
                child.process.send_signal(number)

    def _drain(self, level: Sequence[Child], stopped: Callable[[], bool]) -> None:
        """Let a level run to its end while all others go on."""
        self._stop(level)
        for child in level:
            child.ending, child.due_ns = True, 0
        while not stopped():
            self._look(self.children)
            # One that broke waits for another start: only what ended in order has drained.
            if all(child.process is None and child.due_ns < 0 for child in level):
                return
            self._clock.sleep(LOOK_S)

    def _look(self, children: Sequence[Child]) -> None:
        """Start what is due, and see to what has ended."""
        now = self._clock.monotonic_ns()
        for child in children:
            if child.process is None:
                if child.due_ns >= 0 and now >= child.due_ns:
                    self._start(child, now)
            elif (code := child.process.poll()) is not None:
                self._ended(child, code, now)

    def _ended(self, child: Child, code: int, now: int) -> None:
        self._forget(child)
        if child.ending and code == 0:
            child.due_ns = -1
            return
        if code in FOR_GOOD:
            raise RunError(
                f"{child.name} ended with exit code {code}: another start would end the same way",
                hint="What is wrong stands in its last lines above.",
            )
        lived_s = (now - child.began_ns) / 1e9
        child.pause_s = FIRST_PAUSE_S if lived_s > LIVED_S else child.pause_s
        child.due_ns = now + int(child.pause_s * 1e9)
        how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended ({code})"
        self._tell(child.name, f"{how}; started again in {child.pause_s:g} s")
        child.pause_s = min(2 * child.pause_s, LONGEST_PAUSE_S)

    def _start(self, child: Child, now: int) -> None:
        words = [*child.command, *(child.last if child.ending else ())]
        child.process = subprocess.Popen(  # noqa: S603 - words of ours
            words,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Ctrl-C in the terminal is for us: we end them in order. What ends us ends them too.
            start_new_session=True,
            preexec_fn=self._die_with_us,  # noqa: PLW1509 - one system call, nothing is imported
        )
        child.starts += 1
        child.began_ns = now
        child._reader = threading.Thread(target=self._pass_on, args=(child,), daemon=True)  # noqa: SLF001 - ours
        child._reader.start()  # noqa: SLF001 - ours

    def _die_with_us(self) -> None:
        self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    def _pass_on(self, child: Child) -> None:
        process = child.process
        if process is None or process.stdout is None:
            return
        with process.stdout as lines:
            for line in lines:
                self._tell(child.name, line.rstrip())

    def _forget(self, child: Child) -> None:
        if child._reader is not None:  # noqa: SLF001 - ours
            child._reader.join(2.0)  # noqa: SLF001 - ours
        child.process = child._reader = None  # noqa: SLF001 - ours

    def _stop(self, children: Sequence[Child]) -> None:
        """Let processes finish what they have read, one level after the other's order."""
        running = [(child, child.process) for child in children if child.process is not None]
        for _, process in running:
            process.terminate()
        deadline = self._clock.monotonic_ns() + int(STOP_S * 1e9)
        for child, process in running:
            left_s = max((deadline - self._clock.monotonic_ns()) / 1e9, 0.1)
            try:
                process.wait(left_s)
            except subprocess.TimeoutExpired:
                self._tell(child.name, f"does not end within {STOP_S:g} s; killed")
                process.kill()
                process.wait()
            self._forget(child)
