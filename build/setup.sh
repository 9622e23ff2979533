#!/usr/bin/env bash
# setup.sh VENV: install what a bare Debian lacks for the Makefile's targets, then make the venv.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
PATH=$PATH:/usr/sbin:/sbin

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Debian's interpreter starts faster than a self-built one, and the executable inherits that.
python=/usr/bin/python3
new_enough $python || python=$(command -v python3 || echo $python)

needed=(cc=gcc objdump=binutils ip=iproute2 nft=nftables strace ping=iputils-ping valgrind patchelf sysctl=procps
    xz=xz-utils dnsmasq=dnsmasq-base zsh fish iptables) # the last one for the reference's firewall and portmap
"$python" -c 'import ensurepip, venv' 2>/dev/null || needed+=("no ensurepip=python3-venv")
# The executable's program is linked with the interpreter's static library; PyInstaller looks at the shared one.
if [[ $(readlink -f "$python") == /usr/bin/* ]]; then
    library=libpython$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    ldconfig -p | grep -F "$library.so" >/dev/null || needed+=("no shared library=$library")
    compgen -G "/usr/lib/python3*/config-*/$library.a" >/dev/null || needed+=("no static library=$library-dev")
fi
compgen -G "/usr/lib/*/libsqlite3.a" >/dev/null || needed+=("no libsqlite3.a=libsqlite3-dev")
build/need.sh "${needed[@]}"
if ! new_enough "$python"; then
    echo "setup: Python 3.11 or newer is needed, $python is $("$python" -V 2>&1)" >&2
    exit 1
fi

if [[ -L $venv ]]; then
    echo "setup: $venv is a link, so the environment that it leads to stays as it is"
    exit 0
fi
echo "setup: making $venv with $("$python" -V)"
"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
