#!/bin/sh
# town.sh FOLDER: every counterparty of the demonstration, until the first of them ends. Revocation lists are renewed
# every hour, because a gateway takes none older than three.
set -eu
common="--keys $1/keys --world $1/world.toml"
run() { eherrac-gateway sandbox "$@" $common & }

run aos
run azips --always
run asan-pay
run bank 999101
run bank 999202
for ministry in ECONOMY JUSTICE INTERIOR; do run ministry "$ministry"; done
(while sleep 3600; do eherrac-gateway pki renew --dir "$1/keys"; done) &
sleep 5
run platform
wait
