#!/bin/sh
# Rendered by oddspipe 0.1.0 from platform.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
# Hold a partner whose readers run away: hold.sh PARTNER on | off
# BROKERS: bootstrap servers; CLIENT: properties of a client that may administrate.
set -eu
: "${BROKERS:?bootstrap servers}" "${CLIENT:?properties of an administrator}"

partner=${1:?a partner}
what=${2:?on or off}
case $partner in
  acme) usual=24000000 ;;
  bluebook) usual=6000000 ;;
  *) echo "no partner $partner" >&2; exit 2 ;;
esac
case $what in
  on) rate=1024 ;;
  off) rate=$usual ;;
  *) echo "on or off, not $what" >&2; exit 2 ;;
esac
kafka-configs.sh --bootstrap-server "$BROKERS" --command-config "$CLIENT" --alter --entity-type users --entity-name "partner-$partner" --add-config "consumer_byte_rate=$rate"
echo "partner-$partner reads at most $rate bytes a second from each broker"
