#!/usr/bin/env bash
# One Apache Kafka broker (KRaft) for tests, with its data in a folder: killing it and starting it again keeps both its
# records and its addresses.
#
#   scripts/kafka.sh start FOLDER 3|4   start it, the first time empty; does nothing if it runs
#   scripts/kafka.sh kill FOLDER        end it at once and keep its data
#
# FOLDER/env says where it listens: open for everybody (`plain`), and by TLS with a login (`secure`), where the users
# `gateway` and `stranger` (password: the name and `-secret`) may do only what an ACL grants. FOLDER/ca.pem vouches for it.
set -euo pipefail
exec </dev/null

here=$(cd "$(dirname "$0")" && pwd)
heap=-Xmx256m

fail() { echo "kafka: $*" >&2; exit 1; }

runs() { [ -s "$1/pid" ] && kill -0 "$(cat "$1/pid")" 2>/dev/null; }

properties() {
  cat <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$4
listeners=PLAINTEXT://127.0.0.1:$2,SASL_SSL://127.0.0.1:$3,CONTROLLER://127.0.0.1:$4
advertised.listeners=PLAINTEXT://127.0.0.1:$2,SASL_SSL://127.0.0.1:$3
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location=$1/server.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.dirs=$1/data
auto.create.topics.enable=false
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=2
log.cleaner.dedupe.buffer.size=4194304
EOF
}

# 3 logs by log4j, 4 by log4j 2; both files do no harm to the other.
loggers() {
  printf '%s\n' 'log4j.rootLogger=WARN, out' 'log4j.appender.out=org.apache.log4j.ConsoleAppender' \
    'log4j.appender.out.layout=org.apache.log4j.PatternLayout' 'log4j.appender.out.layout.ConversionPattern=%d %p %m%n' \
    >"$1/log4j.properties"
  printf '%s\n' 'rootLogger.level=warn' 'rootLogger.appenderRefs=out' 'rootLogger.appenderRef.out.ref=out' \
    'appenders=out' 'appender.out.type=Console' 'appender.out.name=out' 'appender.out.layout.type=PatternLayout' \
    'appender.out.layout.pattern=%d %p %m%n' >"$1/log4j2.properties"
}

certificate() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$1/server.key" -out "$1/ca.pem" 2>/dev/null
  cat "$1/server.key" "$1/ca.pem" >"$1/server.pem"
  rm "$1/server.key"
}

# prepare FOLDER JAVA… - an empty broker, its addresses chosen
prepare() {
  local folder=$1 plain secure controller users=() name
  shift
  read -r plain secure controller < <(python3 "$here/free_ports.py" 3)
  rm -rf "$folder"
  mkdir -p "$folder"
  folder=$(cd "$folder" && pwd)
  properties "$folder" "$plain" "$secure" "$controller" >"$folder/server.properties"
  loggers "$folder"
  certificate "$folder"
  for name in gateway stranger; do users+=(--add-scram "SCRAM-SHA-512=[name=$name,password=$name-secret]"); done
  "$@" kafka.tools.StorageTool format "--cluster-id=$(python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("="))')" \
    "${users[@]}" -c "$folder/server.properties" >"$folder/format.log" 2>&1 || { cat "$folder/format.log" >&2; fail "format"; }
  printf 'plain=127.0.0.1:%s\nsecure=127.0.0.1:%s\n' "$plain" "$secure" >"$folder/env"
}

start() {
  local folder=$1 jars java port
  runs "$folder" && return 0
  jars=$("$here/jars.sh" folder "kafka-$2")
  java=(java "$heap" -XX:+UseSerialGC "-Dlog4j.configuration=file:$folder/log4j.properties"
    "-Dlog4j2.configurationFile=file:$folder/log4j2.properties" -cp "$jars/*")
  [ -s "$folder/env" ] || prepare "$folder" "${java[@]}"
  # A process group of its own, and nobody's pipe held open: the caller's shell may end.
  setsid "${java[@]}" kafka.Kafka "$folder/server.properties" >>"$folder/log" 2>&1 &
  echo $! >"$folder/pid"
  port=$(sed -n 's/^plain=.*://p' "$folder/env")
  for _ in $(seq 960); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return 0; fi
    runs "$folder" || break
    sleep 0.25
  done
  tail -n 40 "$folder/log" >&2
  fail "the broker did not start"
}

case "${1:-}" in
  start) start "${2:?}" "${3:?}" ;;
  kill)
    if runs "${2:?}"; then kill -9 "$(cat "$2/pid")"; fi
    while runs "$2"; do sleep 0.05; done # it dies a moment later
    ;;
  *)
    sed -n '2,9p' "$0" | cut -c3-
    exit 2
    ;;
esac
