#!/usr/bin/env bash
# Runs real, unmodified Windows programs with the plain heap and with Strata, checks that both give
# the same output, and prints time, memory and the share of heap calls that Strata served. Installs,
# builds and fetches what is missing first (tools/setup.sh). docs/demo.md explains the figures.
#
#   tools/demo.sh                   all programs, 5 pairs of runs each
#   tools/demo.sh --quick           3 pairs of runs each
#   tools/demo.sh --runs N          N pairs of runs each
#   tools/demo.sh --program NAME    only this one: 7zip, node, ffmpeg or cmd; may be repeated
#   tools/demo.sh --plain-only      without Strata: do the programs run, always with the same output?
#   tools/demo.sh --no-setup        neither installs nor builds: takes what is there
#   tools/demo.sh --help
#
# The results are also written to build/demo/results.md and build/demo/results.json.
#
# STRATA_JOBS   how many compilers run at once   (default: the number of processors)
# STRATA_WINE   the Wine to use                  (default: wine)
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() { sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0"; }

setup=1
build=1
options=()
while [ "$#" -gt 0 ]; do
  case "$1" in
    --help) usage; exit 0 ;;
    --no-setup) setup=0; build=0 ;;
    --plain-only) build=0; options+=("$1") ;;
    --quick) options+=("$1") ;;
    --runs | --program)
      [ "$#" -ge 2 ] || { usage; exit 2; }
      options+=("$1" "$2")
      shift
      ;;
    *) usage; exit 2 ;;
  esac
  shift
done
cd "$STRATA_ROOT"

incomplete() {
  strata_say "$1"
  exit 1
}

if [ "$setup" -eq 1 ]; then
  # Not the end: what is missing may be of no use here, and the next step that needs it says so.
  strata_say "set-up ..."
  tools/setup.sh --quiet || strata_say "set-up is not complete; going on with what is there"
  if ! command -v npm >/dev/null; then
    strata_say "installing npm, which fetches the real programs"
    strata_step "npm" strata_apt_install npm || true
  fi
fi
if [ "$build" -eq 1 ]; then
  strata_step "windows: configure" cmake --preset windows || incomplete "no demo without a build"
  strata_step "windows: build" cmake --build --preset windows -j "${STRATA_JOBS:-$(nproc)}" \
    --target strata_run strata_override || incomplete "no demo without a build"
fi
strata_say "Wine's prefix ..."
tools/wine.sh --prepare || incomplete "no demo without Wine"

exec python3 -B tools/demo/demo.py "${options[@]}"
