#!/usr/bin/env bash
# Runs Wine inside build/wine10 (wine10.sh makes it) with the caller's current folder and environment:
#
#   tools/workshop/wine10_exec.sh program.exe [argument...]
#
# Folders of this machine are seen there only where the caller has mounted them. STRATA_WINE10_USER, a
# number, runs it as that user, with a prefix of its own; otherwise as root.
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/wine10
as=()
home=/root
prefix=/root/prefix
if [ -n "${STRATA_WINE10_USER:-}" ]; then
  home=/var/tmp/strata-$STRATA_WINE10_USER
  prefix=$home/prefix
  as=("--userspec=$STRATA_WINE10_USER:$STRATA_WINE10_USER")
  if [ ! -d "$root$home" ]; then
    mkdir "$root$home"
    chown "$STRATA_WINE10_USER:$STRATA_WINE10_USER" "$root$home"
  fi
fi
# Wine asks for a display server there, and says so on the standard error of some program when it is not set.
exec chroot "${as[@]}" "$root" /usr/bin/env -C "$PWD" XDG_RUNTIME_DIR=/tmp "HOME=$home" "WINEPREFIX=$prefix" \
  wine "$@"
