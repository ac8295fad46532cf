"""Free the slots of pods whose node is gone.

A StatefulSet starts a pod anew only once the old one is gone, and a node that does not answer never
says so: the slot, and with it the partitions of its games, waits for a person. To take such a pod
out of the list is safe here: should it still run, its producer is fenced by that of the new one,
and what it has not committed was never published (docs/delivery.md).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from oddspipe.core.remedies.cluster import Cluster


def stuck(pods: Iterable[Mapping[str, Any]], now: datetime, after: timedelta) -> list[str]:
    """Return the pods that should have ended for longer than `after`, by name.

    Kubernetes notes with a pod that ends when it is to be gone at the latest.
    """
    found = []
    for pod in pods:
        until = pod["metadata"].get("deletionTimestamp")
        if until is not None and now - datetime.fromisoformat(until) > after:
            found.append(str(pod["metadata"]["name"]))
    return sorted(found)


def free_slots(
    cluster: Cluster, labels: Mapping[str, str], now: datetime, after: timedelta, *, dry: bool
) -> list[str]:
    """Free the slots of pods that should be gone; return their names.

    Raises:
        RunError: Kubernetes does not answer, or refuses.
    """
    found = stuck(cluster.pods(labels), now, after)
    for name in () if dry else found:
        cluster.forget(name)
    return found
