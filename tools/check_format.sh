#!/usr/bin/env bash
# Checks the format of all C++ files with clang-format 19; --fix rewrites them. Files can be named.
#
#   tools/check_format.sh [--fix] [file...]
#
# STRATA_CLANG_FORMAT   the command   (default: clang-format-19)
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/workshop/lib.sh"

mode=(--dry-run -Werror)
if [ "${1:-}" = --fix ]; then
  mode=(-i)
  shift
fi
tool=${STRATA_CLANG_FORMAT:-clang-format-19}
command -v "$tool" >/dev/null || {
  echo "$tool is not installed: run tools/setup.sh" >&2
  exit 127
}
if [ "$#" -gt 0 ]; then
  files=("$@")
else
  cd "$STRATA_ROOT"
  mapfile -d '' -t files < <(
    find allocator include tests bench tools \( -name '*.h' -o -name '*.cpp' \) -type f -print0 | sort -z)
fi
[ "${#files[@]}" -gt 0 ] || exit 0
"$tool" --style=file "${mode[@]}" "${files[@]}"
echo "${#files[@]} files: format is right"
