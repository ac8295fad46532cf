"""What it costs, as quantities times prices: lines that add up, and what is not among them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from oddspipe.core.infra.calendar import SeasonGames, days_of, season_games
from oddspipe.core.infra.fleet import BOARD_BYTES, BOARDS_A_GAME, WORKS, Fleet, Member
from oddspipe.core.names import Stage
from oddspipe.core.plan.season import season_of
from oddspipe.core.schedules.season_file import SeasonFile

MONTH_DAYS: Final = 30.44
GIB: Final = 1 << 30
SENT: Final = "odds to partners"
NOT_MODELLED: Final = (
    "brokers and their disks beyond what topics hold",
    "caches, databases and their backups",
    "the cluster's control plane, nodes' system pods, and what of a node nobody uses",
    "traffic between zones, logs, metrics and support",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: how much of what at which price."""

    what: str
    quantity: float
    unit: str
    price: float

    @property
    def cost(self) -> float:
        """Return quantity times price."""
        return self.quantity * self.price


@dataclass(frozen=True, slots=True)
class MonthCost:
    """What a month of the season costs, by the games that it has.

    Attributes:
        month: As `2026-09`.
        days: Of the month that lie in the season.
        cost: Of those days: pods and topics by the day, what is sent to partners by the game.
    """

    month: str
    days: int
    games: int
    cost: float


@dataclass(frozen=True, slots=True)
class SportCost:
    """What a sport costs.

    Attributes:
        season: Lines of a mean month of the season.
        off: Lines of a month in which no game is played.
        played: The games of the season.
        updates: Of a whole season.
        season_months: How long it is.
        months: The season's months.
    """

    sport: str
    season: tuple[Line, ...]
    off: tuple[Line, ...]
    played: SeasonGames
    updates: int
    season_months: float
    months: tuple[MonthCost, ...]

    @property
    def games(self) -> int:
        """Return the games of the season."""
        return self.played.total

    @property
    def a_month(self) -> float:
        """Return the cost of a month of the season."""
        return sum(line.cost for line in self.season)

    @property
    def a_season(self) -> float:
        """Return the cost of a season."""
        return self.a_month * self.season_months

    @property
    def a_year(self) -> float:
        """Return the cost of a season and the rest of its year."""
        return self.a_season + sum(line.cost for line in self.off) * (12 - self.season_months)

    @property
    def a_game(self) -> float:
        """Return the cost of a season by game."""
        return self.a_season / max(self.games, 1)

    @property
    def a_million(self) -> float:
        """Return the cost of a season by million updates of the feed."""
        return self.a_season / max(self.updates / 1e6, 1e-9)


def costs_of(
    fleet: Fleet,
    prices: Mapping[str, float],
    year: int,
    seasons: Mapping[str, SeasonFile] | None = None,
) -> list[SportCost]:
    """Return what every sport costs in the season that begins in a year.

    Args:
        fleet: The sports of an environment.
        prices: `prices` of the platform, in dollars.
        year: In which seasons begin.
        seasons: Imported schedules of these seasons, by sport; where there is none, games are
            counted by the weekly windows of the specs. Pods are there by the windows of the charts.
    """
    given = seasons or {}
    return [_cost(fleet, one, prices, year, given.get(one.sport)) for one in fleet.members]


def _cost(
    fleet: Fleet,
    member: Member,
    prices: Mapping[str, float],
    year: int,
    season: SeasonFile | None,
) -> SportCost:
    first, last = season_of(member.plan.schedule, year)
    days = (last - first).days + 1
    found = season_games(member.plan.schedule, year, season)
    games = found.total
    live_hours = member.open_minutes() / 60 / 7 * MONTH_DAYS
    played = games / days * MONTH_DAYS
    takers = [p for p in fleet.partners.values() if member.sport in p["sports"]]
    seconds = member.plan.schedule.game_length_us / 1e6
    sent = played * seconds * BOARDS_A_GAME * BOARD_BYTES * len(takers) / GIB
    lines = tuple(_lines(member, prices, live_hours, sent))
    return SportCost(
        member.sport,
        lines,
        tuple(_lines(member, prices, 0.0, 0.0)),
        found,
        games * member.plan.load.updates_per_game,
        days / MONTH_DAYS,
        tuple(_months(found, first, last, lines)),
    )


def _months(
    found: SeasonGames, first: date, last: date, lines: tuple[Line, ...]
) -> Iterator[MonthCost]:
    """Yield the months; together they are the season, games without a date spread over its days."""
    standing = sum(line.cost for line in lines if line.what != SENT) / MONTH_DAYS
    sent = next(line.cost for line in lines if line.what == SENT)
    season_days = (last - first).days + 1
    a_game = sent * season_days / MONTH_DAYS / max(found.total, 1)
    for month, games in found.by_month.items():
        days = days_of(month, first, last)
        undated = found.undated * days / season_days
        yield MonthCost(month, days, games, standing * days + a_game * (games + undated))


def _lines(
    member: Member, prices: Mapping[str, float], live_hours: float, sent_gib: float
) -> list[Line]:
    hours = MONTH_DAYS * 24
    cores = memory = disk = 0.0
    for load in member.workloads():
        on = member.workers_on(Stage(load.stage)) if load.stage in WORKS else load.least
        # Without a live hour it is a month out of season.
        resting = load.idle if live_hours else load.rest
        pods = on * live_hours + resting * (hours - live_hours)
        cores += pods * load.cores
        memory += pods * load.memory_bytes / GIB
        disk += load.storage_bytes / GIB
    kept = 0.0
    if live_hours:
        for topic in member.topic_list():
            kept += topic.bytes_kept / GIB
    return [
        Line("cores of pods", cores, "core-hours", prices["cpu_hour"]),
        Line("memory of pods", memory, "GiB-hours", prices["memory_gib_hour"]),
        Line("disks of spools", disk, "GiB-months", prices["storage_gib_month"]),
        Line("topics, uncompressed", kept, "GiB-months", prices["storage_gib_month"]),
        Line(SENT, sent_gib, "GiB", prices["traffic_gib"]),
    ]


def as_document(fleet: Fleet, found: list[SportCost], year: int) -> dict[str, Any]:
    """Return the costs as JSON values."""
    sports = {
        one.sport: {
            "month_in_season": _document(one.season, one.a_month),
            "month_out_of_season": _document(one.off, sum(line.cost for line in one.off)),
            "season": round(one.a_season, 2),
            "year": round(one.a_year, 2),
            "games": one.games,
            "games_imported": one.played.imported,
            "schedule_is_made_up": one.played.sample,
            "months": [
                {"month": at.month, "days": at.days, "games": at.games, "cost": round(at.cost, 2)}
                for at in one.months
            ],
            "game": round(one.a_game, 4),
            "updates": one.updates,
            "million_updates": round(one.a_million, 6),
        }
        for one in found
    }
    return {
        "environment": fleet.environment,
        "seasons_that_begin_in": year,
        "sports": sports,
        "year": round(sum(one.a_year for one in found), 2),
        "not_modelled": list(NOT_MODELLED),
    }


def _document(lines: tuple[Line, ...], total: float) -> dict[str, Any]:
    rows = [
        {"what": line.what, "quantity": round(line.quantity, 3), "unit": line.unit,
         "price": line.price, "cost": round(line.cost, 2)}
        for line in lines
    ]  # fmt: skip
    return {"lines": rows, "total": round(total, 2)}
