"""Schedules as calendars (RFC 5545): one VEVENT a game.

A small reader in place of a library: it knows the line of every fault, and refuses what a library
would read as something else (a day without a time, a time that does not exist, a rule of
repetition).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from oddspipe.core.schedules.entry import Entry, Fault, Found

TEAMS: Final = re.compile(
    r"(?P<first>.+?)\s+(?P<how>at|@|vs\.?|v\.?)\s+(?P<second>.+)", re.IGNORECASE
)
"""`AWAY at HOME`, `AWAY @ HOME`, `HOME vs AWAY`, `HOME v AWAY`."""
_PROPERTY: Final = re.compile(
    r'(?P<name>[A-Za-z0-9-]+)(?P<more>(?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^";:,]*)'
    r'(?:,(?:"[^"]*"|[^";:,]*))*)*):(?P<value>.*)',
    re.DOTALL,
)
_PARAMETER: Final = re.compile(r';([A-Za-z0-9-]+)=("[^"]*"|[^";:]*)')
_WHEN: Final = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(Z?)")
_ONCE: Final = ("UID", "DTSTART", "DTEND", "SUMMARY", "LOCATION")
_REPEATS: Final = ("RRULE", "RDATE", "RECURRENCE-ID")


@dataclass(frozen=True, slots=True)
class _Property:
    line: int
    parameters: dict[str, str]
    value: str


@dataclass(slots=True)
class _Event:
    line: int
    properties: dict[str, _Property] = field(default_factory=dict)


def read_ics(data: bytes) -> Found:
    """Return the games of a calendar: UID, DTSTART, SUMMARY and LOCATION of each VEVENT.

    SUMMARY names the teams as `TEAMS` has it. A DTSTART with TZID keeps that zone; one in UTC or
    without any gets the sport's. Cancelled events are left out.
    """
    reader = _Reader()
    for line, raw in _unfolded(data):
        try:
            reader.take(line, raw.decode("utf-8"))
        except UnicodeDecodeError:
            reader.found.append(Fault(line, "this is not UTF-8; save the file as UTF-8"))
    reader.end()
    return reader.found


class _Reader:
    """Takes the lines of a calendar one by one; knows which parts are open."""

    def __init__(self) -> None:
        self.found: Found = []
        self._open: list[tuple[str, int]] = []
        self._event: _Event | None = None

    def take(self, line: int, text: str) -> None:
        match = _PROPERTY.fullmatch(text)
        if match is None:
            message = "this is no NAME:value of a calendar; mend or remove it"
            self.found.append(Fault(line, message))
            return
        name, value = match["name"].upper(), match["value"]
        if name == "BEGIN":
            self._open.append((value.strip().upper(), line))
            if self._inside("VCALENDAR", "VEVENT"):
                self._event = _Event(line)
        elif name == "END":
            self._close(line, value.strip().upper())
        elif self._event is not None and self._inside("VCALENDAR", "VEVENT"):
            self._property(line, name, match)

    def end(self) -> None:
        for name, line in self._open:
            message = f"{name} has no END; the file was cut off: get it again"
            self.found.append(Fault(line, message))

    def _inside(self, *names: str) -> bool:
        return tuple(name for name, _ in self._open) == names

    def _close(self, line: int, name: str) -> None:
        if not self._open or self._open[-1][0] != name:
            message = f"END:{name} ends nothing; BEGIN and END are pairs"
            self.found.append(Fault(line, message))
            return
        self._open.pop()
        if self._event is not None and self._inside("VCALENDAR"):
            self.found += _game(self._event)
            self._event = None

    def _property(self, line: int, name: str, match: re.Match[str]) -> None:
        if self._event is None:
            return
        if name in self._event.properties and name in _ONCE:
            self.found.append(Fault(line, f"{name} is there twice in one event; keep one"))
        given = {one.upper(): said.strip('"') for one, said in _PARAMETER.findall(match["more"])}
        self._event.properties.setdefault(name, _Property(line, given, match["value"]))


def _unfolded(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield logical lines with the number of their first; folds may lie within a character."""
    start, kept = 0, b""
    for number, raw in enumerate(data.split(b"\n"), 1):
        line = raw.removesuffix(b"\r")
        if start and line[:1] in (b" ", b"\t"):
            kept += line[1:]
            continue
        if kept:
            yield start, kept
        start, kept = number, line
    if kept:
        yield start, kept


def _game(event: _Event) -> Iterator[Entry | Fault]:
    """Yield the game of an event, or what is wrong with it; nothing if it was cancelled."""
    given = event.properties
    if "STATUS" in given and given["STATUS"].value.strip().upper() == "CANCELLED":
        return
    faults = [
        Fault(given[name].line, f"{name}: games do not repeat; write an event a game")
        for name in _REPEATS
        if name in given
    ]
    faults += [
        Fault(event.line, f"the event has no {name}; give it one")
        for name in ("UID", "DTSTART", "SUMMARY", "LOCATION")
        if name not in given
    ]
    times = {name: _when(name, given[name]) for name in ("DTSTART", "DTEND") if name in given}
    faults += [one for one in times.values() if isinstance(one, Fault)]
    if faults:
        yield from faults
        return
    begins, ends = times["DTSTART"], times.get("DTEND")
    zones = {given[name].parameters.get("TZID") for name in times}
    if isinstance(begins, str) and isinstance(ends, str) and len(zones) == 1 and ends <= begins:
        yield Fault(given["DTEND"].line, "DTEND is not after DTSTART; mend one of them")
        return
    match = TEAMS.fullmatch(_text(given["SUMMARY"].value))
    if match is None:
        message = "SUMMARY names no two teams; write AWAY at HOME or HOME vs AWAY"
        yield Fault(given["SUMMARY"].line, message)
        return
    first, second = match["first"].strip(), match["second"].strip()
    away_first = match["how"].lower() in {"at", "@"}
    yield Entry(
        event.line,
        {
            "game_id": _text(given["UID"].value),
            "kickoff": str(begins),
            "home": second if away_first else first,
            "away": first if away_first else second,
            "venue": _text(given["LOCATION"].value),
            "zone": given["DTSTART"].parameters.get("TZID", ""),
        },
    )


def _when(name: str, given: _Property) -> str | Fault:
    """Return a time as ISO 8601 text, with Z if it is in UTC."""
    match = _WHEN.fullmatch(given.value.strip())
    if match is None or given.parameters.get("VALUE", "DATE-TIME").upper() != "DATE-TIME":
        message = f"{name} is no day with a time; write it as {name};TZID=Europe/London:"
        return Fault(given.line, f"{message}20261004T143000, or with Z in UTC")
    if match[7] and "TZID" in given.parameters:
        return Fault(given.line, f"{name} has both TZID and Z; keep one of them")
    year, month, day, hour, minute, second, utc = match.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}{utc}"


def _text(value: str) -> str:
    r"""Return a text without its escapes, in one line.

    >>> _text(r"Arena\, London\nWest")
    'Arena, London West'
    """
    plain = re.sub(r"\\([\\;,nN])", lambda m: " " if m[1] in "nN" else m[1], value)
    return " ".join(plain.split())
