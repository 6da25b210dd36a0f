#!/usr/bin/env bash
# Builds `memorize` as one static, stripped file that needs nothing of the system it is copied to, and tries it in a
# root that holds nothing else. Linux; prints the file's path.
#
#   packaging/static.sh                # optimised, as it is handed out
#   packaging/static.sh --profile dev  # sooner, to try the script
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

profile=dist
case $#,${1-} in
  2,--profile) profile=$2 ;;
  0,) ;;
  *) echo "usage: packaging/static.sh [--profile NAME]" >&2; exit 2 ;;
esac
target=$(rustc -vV | sed -n 's/^host: //p')
folder=$profile
[ "$profile" != dev ] || folder=debug

# With a target named, build scripts and macros are not built static, which they cannot be.
RUSTFLAGS="-C target-feature=+crt-static ${RUSTFLAGS-}" \
  cargo build -p memorize --locked --profile "$profile" --target "$target" >&2
program=${CARGO_TARGET_DIR:-target}/$target/$folder/memorize

# The system's loader finds nothing to load.
if ldd "$program" 2>&1 | grep -q '=>'; then
  echo "$program is not static:" >&2
  ldd "$program" >&2
  exit 1
fi

# A root with the program alone: no loader, no library, no shell, no /proc.
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp "$program" "$root/memorize"
inside=(chroot "$root" /memorize)
# Who is not root is, in a user namespace of its own.
[ "$(id -u)" = 0 ] || inside=(unshare --map-root-user "${inside[@]}")
train='train --data synthetic --samples 60 --dim 10 --normalize -r 22 --optimizer gd --lr 3 --iterations 300 --quiet'
# shellcheck disable=SC2086 # words
"${inside[@]}" $train --out /run >&2
"${inside[@]}" eval --run /run --json >&2
[ -s "$root/run/checkpoint.safetensors" ]
echo "$program"
