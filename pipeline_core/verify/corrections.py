"""Which published odds were wrong: those of another pass over the same input differ. No I/O.

Two passes of different plans publish different messages under the same numbers, so what is compared
is what was *offered*: at each moment at which either says anything of a game, the state of the
markets that they name. What was published as a correction before counts as offered; so a second
comparison finds nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from oddspipe.core.names import Status

SCHEMA: Final = "odds.corrections.v1"
Market = tuple[str, str]
"""Scope and market."""
Lines = list[dict[str, Any]]
Moment = tuple[str, str]
"""A game, and a recorded time as messages write it; of one game they sort by time."""
Told = dict[Moment, list[bytes]]
"""Messages by the moment of their prices, in order."""


class Correction(msgspec.Struct, frozen=True):
    """What partners read: from `as_of` to the game's next message these markets were `markets`."""

    schema: str
    stream: str
    id: str
    type: str
    game: str
    corrects: str | None
    revision: int
    as_of: str
    model: dict[str, str]
    plan: str
    reason: str
    markets: Lines
    was: Lines


class _Head(msgspec.Struct):
    game: str
    as_of: str


class _Offer(msgspec.Struct):
    id: str
    markets: Lines


class _Done(msgspec.Struct):
    revision: int
    markets: Lines


_HEAD = msgspec.json.Decoder(_Head)
_OFFER = msgspec.json.Decoder(_Offer)
_DONE = msgspec.json.Decoder(_Done)


@dataclass
class Compared:
    """What was compared.

    Attributes:
        moments: Moments of games, from the beginning of the stretch.
        corrections: What is to be published, in order of games and times.
        skipped: Games that began before what is read again does: their state is not known.
    """

    moments: int = 0
    corrections: list[Correction] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is compared.

    Attributes:
        sport: Whose odds.
        plan: Logic digest of the plan that is right.
        model: Its model's name and version.
        begins: Time as messages write it; earlier moments are followed and left as they are.
        known_from: Games with earlier odds are skipped; empty for none.
    """

    sport: str
    plan: str
    model: dict[str, str]
    begins: str
    known_from: str = ""


def by_moment(messages: Iterable[bytes], into: Told) -> None:
    """Sort messages by game and time.

    >>> told: Told = {}
    >>> by_moment([b'{"game":"A","as_of":"2026-09-13T18:00:00.000000Z","seq":1}'], told)
    >>> list(told)
    [('A', '2026-09-13T18:00:00.000000Z')]
    """
    for message in messages:
        head = _HEAD.decode(message)
        into.setdefault((head.game, head.as_of), []).append(message)


def compared(stretch: Stretch, offered: Told, done: Told, right: Told) -> Compared:
    """Compare what was offered with what is right.

    Args:
        stretch: See there.
        offered: Messages of the odds topic.
        done: Corrections that were published before.
        right: Messages that the input makes now.
    """
    result = Compared()
    games: dict[str, set[str]] = {}
    for told in (offered, done, right):
        for game, as_of in told:
            games.setdefault(game, set()).add(as_of)
    first: dict[str, str] = {}
    for game, as_of in offered:
        first[game] = min(first.get(game, as_of), as_of)
    for game, times in sorted(games.items()):
        if first.get(game, stretch.known_from) < stretch.known_from:
            result.skipped.add(game)
            continue
        book = _Game(stretch, game)
        for as_of in sorted(times):
            at = (game, as_of)
            parts = (offered.get(at, ()), done.get(at, ()), right.get(at, ()))
            correction = book.at(as_of, *parts)
            if as_of < stretch.begins:
                continue
            result.moments += 1
            result.corrections += [correction] if correction is not None else []
    return result


class _Game:
    """One game: what is offered, and what is right, as of a moment."""

    def __init__(self, stretch: Stretch, game: str) -> None:
        self._stretch, self._game = stretch, game
        self._offered: dict[Market, Lines] = {}
        self._right: dict[Market, Lines] = {}
        self._last: str | None = None

    def at(
        self, as_of: str, offered: Sequence[bytes], done: Sequence[bytes], right: Sequence[bytes]
    ) -> Correction | None:
        """Go on to a moment; return what is wrong there, and take it as corrected."""
        touched: dict[Market, None] = {}
        for value in offered:
            message = _OFFER.decode(value)
            self._last = message.id
            touched |= _put(message.markets, self._offered)
        revision = 0
        for value in done:
            before = _DONE.decode(value)
            revision = max(revision, before.revision)
            touched |= _put(before.markets, self._offered)
        for value in right:
            touched |= _put(_OFFER.decode(value).markets, self._right)
        if as_of < self._stretch.begins:
            return None
        markets: Lines = []
        was: Lines = []
        for market in touched:
            now, before_now = self._right.get(market), self._offered.get(market, [])
            wanted = _cancelled(before_now) if now is None else now
            if _prices(wanted) != _prices(before_now):
                markets += wanted
                was += before_now
                self._offered[market] = wanted
        if not markets:
            return None
        stretch = self._stretch
        name = f"{stretch.sport}:{self._game}:{as_of}:{revision + 1}"
        return Correction(
            SCHEMA, f"{stretch.sport}.odds", name, "correction", self._game, self._last,
            revision + 1, as_of, stretch.model, stretch.plan, "correction", markets, was,
        )  # fmt: skip


def _put(lines: Lines, into: dict[Market, Lines]) -> dict[Market, None]:
    """Replace whole markets by those of a message; return which."""
    found: dict[Market, Lines] = {}
    for line in lines:
        found.setdefault((line["scope"], line["market"]), []).append(line)
    into.update(found)
    return dict.fromkeys(found)


def _prices(lines: Lines) -> list[Any]:
    """Return what makes a price another: line, status and decimal price, not the chance alone."""
    return [
        (
            line["line"],
            line["main"],
            line["status"],
            [(side["side"], side["decimal"]) for side in line["sides"]],
        )
        for line in lines
    ]


def _cancelled(lines: Lines) -> Lines:
    """Return lines that should never have been offered."""
    return [
        {
            **line,
            "status": str(Status.CANCELLED),
            "sides": [
                {name: _none(name, value) for name, value in side.items()} for side in line["sides"]
            ],
        }
        for line in lines
    ]


def _none(name: str, value: Any) -> Any:  # noqa: ANN401 - a value of JSON
    return value if name in {"side", "fair", "push", "booked"} else None


def words_of(correction: Correction) -> list[str]:
    """Return the main lines that change, in words."""
    before = _main_prices(correction.was)
    after = _main_prices(correction.markets)
    return [
        f"{correction.game} {correction.as_of[:23]} {name}: {before.get(name, '-')} → {told}"
        for name, told in after.items()
        if before.get(name) != told
    ]


def _main_prices(lines: Lines) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        if line["main"]:
            number = "" if line["line"] is None else f" {line['line']:g}"
            for side in line["sides"]:
                price = side["decimal"] or "none"
                name = f"{line['scope']} {line['market']} {side['side']}"
                found[name] = f"{price}{number} {line['status']}"
    return found


def encoded(corrections: Iterable[Correction]) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of each."""
    encoder = msgspec.json.Encoder()
    for one in corrections:
        yield one.game.encode(), encoder.encode(one)
