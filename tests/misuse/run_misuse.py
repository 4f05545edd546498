#!/usr/bin/env python3
"""Runs every case of strata_misuse: does the process end by itself, as it should, with the one line on
standard error that the case announced on standard output, and nothing else there but the indented lines
that say more about the block?

  run_misuse.py [--cases PATTERN] [--jobs N] [--exit-code CODE...] -- PROGRAM
  run_misuse.py --self-test

PROGRAM may be several words (an emulator first). --exit-code: what a fatal error ends a process with,
as this system shows it. Cases named None... are no misuse: they have to return 0 in silence.
"""

import argparse
import concurrent.futures
import fnmatch
import subprocess
import sys


def verdict(name, expected, errors, code, fatal_codes):
    """None when all is as it should be, or what is wrong."""
    if name.startswith("None"):
        if expected or errors:
            return f"not silent: {expected!r} {errors!r}"
        return None if code == 0 else f"exit code {code}"
    begins = "strata: " if name.startswith("Guarded") else "strata: fatal: "
    if not expected.startswith(begins) or expected.count("\n") != 1:
        return f"announced no message: {expected!r}"
    message, details = errors[:errors.find("\n") + 1], errors[errors.find("\n") + 1:]
    # What Wine says of a fault is no concern of ours.
    known = ("strata:   ", "wine: Unhandled ") if name.startswith("Guarded") else ("strata:   ",)
    if message != expected or not all(line.startswith(known) for line in details.splitlines()):
        return f"\n    expected {expected!r}\n    but got  {errors!r}"
    if code not in fatal_codes:
        return f"exit code {code}, expected {' or '.join(map(str, fatal_codes))}"
    return None


def run(program, name):
    done = subprocess.run(program + [name], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=120)
    text = [stream.decode("utf-8", "replace").replace("\r\n", "\n")
            for stream in (done.stdout, done.stderr)]
    return text[0], text[1], done.returncode


def check(program, name, fatal_codes):
    try:
        return verdict(name, *run(program, name), fatal_codes)
    except subprocess.TimeoutExpired:
        return "did not end"


def self_test():
    line = "strata: fatal: x\n"
    assert verdict("A", line, line, -6, [-6]) is None
    assert verdict("A", line, line + "strata:   block y\nstrata:     z+1\n", -6, [-6]) is None
    assert verdict("NoneA", "", "", 0, [-6]) is None
    for wrong in (("A", line, line, 0, [-6]), ("A", line, "", -6, [-6]), ("A", "", "", -6, [-6]),
                  ("A", line, line + "more\n", -6, [-6]), ("A", line, line, -11, [-6]),
                  ("NoneA", "", "x", 0, [-6]), ("NoneA", "", "", -6, [-6])):
        assert verdict(*wrong) is not None, wrong
    print("the checks of run_misuse.py can fail")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="*", help="only those that match")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--exit-code", type=int, action="append", dest="codes")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("program", nargs="*")
    options = parser.parse_args()
    if options.self_test:
        return self_test()

    names, _, code = run(options.program, "--list")
    names = [name for name in names.split() if fnmatch.fnmatch(name, options.cases)]
    if code != 0 or not names:
        sys.exit(f"{' '.join(options.program)} --list: exit code {code}, {len(names)} cases")
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda name: check(options.program, name, options.codes or [-6]), names)
        for name, wrong in zip(names, results):
            print(f"{'ok    ' if wrong is None else 'FAILED'} {name}{': ' + wrong if wrong else ''}",
                  flush=True)
            failures += wrong is not None
    print(f"{len(names)} cases, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
