#!/usr/bin/env bash
# Runs real, unmodified programs with the plain heap and with Strata: their output must be the same, byte for
# byte, and Strata must serve their heap calls. Prints time and memory of both beside it. Installs, builds
# and fetches what is missing first. docs/programs.md explains the figures.
#
#   tools/programs.sh                   Windows programs, under Wine 10 where that can be had (root,
#                                       debootstrap); 3 pairs of runs each, about 15 minutes
#   tools/programs.sh --native          Linux programs, from Debian's packages, with LD_PRELOAD; 3 pairs of
#                                       runs each, about 8 minutes
#   tools/programs.sh --quick           a few programs, once each, under the system's Wine: about a minute
#   tools/programs.sh --native --quick  a few Linux programs, one pair of runs each: less than a minute
#   tools/programs.sh --runs N          N pairs of runs for time and memory; 0: only output and calls
#   tools/programs.sh --program NAME    only this one; may be repeated
#   tools/programs.sh --list            the names; with --native those of the Linux programs
#   tools/programs.sh --wine 10|system  which Wine               (default: 10; with --quick: system)
#   tools/programs.sh --update-docs     writes each program's last result into docs/programs.md, too
#   tools/programs.sh --no-setup        neither installs nor builds: takes what is there
#   tools/programs.sh --help
#
# Exit codes: 0 all of it holds; 1 a program failed; 2 wrong usage; 3 what was run holds, but some programs
# could not be run here (with --quick: 0, and a note). The results are also written to build/programs/.
#
# STRATA_JOBS   how many compilers run at once   (default: the number of processors)
# STRATA_WINE   the system's Wine                (default: wine)
set -eu
. "$(dirname "${BASH_SOURCE[0]}")/workshop/lib.sh"
. "$STRATA_ROOT/tools/workshop/wine10.sh"
. "$STRATA_ROOT/tools/workshop/real_programs.sh"

wine=
native=0
list=0
while [ "$#" -gt 0 ]; do
  case "$1" in
    --list) list=1; shift ;;
    --native) native=1; strata_options+=("$1"); shift ;;
    --update-docs) strata_options+=("$1"); shift ;;
    --wine)
      case "${2:-}" in 10 | system) wine=$2 ;; *) strata_usage; exit 2 ;; esac
      shift 2
      ;;
    *) strata_option "$@" || { strata_usage; exit 2; }; shift "$strata_taken" ;;
  esac
done
programs=("${strata_python[@]}" -m real_programs.programs "${strata_options[@]}")

if [ "$list" -eq 1 ]; then
  exec "${programs[@]}" --list
fi
# Wrong options are found before anything is installed, if it can be helped.
if command -v python3 >/dev/null; then
  "${programs[@]}" --list >/dev/null || exit
fi
if [ "$native" -eq 1 ] && [ -n "$wine" ]; then
  strata_usage
  exit 2
fi
if [ -z "$wine" ]; then
  [ "$strata_quick" -eq 1 ] && wine=system || wine=10
fi
cd "$STRATA_ROOT"

# What cannot be had is left to real_programs.programs: it names the programs that are skipped for it.
native_packages() {
  local package wanted
  if ! strata_have_apt; then
    strata_say "this is not Debian: taking the programs that are there"
    return 0
  fi
  mapfile -t wanted < <("${programs[@]}" --packages installed)
  if [ -n "$(strata_missing_packages "${wanted[@]}")" ]; then
    STRATA_TAIL=10 strata_step "Debian packages" strata_apt_install "${wanted[@]}" || true
  fi
  for package in $("${programs[@]}" --packages unpacked); do
    [ -d "$STRATA_DEPS/debian/$package" ] ||
      STRATA_TAIL=10 strata_step "Debian package $package" strata_apt_unpack "$package" || true
  done
}

if [ "$native" -eq 1 ]; then
  if [ "$strata_set_up" -eq 1 ]; then
    # A tree that is built has been set up, as far as that goes here.
    [ -e build/native/lib/libstrata-count.so ] || strata_run_set_up
    native_packages
    strata_build native strata_preload strata_count || exit 1
  fi
  exec "${programs[@]}"
fi

if [ "$strata_set_up" -eq 1 ]; then
  strata_run_set_up
  strata_npm
  if [ "$strata_quick" -eq 0 ] && ! command -v pgbench >/dev/null; then
    strata_step "pgbench" strata_apt_install postgresql || true
  fi
  strata_build windows strata_run strata_override || exit 1
fi

# The folders that programs work in, and those with scripts, are seen inside build/wine10 under the same
# names; nothing outside build/ can be written there.
mounted=()
unmount_all() {
  local folder prefix
  # The servers of the two prefixes go first: they would live on without /proc, and trouble the next run.
  for prefix in /root/prefix /var/tmp/strata-65534/prefix; do
    [ ! -d "$wine10_root$prefix" ] ||
      chroot "$wine10_root" /usr/bin/env "WINEPREFIX=$prefix" wineserver -k >/dev/null 2>&1 || true
  done
  for folder in "${mounted[@]}"; do
    umount "$folder" 2>/dev/null || umount -l "$folder" 2>/dev/null || true
  done
  wine10_unmount
}
mount_folder() {  # <folder below the tree> [ro]
  local target=$wine10_root$STRATA_ROOT/$1
  mkdir -p "$STRATA_ROOT/$1" "$target"
  mountpoint -q "$target" && return 0
  mount --bind "$STRATA_ROOT/$1" "$target" && mounted+=("$target") || return 1
  [ "${2:-}" != ro ] || mount -o "remount,bind,ro" "$target"
}
if [ "$wine" = 10 ]; then
  mkdir -p "$STRATA_BUILD"
  exec 9>"$STRATA_BUILD/wine10.lock"
  # At its end a run takes the folders out of build/wine10 again.
  flock -n 9 || { strata_say "another run of this script uses build/wine10: wait for its end"; exit 1; }
  if wine10_prepare && trap unmount_all EXIT && mount_folder build/demo &&
     mount_folder build/windows/bin && mount_folder tools/workshop/real_programs/scripts ro; then
    export STRATA_WINE=$STRATA_ROOT/tools/workshop/wine10_exec.sh
  else
    strata_say "WINE 10 IS NOT TO BE HAD HERE: ${wine10_why:-its folders could not be mounted}."
    strata_say "Taking the system's Wine; the programs that need Wine 10 are skipped."
    unset STRATA_WINE STRATA_WINEPREFIX
  fi
fi
strata_wine_ready 9>&- || { strata_say "no programs without Wine"; exit 1; }

status=0
"${programs[@]}" 9>&- || status=$?
exit "$status"
