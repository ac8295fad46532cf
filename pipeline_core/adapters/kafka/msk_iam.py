"""Log in to Amazon MSK by the IAM role of the process: tokens that are signed here and renewed."""

from collections.abc import Callable

from oddspipe.core.errors import PluginError, RunError

Sign = Callable[[str], tuple[str, int]]
"""Signs a token for a region; returns it and when it expires, in milliseconds."""


def signer() -> Sign:
    """Return what signs tokens with the credentials that AWS's own tools would find.

    Raises:
        PluginError: It is not installed.
    """
    try:
        from aws_msk_iam_sasl_signer import (  # noqa: PLC0415 - an extra's, 0.3 s
            MSKAuthTokenProvider,
        )
    except ImportError as error:
        raise PluginError(
            f"what signs tokens for Amazon MSK is not installed: {error}",
            hint="pip install 'oddspipe-framework[aws]'",
        ) from error
    sign: Sign = MSKAuthTokenProvider.generate_auth_token
    return sign


class IamTokens:
    """What librdkafka asks for a token, before the one it has expires.

    Args:
        region: Where the cluster is.
        sign: Signs one.
    """

    def __init__(self, region: str, sign: Sign) -> None:
        """Take the region; nothing is signed yet."""
        self._region, self._sign = region, sign

    def checked(self) -> "IamTokens":
        """Sign one now: what is missing is told at the start, not by a client that waits.

        Raises:
            RunError: None can be signed.
        """
        try:
            self._sign(self._region)
        except Exception as error:  # botocore has many
            told = f"{type(error).__name__}: {error}"
            raise RunError(
                f"kafka: no token can be signed for {self._region}: {told}",
                hint="Give the process an IAM role, or AWS_ACCESS_KEY_ID and the like.",
            ) from error
        return self

    def __call__(self, _settings: str) -> tuple[str, float]:
        """Return a token and when it expires, in seconds; what goes wrong librdkafka tells."""
        token, expires_ms = self._sign(self._region)
        return token, expires_ms / 1000
