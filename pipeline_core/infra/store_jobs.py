"""ClickHouse's jobs: backups, an archive in Parquet that is counted, a drill of restoring."""

from collections.abc import Iterator
from typing import Final

from oddspipe.core.adapters.clickhouse.ddl import table
from oddspipe.core.infra.clickhouse import DATABASE
from oddspipe.core.infra.fleet import Fleet, Member
from oddspipe.core.infra.text import head
from oddspipe.core.infra.tree import Artefact
from oddspipe.core.render.templates import rendered

DRILL: Final = f"{DATABASE}_drill"
"""Database that a drill restores into, and drops."""
DISK: Final = "backups"
HISTORY: Final = "odds_history"
FOLDER: Final = "clickhouse/jobs"
TIMES: Final = {
    "backup-full": ("Tue *-*-* 09:00:00 UTC", "Back everything up"),
    "backup-more": ("*-*-* 0/4:20:00 UTC", "Back up what came since the last backup"),
    "export": ("*-*-* 10:00:00 UTC", "Archive the odds of a day as Parquet, and count them"),
    "drill": ("Wed *-*-01..07 11:00:00 UTC", "Restore the last backup aside, and compare"),
}
"""When each job runs, and what it does."""


def store_jobs_of(fleet: Fleet) -> Iterator[Artefact]:
    """Yield the jobs' statements, the program that runs them on a server, and their timers."""
    made = {
        "backup-full.sql": [backup_of()],
        "backup-more.sql": [f"{backup_of()}\nSETTINGS base_backup = Disk('{DISK}', {_BASE})"],
        "drill.sql": drill_of(fleet),
        "export.sql": [one for member in fleet.members for one in export_of(member)],
    }
    source = "sports/*.yaml, platform.yaml"
    for name, statements in made.items():
        text = head(source, mark="--") + "".join(f"\n{one};\n" for one in statements)
        yield Artefact(f"{FOLDER}/{name}", text, "clickhouse-job")
    text = rendered("infra/store_run.sh.j2", {"head": head(source), "drill": DRILL})
    yield Artefact(f"{FOLDER}/run.sh", text, "clickhouse-job", runs=True)
    yield Artefact(f"{FOLDER}/backups.xml", _SETTINGS, "clickhouse-job")
    for name, (when, what) in TIMES.items():
        unit = f"{FOLDER}/oddspipe-{name}"
        yield Artefact(f"{unit}.timer", head(source) + _timer(name, when, what), "systemd")
        yield Artefact(f"{unit}.service", head(source) + _service(name, what), "systemd")


_NAME: Final = "{name:String}"
_BASE: Final = "{base:String}"
_DAY: Final = "{day:Date}"


def backup_of() -> str:
    """Return the statement that backs everything up."""
    return f"BACKUP DATABASE {DATABASE}\nTO Disk('{DISK}', {_NAME})"


def drill_of(fleet: Fleet) -> list[str]:
    """Return what restores a backup aside and compares it with what is in use.

    What came after the backup, and what its age removes meanwhile, is left out of both:
    `since` and `before` are days. Each comparison is an error where the two differ.
    """
    made = [
        f"DROP DATABASE IF EXISTS {DRILL}",
        f"RESTORE DATABASE {DATABASE} AS {DRILL} FROM Disk('{DISK}', {_NAME})",
    ]
    for member in fleet.members:
        name = table(member.sport, HISTORY)
        when = "event_time >= {since:Date} AND event_time < {before:Date}"
        rows = "SELECT (count(), groupBitXor(cityHash64(*))) FROM"
        pair = [f"({rows} {db}.{name} WHERE {when})" for db in (DATABASE, DRILL)]
        made.append(
            f"SELECT throwIf({pair[0]}\n  != {pair[1]},\n  '{name}: the restored rows differ')"
        )
    return [*made, f"DROP DATABASE {DRILL}"]


def export_of(member: Member) -> list[str]:
    """Return what writes a day's odds as Parquet, and fails where the file does not hold them all.

    A day is written whole; doing it again replaces the file.
    """
    name = table(member.sport, HISTORY)
    file = f"concat('parquet/{name}/', toString({_DAY}), '.parquet')"
    rows = f"{DATABASE}.{name} WHERE toDate(event_time, 'UTC') = {_DAY}"
    place = f"s3(archive, filename = {file}, format = 'Parquet')"
    write = f"INSERT INTO FUNCTION {place}\nSELECT * FROM {rows}"
    counts = f"(SELECT count() FROM {place})\n  != (SELECT count() FROM {rows})"  # noqa: S608 - ours
    return [
        f"{write}\nSETTINGS s3_truncate_on_insert = 1",
        f"SELECT throwIf({counts},\n  '{name}: the archive has other rows')",
    ]


def _timer(name: str, when: str, what: str) -> str:
    return (
        f"[Unit]\nDescription={what}\n\n[Timer]\nOnCalendar={when}\nPersistent=true\n"
        f"RandomizedDelaySec=120\nUnit=oddspipe-{name}.service\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def _service(name: str, what: str) -> str:
    return (
        f"[Unit]\nDescription={what}\nWants=network-online.target\n"
        "After=network-online.target clickhouse-server.service\n\n"
        "[Service]\nType=oneshot\nUser=clickhouse\nStateDirectory=oddspipe-jobs\n"
        f"ExecStart=/bin/sh /etc/oddspipe/jobs/run.sh {name}\nTimeoutStartSec=3h\n"
        "NoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\n"
        "ReadWritePaths=-/var/lib/node_exporter\n"
    )


_SETTINGS: Final = f"""<clickhouse>
  <!-- ODDS_BACKUPS: https://BUCKET.s3.REGION.amazonaws.com/clickhouse/backups/
       ODDS_ARCHIVE: https://BUCKET.s3.REGION.amazonaws.com/clickhouse/archive/
       The machine's role may write there, and delete nothing but a backup's own lock. -->
  <storage_configuration>
    <disks>
      <{DISK}>
        <type>s3_plain</type>
        <endpoint from_env="ODDS_BACKUPS"/>
        <use_environment_credentials>true</use_environment_credentials>
        <skip_access_check>true</skip_access_check>
      </{DISK}>
    </disks>
  </storage_configuration>
  <backups>
    <allowed_disk>{DISK}</allowed_disk>
  </backups>
  <named_collections>
    <archive>
      <url from_env="ODDS_ARCHIVE"/>
      <use_environment_credentials>1</use_environment_credentials>
    </archive>
  </named_collections>
</clickhouse>
"""
