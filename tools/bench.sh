#!/usr/bin/env bash
# Builds the benchmarks and runs them: Strata, mimalloc, the default heap and the C runtime's malloc,
# each in a process of its own, in turn, and compared round by round: micro benchmarks, workloads, real
# programs recorded and replayed, memory, latencies. Prints tables, and writes build/bench/results.json,
# results.md and report.html. Installs and fetches what is missing first (tools/setup.sh).
# docs/benchmarks.md explains the figures.
#
#   tools/bench.sh                        as --quick
#   tools/bench.sh --quick                6 rounds of small workloads, 15 to 20 minutes
#   tools/bench.sh --full                 16 rounds of larger ones, 35 to 55 minutes
#   tools/bench.sh --wine 10|system       Wine 10 in build/wine10 (the default), or the system's own
#   tools/bench.sh --rounds N             another number of rounds (even numbers are best)
#   tools/bench.sh --filter REGEX         only the benchmarks whose name matches, e.g. '^pair/'
#   tools/bench.sh --mimalloc DIR         a source tree of another mimalloc, to compare with as well
#   tools/bench.sh --gcc                  built with MinGW-w64 GCC instead of clang
#   tools/bench.sh --native               programs of this machine instead of Windows programs
#   tools/bench.sh --no-setup             does not install or fetch anything
#   tools/bench.sh --help
#
# Wine 10 is a small Debian 13 that debootstrap makes (root, network, 1.4 GB, a minute, once). Without it
# the system's Wine is taken, and the tables say so. clang is the default compiler because MinGW's GCC
# emulates thread-local storage, which mimalloc 2 uses in every call. All programs are compiled alike.
#
# STRATA_JOBS   how many compilers run at once   (default: the number of processors)
# STRATA_WINE   the Wine of --wine system        (default: wine)
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/workshop/lib.sh"
. "$STRATA_ROOT/tools/workshop/wine10.sh"
. "$STRATA_ROOT/tools/workshop/real_programs.sh"

quick=(--rounds 6 --workload-rounds 6 --memory-rounds 5 --spike-rounds 2 --min-time 0.004 --percent 10
  --memory-percent 20 --spike-percent 40 --limit 130 --workload-limit 110
  --programs-timed node,ffmpeg --program-rounds 6 --program-limit 90 --replay-repeat 2 --replay-limit 60)
full=(--least-rounds 16 --rounds 16 --workload-rounds 16 --memory-rounds 6 --spike-rounds 3 --min-time 0.006 --percent 20
  --memory-percent 40 --spike-percent 100 --program-rounds 6 --replay-repeat 2)
measure=("${quick[@]}")
preset=windows-clang
setup=1
wine=10
mimalloc=
while [ "$#" -gt 0 ]; do
  case "$1" in
    --help) strata_usage; exit 0 ;;
    --quick) measure=("${quick[@]}") ;;
    --full) measure=("${full[@]}") ;;
    --gcc) preset=windows ;;
    --native) preset=native ;;
    --no-setup) setup=0 ;;
    --rounds | --filter | --mimalloc | --wine)
      [ "$#" -ge 2 ] || { strata_usage; exit 2; }
      case "$1" in
        --rounds)
          measure+=(--rounds "$2" --workload-rounds "$2" --limit 0 --workload-limit 0
            --program-rounds "$2" --program-limit 0 --replay-limit 0)
          ;;
        --filter) measure+=("--filter=$2") ;;
        --mimalloc) mimalloc=$(realpath "$2") ;;
        --wine) wine=$2 ;;
      esac
      shift
      ;;
    *) strata_usage; exit 2 ;;
  esac
  shift
done
case "$wine" in 10 | system) ;; *) strata_usage; exit 2 ;; esac
jobs=${STRATA_JOBS:-$(nproc)}
cd "$STRATA_ROOT"

# --- Set-up and build ---------------------------------------------------------------------------

[ "$setup" -eq 0 ] || strata_run_set_up

# configure <folder> <mimalloc: ON|OFF> <override: ON|OFF> <source of mimalloc>
configure() {
  strata_step "bench: configure $1" cmake --preset "$preset" -B "build/$1" \
    -DSTRATA_BUILD_BENCHMARKS=ON -DSTRATA_BUILD_TESTS=OFF -DSTRATA_WERROR=OFF \
    "-DSTRATA_BENCH_MIMALLOC=$2" "-DSTRATA_BUILD_OVERRIDE=$3" -DSTRATA_BUILD_TOOLS=ON \
    "-DSTRATA_MIMALLOC_SOURCE=$4"
}
# build <folder> <target>…: of what fails, nothing earlier is left to stand in for it.
build() {
  local folder=$1 target
  shift
  STRATA_TAIL=20 strata_step "bench: build ${*:1:1}, $#" \
    cmake --build "build/$folder" -j "$jobs" --target "$@" && return
  for target in "$@"; do
    rm -f "build/$folder/bin/$target" "build/$folder/bin/$target.exe"
  done
  return 1
}
both() { echo "strata_bench_$1 strata_workloads_$1"; }
# replay <folder> <name>: the program that runs traces.
replay() { build "$1" "strata_replay_$2" || strata_say "no traces are replayed on $2"; }

# build_all <folder>: Strata or nothing; the others as far as they can be had.
build_all() {
  local folder=$1 override=OFF name
  [ "$preset" = native ] || override=ON
  mimalloc_built=1
  configure "$folder" ON "$override" "" || configure "$folder" ON OFF "" || {
    strata_say "trying without mimalloc, the baseline"
    mimalloc_built=0
    configure "$folder" OFF OFF "" || return 1
  }
  build "$folder" $(both strata) || return 1
  [ "$mimalloc_built" -eq 0 ] || build "$folder" $(both mimalloc) || mimalloc_built=0
  replay "$folder" strata
  [ "$mimalloc_built" -eq 0 ] || replay "$folder" mimalloc
  for name in crt limit; do
    build "$folder" $(both "$name") || strata_say "$name is not measured"
    replay "$folder" "$name"
  done
  replay "$folder" requested
  build "$folder" strata_workloads_requested || strata_say "the bytes asked for are not measured"
  [ "$preset" != native ] || return 0
  build "$folder" $(both default) || strata_say "the default heap is not measured"
  replay "$folder" default
  build "$folder" strata_bench_direct strata_run strata_override ||
    { rm -f "build/$folder/bin/strata-run.exe"; strata_say "the override is not measured"; }
}

folder=bench-$preset
if ! build_all "$folder"; then
  [ "$preset" = windows-clang ] || exit 1
  strata_say "clang's build failed; taking GCC's, although it makes mimalloc 2 slow"
  preset=windows folder=bench-windows
  build_all "$folder" || exit 1
fi
if [ -n "$mimalloc" ]; then
  { configure "$folder-second" ON OFF "$mimalloc" && build "$folder-second" $(both mimalloc) &&
    replay "$folder-second" mimalloc; } ||
    { strata_say "the mimalloc of --mimalloc is not measured"; mimalloc=; }
fi

# --- Run ----------------------------------------------------------------------------------------

launcher=
objdump=objdump
inside=
place=
second=${mimalloc:+build/$folder-second/bin,build/$folder-second/bin,build/$folder-second/lib}
if [ "$preset" = native ]; then
  export STRATA_BENCH_SYSTEM="native, Linux $(uname -r)"
else
  objdump=x86_64-w64-mingw32-objdump
  if [ "$wine" = 10 ]; then
    if wine10_prepare; then
      trap wine10_unmount EXIT
      rm -rf "$wine10_root/bench" "$wine10_root/bench-second"
      cp -r "build/$folder/bin" "$wine10_root/bench"
      inside=/bench
      if [ -n "$mimalloc" ]; then
        cp -r "build/$folder-second/bin" "$wine10_root/bench-second"
        second=build/$folder-second/bin,/bench-second,build/$folder-second/lib
      fi
      place=$wine10_root/programs,/programs
    else
      strata_say "WINE 10 IS NOT TO BE HAD HERE: $wine10_why. Taking the system's Wine, whose default"
      strata_say "heap is slower than that of Windows: its columns flatter Strata and mimalloc"
    fi
  fi
  place=${place:-$STRATA_BUILD/bench/programs,$STRATA_BUILD/bench/programs}
  command -v npm >/dev/null || strata_apt_install npm >/dev/null 2>&1 ||
    strata_say "npm could not be installed: without real programs and replays"
  strata_wine_env
  strata_wine_ready
  launcher=${strata_wine[*]}
  export STRATA_BENCH_SYSTEM="Windows programs under $("${strata_wine[@]}" --version | tail -n 1)"
fi
"${strata_python[@]}" bench/report/bench.py \
  --programs "build/$folder/bin" --inside "$inside" --libraries "build/$folder/lib" \
  --place "$place" --packages "$STRATA_BUILD/demo/packages" \
  --second "$second" --launcher "$launcher" --objdump "$objdump" --out build/bench "${measure[@]}"
