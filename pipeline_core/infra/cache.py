"""The cache: its users with what each may do, and the settings of a server of one's own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from oddspipe.core.adapters.redis import access
from oddspipe.core.infra.fleet import Fleet, Secret, secret_of
from oddspipe.core.infra.text import head
from oddspipe.core.infra.tree import Artefact

DEFAULT: Final = "default"
"""The user of a connection that gives no name."""
ACL_FILE: Final = "/etc/valkey/users.acl"


@dataclass(frozen=True, slots=True)
class CacheUser:
    """One user.

    Attributes:
        secret: Where its password is; None where it gives none.
        access: ACL rules.
        role: writer, reader, exporter, replica or admin.
    """

    name: str
    secret: Secret | None
    access: str
    role: str

    @property
    def line(self) -> str:
        """Return its line of an ACL file; without a password nobody can log in by it."""
        return f"user {self.name} on {'' if self.secret else 'nopass '}{self.access}"


def cache_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield the users, their settings, and the program that puts passwords in."""
    users = users_of(fleet)
    lines = [one.line for one in users]
    if all(one.name != DEFAULT for one in users):
        lines.insert(0, f"user {DEFAULT} off {access.NOTHING}")
    # The server takes no comments in this file.
    yield Artefact("redis/users.acl", "".join(f"{one}\n" for one in lines), "redis")
    source = "platform.yaml, sports/*.yaml"
    yield Artefact("redis/passwords.sh", _passwords(source, users), "redis", runs=True)
    yield Artefact("redis/valkey.conf", head(source) + _settings(), "redis")


def users_of(fleet: Fleet) -> list[CacheUser]:
    """Return everybody who may do something: the writers first, in order of their names."""
    sports: dict[str, set[str]] = {}
    secrets: dict[str, Secret | None] = {}
    for member in fleet.members:
        if member.plan.published:
            name = str(member.cache.get("username") or DEFAULT)
            sports.setdefault(name, set()).add(member.sport)
            secrets[name] = secret_of(member.cache)
    writers = [
        CacheUser(name, secrets[name], access.writer_access(of), "writer")
        for name, of in sorted(sports.items())
    ]
    others = (
        ("reader", access.reader_access()),
        ("exporter", access.exporter_access()),
        ("replica", access.replica_access()),
        ("admin", access.admin_access()),
    )
    return [
        *writers,
        *(
            CacheUser(f"odds-{role}", Secret(f"redis/{role}", "password"), rules, role)
            for role, rules in others
        ),
    ]


def _settings() -> str:
    return f"""# Give what is of a machine besides: maxmemory (3/4 of its memory), ports, TLS.
# A copy logs in as odds-replica: primaryuser, primaryauth.
aclfile {ACL_FILE}
maxmemory-policy {access.MEMORY_POLICY}
# What is remembered of games must outlive a restart; a second of it may be sent again.
appendonly yes
appendfsync everysec
# Snapshots for backups; the file above is what a restart reads.
save 3600 1 300 10000
"""


def _passwords(source: str, users: list[CacheUser]) -> str:
    files = [f"{one.secret.path}/{one.secret.key}" for one in users if one.secret is not None]
    words = "".join(
        f' \\\n  -e "$(line {one.name} {one.secret.path}/{one.secret.key})"'
        for one in users
        if one.secret is not None
    )
    return f"""#!/bin/sh
{head(source)}# Print the users with the SHA-256 of their passwords: passwords.sh > {ACL_FILE}
# SECRETS: folder with a file PATH/KEY a secret, as pods have it.
set -eu
: "${{SECRETS:?folder of secrets}}"

line() {{
  hash=$(tr -d '\\n' < "$SECRETS/$2" | sha256sum | cut -d' ' -f1)
  printf 's/^user %s on /user %s on #%s /' "$1" "$1" "$hash"
}}

for file in {" ".join(files)}; do
  test -s "$SECRETS/$file" || {{ echo "$SECRETS/$file: no password" >&2; exit 1; }}
done
sed{words} \\
  "$(dirname "$0")/users.acl"
"""
