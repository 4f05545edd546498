#!/usr/bin/env bash
# The long checks, which tools/test.sh has only a sized part of:
#
#   soak          producers and consumers, drifting sizes, heaps and threads that come and go, natively
#                 and under Wine, each half of the time; prints the curve of live bytes, commit and reservations
#   sanitizers    the whole unit and stress suite under ASan + UBSan and under TSan, eightfold work
#   fuzzers       each for a tenth of the time, from new seeds
#   interleaving  one preemption more than in the tests (docs/verification.md)
#   modes         the conformance program in hardened mode, with page heap and with sampled guard pages; every
#                 call to the system failing in hardened mode and with page heap, under ASan and under Wine
#
#   tools/soak.sh                  all of it, 10 minutes of soak
#   tools/soak.sh --minutes N      N minutes of soak
#   tools/soak.sh --only PART      one of them; may be repeated
#
# STRATA_JOBS   how many compilers and tests run at once   (default: the number of processors)
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/workshop/lib.sh"
cd "$STRATA_ROOT"

minutes=10 parts=
while [ $# -gt 0 ]; do
  case "$1" in
    --minutes) minutes=${2:-} && shift ;;
    --only)
      case "${2:-}" in
        soak | sanitizers | fuzzers | interleaving | modes) parts="$parts $2" && shift ;;
        *) echo "--only takes soak, sanitizers, fuzzers, interleaving or modes" >&2 && exit 2 ;;
      esac
      ;;
    --help) strata_usage && exit ;;
    *) strata_usage && exit 2 ;;
  esac
  shift
done
[[ $minutes =~ ^[0-9]+$ ]] && [ "$minutes" -gt 0 ] || {
  echo "--minutes takes a whole number above 0" >&2
  exit 2
}
[ -n "$parts" ] || parts=' soak sanitizers fuzzers interleaving modes'
jobs=${STRATA_JOBS:-$(nproc)}
wants() { [[ "$parts " == *" $1 "* ]]; }

# build <preset> <target>...
build() {
  local preset=$1
  shift
  strata_step "$preset: configure" cmake --preset "$preset" &&
    strata_step "$preset: build" cmake --build --preset "$preset" -j "$jobs" --target "$@"
}

if wants soak; then
  half=$((minutes * 30))
  if build native strata_soak; then
    STRATA_SHOW='.' strata_step "soak natively" build/native/bin/strata_soak --seconds "$half" || true
  fi
  if build windows strata_soak; then
    STRATA_SHOW='.' strata_step "soak under Wine" \
      tools/wine.sh build/windows/bin/strata_soak.exe --seconds "$half" || true
  fi
fi
if wants sanitizers; then
  for preset in native-asan native-tsan; do
    build "$preset" all || continue
    STRATA_TEST_EFFORT=8 STRATA_SHOW='tests passed|^\s+[0-9]+ - ' STRATA_TAIL=150 \
      strata_step "$preset: unit and stress, in full" \
      ctest --preset "$preset" -j "$jobs" -L 'unit|stress|misuse' --timeout 3600 || true
  done
fi
if wants fuzzers && build native-asan all; then
  for program in build/native-asan/bin/strata_fuzz_*; do
    name=${program##*/strata_fuzz_}
    length=1500
    [ "$name" != pe ] || length=8192
    found=build/native-asan/fuzz/$name
    mkdir -p "$found"
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 STRATA_SHOW='^stat::number|^Done' \
      strata_step "fuzzer: $name" "$program" -max_total_time=$((minutes * 6)) -timeout=30 \
      -rss_limit_mb=3000 -max_len="$length" -len_control=0 -print_funcs=0 -print_final_stats=1 \
      -artifact_prefix="$found-" "$found" "tests/fuzz/corpus/$name" || true
  done
fi
if wants interleaving && build native strata_interleave_test; then
  STRATA_INTERLEAVE_PREEMPTIONS=1 STRATA_SHOW='orders of|PASSED|FAILED' \
    strata_step "interleaving" build/native/bin/strata_interleave_test || true
fi
if wants modes &&
  build windows strata_conformance strata_shared strata_override strata_run; then
  STRATA_SHOW=. strata_step "conformance in the modes" python3 -B tests/conformance/compare.py \
    --bin build/windows/bin --runner tools/wine.sh --mode all || true
fi
if wants modes; then
  for mode in STRATA_HARDENED STRATA_PAGE_HEAP; do
    if build native-asan strata_stress_test; then
      STRATA_SHOW='runs met|PASSED|FAILED' strata_step "failing calls, $mode, under ASan" \
        env "$mode=1" ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
        build/native-asan/bin/strata_stress_test --gtest_brief=1 --gtest_filter='*Fault*' || true
    fi
    if build windows strata_stress_test; then
      STRATA_SHOW='runs met|PASSED|FAILED' strata_step "failing calls, $mode, under Wine" \
        env "$mode=1" tools/wine.sh build/windows/bin/strata_stress_test.exe --gtest_brief=1 \
        --gtest_filter='*Fault*' || true
    fi
  done
fi
strata_summary
