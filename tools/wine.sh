#!/usr/bin/env bash
# Runs a Windows program under Wine, in a prefix of the build's own:
#
#   tools/wine.sh program.exe [argument...]
#   tools/wine.sh --prepare        only makes the prefix, and wakes Wine's server
#
# STRATA_WINE        the command, several words allowed        (default: wine)
# STRATA_WINEPREFIX  the folder of the prefix                  (default: build/wineprefix)
# WINEDEBUG          what Wine itself reports                  (default: -all)
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
strata_wine_env
if [ "${1:-}" = --prepare ]; then
  # No output: Wine's services may inherit it, and a reader at the other end would wait for them.
  "${strata_wine[@]}" cmd /c exit >/dev/null 2>&1 </dev/null
  exit
fi
exec "${strata_wine[@]}" "$@"
