"""The workflow that changes the cloud: waves of components, planned and, once approved, applied.

A component whose inputs are outputs of another cannot be planned before that one is there: a plan
made of stand-ins must not be applied. So components go in waves; a wave is planned when those
before it are applied, its plan is kept, and only that plan is applied, after approval.
"""

from collections.abc import Sequence
from typing import Any, Final

from oddspipe.core.infra.actions import OIDC, Step, assume, checkout, job, uses, workflow
from oddspipe.core.infra.terraform import Unit

TERRAFORM: Final = "1.11.4"
"""What the modules are checked with."""
APPLY_MIN: Final = 120
"""A cluster of brokers takes most of an hour to come up."""
DRIFT: Final = "17 9 * * 1-5"
_GIVEN: Final = ("ODDS_ACCOUNT", "ODDS_TERRAGRUNT_VERSION", "ODDS_TERRAGRUNT_SHA256")
_INPUTS: Final = ("ODDS_ADMIN_ROLES", "ODDS_CLICKHOUSE_IMAGE", "ODDS_PARTNER_ACCOUNTS")


def waves_of(units: Sequence[Unit]) -> list[list[str]]:
    """Return the names of components, each after all whose outputs it needs.

    >>> waves_of([Unit("a", {}), Unit("b", {}, {"x": ("a.id", "")}), Unit("c", {})])
    [['a', 'c'], ['b']]
    """
    needs = {
        unit.name: {where.partition(".")[0] for where, _ in unit.needs.values()} for unit in units
    }
    made: list[list[str]] = []
    done: set[str] = set()
    while len(done) < len(units):
        wave = [name for name, wanted in needs.items() if name not in done and wanted <= done]
        if not wave:
            raise ValueError(f"components need each other: {sorted(set(needs) - done)}")
        made.append(wave)
        done |= set(wave)
    return made


def terraform_workflow(
    environment: str, region: str, branch: str, units: Sequence[Unit]
) -> dict[str, Any]:
    """Return the workflow of an environment's cloud."""
    folder = f"generated/{environment}/terraform"
    live = f"{folder}/live/{region}"
    made = _Jobs(environment, region, live)
    jobs = {"preview": made.preview()}
    waves = waves_of(units)
    for number, names in enumerate(waves, start=1):
        jobs[f"plan-{number}"] = made.plan(number, names)
        jobs[f"apply-{number}"] = made.apply(number, names)
    paths = [f"{folder}/**"]
    on = {
        "pull_request": {"branches": [branch], "paths": paths},
        "push": {"branches": [branch], "paths": paths},
        "schedule": [{"cron": DRIFT}],
        "workflow_dispatch": {},
    }
    # One change of the cloud at a time; who only looks does not wait for it.
    looks = "github.event_name == 'pull_request' && github.ref || github.event_name == 'schedule'"
    group = f"{environment}-terraform-${{{{ {looks} && 'drift' || 'change' }}}}"
    return workflow(f"{environment} terraform", on, jobs, group)


class _Jobs:
    """Makes the jobs of an environment."""

    def __init__(self, environment: str, region: str, live: str) -> None:
        self._environment, self._region, self._live = environment, region, live

    def _steps(self, role: str) -> list[Step]:
        setup = uses(
            "hashicorp/setup-terraform", "Terraform",
            terraform_version=TERRAFORM, terraform_wrapper="false",
        )  # fmt: skip
        return [
            checkout(), assume(role, self._region), setup,
            {"name": "Terragrunt", "run": _TERRAGRUNT},
        ]  # fmt: skip

    def _env(self, names: Sequence[str]) -> dict[str, str]:
        return {
            "COMPONENTS": " ".join(names),
            "LIVE": self._live,
            "PLANS": f"s3://oddspipe-state-{self._environment}-${{{{ vars.ODDS_ACCOUNT }}}}"
            "/plans/${{ github.run_id }}",
        }

    def preview(self) -> dict[str, Any]:
        """Return the job that says what a change, or what somebody else's hand, comes to."""
        one = "github.event.pull_request.head.repo.full_name == github.repository"
        steps = [
            *self._steps("ODDS_PLAN_ROLE"),
            {"name": "Plan", "env": {"LIVE": self._live}, "run": _PREVIEW},
        ]
        return job(
            "Preview", OIDC, steps, (*_GIVEN, *_INPUTS, "ODDS_PLAN_ROLE"),
            **{"if": f"github.event_name == 'schedule' || {one}"},
            environment=f"{self._environment}-plan",
        )  # fmt: skip

    def plan(self, number: int, names: Sequence[str]) -> dict[str, Any]:
        """Return the job that plans a wave once those before it are there."""
        wanted = "github.event_name == 'push' || github.event_name == 'workflow_dispatch'"
        more: dict[str, Any] = {"if": wanted}
        if number > 1:
            before = f"needs.apply-{number - 1}.result"
            more = {
                "needs": [f"plan-{number - 1}", f"apply-{number - 1}"],
                # A wave without changes was not applied, and need not be.
                "if": f"!cancelled() && needs.plan-{number - 1}.result == 'success' && "
                f"({before} == 'success' || {before} == 'skipped')",
            }
        kept = {
            "changes": "${{ steps.plan.outputs.changes }}",
            "digest": "${{ steps.plan.outputs.digest }}",
        }
        planning = {"name": "Plan", "id": "plan", "env": self._env(names), "run": _PLAN}
        name = f"Plan {', '.join(names)}"
        return job(
            name, OIDC, [*self._steps("ODDS_PLAN_ROLE"), planning],
            (*_GIVEN, *_INPUTS, "ODDS_PLAN_ROLE"),
            **more, environment=f"{self._environment}-plan", outputs=kept,
        )  # fmt: skip

    def apply(self, number: int, names: Sequence[str]) -> dict[str, Any]:
        """Return the job that applies what was planned, and nothing else, once it is approved."""
        env = {**self._env(names), "DIGEST": f"${{{{ needs.plan-{number}.outputs.digest }}}}"}
        return job(
            f"Apply {', '.join(names)}",
            OIDC,
            [*self._steps("ODDS_APPLY_ROLE"), {"name": "Apply", "env": env, "run": _APPLY}],
            (*_GIVEN, *_INPUTS, "ODDS_APPLY_ROLE"),
            **{"if": f"needs.plan-{number}.outputs.changes == 'true'"},
            needs=[f"plan-{number}"],
            # Reviewers of this environment approve; GitHub asks them here.
            environment=self._environment,
            **{"timeout-minutes": APPLY_MIN},
        )


_TERRAGRUNT: Final = """mkdir -p "$RUNNER_TEMP/bin"
base=https://github.com/gruntwork-io/terragrunt/releases/download
curl --fail --silent --show-error --location --output "$RUNNER_TEMP/bin/terragrunt" \\
  "$base/v$ODDS_TERRAGRUNT_VERSION/terragrunt_linux_amd64"
echo "$ODDS_TERRAGRUNT_SHA256  $RUNNER_TEMP/bin/terragrunt" | sha256sum --check --strict
chmod +x "$RUNNER_TEMP/bin/terragrunt"
echo "$RUNNER_TEMP/bin" >> "$GITHUB_PATH"
"""
_PREVIEW: Final = """cd "$LIVE"
more=()
# On a schedule a difference is somebody's hand: then it fails.
if [ "$GITHUB_EVENT_NAME" = schedule ]; then more=(-detailed-exitcode); fi
terragrunt run --all --non-interactive -- plan -input=false -lock=false -no-color "${more[@]}" |
  tee -a "$GITHUB_STEP_SUMMARY"
"""
_PLAN: Final = """plans=$RUNNER_TEMP/plans
mkdir -p "$plans"
changes=false
for one in $COMPONENTS; do
  code=0
  (cd "$LIVE/$one" && terragrunt plan --non-interactive -input=false -no-color -detailed-exitcode \\
    "-out=$plans/$one.tfplan") || code=$?
  case $code in
    0) ;;
    2) changes=true ;;
    *) exit "$code" ;;
  esac
  { echo "### $one"; echo '```'; (cd "$LIVE/$one" && terragrunt show -no-color "$plans/$one.tfplan")
    echo '```'; } >> "$GITHUB_STEP_SUMMARY"
  # What is applied is done with the providers it was planned with.
  if [ -f "$LIVE/$one/.terraform.lock.hcl" ]; then
    cp "$LIVE/$one/.terraform.lock.hcl" "$plans/$one.lock.hcl"
  fi
done
# A plan holds values that nobody is to read: it lies beside the state, not with the run.
aws s3 cp --recursive --only-show-errors "$plans" "$PLANS"
digest=$(cd "$plans" && sha256sum -- * | sha256sum | cut -d ' ' -f 1)
echo "changes=$changes" >> "$GITHUB_OUTPUT"
echo "digest=$digest" >> "$GITHUB_OUTPUT"
"""
_APPLY: Final = """plans=$RUNNER_TEMP/plans
mkdir -p "$plans"
for one in $COMPONENTS; do
  aws s3 cp --recursive --only-show-errors "$PLANS" "$plans" --exclude '*' --include "$one.*"
done
digest=$(cd "$plans" && sha256sum -- * | sha256sum | cut -d ' ' -f 1)
if [ "$digest" != "$DIGEST" ]; then
  echo "::error::these are not the plans that were approved"
  exit 1
fi
for one in $COMPONENTS; do
  if [ -f "$plans/$one.lock.hcl" ]; then
    cp "$plans/$one.lock.hcl" "$LIVE/$one/.terraform.lock.hcl"
  fi
  (cd "$LIVE/$one" &&
    terragrunt apply --non-interactive -input=false -no-color "$plans/$one.tfplan")
done
"""
