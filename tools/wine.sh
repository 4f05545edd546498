#!/usr/bin/env bash
# Runs a Windows program under Wine, in a prefix of the build's own:
#
#   tools/wine.sh program.exe [argument...]
#   tools/wine.sh --prepare        only makes the prefix, and wakes Wine's server
#   tools/wine.sh --hold           the same, and Wine stays awake for an hour or until --release: without
#                                  any Windows program its server and services end after a few seconds,
#                                  and a program that starts just then may not start at all
#   tools/wine.sh --release        ends that
#
# STRATA_WINE        the command, several words allowed        (default: wine)
# STRATA_WINEPREFIX  the folder of the prefix                  (default: build/wineprefix)
# WINEDEBUG          what Wine itself reports                  (default: -all)
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/workshop/lib.sh"
strata_wine_env
case "${1:-}" in
  --prepare)
    # No output: Wine's services may inherit it, and a reader at the other end would wait for them.
    "${strata_wine[@]}" cmd /c exit >/dev/null 2>&1 </dev/null
    exit
    ;;
  --hold) strata_wine_hold 3600; exit ;;
  --release) strata_wine_release; exit ;;
esac
exec "${strata_wine[@]}" "$@"
