#!/bin/bash
# town.sh FOLDER: every counterparty of the demonstration, until one of them ends. The lots are played once: their messages
# sent again with other times would be refused (ID_CONFLICT). Revocation lists are renewed every hour, because a gateway
# takes none older than three.
set -eu
folder=$1
# A container's first process ends by no signal that it does not ask for, and its children are not told.
end() { trap "" TERM INT; kill -- 0; wait; exit "$1"; }
trap 'end 0' TERM INT
run() { eherrac-gateway sandbox "$@" --keys "$folder/keys" --world "$folder/world.toml" & }

run aos
run azips --always
run asan-pay
run bank 999101
run bank 999202
for ministry in ECONOMY JUSTICE INTERIOR; do run ministry "$ministry"; done
(while sleep 3600; do eherrac-gateway pki renew --dir "$folder/keys"; done) &
sleep 5
if [ -e "$folder/played" ]; then run platform --no-play; else touch "$folder/played" && run platform; fi
wait -n || true
end 1
