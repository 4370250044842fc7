#!/usr/bin/env bash
# The services of the integration tests: PostgreSQL and Apache Kafka 3.9 and 4, on ports of their own, in a folder of their
# own; all that tests and benches need of others and that can be installed: SoftHSM2, PgBouncer, Chromium, Node, a JDK, Maven,
# xmlsec1, openssl, and the Java archives of scripts/jars.
#
#   scripts/services.sh start     install what is missing (as root, with apt-get), start all; does nothing if they run
#   scripts/services.sh env       print the `export` lines the tests read: eval "$(scripts/services.sh env)"
#   scripts/services.sh kill-postgres     end PostgreSQL at once and keep its data (Apache Kafka: scripts/kafka.sh kill)
#   scripts/services.sh revive-postgres   start it again, on its data and port; `standby`: only reading, until promoted
#   scripts/services.sh stop      stop all and delete their data
#
# SERVICES_DIR  where data, logs and process ids lie (default: a folder per user under TMPDIR); kept between calls
# SERVICES_CACHE  where the Java archives are kept (default: ~/.cache/eherrac-gateway)
set -euo pipefail
exec </dev/null

here=$(cd "$(dirname "$0")" && pwd)
dir=${SERVICES_DIR:-${TMPDIR:-/tmp}/eherrac-services-$(id -u)}
export SERVICES_CACHE=${SERVICES_CACHE:-${HOME:-/root}/.cache/eherrac-gateway}

fail() { echo "services: $*" >&2; exit 1; }

alive() { [ -s "$1" ] && kill -0 "$(head -n1 "$1")" 2>/dev/null; }

install_packages() {
  [ "$(id -u)" = 0 ] || fail "missing: $*; install it, or run this as root"
  command -v apt-get >/dev/null || fail "missing: $*; there is no apt-get to install it with"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get -o Acquire::Retries=5 update -q && apt-get -o Acquire::Retries=5 install -q -y --no-install-recommends "$@"; } >&2
}

postgres_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n1; }

install_postgres() {
  [ -z "$(postgres_bin)" ] || return 0
  # Only the programs are wanted, not the package's own running database.
  install_packages postgresql-common
  sed -ri 's/^#?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  install_packages postgresql
}

install_pgbouncer() {
  [ -z "$(PATH=$PATH:/usr/sbin command -v pgbouncer)" ] || return 0
  install_packages pgbouncer
  # Only the program is wanted, not the package's own running pooler, which keeps port 6432.
  { service pgbouncer stop; update-rc.d pgbouncer disable; } >&2 || true
}

install_programs() {
  local wanted=()
  command -v chromium >/dev/null || wanted+=(chromium fonts-dejavu-core)
  command -v softhsm2-util >/dev/null || wanted+=(softhsm2)
  command -v npm >/dev/null || wanted+=(nodejs npm)
  command -v javac >/dev/null || wanted+=(default-jdk-headless)
  command -v mvn >/dev/null || wanted+=(maven)
  command -v xmlsec1 >/dev/null || wanted+=(xmlsec1)
  command -v openssl >/dev/null || wanted+=(openssl)
  [ ${#wanted[@]} = 0 ] || install_packages "${wanted[@]}"
}

# PostgreSQL refuses to run as root; then it runs as its package's user.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

start_postgres() {
  alive "$dir/postgres/data/postmaster.pid" && return 0
  local bin port
  bin=$(postgres_bin)
  port=$(python3 "$here/free_ports.py")
  rm -rf "$dir/postgres"
  mkdir -p "$dir/postgres"
  [ "$(id -u)" != 0 ] || chown postgres "$dir/postgres"
  as_postgres "$bin/initdb" -D "$dir/postgres/data" -U gateway --auth=trust -E UTF8 --locale=C >"$dir/initdb.log" 2>&1 ||
    { cat "$dir/initdb.log" >&2; fail "initdb"; }
  run_postgres "$port" || { cat "$dir/postgres/log" >&2; fail "PostgreSQL did not start"; }
  echo "export TEST_POSTGRES_DSN=postgresql://gateway@127.0.0.1:$port/postgres" >"$dir/postgres.env"
}

run_postgres() {
  as_postgres "$(postgres_bin)/pg_ctl" -D "$dir/postgres/data" -l "$dir/postgres/log" -w -t 60 \
    -o "-p $1 -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200" start >/dev/null
}

revive_postgres() {
  local port
  port=$(sed -E 's#.*:([0-9]+)/.*#\1#' "$dir/postgres.env")
  for _ in $(seq 40); do # while a child of the dead server still holds its memory, a new one refuses to start
    alive "$dir/postgres/data/postmaster.pid" && return 0
    run_postgres "$port" && return 0
    sleep 0.25
  done
  tail -n 20 "$dir/postgres/log" >&2
  fail "PostgreSQL did not start again"
}

stop_all() {
  if alive "$dir/postgres/data/postmaster.pid"; then
    as_postgres "$(postgres_bin)/pg_ctl" -D "$dir/postgres/data" -m immediate -w stop >/dev/null || true
  fi
  for major in 3 4; do "$here/kafka.sh" kill "$dir/kafka-$major"; done
  rm -rf "$dir"
}

case "${1:-}" in
  start)
    mkdir -p "$dir"
    chmod 755 "$dir"
    install_postgres
    install_pgbouncer
    install_programs
    "$here/jars.sh" fetch
    start_postgres
    for major in 3 4; do "$here/kafka.sh" start "$dir/kafka-$major" "$major"; done
    echo "services: PostgreSQL and Apache Kafka run; logs in $dir" >&2
    ;;
  env)
    [ -e "$dir/postgres.env" ] || fail "not started"
    cat "$dir/postgres.env"
    for major in 3 4; do echo "export TEST_KAFKA_${major}_FOLDER=$dir/kafka-$major"; done
    sed -n 's/^plain=/export TEST_KAFKA_BOOTSTRAP=/p' "$dir/kafka-4/env"
    echo "export SERVICES_CACHE=$SERVICES_CACHE"
    ;;
  kill-postgres)
    kill -9 "$(head -n1 "$dir/postgres/data/postmaster.pid")"
    while alive "$dir/postgres/data/postmaster.pid"; do sleep 0.05; done # it dies a moment later
    ;;
  revive-postgres)
    [ "${2:-}" != standby ] || as_postgres touch "$dir/postgres/data/standby.signal"
    revive_postgres
    ;;
  stop) stop_all ;;
  *)
    sed -n '2,14p' "$0" | cut -c3-
    exit 2
    ;;
esac
