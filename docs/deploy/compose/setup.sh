#!/bin/sh
# setup.sh FOLDER: keys for every participant, and the demonstration's configuration with the names of compose.yaml's
# services instead of this machine. Where there is one already, only fresh revocation lists: nobody believes those of a
# town that lay still for three hours.
set -eu
folder=$1

make_world() {
  mkdir -p "$folder"
  openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$folder/console.key" -out "$folder/console.pem" 2>/dev/null
  python - "$folder" <<'EOF'
import re
import sys
from pathlib import Path

from gateway.cli.pki import create_world
from gateway.cli.stage import PARTICIPANTS
from gateway.cli.world import packaged

folder = Path(sys.argv[1])
create_world(folder / "keys", PARTICIPANTS)
config = packaged("demo.toml").replace('directory = "keys"', 'directory = "keys/GATEWAY"')
config = re.sub(r"http://127\.0\.0\.1:81", "http://town:81", config)
world = packaged("demo_world.toml").replace("//127.0.0.1:8080", "//gateway:8080").replace("127.0.0.1:9092", "kafka:9092")
world = world.replace("[aos]\n", f'[aos]\nstate_file = "{folder}/aos.state"\n')
(folder / "world.toml").write_text(f'host = "0.0.0.0"\n{world}', "utf-8")
(folder / "gateway.toml").write_text(config, "utf-8")
EOF
}

if [ -e "$folder/gateway.toml" ]; then
  eherrac-gateway pki renew --dir "$folder/keys"
else
  make_world
fi
[ "$(id -u)" != 0 ] || chown -R 10001:10001 "$folder"
