"""Jobs in the cluster that mend what breaks, and the program that holds a partner's reading."""

from collections.abc import Iterator
from typing import Any, Final

from oddspipe.core.infra.fleet import Fleet, Member
from oddspipe.core.infra.kafka import CLIENT, quota_of, shell
from oddspipe.core.infra.tree import Artefact

HELD: Final = 1024
"""Bytes a second that a partner may read who is held: enough to be told so, not to fall over."""
NEVER: Final = "0 0 1 1 *"
"""Cron has no `never`; a job that is suspended does not look at it."""
OFTEN: Final = "*/5 * * * *"


def remedies_of(
    fleet: Fleet, member: Member, spec: str, platform: str
) -> dict[str, dict[str, Any]]:
    """Return the jobs of a sport, as values of the chart.

    What is safe at any time runs by itself; what stops something for a while is suspended, and a
    person starts it.
    """
    made: dict[str, dict[str, Any]] = {
        "free-slots": {
            "schedule": OFTEN,
            "suspend": False,
            "scales": "",
            "args": ["remedy", "free-slots", "--sport", member.sport, "--after", "120"],
        }
    }
    if member.caches():
        publisher = f"{member.release}-publish"
        made["rebuild-cache"] = {
            "schedule": NEVER,
            "suspend": True,
            "scales": publisher,
            "args": [
                "remedy", "rebuild-cache", "--spec", spec, "--platform", platform,
                "--env", fleet.environment, "--publisher", publisher,
            ],
        }  # fmt: skip
    return made


def holds_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield the program that slows a partner down who reads without end, and lets go again."""
    if not fleet.partners:
        return
    cases = []
    for name, partner in sorted(fleet.partners.items()):
        cases.append(f"  {name}) usual={quota_of(partner)} ;;\n")
    what = "Hold a partner whose readers run away: hold.sh PARTNER on | off"
    text = (
        f"{shell('platform.yaml', what)}"
        "partner=${1:?a partner}\n"
        "what=${2:?on or off}\n"
        "case $partner in\n"
        f"{''.join(cases)}"
        '  *) echo "no partner $partner" >&2; exit 2 ;;\n'
        "esac\n"
        "case $what in\n"
        f"  on) rate={HELD} ;;\n"
        "  off) rate=$usual ;;\n"
        '  *) echo "on or off, not $what" >&2; exit 2 ;;\n'
        "esac\n"
        f'kafka-configs.sh {CLIENT} --alter --entity-type users --entity-name "partner-$partner" '
        '--add-config "consumer_byte_rate=$rate"\n'
        'echo "partner-$partner reads at most $rate bytes a second from each broker"\n'
    )
    yield Artefact("kafka/hold.sh", text, "kafka", runs=True)
