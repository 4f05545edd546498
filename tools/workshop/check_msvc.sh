#!/usr/bin/env bash
# Lets clang read every C++ file of allocator/, tools/ and tests/ as clang-cl would: target
# x86_64-pc-windows-msvc, with Microsoft's extensions and macros. Microsoft's headers cannot be had on
# Linux, so MinGW's stand in for them: errors in those do not count, and what Microsoft's linker, library
# and own compiler say remains to be seen. Needs clang-19, MinGW-w64's GCC, and a configured preset windows.
#
#   tools/workshop/check_msvc.sh [file.cpp ...]      all files: a few minutes
#   tools/workshop/check_msvc.sh --help
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
if [ "${1:-}" = --help ]; then
  strata_usage
  exit 0
fi
cd "$STRATA_ROOT"
gcc=$(dirname "$(x86_64-w64-mingw32-g++-posix -print-libgcc-file-name)")
headers=/usr/share/mingw-w64/include
[ -d "$headers" ] || { echo "MinGW's headers are not in $headers"; exit 1; }
[ -d build/windows/deps ] || { echo "configure first: cmake --preset windows"; exit 1; }

# -fgnuc-version and the macros of the last line are for MinGW's headers and libstdc++, which know no
# compiler that is Microsoft's and clang at once.
flags=(--target=x86_64-pc-windows-msvc -fms-compatibility -fms-extensions
  -fms-compatibility-version=19.38 -std=c++20 -fsyntax-only -Wall -Wextra
  -nostdinc++ -isystem "$gcc/include/c++" -isystem "$gcc/include/c++/x86_64-w64-mingw32"
  -isystem "$gcc/include/c++/backward" -isystem "$headers"
  -Iinclude -Iallocator -Itests -Itools -isystem build/deps/zydis/include
  -isystem build/windows/deps/zycore -isystem build/windows/deps/cli11
  -isystem /usr/src/googletest/googletest/include -isystem /usr/src/googletest/googlemock/include
  -DZYDIS_STATIC_BUILD -DZYCORE_STATIC_BUILD -DZYAN_NO_LIBC -DZYDIS_DISABLE_FORMATTER
  -D_WIN32_WINNT=0x0A00 -DNOMINMAX= -DWIN32_LEAN_AND_MEAN= -DUNICODE -D_UNICODE -D_UCRT
  -fgnuc-version=12.2.0 -D__MINGW_IMPORT=extern -D__STRICT_ANSI__=1 -Wno-macro-redefined)

files=("$@")
if [ "${#files[@]}" -eq 0 ]; then
  # linked_malloc.cpp calls functions of the runtime that MinGW's headers do not declare; tests/counts is
  # for Linux.
  mapfile -t files < <(find allocator tools tests -name '*.cpp' ! -path '*/posix/*' ! -name '*_posix*' \
    ! -path '*/counts/*' ! -name linked_malloc.cpp | sort)
fi
wrong=0
done=0
for file in "${files[@]}"; do
  found=$(clang++-19 "${flags[@]}" "$file" 2>&1 | grep -E '(error|warning):' | grep -v '^/usr/' || true)
  done=$((done + 1))
  if [ -n "$found" ]; then
    printf '%s\n' "$found"
    wrong=$((wrong + 1))
  elif [ -t 1 ]; then
    printf '\r%d of %d files ' "$done" "${#files[@]}"
  fi
done
strata_say "$done files read as clang-cl would, $wrong with errors or warnings"
[ "$wrong" -eq 0 ]
