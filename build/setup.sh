#!/usr/bin/env bash
# setup.sh VENV: install what a bare Debian lacks for the Makefile's targets, then make the venv.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
PATH=$PATH:/usr/sbin:/sbin

fail() {
    echo "setup: $*" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

updated=false
install() {
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        fail "missing; please install as root: $*"
    fi
    echo "setup: installing $*"
    $updated || apt-get -qq update
    updated=true
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "$@" >/dev/null
}

# Debian's interpreter starts faster than a self-built one, and the executable inherits that.
python=/usr/bin/python3
new_enough $python || python=$(command -v python3 || echo $python)

missing=()
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
command -v objdump strip >/dev/null || missing+=(binutils)
command -v ip >/dev/null || missing+=(iproute2)
command -v nft >/dev/null || missing+=(nftables)
command -v iptables >/dev/null || missing+=(iptables) # the reference's firewall and portmap
command -v strace >/dev/null || missing+=(strace)
command -v ping >/dev/null || missing+=(iputils-ping)
command -v valgrind >/dev/null || missing+=(valgrind)
((${#missing[@]} == 0)) || install "${missing[@]}"
new_enough "$python" || fail "Python 3.11 or newer is needed, $python is $("$python" -V 2>&1)"

# Debian's interpreter is linked statically; PyInstaller bundles the shared one.
if [[ $(readlink -f "$python") == /usr/bin/* ]]; then
    library=libpython$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    ldconfig -p | grep -F "$library.so" >/dev/null || install "$library"
fi

echo "setup: making $venv with $("$python" -V)"
"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
