#!/usr/bin/env bash
# One signed call, with bash, openssl and curl alone: to find out whether keys, network and certificate work, and to see
# which octets are signed. It verifies no answer (bank.mjs does).
#
#   KEYS=town/keys/999202 examples/rest-bank/call.sh http://127.0.0.1:8080 GET /v1/offers
#   KEYS=town/keys/999202 examples/rest-bank/call.sh http://127.0.0.1:8080 POST /v1/offers/LOT-C.offer/decision refusal.json
#
# KEYS   folder with key.pem (RSA, P-256) and chain.pem, ours first
# ID     the message's own id (Idempotency-Key); a new one without
# SHOW   a file to write the signature base to
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,10p' "$0" | cut -c3-; exit 2; }
gateway=${1%/} method=$2 target=$3 body=${4:-/dev/null}
key=$KEYS/key.pem chain=$KEYS/chain.pem

base64_of() { openssl base64 -A; }
der_of() { openssl x509 -outform DER "$@"; }

authority=${gateway#*://}
path=${target%%\?*}
query=${target#"$path"}
digest="sha-256=:$(openssl dgst -sha256 -binary "$body" | base64_of):"
certificates=$(awk '/BEGIN CERT/ { n++ } /BEGIN CERT/, /END CERT/ { if (!/-----/) text[n] = text[n] $0 }
  END { for (i = 1; i <= n; i++) printf "%s:%s:", (i > 1 ? ", " : ""), text[i] }' "$chain")
keyid=$(der_of -in "$chain" | openssl dgst -sha256 -binary | base64_of)
if openssl pkey -in "$key" -noout -text | grep -q 'P-256'; then
  algorithm=ecdsa-p256-sha256 # openssl writes r and s as DER; 32 octets each are wanted
  plain() { printf "$(openssl asn1parse -inform DER | awk -F: '/INTEGER/ { printf "%64s", $4 }' | tr ' ' 0 | sed 's/../\\x&/g')"; }
else
  algorithm=rsa-v1_5-sha256
  plain() { cat; }
fi

covered='"@method" "@authority" "@path" "@query" "content-digest" "signature-certificate"'
base="\"@method\": $method
\"@authority\": $authority
\"@path\": $path
\"@query\": ${query:-?}
\"content-digest\": $digest
\"signature-certificate\": $certificates"
sent=(-H "Content-Digest: $digest" -H "Signature-Certificate: $certificates")
if [ "$body" != /dev/null ]; then
  id=${ID:-$(openssl rand -hex 16)}
  covered+=' "content-type" "idempotency-key"'
  base+="
\"content-type\": application/json
\"idempotency-key\": $id"
  sent+=(-H "Content-Type: application/json" -H "Idempotency-Key: $id" --data-binary "@$body")
fi
now=$(date +%s)
parameters="($covered);created=$now;expires=$((now + 300));nonce=\"$(openssl rand -hex 16)\";keyid=\"$keyid\";alg=\"$algorithm\";tag=\"eherrac\""
base+="
\"@signature-params\": $parameters"
[ -z "${SHOW:-}" ] || printf '%s' "$base" >"$SHOW"
signature=$(printf '%s' "$base" | openssl dgst -sha256 -sign "$key" | plain | base64_of)

exec curl -sS -i -X "$method" "${sent[@]}" \
  -H "Signature-Input: eherrac=$parameters" -H "Signature: eherrac=:$signature:" "$gateway$target"
