#!/usr/bin/env bash
# Java programs of others that tests and benches use: fetched once from Maven Central, each with all it needs, into a
# folder of its own. What there is stands in scripts/jars/NAME.xml; Maven's own repository is only passed through.
#
#   scripts/jars.sh fetch [NAME…]   fetch what is missing of these, or of all
#   scripts/jars.sh folder NAME     where its archives lie; fails if they are not there
#
# SERVICES_CACHE  where the folders are kept (default: ~/.cache/eherrac-gateway)
set -euo pipefail
exec </dev/null
cd "$(dirname "$0")/jars"

cache=${SERVICES_CACHE:-${HOME:-/root}/.cache/eherrac-gateway}
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

folder() { echo "$cache/$1-$(sha256sum "$1.xml" | cut -c1-12)"; }

is_there() { [ -e "$(folder "$1")/complete" ]; }

copied() { mvn -B -q -f "$1.xml" "$plugin:copy-dependencies" -DincludeScope=runtime -DoutputDirectory="$2"; }

fetch() {
  local into log attempt
  is_there "$1" && return 0
  into=$(folder "$1")
  rm -rf "$into"
  mkdir -p "$into"
  log=$(mktemp)
  for attempt in 1 2 3; do # a network that fails once is not a reason to fail
    if copied "$1" "$into" >"$log" 2>&1; then
      rm "$log"
      touch "$into/complete"
      return 0
    fi
    sleep $((attempt * 5))
  done
  cat "$log" >&2
  echo "jars: $1 not fetched" >&2
  exit 1
}

case "${1:-}" in
  fetch)
    shift
    [ $# -gt 0 ] || set -- $(ls ./*.xml | xargs -n1 basename -s .xml)
    for name; do fetch "$name"; done
    ;;
  folder)
    is_there "${2:?}" || { echo "jars: $2 is not here; scripts/jars.sh fetch $2 gets it" >&2; exit 1; }
    folder "$2"
    ;;
  *)
    sed -n '2,8p' "$0" | cut -c3-
    exit 2
    ;;
esac
