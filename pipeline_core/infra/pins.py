"""Actions of others that rendered workflows use, each by the commit that was looked at.

A tag can be moved by who takes over a repository, a commit cannot. None of these was made up: each
commit was looked up in the repository of the action, or in public workflows and pages that pin it
beside its version, five or more of them in agreement.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Pin:
    """An action.

    Attributes:
        commit: Full SHA-1 of the commit.
        version: Tag that it had when it was looked up.
        seen: Where commit and version were found together.
    """

    commit: str
    version: str
    seen: str

    @property
    def found(self) -> str:
        """Return what stands behind the `@`, with the version for people."""
        return f"{self.commit} # {self.version}"


_PAGES: Final = "public workflows that pin it by commit and version"
PINS: Final = {
    "actions/checkout": Pin(
        "de0fac2e4500dabe0009e67214ff5f5447ce83dd", "v6.0.2",
        "kedacore/keda at 03a6fad3, .github/workflows/template-trivy-scan.yml",
    ),
    "actions/setup-python": Pin("a309ff8b426b58ec0e2a45f0f869d46889d02405", "v6.2.0", _PAGES),
    "aquasecurity/trivy-action": Pin("ed142fd0673e97e23eac54620cfb913e5ce36c25", "v0.36.0", _PAGES),
    "aws-actions/configure-aws-credentials": Pin(
        "8df5847569e6427dd6c4fb1cf565c83acfa8afa7", "v6.0.0", _PAGES
    ),
    "hashicorp/setup-terraform": Pin("5e8dbf3c6d9deaf4193ca7a8fb23f2ac83bb6c85", "v4.0.0", _PAGES),
    "sigstore/cosign-installer": Pin(
        "faadad0cce49287aee09b3a48701e75088a2c6ad", "v4.0.0",
        "sigstore/cosign-installer at that commit, action.yml",
    ),
}  # fmt: skip
"""Every action that a workflow may name."""
