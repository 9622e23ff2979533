#!/bin/sh
# Builds HEAD in two directories, and fails unless both builds are the same, byte for byte.
set -eu

root=$(git rev-parse --show-toplevel)
commit=$(git rev-parse HEAD) # which may move meanwhile
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name in one another/place; do
    mkdir -p "$work/$name/.cache"
    git -C "$root" archive "$commit" | tar -x -C "$work/$name"
    ln -s "$root/.venv" "$work/$name/.venv"
    cp -r "$root"/.cache/python-* "$work/$name/.cache" # the interpreter's source, if it was found
    make -C "$work/$name" build
done
diff -r "$work/one/dist" "$work/another/place/dist"
echo "both builds are the same"
