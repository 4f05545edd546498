#!/usr/bin/env python3
"""Runs a program on glibc's malloc and on Strata's preload library; both must print the same.

  preload_test.py PROGRAM LIBRARY
"""
import difflib
import os
import subprocess
import sys

# Strata reads it, and says that it is no number: so the library was there.
OPTION = ("STRATA_DECAY_MS", "none")


def run(program, library=None):
    environment = {**os.environ, OPTION[0]: OPTION[1]}
    environment.pop("LD_PRELOAD", None)
    if library:
        environment["LD_PRELOAD"] = library
    result = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=50)
    served = "strata: option %s=%s" % OPTION in result.stderr
    if served != (library is not None):
        sys.exit("Strata %s the program's malloc; standard error:\n%s" %
                 ("is" if served else "is not", result.stderr))
    if result.returncode != 0:
        sys.exit("%s ended with %d" % (program, result.returncode))
    return result.stdout.splitlines()


def main():
    program, library = sys.argv[1:]
    plain, preloaded = run(program), run(program, library)
    differences = list(difflib.unified_diff(plain, preloaded, "glibc", "Strata", n=0, lineterm=""))
    print("\n".join(differences[:100]))
    print("%d lines, %d differences" % (len(plain), sum(d[0] == "+" for d in differences[2:])))
    return 1 if differences or not plain else 0


if __name__ == "__main__":
    sys.exit(main())
