#!/usr/bin/env bash
# The life of processes with strata-override.dll in them, at full length (docs/override.md has the figures):
#
#   tools/stress.sh                everything, some six minutes
#   tools/stress.sh PART...        only these parts
#
#   exits        1,000 processes that end in eight manners while threads are inside the heap's functions,
#                2 seconds each
#   births       10,000 threads that are born and die, with flat commit
#   terminated   200 threads that are ended by TerminateThread
#   callbacks    1,000 threads whose TLS and FLS callbacks free blocks after the override's own detach
#   libraries    1,000 times LoadLibrary and FreeLibrary of a DLL that allocates
#   pinned       1,000 times FreeLibrary of the override itself
#   loader-lock  a fatal error while the loader lock is held
#   attach       100 busy processes that strata-run --attach is used on
#   redirects    a failure at every redirect and every VirtualProtect; ntdll.dll must be byte-identical
#
# The test run (tools/test.sh) has the same tests with small counts.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/workshop/lib.sh"
cd "$STRATA_ROOT"

declare -A tests=(
  [exits]=Life.test_process_exits
  [births]=Life.test_thread_births_and_deaths
  [terminated]=Life.test_terminated_threads
  [callbacks]=Life.test_callbacks_after_detach
  [libraries]=Life.test_libraries_that_come_and_go
  [pinned]=Life.test_the_override_stays
  [loader-lock]=Life.test_a_fatal_error_under_the_loader_lock
  [attach]=Attach.test_a_busy_process
  [redirects]=
)
parts=(exits births terminated callbacks libraries pinned loader-lock attach redirects)
case "${1:-}" in
  --help | -h) strata_usage && exit ;;
  -*) echo "unknown option: $1 (see --help)" >&2 && exit 2 ;;
  '') ;;
  *) parts=("$@") ;;
esac
for part in "${parts[@]}"; do
  [ -n "${tests[$part]+there}" ] || { echo "no such part: $part (see --help)" >&2 && exit 2; }
done

build() {
  cmake --preset windows && cmake --build --preset windows -j "${STRATA_JOBS:-$(nproc)}"
}
strata_step "windows: build" build
tools/wine.sh --prepare
for part in "${parts[@]}"; do
  if [ "$part" = redirects ]; then
    STRATA_SHOW='redirects, each failed' strata_step "$part" \
      tools/wine.sh build/windows/bin/strata_override_test.exe --gtest_filter='NtdllTest.*' || true
  else
    script=tests/life/overridden_test.py
    [ "$part" != attach ] || script=tests/e2e/attach_test.py
    STRATA_SHOW='^  |longest|commit' strata_step "$part" env PYTHONPATH=tests/e2e python3 -B "$script" \
      --bin build/windows/bin --runner "$STRATA_ROOT/tools/wine.sh" --full -v "${tests[$part]}" || true
  fi
done
strata_summary
