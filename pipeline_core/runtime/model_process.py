"""Ask a model in a process of its own: it may hang, crash or take all memory, and only it ends."""

import contextlib
import fcntl
import os
import select
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from oddspipe.core.clock import Clock, SystemClock
from oddspipe.core.errors import PluginError
from oddspipe.core.parts import Isolation, MarketPlan, ModelPlan
from oddspipe.core.ports.model import GameStates, ScoreDistribution
from oddspipe.core.runtime import model_wire as wire
from oddspipe.core.runtime.model_child import Loaded
from oddspipe.core.runtime.model_wire import Need
from oddspipe.core.stages.isolate import CrashedError, HungError
from oddspipe.core.stages.markets import marginals_of

START_S: Final = 60.0
"""Longest time for a process to start and load its model; a second is usual."""
PIPE_BYTES: Final = 1 << 20
"""What a pipe holds, where it is allowed: fewer turns between the processes than with 64 KiB."""
PATIENT: Final = 3
"""Failures in a row after which a new process has to wait before it is asked."""
LONGEST_REST_S: Final = 30.0
LAST_S: Final = 2.0
"""How long a process that closed its pipes may take to end: one that dumps its core needs some."""


@dataclass
class _Child:
    """One process, and the ends of its pipes that are ours."""

    process: subprocess.Popen[bytes]
    asks: int
    answers: int
    life: int
    clock: Clock
    began_ns: int
    ready: bool = False
    _open: bool = field(default=True)

    def send(self, parts: Sequence[memoryview], until_ns: int) -> None:
        """Write a message.

        Raises:
            TimeoutError: It was not taken in time.
            BrokenPipeError: The process has ended.
        """
        for part in parts:
            sent = 0
            while sent < len(part):
                self._wait(self.asks, select.POLLOUT, until_ns)
                with contextlib.suppress(BlockingIOError):
                    sent += os.write(self.asks, part[sent:])

    def receive(self, until_ns: int) -> tuple[int, bytes, memoryview]:
        """Read a message.

        Raises:
            TimeoutError: It did not come in time.
            EOFError: The process has ended.
        """
        kind, head, body = wire.HEAD.unpack(self._read(wire.HEAD.size, until_ns))
        return kind, bytes(self._read(head, until_ns)), self._read(body, until_ns)

    def _read(self, size: int, until_ns: int) -> memoryview:
        room = memoryview(bytearray(size))
        have = 0
        while have < size:
            self._wait(self.answers, select.POLLIN, until_ns)
            with contextlib.suppress(BlockingIOError):
                got = os.readv(self.answers, [room[have:]])
                if not got:
                    raise EOFError
                have += got
        return room

    def _wait(self, descriptor: int, event: int, until_ns: int) -> None:
        left_ns = until_ns - self.clock.monotonic_ns()
        poll = select.poll()
        poll.register(descriptor, event)
        if left_ns <= 0 or not poll.poll(left_ns / 1e6):
            raise TimeoutError

    def end(self, *, has_gone: bool = False) -> str:
        """End it, whatever it does; return how it ended if it had by itself."""
        if not self._open:
            return ""
        self._open = False
        # One that closed its pipes has ended, or is about to: what ended it is worth a moment.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(LAST_S if has_gone else 0.0)
        code = self.process.returncode
        self.process.kill()
        self.process.wait()
        for descriptor in (self.asks, self.answers, self.life):
            os.close(descriptor)
        return "" if code is None else f"signal {-code}" if code < 0 else f"code {code}"


class ModelProcess:
    """A model whose `price` is answered by a process of its own, within a time and a memory.

    A process that crashes or is too late is ended, and another one started at once; until that is
    there, and after three failures in a row for a while, nothing is asked and the answer is that
    there is none.

    Args:
        model: The model.
        isolation: Deadline and memory.
        markets: What will be made of the answers; no more than that is sent.
        clock: What deadlines go by.

    Attributes:
        restarts: Processes that were started after the first.
    """

    def __init__(
        self,
        model: ModelPlan,
        isolation: Isolation,
        markets: tuple[MarketPlan, ...],
        clock: Clock | None = None,
    ) -> None:
        """Start the process and wait until the model is loaded.

        Raises:
            PluginError: The model does not load there.
        """
        self.restarts = 0
        self._model, self._isolation = model, isolation
        self._needs: list[Need] = marginals_of(markets)
        self._clock = clock or SystemClock()
        self._failed = 0
        self._rests_until_ns = 0
        self._child = self._start()
        self._greet(self._child, self._clock.monotonic_ns() + int(START_S * 1e9))

    def price(self, states: GameStates) -> Mapping[str, ScoreDistribution]:
        """Return the model's answer.

        Raises:
            HungError: It took longer than the deadline, or a new process is not there yet.
            CrashedError: The process ended.
            Exception: Whatever the model raised, by name and text.
        """
        now = self._clock.monotonic_ns()
        if now < self._rests_until_ns:
            raise HungError(
                f"the model's process failed {self._failed} times and rests for a while"
            )
        until = now + self._isolation.deadline_us * 1000
        if not self._child.ready:
            self._await(until)
        try:
            self._child.send(wire.asked(states, self._model.inputs or states.columns), until)
            kind, head, body = self._child.receive(until)
        except TimeoutError:
            seconds = self._isolation.deadline_us / 1e6
            raise self._anew(HungError(f"the model did not answer within {seconds:g} s")) from None
        except (EOFError, BrokenPipeError):
            raise self._anew(CrashedError("the model's process ended")) from None
        self._failed = 0
        if kind == wire.RAISED:
            name, text = msgspec.json.decode(head, type=tuple[str, str])
            raise type(name, (Exception,), {})(text)
        return wire.answer_of(head, body)

    def close(self) -> None:
        """End the process; may be called twice."""
        self._child.end()

    @property
    def pid(self) -> int:
        """Return the number of the process."""
        return self._child.process.pid

    def _await(self, until_ns: int) -> None:
        """Wait for a new process as long as a batch may; it may need several such times."""
        try:
            self._greet(self._child, until_ns)
        except TimeoutError:
            if self._clock.monotonic_ns() - self._child.began_ns > START_S * 1e9:
                raise self._anew(HungError("the model's process does not start")) from None
            raise HungError("the model's process is still being started") from None
        except PluginError as error:
            raise self._anew(CrashedError(error.message)) from None

    def _greet(self, child: _Child, until_ns: int) -> None:
        """Wait until the model is loaded there.

        Raises:
            PluginError: It does not load.
            TimeoutError: It takes longer.
        """
        try:
            kind, head, _ = child.receive(until_ns)
        except EOFError:
            raise PluginError(
                f"the process of model {self._model.name!r} ended while it was loaded: "
                f"{child.end(has_gone=True) or 'it closed its pipes'}"
            ) from None
        if kind != wire.READY:
            raise PluginError(
                f"model {self._model.name!r} does not load in a process of its own: "
                f"{msgspec.json.decode(head)}",
                hint="oddspipe plugin check says more.",
            )
        child.ready = True

    def _anew(self, told: HungError) -> HungError:
        """End the process and start another; return the error with how the process ended."""
        how = self._child.end(has_gone=isinstance(told, CrashedError))
        self._end.detach()
        self._failed += 1
        self.restarts += 1
        if self._failed >= PATIENT:
            rest_s = min(2.0 ** (self._failed - PATIENT), LONGEST_REST_S)
            self._rests_until_ns = self._clock.monotonic_ns() + int(rest_s * 1e9)
        self._child = self._start()
        return type(told)(f"{told.message}: {how}") if how else told

    def _start(self) -> _Child:
        theirs_in, asks = os.pipe()
        answers, theirs_out = os.pipe()
        theirs_life, life = os.pipe()
        theirs = (theirs_in, theirs_out, theirs_life)
        for descriptor in (asks, answers):
            os.set_blocking(descriptor, False)
            with contextlib.suppress(OSError):
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        words = [sys.executable, "-P", "-m", "oddspipe.core.runtime.model_child"]
        try:
            process = subprocess.Popen(  # noqa: S603 - ourselves
                [*words, *map(str, theirs)],
                pass_fds=theirs,
                stdin=subprocess.DEVNULL,
                # Each arena of glibc reserves 64 MiB of the address space that is limited.
                env={"MALLOC_ARENA_MAX": "2", **os.environ},
            )
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        began_ns = self._clock.monotonic_ns()
        child = _Child(process, asks, answers, life, self._clock, began_ns)
        self._end = weakref.finalize(self, child.end)
        first = Loaded(
            [*sys.path],
            self._model.name,
            self._model.parameters,
            self._needs,
            self._isolation.memory_bytes,
        )
        with contextlib.suppress(TimeoutError, BrokenPipeError):  # told by what is read next
            child.send(wire.message(wire.ASK, first), began_ns + int(START_S * 1e9))
        return child
