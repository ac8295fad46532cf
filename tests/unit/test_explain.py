import json
import re

import pytest
from rich.cells import cell_len
from tests.plan_cases import ROOT, SPORTS, edited, plan, plan_of, platform, written
from typer.testing import CliRunner

from oddspipe.cli.app import build
from oddspipe.core.errors import UsageError
from oddspipe.core.explain.page import explain
from oddspipe.core.explain.places import CRASH, placement_of, stores_of
from oddspipe.core.explain.timing import latency_of, load_of, recovery_of
from oddspipe.core.plan.catalogue import sinks
from oddspipe.core.plan.graph import graph_of, mermaid
from oddspipe.core.spec.fields import SecretRef
from oddspipe.core.spec.platform import EnvironmentSpec


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def oddspipe(*words, columns=80):
    return CliRunner().invoke(build(), words, env={"COLUMNS": str(columns)})


def said(facts, about):
    return [fact.says for fact in facts if fact.about == about]


def with_kafka(sport="nfl", **values):
    """Return a plan of an environment with servers."""
    place = {"source": "feed", "kafka": {"brokers": "kafka:9092"}, "partners": {},
             "redis": {"url": "redis://cache:6379/0"}, **values}  # fmt: skip
    environment = EnvironmentSpec.model_validate(place)
    made = platform().model_copy(update={"environments": {"prod": environment}})
    return plan_of(written(sport), made, "prod")


@pytest.mark.parametrize("sport", SPORTS)
def test_every_sink_says_what_it_keeps_why_and_what_a_crash_does(sport) -> None:
    found = explain(plan(sport))

    assert [sink.name for sink in found.sinks] == [sink.name for sink in plan(sport).sinks]
    assert all(sink.why and sink.crash and sink.place for sink in found.sinks)


def test_every_kind_of_sink_of_a_spec_has_its_words() -> None:
    assert set(CRASH) == {*(sink.name for sink in sinks()), "plugin"}


def test_a_memory_of_odds_that_ends_with_them_is_a_weaker_guarantee() -> None:
    spec = edited(written("nfl"), "sinks.current.memory", "5s")
    found = explain(plan_of(edited(spec, "sinks.current.guarantee", "at_least_once")))

    assert found.sinks[0].keeps == "at_least_once"
    assert "an old price written again" in found.sinks[0].why


def test_numbers_of_the_stages_are_those_of_the_plan() -> None:
    stages = {stage.name: stage.facts for stage in explain(plan("nfl")).stages}

    assert list(stages) == ["ingest", "normalise", "order", "price", "publish"]
    assert said(stages["order"], "duplicates")[0].endswith(
        "less than 10s before is dropped and counted"
    )
    assert said(stages["normalise"], "rule") == [
        "clock_within_quarter: clock <= 900000  (play, score, clock, tracking)"
    ]
    assert said(stages["price"], "market")[1].startswith(
        "spread at the line nearest to even and 3 lines each side, 0.5 apart; overround 4.50%"
    )
    assert said(stages["price"], "cadence") == [
        (
            "play, score, game_start, game_end, correction, delete at once; other kinds at most "
            "every 20ms a game"
        )
    ]


def test_what_is_read_again_is_a_snapshot_interval_of_the_peak() -> None:
    assert said(recovery_of(plan("nfl")), "read again")[0].startswith(
        "what came since the snapshot, in silence: 625,000 events at the peak for 5s, about 625ms"
    )


def test_a_price_waits_for_its_step_and_for_conflation_only() -> None:
    found = explain(plan("nfl"))

    assert [delay.name for delay in found.latency if delay.on_path] == ["step", "conflation"]
    assert found.latency_us == 2 * 33_000 + 20_000
    assert {one.name: one.at_most_us for one in latency_of(plan("nfl"))}["sink history"] == 100_000


def test_a_load_that_contradicts_itself_is_told() -> None:
    sound = plan_of(edited(written("nfl"), "load.updates_per_game", 100_000_000))

    assert said(load_of(plan("nfl")), "doubtful")
    assert not said(load_of(sound), "doubtful")


def test_games_on_one_partition_and_on_many() -> None:
    assert said(placement_of(plan("nfl")), "games") == [
        "all 6 of the peak in one set of stages, one process"
    ]
    # 1 - 50·49·48·47·46·45 / 50^6
    assert said(placement_of(with_kafka()), "games") == [
        (
            "placed by a hash of the id: of 6 at once on 50 partitions two share one with a chance "
            "of 27%; that one then carries 41,666/s"
        )
    ]
    assert said(placement_of(with_kafka(replicas=8)), "workers") == ["8: at most 7 partitions each"]


def test_places_are_those_of_the_environment() -> None:
    local = {store.name for store in stores_of(plan("nfl"))}
    server = {"url": "http://clickhouse:8123"}
    servers = {store.name for store in stores_of(with_kafka(clickhouse=server))}
    apart = {store.name for store in stores_of(with_kafka(clickhouse=server, stages="apart"))}

    assert {"odds:{nfl}:GAME", "nfl_odds_history"} <= local & servers
    assert {"nfl.feed.v1", "nfl.odds.v1", "nfl.dlq", "nfl.snapshots"} <= servers - local
    assert "nfl_events" in local - servers
    assert apart - servers == {
        "nfl_events", "nfl_tracking_by_second", "nfl.normalised.v1", "nfl.normalise.snapshots",
        "nfl.price.snapshots",
    }  # fmt: skip
    assert explain(with_kafka()).sinks[0].place == "redis://cache:6379/0"


def test_over_kafka_each_sink_keeps_what_its_topic_or_server_makes_it_keep() -> None:
    found = {
        one.kind: one
        for one in explain(with_kafka(clickhouse={"url": "http://clickhouse:8123"})).sinks
    }

    kept = {kind: one.keeps for kind, one in found.items()}
    assert kept["clickhouse"] == kept["partner_log"] == kept["dead_letters"] == "exactly_once"
    assert kept["redis"] == "effectively_once"
    assert "token" in found["clickhouse"].why
    assert found["dead_letters"].place == "topic nfl.dlq"
    embedded = {one.kind: one.place for one in explain(with_kafka()).sinks}
    assert embedded["clickhouse"] == "not fed over Kafka"


def test_a_secret_address_is_named_and_not_shown() -> None:
    by_reference = explain(with_kafka(redis={"url": SecretRef("odds/redis", "url")}))
    in_the_address = explain(with_kafka(redis={"url": "redis://me:hush@cache:6379/0"}))

    assert by_reference.sinks[0].place == str(SecretRef("odds/redis", "url"))
    assert in_the_address.sinks[0].place == "redis://cache:6379/0"


@pytest.mark.parametrize("columns", [80, 120, 200])
@pytest.mark.parametrize("sport", SPORTS)
def test_the_page_keeps_to_100_columns_and_to_the_window(sport, columns) -> None:
    shown = oddspipe("explain", "--sport", sport, columns=columns)

    lines = shown.stdout.splitlines()
    assert shown.exit_code == 0
    assert max(map(cell_len, lines)) <= min(columns, 100)
    assert [line for line in lines if line != line.rstrip()] == []
    assert "\x1b" not in shown.stdout
    titles = [line.split("  ")[0] for line in lines if re.match(r"[A-Z]{2}", line)]
    assert titles == ["STAGES", "PLACEMENT", "SINKS", "STORED", "RECOVERY", "MEMORY", "LATENCY",
                      "LOAD", "OWNER AND ALERTS"]  # fmt: skip


def test_json_has_everything_with_units_in_the_names() -> None:
    shown = oddspipe("explain", "--sport", "nba", "--format", "json")

    found = json.loads(shown.stdout)
    assert found["logic_digest"] == plan("nba").logic_digest
    assert found["memory_bytes"] == sum(line["bytes"] for line in found["memory"])
    assert found["memory_without_gaps_bytes"] < found["memory_bytes"]
    assert [sink["keeps"] for sink in found["sinks"]] == ["effectively_once"] * 4


NODE = re.compile(
    r'  (?P<id>[a-z]+(?:_[A-Za-z0-9_]+)?)(?:\(\["|\["|\[\("|\[/")'
    r'(?P<text>[^"<>|]*(?:<br/>[^"<>|]*)*)'
    r'(?:"\]\)|"\]|"\)\]|"/\]):::(?P<shape>source|stage|store|rejects)'
)
EDGE = re.compile(r'  (?P<source>\w+) (?:-->|-\.->)\|"(?P<flows>[^"<>|]+)"\| (?P<target>\w+)')
STYLE = re.compile(r"  classDef (?P<shape>\w+) fill:#\w{6},stroke:#\w{3,6},color:#\w{3}")
WORDS_OF_MERMAID = {"end", "graph", "subgraph", "flowchart", "default", "style", "class", "click"}


def assert_sound(text: str) -> tuple[set[str], list[tuple[str, str]]]:
    """Hold every line to the part of Mermaid's grammar that is used; return nodes and edges."""
    head, title, rule, kind, *rest = text.splitlines()
    assert (head, rule, kind) == ("---", "---", "flowchart LR")
    assert re.fullmatch(r'title: "[^"\\]*(?:\\["\\][^"\\]*)*"', title)
    nodes, edges, styles, used = set(), [], set(), set()
    for line in rest:
        node, edge = NODE.fullmatch(line), EDGE.fullmatch(line)
        style = STYLE.fullmatch(line)
        assert (node is not None) + (edge is not None) + (style is not None) == 1, line
        if node:
            assert node["id"] not in nodes | WORDS_OF_MERMAID
            nodes.add(node["id"])
            used.add(node["shape"])
        elif edge:
            edges.append((edge["source"], edge["target"]))
        elif style:
            styles.add(style["shape"])
    assert used <= styles
    assert {end for edge in edges for end in edge} == nodes, "a node hangs in the air"
    return nodes, edges


@pytest.mark.parametrize(("late", "told"), [("dlq", True), ("amend", False), ("drop", False)])
def test_late_events_go_to_the_dead_letters_where_the_spec_says_so(late, told) -> None:
    graph = graph_of(plan_of(edited(written("nfl"), "order.late", late)))

    (edge,) = (one for one in graph.edges if one.source == "stage_order" and not one.usual)
    assert edge.flows.startswith("late, ") is told


@pytest.mark.parametrize("sport", SPORTS)
def test_the_graph_is_sound_and_leads_from_the_feed_to_every_sink(sport) -> None:
    made = plan(sport)

    nodes, edges = assert_sound(mermaid(graph_of(made)))

    reached, fresh = {"feed"}, {"feed"}
    while fresh:
        fresh = {target for source, target in edges if source in fresh} - reached
        reached |= fresh
    assert reached == nodes
    assert {f"sink_{sink.name}" for sink in made.sinks} <= nodes


def test_every_stage_that_turns_away_leads_to_the_dead_letters() -> None:
    _, edges = assert_sound(mermaid(graph_of(plan("nfl"))))

    to_letters = {source for source, target in edges if target == "sink_dead_letters"}
    assert to_letters == {"stage_normalise", "stage_order", "stage_price"}


def test_a_feed_of_records_is_mapped_where_it_is_the_source() -> None:
    local, _ = assert_sound(mermaid(graph_of(plan("nba"))))
    served, edges = assert_sound(mermaid(graph_of(with_kafka("nba"))))

    assert "stage_map" not in local
    assert ("stage_map", "sink_dead_letters") in edges
    assert "stage_map" in served


def test_signs_of_mermaid_in_names_do_no_harm() -> None:
    spec = edited(written("nfl"), "title", 'Foot "ball" | <b>#1</b> \\ end')
    spec["feed"]["topic"] = 'nfl"|<feed>'
    spec["sinks"]["end"] = spec["sinks"].pop("current")

    nodes, _ = assert_sound(mermaid(graph_of(plan_of(spec))))

    assert "sink_end" in nodes


def test_the_graph_is_written_as_markdown(tmp_path) -> None:
    file = tmp_path / "nfl.md"

    shown = oddspipe("explain", "--sport", "nfl", "--graph", "--out", str(file))

    assert (shown.exit_code, shown.stdout) == (0, "")
    text = file.read_text()
    assert text.startswith("```mermaid\n---\n")
    assert text.endswith("```\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("explain", "--sport", "nlf"), "there is no sport 'nlf'"),
        (("explain", "--sport", "nfl", "--env", "pord"), "there is no environment 'pord'"),
        (("explain", "--sport", "nfl", "--out", "x.md"), "--out is where --graph is written"),
        (("explain", "--sport", "nfl", "--graph", "--out", "no/x.md"), "cannot be written"),
        (("plan", "--sport", "nfl", "--digest", "--bytes"), "do not go together"),
    ],
)
def test_misuse_is_told(words, message) -> None:
    done = oddspipe(*words)

    assert isinstance(done.exception, UsageError)
    assert message in done.exception.message
