#!/usr/bin/env bash
# Makes .venv exactly as a lock file says: wheels only, every hash checked, nothing compiled. A second run does nothing.
#
#   scripts/venv.sh runtime    what the gateway needs to run
#   scripts/venv.sh dev        that, and what the checks and tests need
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:-runtime}
case $kind in
  runtime) lock=requirements.lock ;;
  dev) lock=requirements-dev.lock ;;
  *) echo "usage: scripts/venv.sh runtime|dev" >&2; exit 2 ;;
esac

find_python() {  # the first interpreter that is new enough
  local candidate
  for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "Python 3.11 or newer is needed. On Debian or Ubuntu: apt-get install python3 python3-venv" >&2
  return 1
}

need_venv() {  # Debian and Ubuntu keep ensurepip in a package of its own
  local python=$1 package
  "$python" -c 'import ensurepip, venv' 2>/dev/null && return
  package=$("$python" -c 'import sys; print(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv")')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $package" >&2
    apt-get -o Acquire::Retries=5 update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=5 install -y -qq "$package" >/dev/null
  else
    echo "$python cannot make virtual environments yet. Run: sudo apt-get install $package" >&2
    return 1
  fi
}

mark() { echo ".venv/.made-$1-$(cat "$2" pyproject.toml | sha256sum | cut -c1-16)"; }

runtime_mark=$(mark runtime requirements.lock)
dev_mark=$(mark dev requirements-dev.lock)
if [ -e "$dev_mark" ] || { [ "$kind" = runtime ] && [ -e "$runtime_mark" ]; }; then
  exit 0
fi

if ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  python=$(find_python)
  need_venv "$python"
  "$python" -m venv --clear .venv
fi

started=$(date +%s)
echo "installing $lock into .venv" >&2
pip() { .venv/bin/python -m pip --disable-pip-version-check --no-input --quiet "$@"; }
pip install --only-binary :all: --require-hashes -r "$lock"
pip install --no-deps --no-build-isolation -e .
rm -f .venv/.made-*
touch "$(mark "$kind" "$lock")"
echo "installed in $(($(date +%s) - started)) s" >&2
