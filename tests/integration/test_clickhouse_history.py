"""The history of odds on a ClickHouse server: each price once, whatever dies, wakes or is lost."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.pricing_model import NormalModel
from tests.run_cases import PLAN, noisy_feed
from tests.waiting import until

from oddspipe.core.adapters.partner_messages import Origin, messages
from oddspipe.core.batch.batch import Payloads
from oddspipe.core.errors import RetryableError, StateError
from oddspipe.core.failpoints import POINTS, VARIABLE
from oddspipe.core.runtime.chain import PartitionChain
from oddspipe.core.services import clickhouse, process

ck = pytest.importorskip("confluent_kafka", reason="confluent-kafka is in the extra 'kafka'")
client_of = pytest.importorskip("clickhouse_connect", reason="it is in 'embedded'").get_client
pytest.importorskip("chdb", reason="ClickHouse's engine is in the extra 'embedded'")
from tests.integration.round_worker import publisher_of  # noqa: E402 - after the skips
from tests.integration.tcp_proxy import Cut, TcpProxy  # noqa: E402
from tests.integration.test_run_over_kafka import Sport  # noqa: E402

from oddspipe.core.adapters.clickhouse import server as server_tables  # noqa: E402
from oddspipe.core.adapters.clickhouse.rows import odds_history  # noqa: E402
from oddspipe.core.adapters.kafka import rounds  # noqa: E402
from oddspipe.core.adapters.kafka.odds_rounds import MOST  # noqa: E402
from oddspipe.core.adapters.kafka.published import output_of, read_message  # noqa: E402

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
PARTITIONS = 3
REPORTS = ("priced", "first", "again")
PLACES = sorted(one for one in POINTS if one.startswith("round."))


@pytest.fixture(scope="module")
def odds():
    """Return a run's odds: what they are in the topic, and an output that holds them."""
    feed = noisy_feed(1, games=4, events=1400)
    given = Payloads.of([one for one, _ in feed], ingest_us=np.array([at for _, at in feed]))
    output = PartitionChain(PLAN, NormalModel()).step(given)
    lines = messages(output, Origin("test", "test", "1", "plan", 1), ("decimal",)).splitlines()
    assert len(lines) > 200
    return lines, output


def wrote(brokers, topic, lines):
    """Commit messages to a topic, some in each partition."""
    made = ck.Producer({"bootstrap.servers": brokers, "transactional.id": topic})
    made.init_transactions(20)
    made.begin_transaction()
    for at, line in enumerate(lines):
        made.produce(topic, line, partition=at % PARTITIONS)
    made.commit_transaction(20)


def rows(url, topic):
    """Return what the history holds, by price."""
    order = "game_id, odds_sequence, scope, market, ifNull(line, -1), side"
    asked = client_of(dsn=url, database="odds").query(
        f"SELECT * EXCEPT plan FROM {topic.replace('-', '_')}_odds_history ORDER BY {order}"
    )
    return [tuple(map(str, row)) for row in asked.result_rows]


def wanted(lines):
    """Return what the history is to hold."""
    output = output_of([read_message(line, "here") for line in lines])
    frame = odds_history(output, "plan").drop("plan").with_columns(key=-1.0)
    frame = frame.with_columns(key=frame["line"].fill_null(-1.0))
    order = ["game_id", "odds_sequence", "scope", "market", "key", "side"]
    return [tuple(map(str, row)) for row in frame.sort(order).drop("key").iter_rows()]


def same(found, lines):
    """Say whether rows are those of the messages, each once; times are compared by the second."""
    cut = [tuple(value[:19] for value in row) for row in found]
    return cut == [tuple(value[:19] for value in row) for row in wanted(lines)]


def run(brokers, topic, url, *what, slot=0, point=""):
    """Start a worker."""
    words = ["-m", "tests.integration.round_worker", brokers, topic, url, str(slot), *what]
    return subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, env={**os.environ, VARIABLE: point},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.proves("same", "clickhouse")
@pytest.mark.proves("loss", "clickhouse")
def test_the_history_is_what_the_topic_holds(brokers, new_topic, server, odds):
    topic, (lines, output) = new_topic(PARTITIONS), odds
    wrote(brokers, topic, lines)

    assert run(brokers, topic, server).wait(90) == 0

    assert same(rows(server, topic), lines)
    assert len(wanted(lines)) == len(output.odds.board)


@pytest.mark.proves("kill", "clickhouse")
@pytest.mark.proves("loss", "clickhouse")
@pytest.mark.proves("twice", "clickhouse")
def test_a_writer_that_is_killed_anywhere_leaves_each_price_once(brokers, new_topic, server, odds):
    topic, (lines, _) = new_topic(PARTITIONS), odds
    share = len(lines) // (2 * len(PLACES)) + 1
    parts = [lines[at : at + share] for at in range(0, len(lines), share)]
    for at, part in enumerate(parts):
        wrote(brokers, topic, part)
        worker = run(brokers, topic, server, point=f"{PLACES[at % len(PLACES)]}=1")
        assert worker.wait(90) == -signal.SIGKILL

    assert run(brokers, topic, server).wait(90) == 0

    assert same(rows(server, topic), lines)


@pytest.mark.proves("kill", "clickhouse")
@pytest.mark.proves("twice", "clickhouse")
def test_another_writer_finishes_what_one_that_is_gone_had_begun(brokers, new_topic, server, odds):
    topic, (lines, _) = new_topic(PARTITIONS), odds
    wrote(brokers, topic, lines)
    assert run(brokers, topic, server, point="round.written=1").wait(90) == -signal.SIGKILL
    assert len(rows(server, topic)) > 0

    # It comes back under another name: its partitions move when its session has run out.
    assert run(brokers, topic, server, slot=1).wait(90) == 0

    assert same(rows(server, topic), lines)


@pytest.mark.proves("twice", "clickhouse")
def test_an_answer_that_was_lost_and_a_writer_that_wakes_late_double_nothing(
    brokers, new_topic, server, odds
):
    topic, (lines, _) = new_topic(PARTITIONS), odds
    wrote(brokers, topic, lines)
    publisher = publisher_of(brokers, topic, server, 0)
    store, written = publisher.sink, []

    def lossy(output, token, write=store.write_round):
        write(output, token)
        written.append((output, token))
        if len(written) == 1:
            raise RetryableError("the answer was lost")

    publisher._store.write_round = lossy
    publisher.start()
    assert until(lambda: publisher.behind() == 0 or publisher.error)
    publisher.stop(10)
    assert publisher.error is None
    assert [token for _, token in written[:2]] == [written[0][1]] * 2

    late = publisher_of(brokers, topic, server, 5).sink
    late.open()
    late.write_round(*written[0])
    late.close()

    assert same(rows(server, topic), lines)


class Lossy:
    """A consumer around the real one: its first commit is made and not told, others wait."""

    def __init__(self, consumer, let_go):
        self._consumer, self._let_go, self.lost = consumer, let_go, 0

    def __getattr__(self, name):
        return getattr(self._consumer, name)

    def commit(self, **words):
        if self.lost and not self._let_go():
            raise ck.KafkaException(ck.KafkaError(ck.KafkaError.REBALANCE_IN_PROGRESS))
        kept = self._consumer.commit(**words)
        if not self.lost:
            self.lost += 1
            raise ck.KafkaException(ck.KafkaError(ck.KafkaError._TIMED_OUT))
        return kept


@pytest.mark.proves("twice", "clickhouse")
@pytest.mark.proves("loss", "clickhouse")
def test_a_note_whose_answer_was_lost_is_kept_to_though_partitions_move(
    brokers, new_topic, server, odds
):
    topic, (lines, _) = new_topic(PARTITIONS), odds
    wrote(brokers, topic, lines)
    first, second = (publisher_of(brokers, topic, server, slot) for slot in (0, 1))
    first._consumer = lossy = Lossy(first._consumer, lambda: second._assigned)
    first.start()
    try:
        assert until(lambda: lossy.lost)
        second.start()
        assert until(lambda: second._assigned)
        assert until(lambda: first.behind() == 0 and second.behind() == 0)
    finally:
        for one in (first, second):
            one.stop(10)

    assert first.error is None
    assert second.error is None
    assert same(rows(server, topic), lines)


@pytest.mark.proves("loss", "clickhouse")
@pytest.mark.proves("told", "clickhouse")
def test_a_server_that_is_killed_is_waited_for(brokers, new_topic, tmp_path, odds):
    topic, (lines, _) = new_topic(PARTITIONS), odds
    home, port = tmp_path / "clickhouse", process.free_port()
    running = clickhouse.start(home, port=port)
    publisher = publisher_of(brokers, topic, running.endpoint, 0)
    try:
        wrote(brokers, topic, lines[:100])
        publisher.start()
        assert until(lambda: publisher.written == 100)
        os.kill(running.pid, signal.SIGKILL)
        wrote(brokers, topic, lines[100:])
        assert until(lambda: publisher.trouble)
        assert "clickhouse" in publisher.trouble
        process.stop(home)
        clickhouse.start(home, port=port)
        assert until(lambda: publisher.behind() == 0)

        assert publisher.error is None
        assert publisher.trouble == ""
        assert same(rows(running.endpoint, topic), lines)
    finally:
        publisher.stop(10)
        process.stop(home)


class InsertProxy(TcpProxy):
    """Stands before the server, and can lose the answer to an insert that was made.

    Attributes:
        lost: Answers to inserts that it has lost.
    """

    def __init__(self, target):
        super().__init__(target)
        self.lose = self.lost = 0

    def _parts(self, link, piece, way):
        if way == "up" and b"insert_deduplication_token" in piece:
            link.facts["insert"] = True
        elif way == "down" and link.facts.pop("insert", False) and self.lose:
            self.lose -= 1
            self.lost += 1
            raise Cut
        return [piece]


def through_every_fault(proxy, publisher, more):
    """Do to the connection to the server what a network may; some rounds go through between."""

    def goes_on():
        before = publisher.written
        more()
        assert until(lambda: publisher.written > before or publisher.error), publisher.trouble
        assert publisher.error is None

    def troubled(fault):
        fault()
        more()
        assert until(lambda: publisher.trouble), "nobody was told"

    goes_on()
    proxy.lose = 2
    goes_on()
    assert proxy.lost == 2
    troubled(proxy.stall)
    proxy.flow()
    goes_on()
    troubled(lambda: (proxy.refuse(), proxy.cut()))
    proxy.accept()
    goes_on()
    for count in (300, 4_000, 20_000):  # in the head of a request, and in its body
        cuts = proxy.cuts
        proxy.cut_after(count)
        goes_on()
        assert until(lambda cuts=cuts: proxy.cuts > cuts or not more())
    proxy.delay_s, proxy.bytes_per_s = 0.05, 200_000
    goes_on()
    proxy.delay_s, proxy.bytes_per_s = 0.0, None


@pytest.mark.proves("loss", "clickhouse")
@pytest.mark.proves("twice", "clickhouse")
@pytest.mark.proves("told", "clickhouse")
def test_a_network_that_cuts_swallows_and_crawls_leaves_each_price_once(
    brokers, new_topic, server, odds, monkeypatch
):
    monkeypatch.setattr(server_tables, "ANSWER_S", 2)
    monkeypatch.setattr(rounds, "GATHER_NS", 100_000_000)
    topic, (lines, _) = new_topic(PARTITIONS), odds
    parts = [lines[at : at + 12] for at in range(0, len(lines), 12)]
    sent = []

    def more():
        if parts:
            sent.extend(parts[0])
            wrote(brokers, topic, parts.pop(0))
        return bool(parts)

    with InsertProxy(int(server.rpartition(":")[2])) as proxy:
        publisher = publisher_of(brokers, topic, f"http://127.0.0.1:{proxy.port}", 0)
        publisher.start()
        try:
            through_every_fault(proxy, publisher, more)
            while more():
                pass
            assert until(lambda: publisher.behind() == 0)
        finally:
            proxy.flow()
            publisher.stop(20)

    assert publisher.error is None
    assert publisher.trouble == ""
    assert len(sent) == len(lines)
    assert same(rows(server, topic), lines)


@pytest.mark.proves("told", "clickhouse")
def test_a_table_that_does_not_remember_tokens_is_refused(brokers, server):
    store = publisher_of(brokers, "forgets", server, 0).sink
    store.open()
    client = client_of(dsn=server, database="odds")
    client.command("CREATE TABLE other AS forgets_odds_history")
    client.command("DROP TABLE forgets_odds_history")
    made = client.query("SHOW CREATE TABLE other").result_rows[0][0]
    plain = made.replace(", non_replicated_deduplication_window = 10000", "")
    client.command(plain.replace("odds.other", "odds.forgets_odds_history"))

    with pytest.raises(StateError, match="does not remember tokens") as told:
        store.open()

    assert "MODIFY SETTING" in told.value.hint
    client.command(told.value.hint)
    store.open()
    store.close()


def test_a_round_stays_below_the_largest_block(odds):
    _, output = odds
    most = np.bincount(output.odds.board).max()
    assert MOST * most < 1_048_449


@pytest.mark.proves("same", "clickhouse")
def test_the_commands_bring_every_board_to_the_server(brokers, server, tmp_path):
    sport = Sport(tmp_path, "stored", brokers)
    platform = tmp_path / "platform.yaml"
    platform.write_text(f"{platform.read_text()}    clickhouse: {{url: '{server}'}}\n")
    sport.done("feed", "serve", "--rate", "3000", "--duration", "3", "--max-speed")
    sport.done("run", "--stage", "price", "--until", "idle", "--report", "priced.json")
    sinks = ("--sinks", "history")
    sport.done("run", "--stage", "publish", *sinks, "--until", "idle", "--report", "first.json")
    sport.done("run", "--stage", "publish", *sinks, "--until", "idle", "--report", "again.json")

    count = "SELECT countDistinct(odds_sequence, game_id) AS boards FROM stored_odds_history"
    answered = json.loads(sport.done("odds", "query", count, "--format", "json"))
    for change in ("DROP TABLE stored_odds_history", "TRUNCATE TABLE stored_odds_history"):
        assert "readonly" in sport.refused("odds", "query", change).lower()
    report = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in REPORTS}
    asked = client_of(dsn=server, database="oddspipe").query(
        "SELECT uniqExact(game_id, odds_sequence), countIf(decimal > 1) FROM stored_odds_history"
    )
    boards, prices = asked.result_rows[0]
    assert boards == answered["boards"] == report["priced"]["odds_published"] > 10
    assert prices > boards
    whole = {"outputs": boards, "behind": 0, "trouble": ""}
    assert report["first"]["sinks"]["history"] == whole
    assert report["again"]["sinks"]["history"] == {**whole, "outputs": 0}
