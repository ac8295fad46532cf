"""What brings it into a cluster: namespaces, Argo CD, and the image."""

from collections.abc import Iterator
from typing import Any, Final

from oddspipe import __version__
from oddspipe.core.infra.fleet import Fleet
from oddspipe.core.infra.helm import CHART, PRIORITY
from oddspipe.core.infra.text import head, with_head
from oddspipe.core.infra.tree import OVERRIDES, Artefact

PROJECT: Final = "oddspipe"
ARGO: Final = "argocd"
SERVER: Final = "https://kubernetes.default.svc"
KINDS: Final = (
    ("", "ConfigMap"), ("", "Service"), ("", "ServiceAccount"), ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("policy", "PodDisruptionBudget"), ("networking.k8s.io", "NetworkPolicy"),
    ("rbac.authorization.k8s.io", "Role"), ("rbac.authorization.k8s.io", "RoleBinding"),
    ("keda.sh", "ScaledObject"), ("keda.sh", "TriggerAuthentication"),
    ("external-secrets.io", "ExternalSecret"), ("monitoring.coreos.com", "PodMonitor"),
    ("monitoring.coreos.com", "PrometheusRule"),
)  # fmt: skip
"""All that the chart makes: a sport's application may make nothing else."""


def deploy_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield what a cluster needs besides the chart."""
    base = [_namespace(member.namespace) for member in fleet.members]
    text = with_head("sports/*.yaml", *base, _priority())
    yield Artefact("kubernetes/base.yaml", text, "kubernetes")
    yield Artefact(
        "argocd/project.yaml", with_head("sports/*.yaml, platform.yaml", _project(fleet)), "argocd"
    )
    yield Artefact(
        "argocd/applicationset.yaml",
        with_head("sports/*.yaml, platform.yaml", _applications(fleet)),
        "argocd",
    )
    yield Artefact("docker/Dockerfile", head("the package's own version") + _DOCKERFILE, "docker")
    yield Artefact("docker/Dockerfile.dockerignore", _IGNORED, "docker")


def _namespace(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {
                "app.kubernetes.io/part-of": "oddspipe",
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": "latest",
            },
        },
    }


def _priority() -> dict[str, Any]:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": PRIORITY},
        "value": 100000,
        "globalDefault": False,
        "preemptionPolicy": "PreemptLowerPriority",
        "description": "What makes odds of live games.",
    }


def _project(fleet: Fleet) -> dict[str, Any]:
    namespaces = [member.namespace for member in fleet.members]
    frozen = [
        {
            "kind": "deny",
            "schedule": window.begins,
            "duration": f"{window.minutes}m",
            "applications": [f"{member.sport}-{fleet.environment}"],
            "timeZone": member.plan.schedule.zone,
            # A person may still deploy by hand, e.g. to mend what is broken.
            "manualSync": True,
        }
        for member in fleet.members
        for window in member.windows()
    ]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": PROJECT, "namespace": ARGO},
        "spec": {
            "description": f"Odds, {fleet.environment}",
            "sourceRepos": [_repository(fleet)],
            "destinations": [{"server": SERVER, "namespace": one} for one in namespaces],
            "clusterResourceWhitelist": [],
            "namespaceResourceWhitelist": [{"group": g, "kind": k} for g, k in KINDS],
            "syncWindows": frozen,
        },
    }


def _applications(fleet: Fleet) -> dict[str, Any]:
    folder = f"generated/{fleet.environment}"
    elements = [
        {
            "sport": member.sport,
            "release": member.release,
            "namespace": member.namespace,
            "deployment": member.plan.deployment_digest[:16],
        }
        for member in fleet.members
    ]
    source = {
        "repoURL": _repository(fleet),
        "targetRevision": fleet.members[0].infra.revision,
        "path": f"{folder}/{CHART}",
        "helm": {
            "releaseName": "{{ .release }}",
            # Which image runs is decided by who promotes it, in a file that is never rendered.
            "valueFiles": ["../values-{{ .sport }}.yaml", f"../../{OVERRIDES}/image.yaml"],
        },
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "metadata": {"name": f"oddspipe-{fleet.environment}", "namespace": ARGO},
        "spec": {
            "goTemplate": True,
            "goTemplateOptions": ["missingkey=error"],
            "generators": [{"list": {"elements": elements}}],
            # To take a sport out of the list must not delete it.
            "syncPolicy": {"preserveResourcesOnDeletion": True},
            "template": {
                "metadata": {
                    "name": f"{{{{ .sport }}}}-{fleet.environment}",
                    "labels": {
                        "oddspipe.io/sport": "{{ .sport }}",
                        "oddspipe.io/environment": fleet.environment,
                        "oddspipe.io/deployment": "{{ .deployment }}",
                    },
                },
                "spec": {
                    "project": PROJECT,
                    "source": source,
                    "destination": {"server": SERVER, "namespace": "{{ .namespace }}"},
                    "syncPolicy": {
                        "automated": {"prune": True, "selfHeal": True},
                        "syncOptions": [
                            "ServerSideApply=true",
                            "RespectIgnoreDifferences=true",
                            "PruneLast=true",
                        ],
                        "retry": {
                            "limit": 3,
                            "backoff": {"duration": "10s", "factor": 2, "maxDuration": "3m"},
                        },
                    },
                    # KEDA decides how many there are.
                    "ignoreDifferences": [
                        {"group": "apps", "kind": "StatefulSet", "jsonPointers": ["/spec/replicas"]}
                    ],
                },
            },
        },
    }


def _repository(fleet: Fleet) -> str:
    return fleet.members[0].infra.repository


EXTRAS: Final = "kafka,websocket,pubsub,embedded"
"""What the image is installed with."""
_DOCKERFILE: Final = f"""# Build it in the folder of the project: docker build -f …/Dockerfile \\
#   --build-arg BUILD_IMAGE=…@sha256:… --build-arg RUN_IMAGE=…@sha256:… .
# Both images are inputs, by digest: Python 3.13 of Debian 13 with a compiler, and a distroless one.
ARG BUILD_IMAGE
ARG RUN_IMAGE

FROM ${{BUILD_IMAGE}} AS build
SHELL ["/bin/sh", "-eu", "-c"]
WORKDIR /src
COPY . .
RUN python3 -m venv --copies /venv \\
 && /venv/bin/pip install --no-cache-dir ".[{EXTRAS}]" \\
 && /venv/bin/python -m compileall -q /venv/lib

FROM ${{RUN_IMAGE}}
LABEL org.opencontainers.image.title="oddspipe" org.opencontainers.image.version="{__version__}"
ENV PATH=/venv/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /venv /venv
USER 65532:65532
WORKDIR /var/lib/oddspipe
ENTRYPOINT ["/venv/bin/oddspipe"]
"""
_IGNORED: Final = """*
!pyproject.toml
!setup.py
!README.md
!LICENSE
!src
!pipeline_core
!cli
!ext
!plugins
!sports
!templates
!platform.yaml
**/__pycache__
**/*.so
**/*.c
"""
