#!/bin/sh
# Called by `meson install`: copies every header of the library (not those of the command), with its folder, to the include
# directory $1 (absolute, or relative to the prefix).
set -eu
case $1 in
  /*) target=${DESTDIR:-}$1 ;;
  *) target=$MESON_INSTALL_DESTDIR_PREFIX/$1 ;;
esac
cd "$(dirname "$0")/.."
find tensor autograd nn data vilt -path vilt/command -prune -o -name '*.h' -print | sort | while read -r header; do
  mkdir -p "$target/$(dirname "$header")"
  install -m 644 "$header" "$target/$header"
done
