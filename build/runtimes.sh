#!/usr/bin/env bash
# runtimes.sh: install the container runtimes that tests/runtimes drives, as Debian has them.
set -euo pipefail

packages=(buildah busybox-static containerd containernetworking-plugins crun podman runc)

missing=()
for package in "${packages[@]}"; do
    dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
        missing+=("$package")
done
((${#missing[@]})) || exit 0
if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
    echo "runtimes: missing; please install as root: ${missing[*]}" >&2
    exit 1
fi
echo "runtimes: installing ${missing[*]}"
apt-get -qq update
# Their services are not wanted: the tests start what they need.
DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq install --no-install-recommends "${missing[@]}" >/dev/null
