"""Which odds were wrong: what was offered at each moment against what is right, published once."""

import msgspec
import pytest

from oddspipe.core.verify.corrections import (
    Stretch,
    by_moment,
    compared,
    encoded,
    words_of,
)

STRETCH = Stretch("nfl", "plan", {"name": "nfl", "version": "2"}, "")


def at(second: int) -> str:
    return f"2026-09-13T18:00:{second:02}.000000Z"


def line(market: str, decimal: float | None, *, number=None, status="open", fair=0.5):
    sides = [{"side": "home", "fair": fair, "push": 0.0, "booked": fair, "decimal": decimal}]
    return {
        "scope": "game", "market": market, "line": number, "main": True, "status": status,
        "sides": sides,
    }  # fmt: skip


def message(second: int, *lines, game="A", seq=1) -> bytes:
    made = {"id": f"nfl:{game}:{seq}", "game": game, "as_of": at(second), "markets": lines}
    return msgspec.json.encode(made)


def told(*messages):
    found = {}
    by_moment(messages, found)
    return found


def again(offered, done, right, stretch=STRETCH):
    """Compare twice; the second time what came of the first is published."""
    first = compared(stretch, told(*offered), told(*done), told(*right))
    published = [value for _, value in encoded(first.corrections)]
    second = compared(stretch, told(*offered), told(*done, *published), told(*right))
    assert second.corrections == []
    assert second.moments == first.moments
    return first.corrections


def test_equal_prices_are_not_published_again_though_a_chance_differs_in_its_last_digit() -> None:
    offered = [message(1, line("moneyline", 1.9)), message(2, line("moneyline", 1.8), seq=2)]
    right = [message(1, line("moneyline", 1.9, fair=0.500001)), message(2, line("moneyline", 1.8))]

    assert again(offered, [], right) == []


def test_a_price_that_differs_is_corrected_and_says_which_message_it_was_in() -> None:
    offered = [message(1, line("moneyline", 1.9), line("total", 1.95, number=44.5))]
    right = [message(1, line("moneyline", 1.8), line("total", 1.95, number=44.5))]

    (one,) = again(offered, [], right)

    assert one.type == one.reason == "correction"
    assert one.corrects == "nfl:A:1"
    assert one.id == f"nfl:A:{at(1)}:1"
    assert [market["market"] for market in one.markets] == ["moneyline"]
    assert one.was[0]["sides"][0]["decimal"] == 1.9
    assert words_of(one) == [
        "A 2026-09-13T18:00:01.000 game moneyline home: 1.9 open → 1.8 open",
    ]


def test_a_moment_at_which_nothing_was_said_is_corrected_too() -> None:
    offered = [message(1, line("moneyline", 1.9))]
    right = [message(1, line("moneyline", 1.9)), message(3, line("moneyline", 1.7), seq=2)]

    (one,) = again(offered, [], right)

    assert (one.as_of, one.corrects) == (at(3), "nfl:A:1")


def test_what_was_said_and_should_not_have_been_goes_back_to_what_holds() -> None:
    offered = [message(1, line("moneyline", 1.9)), message(2, line("moneyline", 1.2), seq=2)]
    right = [message(1, line("moneyline", 1.9))]

    (one,) = again(offered, [], right)

    assert (one.as_of, one.markets[0]["sides"][0]["decimal"]) == (at(2), 1.9)


def test_a_market_that_should_never_have_been_there_is_cancelled() -> None:
    offered = [message(1, line("moneyline", 1.9), line("total", 1.95, number=44.5))]
    right = [message(1, line("moneyline", 1.9))]

    (one,) = again(offered, [], right)

    (market,) = one.markets
    assert (market["market"], market["status"]) == ("total", "cancelled")
    assert market["sides"][0]["decimal"] is None


def test_a_second_mistake_at_a_moment_has_the_next_revision() -> None:
    offered, right = [message(1, line("moneyline", 1.9))], [message(1, line("moneyline", 1.8))]
    done = [value for _, value in encoded(again(offered, [], right))]

    (one,) = again(offered, done, [message(1, line("moneyline", 1.7))])

    assert one.revision == 2
    assert one.was[0]["sides"][0]["decimal"] == 1.8


def test_moments_before_the_stretch_are_followed_and_left_as_they_are() -> None:
    offered = [message(1, line("moneyline", 1.9)), message(4, line("moneyline", 1.6), seq=2)]
    right = [message(1, line("moneyline", 1.8)), message(4, line("moneyline", 1.5), seq=2)]
    later = Stretch("nfl", "plan", {}, at(3))

    (one,) = again(offered, [], right, later)

    assert one.as_of == at(4)
    assert compared(later, told(*offered), {}, told(*right)).moments == 1


@pytest.mark.parametrize(("known_from", "skipped"), [(at(2), {"A"}), (at(1), set()), ("", set())])
def test_a_game_whose_beginning_is_gone_is_skipped_and_told(known_from: str, skipped: set) -> None:
    offered, right = [message(1, line("moneyline", 1.9))], [message(1, line("moneyline", 1.8))]
    stretch = Stretch("nfl", "plan", {}, "", known_from)

    found = compared(stretch, told(*offered), {}, told(*right))

    assert found.skipped == skipped
    assert len(found.corrections) == (not skipped)
