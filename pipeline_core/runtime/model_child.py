"""The process of a model: reads states, answers with marginals, ends with who started it.

Started as `python -m oddspipe.core.runtime.model_child IN OUT LIFE`, three descriptors. The first
message names the model; the answer says whether it loaded. Then each question has one answer.
"""

import fcntl
import os
import resource
import select
import signal
import sys
from typing import Any, Final

import msgspec

F_SETSIG: Final = 10
"""Linux: which signal tells that something happened to a descriptor; not in `fcntl` before 3.14."""
_GONE: Final = 0


class Loaded(msgspec.Struct):
    """What the first message says.

    Attributes:
        path: Where modules are looked for, as in the process that asks.
        name, parameters: The model.
        needs: Scopes and marginals that are asked of it.
        memory_bytes: What it may take beyond what it takes once it is loaded.
    """

    path: list[str]
    name: str
    parameters: dict[str, Any]
    needs: list[tuple[str, str]]
    memory_bytes: int


def tie(life: int) -> None:
    """Die at once when the other end of a pipe is closed, by whatever ended its owner.

    The kernel sends the signal: a model that computes for ever, and lets no other thread run, dies
    with its parent all the same. A death signal (PR_SET_PDEATHSIG) would come when the thread ends
    that started this process, not the process.
    """
    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    gone = select.poll()
    gone.register(life, select.POLLIN)
    if gone.poll(0):  # before the kernel was asked to tell
        os._exit(1)


def received(source: int) -> tuple[int, bytes, memoryview]:
    """Return the next message: kind, head and body; kind 0 at the end."""
    from oddspipe.core.runtime.model_wire import HEAD  # noqa: PLC0415 - after the path is set

    first = _read(source, HEAD.size)
    if len(first) < HEAD.size:
        return _GONE, b"", memoryview(b"")
    kind, head, body = HEAD.unpack(first)
    return kind, bytes(_read(source, head)), _read(source, body)


def serve(source: int, out: int) -> None:
    """Load the model and answer until the other side is gone."""
    import numpy as np  # noqa: PLC0415 - as above

    from oddspipe.core.ports.model import GameStates  # noqa: PLC0415 - as above
    from oddspipe.core.runtime import model_wire as wire  # noqa: PLC0415 - as above

    _, head, _ = received(source)
    loaded = msgspec.json.decode(head, type=Loaded)
    sys.path[:] = loaded.path
    try:
        model = _made(loaded)
    except Exception as error:  # noqa: BLE001 - a guest may raise anything
        _send(out, wire.message(wire.BROKEN, f"{type(error).__name__}: {error}"))
        return
    # Threads and tables that Arrow needs count as loaded.
    wire.states_of(wire.asked(GameStates({"a": np.zeros(1)}), ["a"])[-1])
    _limit(loaded.memory_bytes)
    _send(out, wire.message(wire.READY))
    while True:
        kind, _, body = received(source)
        if kind != wire.ASK:
            return
        try:
            answer = wire.answered(model.price(wire.states_of(body)), loaded.needs)
        except Exception as error:  # noqa: BLE001 - raised again where it was asked
            answer = wire.message(wire.RAISED, (type(error).__name__, str(error)))
        _send(out, answer)


def _made(loaded: Loaded) -> Any:  # noqa: ANN401 - what a plug-in is, only its protocol says
    from oddspipe.core.ports.registry import load_model  # noqa: PLC0415 - after the path is set

    made: Any = load_model(loaded.name)
    return made(made.Parameters(**loaded.parameters))


def _limit(memory_bytes: int) -> None:
    """Bound the address space to what it is now and so much more."""
    with open("/proc/self/statm", encoding="ascii") as told:  # noqa: PTH123 - no import the less
        pages = int(told.read().split()[0])
    most = pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _read(source: int, size: int) -> memoryview:
    """Return so many bytes; fewer at the end."""
    room = memoryview(bytearray(size))
    have = 0
    while have < size:
        got = os.readv(source, [room[have:]])
        if not got:
            return room[:have]
        have += got
    return room


def _send(out: int, parts: list[memoryview]) -> None:
    for part in parts:
        sent = 0
        while sent < len(part):
            sent += os.write(out, part[sent:])


def main() -> None:
    """Serve; an interrupt from the terminal is for who started this, to drain first."""
    source, out, life = map(int, sys.argv[1:4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tie(life)
    serve(source, out)


if __name__ == "__main__":
    main()
