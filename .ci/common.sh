# What the scripts of this folder share. They source it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CI=true
# The PostgreSQL of the tests. It must be there: a test that cannot reach it fails.
postgres="${LICENTRIC_TEST_DATABASE_URL:-postgres://root@127.0.0.1:5432/test}"

work=$(mktemp -d)
# Nothing that still runs in the background goes on without it.
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

pnpm() { npx -y pnpm@10 "$@"; }
# Waits for what runs in the background, prints what it has printed, and fails where it failed.
finished() {
  local status=0
  wait "$1" || status=$?
  cat "$2"
  return "$status"
}
# Says what it runs, and when: what takes the time shows in the log.
step() { printf '\n==> %d s: %s\n' "$SECONDS" "$*"; "$@"; }
