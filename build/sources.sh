#!/usr/bin/env bash
# sources.sh PYTHON CACHE: download the source of the C modules that build/launcher.py links in.
# Where it can't be had, it says so once, and succeeds: plugin runs then take 1 ms longer.
set -euo pipefail

version=$("$1" -c 'import platform; print(platform.python_version())')
package=python${version%.*}
target=$2/python-$version
[[ ! -d $target ]] || exit 0
mkdir -p "$target"
if [[ $(readlink -f "$1") != /usr/bin/* ]] || ! command -v apt-get >/dev/null; then
    echo "build: no source of $1, so \`_json\` and \`_sqlite3\` stay files of their own"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{parts,lists/partial}
# The host's own configuration, asked for sources; it stays as it is.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}; do
    [[ ! -f $file ]] || sed 's/^deb /deb-src /; s/^Types:.*/Types: deb-src/' "$file" >"$work/parts/${file##*/}"
done
apt=(apt-get -qq -o "Dir::Etc::SourceList=/dev/null" -o "Dir::Etc::SourceParts=$work/parts"
    -o "Dir::State::Lists=$work/lists" -o APT::Sandbox::User="$(id -un)")
cd "$work"
"${apt[@]}" update >/dev/null 2>&1 || true # of some repositories there is no source
"${apt[@]}" source --download-only --tar-only "$package" >/dev/null 2>&1 || true
archive=$(compgen -G "${package}_$version.orig.tar.*" | grep -v '\.asc$' || true)
if [[ -z $archive ]]; then
    echo "build: apt has no source of $package $version, so \`_json\` and \`_sqlite3\` stay files of their own"
    exit 0
fi
mkdir source
tar -xf "$archive" -C source --strip-components=1 --wildcards '*/Modules/_json.c' '*/Modules/_sqlite'
mv source/Modules "$target/"
