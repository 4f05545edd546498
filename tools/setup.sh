#!/usr/bin/env bash
# Installs the compilers, Wine and libraries that Strata is built and tested with, and fetches the
# sources it needs into build/deps/. Debian 12; root, or sudo. Run as often as you like: what is there
# already is left alone, and with everything there it takes no time.
#
#   tools/setup.sh [--quiet]
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/workshop/lib.sh"

case "${1:-}" in
  '') quiet=0 ;;
  --quiet) quiet=1 ;;
  *)
    strata_usage
    [ "$1" = --help ] && exit 0 || exit 2
    ;;
esac

# What is lost without each. Packages first:   name | what needs it
packages='
cmake                               | everything
ninja-build                         | everything
g++                                 | the native build
python3                             | the checks of layers and imports
g++-mingw-w64-x86-64-posix          | the Windows builds
wine                                | running Windows programs: tests, demo, benchmarks
wine64                              | running Windows programs: tests, demo, benchmarks
clang-19                            | native-asan, native-tsan, windows-clang, thread-safety
libclang-rt-19-dev                  | native-asan, native-tsan
lld-19                              | windows-clang
clang-format-19                     | the check of the format
googletest                          | all tests
valgrind                            | counting instructions (native tests)
libzycore-dev                       | strata-override.dll
libcli11-dev                        | strata-run, strata-patch, strata-replay
dpkg-dev                            | fetching the sources below
xz-utils                            | fetching the sources below
ca-certificates                     | fetching the sources below
git                                 | dependencies that CMake has to download
'
# ... then source packages, with the same meaning.
sources='
zydis                               | strata-override.dll
benchmark                           | the benchmarks
mimalloc                            | the benchmarks
'

names() { sed -nE 's/^([^ |]+) *\|.*/\1/p' <<<"$1"; }
purpose() { sed -nE "s/^${1//+/\\+} *\| *//p" <<<"$2"; }
failed=()

if ! strata_have_apt; then
  echo "This is not Debian. Install by hand:" $(names "$packages")
  echo "(or their like); CMake downloads the libraries, or takes them by option: README.md."
  exit 0
fi

mkdir -p "$STRATA_LOGS"
log=$STRATA_LOGS/setup.log
: >"$log"

mapfile -t wanted < <(names "$packages")
missing=$(strata_missing_packages "${wanted[@]}")
if [ -n "$missing" ]; then
  strata_say "installing" $missing
  strata_apt_install "${wanted[@]}" >>"$log" 2>&1 || true
  for name in $(strata_missing_packages "${wanted[@]}"); do
    failed+=("package $name could not be installed; needed by: $(purpose "$name" "$packages")")
  done
fi

# A tree that was being fetched when a run was cut short is of no use.
rm -rf "$STRATA_DEPS"/.fetch-*
updated=0
for name in $(names "$sources"); do
  [ ! -d "$STRATA_DEPS/$name" ] || continue
  if [ "$updated" -eq 0 ]; then
    strata_say "reading the list of source packages"
    strata_apt_sources >>"$log" 2>&1 || true
    updated=1
  fi
  strata_say "fetching the source of $name"
  strata_fetch_source "$name" >>"$log" 2>&1 ||
    failed+=("source package $name could not be fetched; needed by: $(purpose "$name" "$sources")
         (CMake will try to download it; or give a tree as -DSTRATA_${name^^}_SOURCE=...)")
done

if [ "${#failed[@]}" -gt 0 ]; then
  strata_say "set-up is not complete; everything not named here still works:"
  printf '       - %s\n' "${failed[@]}"
  echo "       build/logs/setup.log has the details; running this again tries only what is missing."
  exit 1
fi
[ "$quiet" -eq 1 ] || strata_say "set-up: everything is there"
