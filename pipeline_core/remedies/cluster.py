"""The few calls of Kubernetes' API that remedies need, as the pod's own service account."""

import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from oddspipe.core.errors import RunError, UnreachableError, UsageError

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts the token, the namespace and the authority of its API into a pod."""
PATIENCE_S: Final = 20


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the API is, and who asks.

    Attributes:
        url: Of the API, without a path.
        token: Of the service account.
        namespace: That of the pod; nothing outside is asked for.
        authority: File of the API's certificate authority; None for plain HTTP.
    """

    url: str
    token: str
    namespace: str
    authority: Path | None = None

    def pods(self, labels: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return the pods that have these labels."""
        wanted = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
        query = urllib.parse.urlencode({"labelSelector": wanted})
        found: list[dict[str, Any]] = self._ask(
            "GET", f"/api/v1/namespaces/{self.namespace}/pods?{query}"
        )["items"]
        return found

    def forget(self, pod: str) -> None:
        """Take a pod out of the list at once, whatever its node says; gone already is no fault."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}"
        self._ask("DELETE", path, options, gone={})

    def size(self, name: str) -> int:
        """Return how many pods a StatefulSet is to have."""
        return int(self._ask("GET", self._scale(name))["spec"].get("replicas", 0))

    def resize(self, name: str, replicas: int) -> None:
        """Say how many pods a StatefulSet is to have."""
        self._ask("PATCH", self._scale(name), {"spec": {"replicas": replicas}})

    def _scale(self, name: str) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/statefulsets/{name}/scale"

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        gone: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return what the API answers.

        Raises:
            UnreachableError: It does not answer.
            RunError: It refuses.
        """
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        asked = urllib.request.Request(  # noqa: S310 - the API's address, from Kubernetes itself
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": kind},
        )
        trust = None
        if self.authority is not None:
            trust = ssl.create_default_context(cafile=str(self.authority))
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE_S, context=trust) as answer:  # noqa: S310 - as above
                found: dict[str, Any] = json.loads(answer.read())
                return found
        except urllib.error.HTTPError as refused:
            if refused.code == 404 and gone is not None:
                return gone
            words = refused.read().decode(errors="replace")[:300]
            raise RunError(f"Kubernetes refuses {method} {path}: {refused.code} {words}") from None
        except (OSError, ValueError) as error:
            raise UnreachableError(f"Kubernetes at {self.url} does not answer: {error}") from error


def own_cluster(environ: Mapping[str, str] | None = None, account: Path = ACCOUNT) -> Cluster:
    """Return the cluster that this process runs in.

    Raises:
        UsageError: It runs in none.
    """
    given = os.environ if environ is None else environ
    host, port = given.get("KUBERNETES_SERVICE_HOST"), given.get("KUBERNETES_SERVICE_PORT", "443")
    try:
        token = (account / "token").read_text(encoding="utf-8").strip()
        namespace = (account / "namespace").read_text(encoding="utf-8").strip()
    except OSError:
        token = namespace = ""
    if not (host and token and namespace):
        raise UsageError(
            "this process runs in no pod with a service account",
            hint="Start the job in the cluster: "
            "`kubectl create job --from=cronjob/SPORT-rebuild-cache …`.",
        )
    shown = f"[{host}]" if ":" in host else host
    return Cluster(f"https://{shown}:{port}", token, namespace, account / "ca.crt")
