#!/usr/bin/env bash
# Builds the benchmarks and runs them: Strata, mimalloc, the default heap and the C runtime's malloc,
# each in a process of its own, in turn, and compared round by round. Prints a table, which is also
# written to build/bench/results.md, and as build/bench/results.json. Installs and fetches what is
# missing first (tools/setup.sh). docs/benchmarks.md explains the figures.
#
#   tools/bench.sh                        as --quick
#   tools/bench.sh --quick                6 rounds, within about 5 minutes
#   tools/bench.sh --full                 16 longer rounds, about 20 minutes
#   tools/bench.sh --rounds N             another number of rounds (even numbers are best)
#   tools/bench.sh --filter REGEX         only the benchmarks whose name matches, e.g. '^pair/'
#   tools/bench.sh --gcc                  built with MinGW-w64 GCC instead of clang
#   tools/bench.sh --native               programs of this machine instead of Windows programs
#   tools/bench.sh --mimalloc DIR         this source tree of mimalloc instead of the fetched one
#   tools/bench.sh --no-setup             does not install or fetch anything
#   tools/bench.sh --help
#
# clang is the default because MinGW's GCC emulates thread-local storage, which mimalloc 2 uses in
# every call. All programs of a run are compiled alike.
#
# STRATA_JOBS   how many compilers run at once   (default: the number of processors)
# STRATA_WINE   the Wine to use                  (default: wine)
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

usage() { sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0"; }

rounds=6
min_time=0.04
limit=200
preset=windows-clang
setup=1
mimalloc=
filter=
while [ "$#" -gt 0 ]; do
  case "$1" in
    --help) usage; exit 0 ;;
    --quick) ;;
    --full) rounds=16 min_time=0.15 limit=0 ;;
    --gcc) preset=windows ;;
    --native) preset=native ;;
    --no-setup) setup=0 ;;
    --rounds | --filter | --mimalloc)
      [ "$#" -ge 2 ] || { usage; exit 2; }
      case "$1" in
        --rounds) rounds=$2 limit=0 ;;
        --filter) filter=$2 ;;
        --mimalloc) mimalloc=$(realpath "$2") ;;
      esac
      shift
      ;;
    *) usage; exit 2 ;;
  esac
  shift
done
jobs=${STRATA_JOBS:-$(nproc)}
cd "$STRATA_ROOT"

# --- Set-up and build ---------------------------------------------------------------------------

if [ "$setup" -eq 1 ]; then
  strata_say "set-up ..."
  tools/setup.sh --quiet || strata_say "set-up is not complete; going on with what is there"
fi

options=(
  -DSTRATA_BUILD_BENCHMARKS=ON -DSTRATA_BUILD_TESTS=OFF -DSTRATA_BUILD_OVERRIDE=OFF
  -DSTRATA_BUILD_TOOLS=OFF -DSTRATA_WERROR=OFF "-DSTRATA_MIMALLOC_SOURCE=$mimalloc")

# configure <preset> ON|OFF: the second says whether mimalloc is part of it.
configure() {
  strata_step "bench $1: configure" \
    cmake --preset "$1" -B "build/bench-$1" "${options[@]}" "-DSTRATA_BENCH_MIMALLOC=$2"
}
build() { strata_step "bench $1: build $2" cmake --build "build/bench-$1" -j "$jobs" --target "$2"; }

# build_strata <preset>: with mimalloc if that can be had; sets `others`, what else can be built.
build_strata() {
  others="crt mimalloc"
  configure "$1" ON || {
    strata_say "trying without mimalloc, the baseline"
    others=crt
    configure "$1" OFF || return 1
  }
  [ "$1" = native ] || others+=" default"
  build "$1" strata_bench_strata
}

if ! build_strata "$preset"; then
  [ "$preset" = windows-clang ] || exit 1
  strata_say "clang's build failed; taking GCC's, although it makes mimalloc 2 slow"
  preset=windows
  build_strata "$preset" || exit 1
fi
for other in crt default mimalloc; do
  case " $others " in
    *" $other "*) build "$preset" "strata_bench_$other" && continue ;;
  esac
  # An earlier build must not stand in for one that failed.
  rm -f "build/bench-$preset/bin/strata_bench_$other" "build/bench-$preset/bin/strata_bench_$other.exe"
  [ "$preset/$other" = native/default ] || strata_say "$other is not measured"
done

# --- Run ----------------------------------------------------------------------------------------

launcher=
objdump=objdump
if [ "$preset" = native ]; then
  export STRATA_BENCH_SYSTEM="native, Linux $(uname -r)"
else
  objdump=x86_64-w64-mingw32-objdump
  strata_say "Wine's prefix ..."
  strata_wine_env
  tools/wine.sh --prepare
  launcher=${strata_wine[*]}
  export STRATA_BENCH_SYSTEM="Windows programs under $("${strata_wine[@]}" --version | tail -n 1)"
fi
exec python3 -B bench/report/bench.py \
  --programs "build/bench-$preset/bin" --libraries "build/bench-$preset/lib" \
  --launcher "$launcher" --objdump "$objdump" --rounds "$rounds" --min-time "$min_time" \
  --limit "$limit" --filter "$filter" --out build/bench
