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
. "$(dirname "${BASH_SOURCE[0]}")/workshop/lib.sh"
. "$STRATA_ROOT/tools/workshop/real_programs.sh"

build=1
while [ "$#" -gt 0 ]; do
  case "$1" in
    --plain-only) build=0; strata_options+=("$1"); shift ;;
    *) strata_option "$@" || { strata_usage; exit 2; }; shift "$strata_taken" ;;
  esac
done
cd "$STRATA_ROOT"

incomplete() {
  strata_say "$1"
  exit 1
}

if [ "$strata_set_up" -eq 1 ]; then
  strata_run_set_up
  strata_npm
  [ "$build" -eq 0 ] || strata_build windows strata_run strata_override || incomplete "no demo without a build"
fi
strata_wine_ready || incomplete "no demo without Wine"

exec "${strata_python[@]}" -m real_programs.demo "${strata_options[@]}"
