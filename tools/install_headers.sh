#!/bin/sh
# Called by `meson install`: copies every public header, with its folder, to the include directory given ($1, relative to
# the prefix or absolute).
set -eu
case $1 in
  /*) target=${DESTDIR:-}$1 ;;
  *) target=$MESON_INSTALL_DESTDIR_PREFIX/$1 ;;
esac
cd "$MESON_SOURCE_ROOT"
find tensor autograd nn data vilt -name '*.h' | sort | while read -r header; do
  mkdir -p "$target/$(dirname "$header")"
  install -m 644 "$header" "$target/$header"
done
