"""The compiled fold and its Python twin agree; neither batches nor snapshots show in the result."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pricing_cases import KINDS, LAYOUT, RULES, STATE, Event, batch_of, odds

from oddspipe.core.names import Kind
from oddspipe.core.stages import fold as stage
from oddspipe.core.stages.fold import Fold, Folded
from oddspipe.ext import _fold, _fold_py

KIND_NUMBERS = st.sampled_from(list(Kind) + [Kind.PLAY, Kind.TRACKING, Kind.MARKET] * 3)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "period": st.integers(1, 5),
        "clock": st.integers(0, 900_000),
        "home_score": st.integers(0, 5),
        "away_score": st.integers(0, 5),
        "value": st.floats(-100, 100),
        "down": st.integers(0, 5),
        "spread_line": st.floats(-20, 20),
    },
).map(lambda fields: tuple(fields.items()))
EVENTS = st.lists(
    st.builds(
        Event,
        KIND_NUMBERS,
        st.integers(0, 3),
        st.integers(0, 40),
        st.integers(0, 40_000_000) | st.integers(0, 100_000),
        st.sampled_from([b"a", b"b", b"c", b"d", b"e" * 64, b""]),
        st.sampled_from([0, 0, 0, 1, 2]),
        st.booleans(),
        FIELDS,
    ),
    max_size=40,
)


def new_fold() -> Fold:
    return Fold(LAYOUT, KINDS, STATE, RULES, odds(frozen_after_us=9_000_000))


def facts(folded: list[Folded], starts: list[int]) -> tuple[list[bytes], ...]:
    """Return all that was found, with batch rows made absolute where they are known."""
    cuts = [f.cuts.copy() for f in folded]
    for rows in cuts:
        rows[:, 1] = 0  # the row in its own batch
    return (
        [b"".join(rows.tobytes() for rows in cuts)],
        [b"".join(f.values.tobytes() for f in folded)],
        [b"".join(f.rolls.tobytes() + b"" for f in folded)],
        [b"".join(f.sums.tobytes() for f in folded)],
        [b"".join(f.status.tobytes() for f in folded)],
        [b"".join(f.detail.tobytes() for f in folded)],
        [b"".join(f.numbers.tobytes() for f in folded)],
        [b"%d" % start for start in starts],
    )


@settings(max_examples=150, deadline=None)
@given(EVENTS)
def test_twins_agree(events: list[Event]) -> None:
    found = []
    original = stage.run
    for twin in (_fold.run, _fold_py.run):
        fold = new_fold()
        stage.run = twin
        try:
            folded = fold.step(batch_of(events))
        finally:
            stage.run = original
        found.append((facts([folded], [0]), folded.cuts.tobytes(), fold.snapshot()))

    assert found[0] == found[1]


@settings(max_examples=150, deadline=None)
@given(EVENTS, st.lists(st.integers(0, 40), max_size=4), st.booleans())
def test_cut_of_batches_and_snapshots_do_not_show(
    events: list[Event],
    cuts: list[int],
    restart: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    whole = new_fold()
    once = facts([whole.step(batch_of(events))], [])
    fold = new_fold()
    parts = []
    at = sorted(min(cut, len(events)) for cut in cuts)
    for start, stop in zip([0, *at], [*at, len(events)], strict=True):
        parts.append(fold.step(batch_of(events[start:stop])))
        if restart:
            state = fold.snapshot()
            fold = new_fold()
            fold.restore(state)
            assert fold.snapshot() == state

    assert facts(parts, []) == once
    assert fold.snapshot() == whole.snapshot()
