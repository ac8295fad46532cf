#!/bin/sh
# Rendered by oddspipe 0.1.0 from platform.yaml, sports/*.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
# Print the users with the SHA-256 of their passwords: passwords.sh > /etc/valkey/users.acl
# SECRETS: folder with a file PATH/KEY a secret, as pods have it.
set -eu
: "${SECRETS:?folder of secrets}"

line() {
  hash=$(tr -d '\n' < "$SECRETS/$2" | sha256sum | cut -d' ' -f1)
  printf 's/^user %s on /user %s on #%s /' "$1" "$1" "$hash"
}

for file in redis/mlb/password redis/nba/password redis/nfl/password redis/reader/password redis/exporter/password redis/replica/password redis/admin/password; do
  test -s "$SECRETS/$file" || { echo "$SECRETS/$file: no password" >&2; exit 1; }
done
sed \
  -e "$(line odds-mlb redis/mlb/password)" \
  -e "$(line odds-nba redis/nba/password)" \
  -e "$(line odds-nfl redis/nfl/password)" \
  -e "$(line odds-reader redis/reader/password)" \
  -e "$(line odds-exporter redis/exporter/password)" \
  -e "$(line odds-replica redis/replica/password)" \
  -e "$(line odds-admin redis/admin/password)" \
  "$(dirname "$0")/users.acl"
