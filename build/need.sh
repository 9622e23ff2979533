#!/usr/bin/env bash
# need.sh COMMAND[=PACKAGE]...: install the Debian packages of those commands that are missing.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

missing=()
for each; do
    command -v "${each%%=*}" >/dev/null || missing+=("${each#*=}")
done
((${#missing[@]})) || exit 0
if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
    echo "setup: missing; please install as root: ${missing[*]}" >&2
    exit 1
fi
echo "setup: installing ${missing[*]}"
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
    install --no-install-recommends "${missing[@]}" >/dev/null
