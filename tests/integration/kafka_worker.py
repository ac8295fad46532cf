"""A worker of the small test sport over Kafka, as a process of its own that can be killed."""

import sys
from dataclasses import replace

from tests.breaker_cases import WATCHED
from tests.pricing_model import NormalModel
from tests.run_cases import PLAN

from oddspipe.core.adapters.dead_letters import Letters
from oddspipe.core.adapters.kafka.access import Cluster
from oddspipe.core.adapters.kafka.client import KafkaLog
from oddspipe.core.adapters.kafka.records import Worker
from oddspipe.core.adapters.kafka.topics import Topics
from oddspipe.core.adapters.kafka.written import SportRecords
from oddspipe.core.adapters.partner_messages import Origin
from oddspipe.core.clock import SystemClock
from oddspipe.core.errors import OddspipeError
from oddspipe.core.plan.model import Plan
from oddspipe.core.ports.log import Log
from oddspipe.core.runtime.chain import PartitionChain
from oddspipe.core.runtime.drain import StopSwitch
from oddspipe.core.runtime.pulse import Pulse
from oddspipe.core.runtime.transactional import TransactionalRunner


def topics_of(name: str) -> Topics:
    return Topics.of(name, f"{name}.feed.v1")


def runner_of(log: Log, topics: Topics, plan: Plan = PLAN) -> TransactionalRunner:
    letters = Letters(
        [column.name for column in PLAN.layout.columns], [rule.name for rule in PLAN.rules], "plan"
    )
    origin = Origin("test", "test", "1", "plan", 5_000_000)
    return TransactionalRunner(
        log,
        lambda: PartitionChain(plan, NormalModel()),
        lambda: Pulse(PLAN.kinds, PLAN.odds.at_once),
        SportRecords(topics, origin, ("decimal",), letters),
        logic="plan",
        clock=SystemClock(),
        snapshot_us=300_000,
        pause_us=plan.breaker_pause_us,
    )


def main(brokers: str, name: str, group: str, slot: str, idle_s: str, pause: str = "") -> int:  # noqa: PLR0913, PLR0917 - words of a command line
    topics = topics_of(name)
    log = KafkaLog(Worker(Cluster(brokers), group, int(slot)), topics)
    plan = replace(WATCHED, breaker_pause_us=int(float(pause) * 1e6)) if pause else PLAN
    try:
        runner_of(log, topics, plan).run(StopSwitch(), idle_us=int(float(idle_s) * 1e6))
    except OddspipeError as error:
        print(f"{error.code}: {error.message}")  # noqa: T201 - told to the test
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
