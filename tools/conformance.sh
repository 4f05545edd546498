#!/usr/bin/env bash
# Runs the conformance program (docs/conformance.md) in its three ways and holds them against each other:
#
#   tools/conformance.sh                 under the machine's own Wine
#   tools/conformance.sh --wine 10       under Wine 10 in build/wine10, whose heap has a low-fragmentation
#                                        heap as Windows' has (made on first use: 1.4 GB; root and network)
#   tools/conformance.sh --update        writes the table of docs/win32-compatibility.md as well
#
# The results stay in build/conformance/<wine>/: system.json, strata.json, override.json.
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/workshop/lib.sh"
. "$STRATA_ROOT/tools/workshop/wine10.sh"
cd "$STRATA_ROOT"


wine=system
compare=(--check)
while [ $# -gt 0 ]; do
  case $1 in
    --wine)
      wine=${2:-}
      shift
      case $wine in 10 | system) ;; *) echo "--wine takes 10 or system" >&2 && exit 2 ;; esac
      ;;
    --update) compare=(--update) ;;
    --help | -h) strata_usage && exit ;;
    *) echo "unknown option: $1 (see --help)" >&2 && exit 2 ;;
  esac
  shift
done

programs=(conformance.exe strata.dll strata-run.exe strata-override.dll)
build() {
  cmake --preset windows &&
    cmake --build --preset windows --target strata_conformance strata_shared strata_run strata_override
}
strata_step "windows: build" build
bin=build/windows/bin
kept=build/conformance/$wine
if [ "$wine" = 10 ]; then
  if ! wine10_prepare; then
    echo "Wine 10 is not to be had here: $wine10_why" >&2
    exit 1
  fi
  trap wine10_unmount EXIT
  bin=$wine10_root/conformance
  mkdir -p "$bin"
  cp "${programs[@]/#/build/windows/bin/}" "$bin"
  compare+=(--root "$wine10_root")
  kept=$bin/results
fi
strata_say "Wine's prefix ..."
strata_wine_env
tools/wine.sh --prepare
strata_say "conformance.exe, three ways (one to two minutes) ..."
python3 -B tests/conformance/compare.py --bin "$bin" --runner "${strata_wine[*]}" \
  --keep "$kept" "${compare[@]}" || status=$?
if [ "$wine" = 10 ]; then
  mkdir -p "build/conformance/$wine" && cp "$kept"/*.json "build/conformance/$wine"
fi
exit "${status:-0}"
