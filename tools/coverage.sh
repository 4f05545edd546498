#!/usr/bin/env bash
# Which lines of allocator/ the tests run: builds the tests with gcc's counters, runs them, and reports the
# share of lines per folder. Fails when less than 95 % were run, or when a line that was not has no
# explanation in tools/workshop/coverage/explained.txt, or when an explanation there explains nothing.
#
#   tools/coverage.sh              natively: everything but override/ and os/windows/
#   tools/coverage.sh --wine       those two, by the unit tests under Wine. Reported only: the DLL has no C
#                                  runtime, so it cannot count, and what only runs in it counts as not run
#   tools/coverage.sh --list       names each line that was not run, explained or not
#   tools/coverage.sh --no-build   reports on the last run again
#
# STRATA_JOBS   how many compilers and tests run at once   (default: the number of processors)
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/workshop/lib.sh"
cd "$STRATA_ROOT"

wine=0 run=1
report=()
for option in "$@"; do
  case "$option" in
    --wine) wine=1 ;;
    --list) report+=(--list) ;;
    --no-build) run=0 ;;
    *)
      strata_usage
      [ "$option" = --help ] && exit 0 || exit 2
      ;;
  esac
done
jobs=${STRATA_JOBS:-$(nproc)}

if [ "$wine" -eq 1 ]; then
  preset=windows
  build=$STRATA_BUILD/coverage-wine
  gcov=x86_64-w64-mingw32-gcov-posix
  targets=(strata_os_test strata_override_test strata_api_test strata_heap_test strata_arena_test)
  tests='^strata_(os|override|api|heap|arena)_test$'
  report+=(--only os/windows/ --only override/ --no-limit)
else
  preset=native
  build=$STRATA_BUILD/coverage
  gcov=gcov
  targets=(all)
  # Instructions are not to be counted in this build, the tree's rules have their own step, and the interleavings
  # take too long unoptimised.
  tests=
  report+=(--not os/windows/ --not override/)
fi
command -v "$gcov" >/dev/null || {
  echo "$gcov is not installed: run tools/setup.sh" >&2
  exit 127
}

configure() {
  # Exact lines need unoptimised code. What ends a process in the middle writes its counters first.
  local flags='-O0 -g --coverage -fprofile-update=atomic'
  cmake --preset "$preset" -B "$build" -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_C_FLAGS="--coverage" -DCMAKE_CXX_FLAGS="$flags" \
    -DSTRATA_COVERAGE_DUMP="$STRATA_ROOT/tools/workshop/coverage/dump.cpp"
}

if [ "$run" -eq 1 ]; then
  strata_step "coverage: configure" configure
  strata_step "coverage: build" cmake --build "$build" -j "$jobs" --target "${targets[@]}"
  find "$build" -name '*.gcda' -delete
  selection=(-LE 'rules|counts|e2e|interleave')
  [ -z "$tests" ] || selection=(-R "$tests")
  STRATA_SHOW='tests passed|^\s+[0-9]+ - ' \
    strata_step "coverage: test" ctest --test-dir "$build" -j "$jobs" --output-on-failure "${selection[@]}"
fi
python3 -B tools/workshop/coverage/report.py --gcov "$gcov" --build "$build" "${report[@]}"
