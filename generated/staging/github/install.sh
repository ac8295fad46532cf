#!/bin/sh
# Rendered by oddspipe 0.1.0 from platform.yaml.
# Do not edit: change the spec and run `oddspipe render-infra`.
# Copies workflows to where GitHub reads them; --check: do they lie there?
set -eu
cd "$(dirname "$0")/../../.."
for file in generated/staging/github/*.yaml; do
  target=".github/workflows/staging-$(basename "$file")"
  if [ "${1:-}" = --check ]; then
    cmp "$file" "$target"
  else
    mkdir -p .github/workflows
    cp "$file" "$target"
  fi
done
