#!/bin/sh
# Rendered by oddspipe 0.1.0 from sports/*.yaml, platform.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
# One job on a server of ClickHouse: run.sh backup-full | backup-more | export [DAY] | drill
# recovery-drill SECONDS only records that a drill of the whole was done, and how long odds were away.
# CLIENT: the client with its login; JOBS: folder of this file; STATE: where the last names are kept;
# METRICS: folder that node_exporter's textfile collector reads.
set -eu
job=${1:?a job}
CLIENT=${CLIENT:-clickhouse-client}
JOBS=${JOBS:-$(dirname "$0")}
STATE=${STATE:-/var/lib/oddspipe-jobs}
METRICS=${METRICS:-/var/lib/node_exporter}
begun=$(date -u +%s)
took=

# Statements of a file, one after the other; the first that fails ends the job.
run() {
  file=$1
  shift
  $CLIENT "$@" --queries-file "$JOBS/$file.sql"
}

case $job in
  backup-full)
    name=full-$(date -u +%Y%m%dT%H%M%S)
    run "$job" --param_name="$name"
    echo "$name" > "$STATE/last"
    ;;
  backup-more)
    test -s "$STATE/last" || { echo "$STATE/last: no backup to build on: run backup-full" >&2; exit 1; }
    base=$(cat "$STATE/last")
    name=more-$(date -u +%Y%m%dT%H%M%S)
    run "$job" --param_name="$name" --param_base="$base"
    echo "$name" > "$STATE/last"
    ;;
  export)
    # Two days back: events that came late are in their place.
    day=${2:-$(date -u -d '2 days ago' +%F)}
    run "$job" --param_day="$day"
    ;;
  drill)
    test -s "$STATE/last" || { echo "$STATE/last: no backup to restore" >&2; exit 1; }
    run "$job" --param_name="$(cat "$STATE/last")" \
      --param_since="$(date -u -d '30 days ago' +%F)" --param_before="$(date -u -d '2 days ago' +%F)"
    ;;
  recovery-drill)
    took=${2:?seconds for which odds were away}
    case $took in *[!0-9]*) echo "seconds, not $took" >&2; exit 2 ;; esac
    ;;
  *)
    echo "no job $job" >&2
    exit 2
    ;;
esac

# Whole or not at all: the collector may read at any moment.
file=$METRICS/oddspipe_job_$job.prom
ended=$(date -u +%s)
{
  printf 'oddspipe_job_success_time_seconds{task="%s"} %s\n' "$job" "$ended"
  printf 'oddspipe_job_duration_seconds{task="%s"} %s\n' "$job" "${took:-$((ended - begun))}"
} > "$file.new"
mv "$file.new" "$file"
