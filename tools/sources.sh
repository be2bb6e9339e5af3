#!/bin/sh
# Called by Meson: the files under a folder, which is how every library and test program gets its sources. A file that is
# added is found when Meson configures again, which ./run and ./test see to (after plain `ninja`: touch meson.build).
#   sources.sh FOLDER NAME [EXCEPT...]
# prints the paths below FOLDER whose last part matches NAME, but for those that match one of EXCEPT as a whole.
set -eu
cd "$(dirname "$0")/.."
folder=$1 name=$2
shift 2
for pattern; do
  set -- "$@" -not -path "$pattern"
  shift
done
find "$folder" -type f -name "$name" "$@" | LC_ALL=C sort
