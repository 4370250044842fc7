#!/usr/bin/env bash
# The services of the integration tests: PostgreSQL and Apache Kafka, on ports of their own, in a folder of their own;
# and the programs that the interoperability tests speak with (Node, a JDK with Maven, xmlsec1).
# SoftHSM2 is installed with them; it is a library and needs no start.
#
#   scripts/services.sh start     install what is missing (as root, with apt-get), start both; does nothing if they run
#   scripts/services.sh env       print the `export` lines the tests read: eval "$(scripts/services.sh env)"
#   scripts/services.sh stop      stop both and delete their data
#
# SERVICES_DIR  where data, logs and process ids lie (default: a folder per user under TMPDIR); kept between calls
# SERVICES_CACHE  where the Kafka jars are kept (default: ~/.cache/eherrac-gateway)
set -euo pipefail
exec </dev/null

here=$(cd "$(dirname "$0")" && pwd)
dir=${SERVICES_DIR:-${TMPDIR:-/tmp}/eherrac-services-$(id -u)}
cache=${SERVICES_CACHE:-${HOME:-/root}/.cache/eherrac-gateway}
kafka_lib=$cache/kafka-$(sha256sum "$here/kafka-pom.xml" | cut -c1-12)

fail() { echo "services: $*" >&2; exit 1; }

alive() { [ -s "$1" ] && kill -0 "$(head -n1 "$1")" 2>/dev/null; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

install_packages() {
  [ "$(id -u)" = 0 ] || fail "missing: $*; install it, or run this as root"
  command -v apt-get >/dev/null || fail "missing: $*; there is no apt-get to install it with"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -q && apt-get install -q -y --no-install-recommends "$@"; } >&2
}

postgres_bin() { ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n1; }

install_postgres() {
  [ -z "$(postgres_bin)" ] || return 0
  # Only the programs are wanted, not the package's own running database.
  install_packages postgresql-common
  sed -ri 's/^#?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  install_packages postgresql
}

install_softhsm() {
  command -v softhsm2-util >/dev/null || install_packages softhsm2
}

install_kafka() {
  [ ! -e "$kafka_lib/complete" ] || return 0
  command -v java >/dev/null || install_packages default-jre-headless
  command -v mvn >/dev/null || install_packages maven
  mkdir -p "$kafka_lib"
  mvn -B -q -f "$here/kafka-pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DoutputDirectory="$kafka_lib" >"$dir/maven.log" 2>&1 || { cat "$dir/maven.log" >&2; fail "Kafka not fetched"; }
  touch "$kafka_lib/complete"
}

install_peers() {
  local wanted=()
  command -v npm >/dev/null || wanted+=(nodejs npm)
  command -v javac >/dev/null || wanted+=(default-jdk-headless)
  command -v xmlsec1 >/dev/null || wanted+=(xmlsec1)
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
  port=$(free_port)
  rm -rf "$dir/postgres"
  mkdir -p "$dir/postgres"
  [ "$(id -u)" != 0 ] || chown postgres "$dir/postgres"
  as_postgres "$bin/initdb" -D "$dir/postgres/data" -U gateway --auth=trust -E UTF8 --locale=C >"$dir/initdb.log" 2>&1 ||
    { cat "$dir/initdb.log" >&2; fail "initdb"; }
  as_postgres "$bin/pg_ctl" -D "$dir/postgres/data" -l "$dir/postgres/log" -w -t 60 \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200" start >/dev/null ||
    { cat "$dir/postgres/log" >&2; fail "PostgreSQL did not start"; }
  echo "export TEST_POSTGRES_DSN=postgresql://gateway@127.0.0.1:$port/postgres" >"$dir/postgres.env"
}

kafka_properties() {
  cat <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$2
listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$2
advertised.listeners=PLAINTEXT://127.0.0.1:$1
controller.listener.names=CONTROLLER
log.dirs=$dir/kafka/data
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
EOF
}

kafka_java() { java -Xmx512m -Dlog4j.configuration="file:$dir/kafka/log4j.properties" -cp "$kafka_lib/*" "$@"; }

start_kafka() {
  alive "$dir/kafka/pid" && return 0
  local port
  port=$(free_port)
  rm -rf "$dir/kafka"
  mkdir -p "$dir/kafka"
  kafka_properties "$port" "$(free_port)" >"$dir/kafka/server.properties"
  printf '%s\n' 'log4j.rootLogger=WARN, out' 'log4j.appender.out=org.apache.log4j.ConsoleAppender' \
    'log4j.appender.out.layout=org.apache.log4j.PatternLayout' 'log4j.appender.out.layout.ConversionPattern=%d %p %m%n' \
    >"$dir/kafka/log4j.properties"
  kafka_java kafka.tools.StorageTool format -t "$(python3 -c 'import base64, uuid; print(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))')" \
    -c "$dir/kafka/server.properties" >"$dir/kafka/format.log" 2>&1 || { cat "$dir/kafka/format.log" >&2; fail "format"; }
  # A process group of its own, and nobody's pipe held open: the caller's shell may end.
  setsid java -Xmx512m -Dlog4j.configuration="file:$dir/kafka/log4j.properties" -cp "$kafka_lib/*" \
    kafka.Kafka "$dir/kafka/server.properties" >"$dir/kafka/log" 2>&1 &
  echo $! >"$dir/kafka/pid"
  for _ in $(seq 120); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "export TEST_KAFKA_BOOTSTRAP=127.0.0.1:$port" >"$dir/kafka.env"
      return 0
    fi
    alive "$dir/kafka/pid" || break
    sleep 0.5
  done
  tail -n 40 "$dir/kafka/log" >&2
  fail "Kafka did not start"
}

stop_all() {
  if alive "$dir/postgres/data/postmaster.pid"; then
    as_postgres "$(postgres_bin)/pg_ctl" -D "$dir/postgres/data" -m immediate -w stop >/dev/null || true
  fi
  if alive "$dir/kafka/pid"; then
    kill -9 "$(cat "$dir/kafka/pid")" || true
  fi
  rm -rf "$dir"
}

case "${1:-}" in
  start)
    mkdir -p "$dir"
    chmod 755 "$dir"
    install_postgres
    install_softhsm
    install_kafka
    start_postgres
    start_kafka
    echo "services: PostgreSQL and Kafka run; logs in $dir" >&2
    ;;
  env)
    [ -e "$dir/postgres.env" ] && [ -e "$dir/kafka.env" ] || fail "not started"
    cat "$dir/postgres.env" "$dir/kafka.env"
    ;;
  stop) stop_all ;;
  *)
    sed -n '2,11p' "$0" | cut -c3-
    exit 2
    ;;
esac
