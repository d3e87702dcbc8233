#!/bin/sh
# Build the real control plane for the tests into the cache folder (`make controlplane`).
# Minutes on an empty Go cache, seconds afterwards. tests/support/controlplane.py looks in the same place.
set -eu
cd "$(dirname "$0")"

if ! command -v go >/dev/null; then
    echo "make controlplane: 'go' is not in PATH; install Go 1.26 or newer (or 1.21, which fetches 1.26 itself)" >&2
    exit 1
fi

cache=${AIOKAI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/aiokai}
mkdir -p "$cache"
version=$(go list -mod=readonly -m -f '{{.Version}}' k8s.io/kubernetes)
CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false \
    -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$version" -o "$cache/controlplane" .
echo "$cache/controlplane: Kubernetes $version"
