# What the scripts of this folder share. They source it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CI=true
# The PostgreSQL of the tests. It must be there: a test that cannot reach it fails.
postgres="${LICENTRIC_TEST_DATABASE_URL:-postgres://root@127.0.0.1:5432/test}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

pnpm() { npx -y pnpm@10 "$@"; }
step() { printf '\n==> %s\n' "$*"; "$@"; }
