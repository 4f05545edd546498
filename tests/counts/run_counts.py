#!/usr/bin/env python3
"""Counts the instructions of Strata's operations with callgrind and compares them with the recorded
figures, tests/counts/instruction_counts.txt.

  run_counts.py                 prints the figures of a build
  run_counts.py --check         compares them: code 0 the same, 1 not, 77 they cannot be compared
  run_counts.py --update        records them, there and in the table of docs/benchmarks.md
  run_counts.py --explain ROW   prints which functions the instructions of one row are in
  run_counts.py --self-test

A figure is the instructions per operation, rounded: those between the entry of the called function and
its return, in Strata's own code. Not counted are the loops around the calls, and the C library (memcpy,
memset, system calls), whose instructions depend on the machine's processor and its version. The figures
are exact: every run of one build gives the same. They belong to one compiler, build type and set of
flags, which the recorded file names; with another nothing is compared.
"""

import argparse
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECORDED = ROOT / "tests/counts/instruction_counts.txt"
PROGRAM = ROOT / "build/native/bin/strata_counts"
DOCUMENT = ROOT / "docs/benchmarks.md"
TABLE = re.compile(r"(<!-- instruction counts: .*-->\n```\n).*?(```\n)", re.DOTALL)

OK, FAILED, SKIPPED = 0, 1, 77
BUILD_KEYS = ("compiler", "build-type", "flags")
TRIGGER = "desc: Trigger: Client Request: "
# The rows' own functions (counts.h), and the clock that main.cpp puts in the C library's place.
OWN = re.compile(r"\bstrata::counts::|^clock_gettime$")


class Failure(Exception):
    pass


# --- Counting -------------------------------------------------------------------------------------

def parse_dump(lines, program):
    """(name of the row or None, instructions by function) of one dump of callgrind. Of the code in the
    file `program` alone, without the rows' own functions."""
    row, here, function, callee_cost = None, False, "", False
    costs = collections.Counter()
    for line in lines:
        line = line.rstrip("\n")
        if line.startswith(TRIGGER):
            row = line[len(TRIGGER):]
        elif line.startswith("ob="):
            here = line[3:] == program
        elif line.startswith("fn="):
            function = line[3:]
        elif line.startswith("calls="):
            callee_cost = True  # the next line is the callee's cost, which stands there as well
        elif line[:1].isdigit():
            if not callee_cost and here and not OWN.search(function):
                costs[function] += int(line.split()[1])
            callee_cost = False
    return row, costs


def run(command):
    """What the command says on standard output."""
    # Nothing from outside may change what the program does, or how valgrind runs it.
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("STRATA_", "LD_", "GLIBC_", "VALGRIND_OPTS"))}
    done = subprocess.run([str(word) for word in command], env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def build_of(program):
    """What the figures depend on."""
    pairs = (line.partition(" ") for line in run([program, "--build"]).splitlines())
    return {key: value for key, _, value in pairs}


def measure(valgrind, program):
    """{row: {function: instructions per operation}}"""
    dumped, rows = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        said = run([valgrind, "-q", "--command-line-only=yes", "--tool=callgrind",
                    "--collect-atstart=no", "--compress-strings=no", "--compress-pos=no",
                    f"--callgrind-out-file={folder}/dump.%p", program])
        for path in pathlib.Path(folder).iterdir():
            with open(path, encoding="utf-8") as dump:
                name, costs = parse_dump(dump, str(program))
            if name is not None:
                dumped[name] = costs
    for line in said.splitlines():
        _, name, operations = line.split()
        if name not in dumped:
            raise Failure(f"callgrind wrote nothing for row {name}")
        rows[name] = {function: cost / int(operations) for function, cost in dumped[name].items()}
    if sum(rows.pop("empty_loop").values()) != 0:
        raise Failure("an empty loop counts: the rows' own functions were not recognised")
    return rows


def figures_of(rows):
    return {name: int(sum(functions.values()) + 0.5) for name, functions in rows.items()}


# --- The recorded file --------------------------------------------------------------------------------

def write_recorded(build, figures):
    lines = ["# Instructions per operation; run_counts.py beside this file says what counts."]
    lines += [f"# {key}: {build[key]}" for key in BUILD_KEYS]
    lines += [f"{name:34}{figure:6}" for name, figure in figures.items()]
    return "\n".join(lines) + "\n"


def read_recorded(text):
    build, figures = {}, {}
    for line in text.splitlines():
        head = re.match(r"# ([a-z-]+): (.*)$", line)
        if head and head[1] in BUILD_KEYS:
            build[head[1]] = head[2]
        elif line and not line.startswith("#"):
            name, figure = line.split()
            figures[name] = int(figure)
    return build, figures


def difference_of_builds(recorded, build):
    """Why figures of these two builds cannot be compared, or None."""
    def fixed(which):
        name, _, version = which.get("compiler", "").partition(" ")
        return {**which, "compiler": f"{name} {version.split('.')[0]}"}
    for key in BUILD_KEYS:
        if fixed(recorded).get(key) != fixed(build).get(key):
            return (f"{key}: the figures are of {recorded.get(key, 'none')!r}, this build is of "
                    f"{build.get(key)!r}")
    return None


def differences(recorded, figures):
    """One line per row that changed, was added or is gone."""
    lines = []
    for name in dict.fromkeys([*recorded, *figures]):
        old, new = recorded.get(name), figures.get(name)
        if old == new:
            continue
        if old is None or new is None:
            change = "new row" if old is None else "row is gone"
        else:
            change = f"{new - old:+}" + (f"  ({(new - old) / old:+.1%})" if old else "")
        old, new = ("" if figure is None else figure for figure in (old, new))
        lines.append(f"{name:34}{old:>9}{new:>9}  {change}")
    if lines:
        lines.insert(0, f"{'instructions per operation':34}{'recorded':>9}{'now':>9}")
    return lines


def table(build, figures):
    """All figures, two rows to a line, and what they belong to."""
    head = f"{build['compiler']}, {build['build-type']}: {build['flags']}\n\n"
    cells = [f"{name:34}{figure:6}" for name, figure in figures.items()]
    half = (len(cells) + 1) // 2
    return head + "".join(f"{left}     {right}".rstrip() + "\n"
                          for left, right in zip(cells[:half], cells[half:] + [""]))


# --- The commands --------------------------------------------------------------------------------------

def check(build, count):
    """`count` is called only when there is something to compare with."""
    recorded_build, recorded = read_recorded(RECORDED.read_text(encoding="utf-8"))
    reason = difference_of_builds(recorded_build, build)
    if reason is not None:
        print(f"skipped: {reason}")
        return SKIPPED
    lines = differences(recorded, figures_of(count()))
    if not lines:
        print(f"{len(recorded)} figures, all as recorded")
        return OK
    print("\n".join(lines))
    script = pathlib.Path(__file__).resolve().relative_to(ROOT)
    print(f"\n{script} --explain ROW says where they are. If this is meant to be, record it with\n"
          f"{script} --update, and commit the change with its reason.")
    return FAILED


def update(build, rows):
    figures = figures_of(rows)
    old = read_recorded(RECORDED.read_text(encoding="utf-8"))[1] if RECORDED.exists() else {}
    RECORDED.write_text(write_recorded(build, figures), encoding="utf-8")
    document = DOCUMENT.read_text(encoding="utf-8")
    document = TABLE.sub(lambda found: found[1] + table(build, figures) + found[2], document)
    DOCUMENT.write_text(document, encoding="utf-8")
    print("\n".join(differences(old, figures) or ["nothing changed"]))
    return OK


def explain(rows, name):
    if name not in rows:
        raise Failure(f"there is no row {name}; there are: {' '.join(rows)}")
    for function, cost in sorted(rows[name].items(), key=lambda item: -item[1]):
        print(f"{cost:10.2f}  {function}")
    print(f"{sum(rows[name].values()):10.2f}  all of {name}")
    return OK


def self_test():
    dump = f"""{TRIGGER}pair_16
ob=/lib/libc.so
fn=memset
7 1000
ob=/p
fn=strata_malloc
10 30
calls=10 1
11 500
12 20
cob=/lib/libc.so
cfn=memset
calls=10 1
+1 1000
fn=void strata::counts::Pair<16ul>()
5 4000
fn=clock_gettime
9 3
""".splitlines(keepends=True)
    assert parse_dump(dump, "/p") == ("pair_16", {"strata_malloc": 50})
    assert parse_dump(dump, "/q") == ("pair_16", {})

    build = {"compiler": "GNU 12.2.0", "build-type": "Release", "flags": "-O2"}
    figures = {"pair_16": 42, "free_16": 20}
    assert read_recorded(write_recorded(build, figures)) == (build, figures)
    assert difference_of_builds(build, {**build, "compiler": "GNU 12.3.0"}) is None
    for other in ({"compiler": "GNU 13.2.0"}, {"compiler": "Clang 12.2.0"}, {"build-type": "Debug"},
                  {"flags": "-O3"}):
        assert difference_of_builds(build, {**build, **other}) is not None, other

    assert differences(figures, dict(figures)) == []
    for other in ({"pair_16": 43, "free_16": 20}, {"pair_16": 42},
                  {**figures, "free_1m": 1}, {**figures, "free_16": 0}):
        assert len(differences(figures, other)) == 2, other
        assert len(differences(other, figures)) == 2, other
    print("the checks of run_counts.py can fail")
    return OK


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true")
    action.add_argument("--update", action="store_true")
    action.add_argument("--explain", metavar="ROW")
    action.add_argument("--self-test", action="store_true")
    parser.add_argument("--program", default=PROGRAM,
                        help="strata_counts of the build to look at (default: of build/native); "
                        "empty: it was not built")
    parser.add_argument("--valgrind", default=shutil.which("valgrind"),
                        help="the command (default: as found on the path)")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if not options.valgrind or not options.program:
        print("skipped: valgrind or its headers were not there when CMake ran (tools/setup.sh)")
        return SKIPPED
    try:
        program = pathlib.Path(options.program).resolve()
        build = build_of(program)
        if options.check:
            return check(build, lambda: measure(options.valgrind, program))
        rows = measure(options.valgrind, program)
        if options.update:
            return update(build, rows)
        if options.explain:
            return explain(rows, options.explain)
    except (Failure, OSError, subprocess.TimeoutExpired) as error:
        print(f"failed: {error}")
        return FAILED
    print(write_recorded(build, figures_of(rows)), end="")
    return OK


if __name__ == "__main__":
    sys.exit(main())
