#!/usr/bin/env bash
# Builds Strata and runs all its tests: Windows programs under Wine, and the same tests natively,
# plain and with sanitizers. Installs what is missing first (tools/setup.sh).
#
#   tools/test.sh            presets windows, native, native-asan, native-tsan, the tree's rules, and real
#                            programs (tools/programs.sh --quick, and with --native)
#   tools/test.sh --all      windows-clang and native-debug, too
#   tools/test.sh --quick    only windows and native, without the stress tests
#   tools/test.sh --help
#
# STRATA_JOBS   how many compilers and tests run at once   (default: the number of processors)
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/workshop/lib.sh"

presets=(windows native native-asan native-tsan)
# Presets that only compile: clang checks the contracts of locks. What native-asan compiles is checked there.
contracts=(thread-safety-windows)
ctest_options=()
for option in "$@"; do
  case "$option" in
    --all) presets=(windows windows-clang native native-debug native-asan native-tsan) ;;
    --quick)
      presets=(windows native)
      contracts=(thread-safety thread-safety-windows)
      ctest_options=(-LE stress)
      ;;
    *)
      strata_usage
      [ "$option" = --help ] && exit 0 || exit 2
      ;;
  esac
done
jobs=${STRATA_JOBS:-$(nproc)}
cd "$STRATA_ROOT"

began=$SECONDS
strata_say "set-up ..."
if "$STRATA_ROOT/tools/setup.sh" --quiet; then
  strata_note set-up ok $((SECONDS - began))
else
  # Not the end: what can be built without the missing piece is built, the rest says what it lacks.
  strata_note set-up FAILED $((SECONDS - began))
fi

strata_step layers python3 -B tools/check_layers.py || true
strata_step format tools/check_format.sh || true
for preset in "${contracts[@]}"; do
  strata_step "$preset: configure" cmake --preset "$preset" &&
    strata_step "$preset" cmake --build --preset "$preset" -j "$jobs" || true
done

for preset in "${presets[@]}"; do
  if ! strata_step "$preset: configure" cmake --preset "$preset" ||
     ! strata_step "$preset: build" cmake --build --preset "$preset" -j "$jobs"; then
    strata_note "$preset: test" skipped 0
    continue
  fi
  STRATA_SHOW='^ *[0-9]+/[0-9]+ Test|tests passed|^Total Test time|^\s+[0-9]+ - ' STRATA_TAIL=150 \
    strata_step "$preset: test" ctest --preset "$preset" -j "$jobs" "${ctest_options[@]}" || true
done

# Real programs: those that can be fetched. What cannot is a line here, not a failure.
if [ -e build/windows/bin/strata-override.dll ] && [ -e build/windows/bin/strata-run.exe ]; then
  STRATA_SHOW='SKIPPED|served|Everything holds' \
    strata_step "real programs, quick set" tools/programs.sh --quick --no-setup || true
else
  strata_note "real programs, quick set" skipped 0
fi

# And Linux programs, from Debian's packages; here, too, what cannot be had is a line.
if [ -e build/native/lib/libstrata-preload.so ]; then
  STRATA_SHOW='SKIPPED|FAILED|heap calls, served|Everything holds' \
    strata_step "native programs, quick set" tools/programs.sh --native --quick || true
else
  strata_note "native programs, quick set" skipped 0
fi

strata_summary
