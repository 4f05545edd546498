# Shell functions shared by the scripts of tools/, which source it.
# Sets STRATA_ROOT (the top of the source tree); everything written goes below $STRATA_ROOT/build.

STRATA_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
STRATA_BUILD=$STRATA_ROOT/build
STRATA_DEPS=$STRATA_BUILD/deps
STRATA_LOGS=$STRATA_BUILD/logs
strata_start=$SECONDS
strata_summary_lines=()
strata_failures=0

# strata_usage: the comment that a script begins with.
strata_usage() { sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0"; }

# --- Progress -----------------------------------------------------------------------------------

# strata_say <text>: a line with the seconds since the script started.
strata_say() { printf '[%4d s] %s\n' $((SECONDS - strata_start)) "$*"; }

# strata_note <step> ok|FAILED|skipped <seconds>: a row of the closing table.
strata_note() {
  strata_summary_lines+=("$(printf '%-34s %-8s %6s s' "$1" "$2" "$3")")
  [ "$2" != FAILED ] || strata_failures=$((strata_failures + 1))
}

# strata_step <name> <command> [<argument>...]: runs a command with its output in build/logs/<name>.log.
# Says that it starts, how it ended and after how long; shows the end of the log where it failed (60
# lines, or STRATA_TAIL). STRATA_SHOW, a regular expression, picks lines to be shown in any case.
strata_step() {
  local name=$1 log began=$SECONDS status=0 took heart
  shift
  log=$STRATA_LOGS/${name//[^A-Za-z0-9_.-]/_}.log
  mkdir -p "$STRATA_LOGS"
  strata_say "$name ..."
  (while sleep 30 >/dev/null 2>&1; do strata_say "  still at it: $(tail -n 1 "$log" | cut -c -90)"; done) &
  heart=$!
  disown "$heart"
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$heart"
  took=$((SECONDS - began))
  if [ -n "${STRATA_SHOW:-}" ]; then
    grep -E "$STRATA_SHOW" "$log" | sed 's/^/         | /' || true
  fi
  if [ "$status" -eq 0 ]; then
    strata_say "$name: ok ($took s)"
    strata_note "$name" ok "$took"
  else
    strata_say "$name: FAILED with code $status ($took s); the end of build/${log#"$STRATA_BUILD"/}:"
    tail -n "${STRATA_TAIL:-60}" "$log" | sed 's/^/         | /'
    strata_note "$name" FAILED "$took"
  fi
  return "$status"
}

# strata_summary: the closing table; its status says whether every step went well.
strata_summary() {
  echo
  echo "Summary ($((SECONDS - strata_start)) s in all; logs in build/logs/)"
  printf '  %s\n' "${strata_summary_lines[@]}"
  if [ "$strata_failures" -eq 0 ]; then
    echo "All of it passed."
  else
    echo "$strata_failures of ${#strata_summary_lines[@]} steps FAILED."
    return 1
  fi
}

# --- Debian packages ----------------------------------------------------------------------------

strata_have_apt() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

strata_as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "root is needed for: $*" >&2
    return 1
  fi
}

# strata_missing_packages <package>...: those that are not installed, one a line.
strata_missing_packages() {
  dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
    awk '$2 == "installed" { print $1 }' | sort -u |
    comm -13 - <(printf '%s\n' "$@" | sort -u)
}

# strata_apt_install <package>...: installs what is missing. When apt refuses the whole list, each
# package is tried by itself, so that one bad archive costs no more than itself. The status is that of
# the result: 0 only if all are there.
strata_apt_install() {
  local missing package
  local options=(-y --no-install-recommends -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
  mapfile -t missing < <(strata_missing_packages "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  strata_as_root env DEBIAN_FRONTEND=noninteractive apt-get update -o Acquire::Retries=3 || true
  strata_as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install "${options[@]}" "${missing[@]}" && return 0
  for package in "${missing[@]}"; do
    strata_as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get install "${options[@]}" "$package" || true
  done
  [ -z "$(strata_missing_packages "$@")" ]
}

# strata_apt_unpack <package>: unpacks a binary package as build/deps/debian/<package>, for programs whose
# package would start a service when it is installed. Nothing of the machine is changed but apt's lists.
strata_apt_unpack() {
  local package=$1 folder=$STRATA_DEPS/debian/$1 temporary
  [ ! -d "$folder" ] || return 0
  mkdir -p "$STRATA_DEPS/debian"
  temporary=$(mktemp -d "$STRATA_DEPS/.fetch-XXXXXX")
  if (cd "$temporary" || exit 1
      apt-get download -o APT::Sandbox::User=root -o Acquire::Retries=3 "$package" || {
        strata_as_root apt-get update -o Acquire::Retries=3
        apt-get download -o APT::Sandbox::User=root -o Acquire::Retries=3 "$package"
      } || exit 1
      dpkg-deb -x ./*.deb tree && dpkg-deb -f ./*.deb Version >tree/.version) &&
     mv -T "$temporary/tree" "$folder"; then
    rm -rf "$temporary"
  else
    rm -rf "$temporary"
    return 1
  fi
}

# strata_apt_sources: sets strata_apt_options, the options that give apt a private list of source
# packages made from the binary ones of this machine, and fetches that list. Changes nothing of the
# machine's own configuration.
strata_apt_sources() {
  local dir=$STRATA_DEPS/.apt file
  mkdir -p "$dir/lists/partial" "$dir/sources"
  rm -f "$dir"/sources/*
  # Only the distribution's own archives: others seldom have sources.
  for file in /etc/apt/sources.list.d/*.sources; do
    if [ -f "$file" ] && grep -qE '^(URIs|Signed-By):.*(debian|ubuntu)' "$file"; then
      sed -E 's/^Types:.*/Types: deb-src/' "$file" >"$dir/sources/$(basename "$file")"
    fi
  done
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -nE '/(debian|ubuntu)/s/^deb(-src)?([[:space:]])/deb-src\2/p' |
    sort -u >"$dir/sources/lists.list"
  strata_apt_options=(
    -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$dir/sources"
    -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir"
    -o APT::Sandbox::User=root -o Acquire::Retries=3)
  apt-get "${strata_apt_options[@]}" update
}

# strata_fetch_source <package>: unpacks a Debian source package as build/deps/<package>. The folder
# appears only when it is whole. Needs strata_apt_sources first.
strata_fetch_source() {
  local package=$1 temporary
  [ ! -d "$STRATA_DEPS/$package" ] || return 0
  mkdir -p "$STRATA_DEPS"
  temporary=$(mktemp -d "$STRATA_DEPS/.fetch-XXXXXX")
  if (cd "$temporary" &&
      apt-get "${strata_apt_options[@]}" source --download-only "$package" &&
      dpkg-source --no-copy -x ./*.dsc tree) && mv -T "$temporary/tree" "$STRATA_DEPS/$package"; then
    rm -rf "$temporary"
  else
    rm -rf "$temporary"
    return 1
  fi
}

# --- Wine ---------------------------------------------------------------------------------------

# strata_wine_command: sets strata_wine, the command that starts a Windows program. STRATA_WINE may
# have several words, e.g. "chroot DIR env WINEPREFIX=/prefix wine".
strata_wine_command() {
  read -r -a strata_wine <<<"${STRATA_WINE:-wine}"
  command -v "${strata_wine[0]}" >/dev/null || {
    echo "Wine is not installed (${strata_wine[0]}): run tools/setup.sh" >&2
    return 127
  }
}

# strata_wine_env: exports what a Windows program needs, and makes the Wine prefix when there is none.
# Any number of processes may call it at once.
strata_wine_env() {
  export WINEPREFIX=${STRATA_WINEPREFIX:-$STRATA_BUILD/wineprefix}
  export WINEDEBUG=${WINEDEBUG:--all}
  # No .NET, no HTML engine, no desktop menus: programs that allocate memory need none of them, and
  # Wine would offer to download them.
  export WINEDLLOVERRIDES=${WINEDLLOVERRIDES:-mscoree,mshtml=;winemenubuilder.exe=d}
  strata_wine_command || return
  [ ! -e "$WINEPREFIX/.strata-ready" ] || return 0
  mkdir -p "$WINEPREFIX"
  (
    flock 9
    # Descriptor 9 is closed for Wine: its server outlives this script, and would keep the lock.
    [ -e "$WINEPREFIX/.strata-ready" ] || strata_wine_prefix 9>&- || exit 1
  ) 9>"$WINEPREFIX.lock"
}

strata_wine_prefix() {
  local log=$WINEPREFIX.log
  # Crash dumps off (a crash is then an exit code at once), and Windows 10 mode.
  if "${strata_wine[@]}" wineboot --init >"$log" 2>&1 </dev/null &&
     "${strata_wine[@]}" reg add 'HKLM\Software\Microsoft\Windows NT\CurrentVersion\AeDebug' \
       /v Debugger /d false /f >>"$log" 2>&1 </dev/null &&
     "${strata_wine[@]}" reg add 'HKCU\Software\Wine' /v Version /d win10 /f \
       >>"$log" 2>&1 </dev/null; then
    touch "$WINEPREFIX/.strata-ready"
  else
    echo "the Wine prefix $WINEPREFIX could not be made; $log says why" >&2
    return 1
  fi
}

# strata_wine_hold SECONDS: a Windows program that waits, so that Wine's server and services stay. It
# reads from a sleeping process, whose id is kept: when that ends, it ends. Call strata_wine_env first.
strata_wine_hold() {
  strata_wine_release
  # shellcheck disable=SC2016  # the inner shell expands
  setsid bash -c 'sleep "$0" & echo $! >"$1"; wait' "$1" "$WINEPREFIX.hold" 2>/dev/null </dev/null |
    setsid "${strata_wine[@]}" cmd /c 'set /p held=' >/dev/null 2>&1 &
  "${strata_wine[@]}" cmd /c exit >/dev/null 2>&1 </dev/null
}

strata_wine_release() {
  local sleeper
  [ -e "$WINEPREFIX.hold" ] || return 0
  sleeper=$(<"$WINEPREFIX.hold")
  rm -f "$WINEPREFIX.hold"
  # Only if it is still that process: numbers come back.
  if [ "$(cat "/proc/$sleeper/comm" 2>/dev/null)" = sleep ]; then
    kill "$sleeper" 2>/dev/null || true
  fi
}
