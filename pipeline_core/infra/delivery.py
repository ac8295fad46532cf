"""GitHub's workflows: how a change is checked, an image is made and promoted, the cloud is changed.

They are rendered below `github/`; GitHub reads them from `.github/workflows` only, where
`install.sh` copies them, and `check.yaml` refuses a copy that differs. No secret is kept: roles are
taken over by OIDC. What is not known here is a variable of GitHub, refused where it is missing.
"""

from collections.abc import Iterator
from typing import Any, Final

from oddspipe.core.infra.actions import (
    BY_DIGEST,
    OIDC,
    VARIABLES,
    Step,
    assume,
    checkout,
    job,
    uses,
    with_notes,
    workflow,
)
from oddspipe.core.infra.deploy import EXTRAS
from oddspipe.core.infra.fleet import Fleet
from oddspipe.core.infra.terraform import units_of
from oddspipe.core.infra.text import as_yaml, head
from oddspipe.core.infra.tree import OVERRIDES, Artefact
from oddspipe.core.infra.waves import terraform_workflow

PYTHON: Final = "3.13"
_IMAGE_INPUTS: Final = ("ODDS_REGISTRY", "ODDS_REGISTRY_REGION", "ODDS_IMAGE_ROLE")
ISSUER: Final = "https://token.actions.githubusercontent.com"


def delivery_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield the workflows of an environment, and the program that lays them where GitHub looks."""
    made = {"check": _check(fleet), "image": _promoted(fleet) if fleet.before else _built(fleet)}
    region = str(fleet.members[0].values.get("region") or "")
    if region:
        made["terraform"] = terraform_workflow(
            fleet.environment, region, _branch(fleet), units_of(fleet)
        )
    for name, one in made.items():
        text = head("sports/*.yaml, platform.yaml") + with_notes(as_yaml(one))
        yield Artefact(f"github/{name}.yaml", text, "github")
    text = f"#!/bin/sh\n{head('platform.yaml')}{_INSTALL.replace('ENVIRONMENT', fleet.environment)}"
    yield Artefact("github/install.sh", text, "github", runs=True)


def variables_of(fleet: Fleet) -> dict[str, str]:
    """Return the variables that the workflows of an environment want, with what they mean."""
    used = "".join(one.text for one in delivery_of(fleet) if one.path.endswith(".yaml"))
    return {name: meaning for name, meaning in VARIABLES.items() if f"vars.{name} " in used}


def _branch(fleet: Fleet) -> str:
    return fleet.members[0].infra.revision


def _check(fleet: Fleet) -> dict[str, Any]:
    """Return the workflow that looks at a change."""
    env = {one.name: f"${{{{ vars.{one.name} }}}}" for one in fleet.inputs}
    unset = "".join(f'[ -n "${{{name}}}" ] || unset {name}\n' for name in env)
    place = f"generated/{fleet.environment}"
    steps: list[Step] = [
        *_installed(),
        {"name": "Specs are sound", "run": _VALIDATE},
        {"name": "Tests inside the specs", "run": _TEST},
        {
            "name": "What is committed is what is rendered",
            "env": env,
            "run": f"# What is not set is empty here; the spec's default stands then.\n{unset}"
            f"oddspipe render-infra --env {fleet.environment} --check\n",
        },
        {
            "name": "Workflows are those that were rendered",
            "run": f"{place}/github/install.sh --check\n",
        },
    ]
    on = {"pull_request": {"branches": [_branch(fleet)]}, "push": {"branches": [_branch(fleet)]}}
    group = f"{fleet.environment}-check-${{{{ github.ref }}}}"
    return workflow(
        f"{fleet.environment} check",
        on,
        {"check": job("Check", {"contents": "read"}, steps)},
        group,
    )


def _installed() -> list[Step]:
    """Return what every job that runs the program begins with."""
    return [
        checkout(),
        {"name": "Python", "uses": "actions/setup-python", "with": {"python-version": PYTHON}},
        {"name": "Install", "run": f'python -m pip install ".[{EXTRAS}]"\n'},
    ]


def _login() -> list[Step]:
    region = "${{ vars.ODDS_REGISTRY_REGION }}"
    return [assume("ODDS_IMAGE_ROLE", region), {"name": "Log in to the registry", "run": _LOGIN}]


def _scan(name: str, image: str, **more: str) -> Step:
    return uses(
        "aquasecurity/trivy-action", name, **{"scan-type": "image", "image-ref": image, **more}
    )


def _gate(image: str) -> Step:
    return _scan(
        "No known hole that can be mended", image,
        **{"severity": "HIGH,CRITICAL", "ignore-unfixed": "true", "exit-code": "1"},
    )  # fmt: skip


def _built(fleet: Fleet) -> dict[str, Any]:
    """Return the workflow that makes the image, for the environment that gets it first."""
    place = f"generated/{fleet.environment}"
    image = "${{ vars.ODDS_REGISTRY }}@${{ steps.build.outputs.digest }}"
    build = {
        "name": "Build", "id": "build", "env": {"DOCKERFILE": f"{place}/docker/Dockerfile"},
        "run": _BUILD,
    }  # fmt: skip
    steps = [
        checkout(), *_login(), build, _gate(image),
        _scan("List of what is in it", image, format="cyclonedx", output="sbom.cdx.json"),
        uses("sigstore/cosign-installer", "Cosign"),
        {"name": "Sign", "env": {"IMAGE": image}, "run": _SIGN},
    ]  # fmt: skip
    tested = [
        *_installed(),
        {"name": "Test", "run": _VALIDATE + _TEST},
    ]
    jobs = {
        "test": job("Test", {"contents": "read"}, tested),
        "build": job(
            "Build, scan, sign", OIDC, steps, (*_IMAGE_INPUTS, *sorted(BY_DIGEST)),
            needs=["test"], environment=fleet.environment,
            outputs={"digest": "${{ steps.build.outputs.digest }}"},
        ),
        "propose": _propose(fleet, "build"),
    }  # fmt: skip
    # What is rendered goes into no image; a promotion must not set off the next.
    on = {
        "push": {
            "branches": [_branch(fleet)],
            "paths-ignore": ["generated/**", "docs/**", "**.md"],
        },
        "workflow_dispatch": {},
    }
    return workflow(f"{fleet.environment} image", on, jobs)


def _promoted(fleet: Fleet) -> dict[str, Any]:
    """Return the workflow that takes the image of the environment before, if it is what it says."""
    first, before = fleet.before[0], fleet.before[-1]
    source = f"generated/{before}/{OVERRIDES}/image.yaml"
    image = "${{ vars.ODDS_REGISTRY }}@${{ steps.which.outputs.digest }}"
    signer = f"${{GITHUB_SERVER_URL}}/${{GITHUB_REPOSITORY}}/.github/workflows/{first}-image.yaml"
    env = {"IMAGE": image}
    verify = _VERIFY.replace("SIGNER", f"{signer}@refs/heads/{_branch(fleet)}")
    steps = [
        checkout(),
        {"name": "Which image", "id": "which", "env": {"SOURCE": source}, "run": _WHICH},
        *_login(),
        uses("sigstore/cosign-installer", "Cosign"),
        {"name": "Made and signed here", "env": env, "run": verify},
        _gate(image),
    ]
    jobs = {
        "verify": job(
            "Verify", OIDC, steps, _IMAGE_INPUTS, environment=fleet.environment,
            outputs={"digest": "${{ steps.which.outputs.digest }}"},
        ),
        "propose": _propose(fleet, "verify"),
    }  # fmt: skip
    on = {"push": {"branches": [_branch(fleet)], "paths": [source]}, "workflow_dispatch": {}}
    return workflow(f"{fleet.environment} image", on, jobs)


def _propose(fleet: Fleet, after: str) -> dict[str, Any]:
    """Return the job that asks to run an image, by a change that somebody merges."""
    env = {
        "DIGEST": f"${{{{ needs.{after}.outputs.digest }}}}",
        "TARGET": f"generated/{fleet.environment}/{OVERRIDES}/image.yaml",
        "BASE": _branch(fleet),
        "ENVIRONMENT": fleet.environment,
        "GH_TOKEN": "${{ github.token }}",
    }
    steps = [checkout(ref=_branch(fleet)), {"name": "Propose", "env": env, "run": _PROPOSE}]
    may = {"contents": "write", "pull-requests": "write"}
    return job(
        "Propose", may, steps, ("ODDS_REGISTRY",), needs=[after], environment=fleet.environment
    )


_VALIDATE: Final = "oddspipe validate sports/*.yaml platform.yaml\n"
_TEST: Final = "oddspipe test sports/*.yaml\n"
_LOGIN: Final = """aws ecr get-login-password --region "$ODDS_REGISTRY_REGION" |
  docker login --username AWS --password-stdin "${ODDS_REGISTRY%%/*}"
"""
_BUILD: Final = """docker buildx create --use --driver docker-container \\
  --driver-opt "image=$ODDS_BUILDKIT_IMAGE"
docker buildx build . --file "$DOCKERFILE" --platform linux/amd64 --push \\
  --tag "$ODDS_REGISTRY:git-$GITHUB_SHA" --provenance mode=max \\
  --build-arg "BUILD_IMAGE=$ODDS_BUILD_IMAGE" --build-arg "RUN_IMAGE=$ODDS_RUN_IMAGE" \\
  --label "org.opencontainers.image.revision=$GITHUB_SHA" --metadata-file built.json
digest=$(jq --exit-status --raw-output '."containerimage.digest"' built.json)
echo "digest=$digest" >> "$GITHUB_OUTPUT"
"""
_SIGN: Final = """cosign sign --yes "$IMAGE"
cosign attest --yes --type cyclonedx --predicate sbom.cdx.json "$IMAGE"
"""
_WHICH: Final = """digest=$(grep --only-matching --extended-regexp 'sha256:[0-9a-f]{64}' "$SOURCE")
echo "digest=$digest" >> "$GITHUB_OUTPUT"
"""
_VERIFY: Final = f"""signer="SIGNER"
cosign verify "$IMAGE" --certificate-identity "$signer" \\
  --certificate-oidc-issuer {ISSUER}
cosign verify-attestation "$IMAGE" --type cyclonedx --certificate-identity "$signer" \\
  --certificate-oidc-issuer {ISSUER} > /dev/null
"""
_PROPOSE: Final = """mkdir -p "$(dirname "$TARGET")"
printf 'image:\\n  repository: %s\\n  digest: %s\\n' "$ODDS_REGISTRY" "$DIGEST" > "$TARGET"
git add "$TARGET"
if git diff --cached --quiet; then
  echo "$ENVIRONMENT runs $DIGEST already" >> "$GITHUB_STEP_SUMMARY"
  exit 0
fi
short=${DIGEST#sha256:}
branch="$ENVIRONMENT-image-${short:0:12}"
git config user.name "github-actions[bot]"
git config user.email "41898282+github-actions[bot]@users.noreply.github.com"
git switch --create "$branch"
git commit --message "Run ${short:0:12} in $ENVIRONMENT"
gh auth setup-git
git push --force origin "$branch"
gh pr view "$branch" --json number > /dev/null 2>&1 ||
  gh pr create --base "$BASE" --head "$branch" --fill
"""
_INSTALL: Final = """# Copies workflows to where GitHub reads them; --check: do they lie there?
set -eu
cd "$(dirname "$0")/../../.."
for file in generated/ENVIRONMENT/github/*.yaml; do
  target=".github/workflows/ENVIRONMENT-$(basename "$file")"
  if [ "${1:-}" = --check ]; then
    cmp "$file" "$target"
  else
    mkdir -p .github/workflows
    cp "$file" "$target"
  fi
done
"""
