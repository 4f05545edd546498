#!/usr/bin/env python3
"""Runs the misuse matrix and holds it against what is promised and against the table in docs/security.md.

  matrix.py [--rows N,N...] [--fatal CODE...] [--fault CODE...] [--check | --update] -- PROGRAM
  matrix.py --self-test

Each row of strata_misuse_matrix runs at three sizes, within one thread and across threads, in each mode. A
process may end with one of the messages that it announced on standard output and with the exit code of a fatal
error, with a fault of the processor where the misuse is, or in silence with code 0. From that follows a letter:

  A  ended by the call               L  ended later, at another call     P  the same, as long as chance has it
  F  ended by a fault at the access  I  immune: nothing there to corrupt N  neutralised: without effect
  –  nothing notices

PROGRAM may be several words (an emulator first). --fatal, --fault: what a fatal error and a fault end a process
with, as this system shows it. --check: the table has to be what was seen. --update: write it.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = HERE.parents[2] / "docs" / "security.md"
BEGIN = "<!-- begin of the matrix: tests/misuse/matrix/matrix.py --update writes it -->"
END = "<!-- end of the matrix -->"
SIZES = ("small", "medium", "large")
THREADS = ("same", "other")
MODES = {"default": {}, "hardened": {"STRATA_HARDENED": "1"}}
FATAL = "strata: fatal: "

# What each mode must do, whatever the table says: for all sizes and from any thread.
CAUGHT = (1, 2, 4, 6, 7, 8, 9, 10, 20, 22, 23, 24, 25)
BOTH = {**{row: {"A"} for row in CAUGHT}, 28: {"NULL"}, 29: {"opt-in flag"}}
PROMISED = {
    "default": {**BOTH, 5: {"A", "L"}, 18: {"I"}, 19: {"I", "F"}},
    "hardened": {**BOTH, 3: {"P"}, 5: {"A"}, 11: {"L", "F"}, 12: {"L", "F"}, 13: {"L", "F"}, 14: {"F"}, 15: {"L"},
                 16: {"N", "F"}, 17: {"L", "F"}, 18: {"L", "F"}, 19: {"L"}, 26: {"N"}},
}
# Where chance decides: what may be seen, and what the table says of it. Small blocks of hardened heaps lie at
# random in their slab: what is before one may be a live block, whose slack is looked at, or none.
CHANCE = {
    **{("default", 5, size): ({"A", "L"}, "A/L") for size in SIZES},
    **{("hardened", 13, size): ({"L", "F"}, "L/F") for size in SIZES},
    ("hardened", 15, "small"): ({"L", "–"}, "P"),
    ("hardened", 19, "small"): ({"L", "I"}, "P"),
}
ANYTHING = {"–", "A", "L", "F", "P", "I", "N", "R", "NULL", "opt-in flag"}
SAW = {"nothing": "–", "neutralised": "N", "immune": "I", "random": "R"}


class Wrong(Exception):
    pass


def letter(row, out, errors, code, fatal_codes, fault_codes):
    """The letter for one process, or Wrong."""
    lines, complaints = out.splitlines(), errors.splitlines()
    if "misuse" not in lines:
        raise Wrong(f"ended before the misuse: exit code {code}, {errors!r}")
    unnoticed = "unnoticed" in lines
    if complaints and complaints[0].startswith(FATAL):
        if complaints[0] not in lines:
            raise Wrong(f"not a message that was announced: {complaints[0]!r}\n    announced: " +
                        "\n               ".join(line for line in lines if line.startswith(FATAL)))
        if code not in fatal_codes:
            raise Wrong(f"exit code {code} after a fatal error")
        # Its block might have been handed out again in the meantime.
        return "P" if row == 3 else "L" if unnoticed else "A"
    # What Wine says of a fault is no concern of ours.
    if any(not line.startswith(("strata: ", "wine: Unhandled ")) for line in complaints):
        raise Wrong(f"not silent: {errors!r}")
    if code in fault_codes:
        if unnoticed:
            raise Wrong("crashed after the misuse")
        return next((line.removeprefix("on fault ") for line in lines if line.startswith("on fault ")), "F")
    if code != 0 or complaints:
        raise Wrong(f"exit code {code}, {errors!r}")
    if not unnoticed:
        raise Wrong("ended within the misuse")
    saw = next((line.removeprefix("saw ") for line in lines if line.startswith("saw ")), "nothing")
    return SAW.get(saw, saw)


def run(program, row, size, thread, mode, options):
    env = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_") or k.startswith("STRATA_WINE")}
    env.update(MODES[mode])
    for _ in range(3):
        try:
            done = subprocess.run(program + [str(row), size, thread], stdin=subprocess.DEVNULL,
                                  capture_output=True, env=env, timeout=120)
        except subprocess.TimeoutExpired:
            raise Wrong("did not end") from None
        # A busy Wine does now and then not get a process to run at all: it says so, or ends with 1 and without
        # a word, where the program's first act is to say which misuse it is about. That is no result.
        silent = len(program) > 1 and done.returncode == 1 and not done.stdout and not done.stderr
        if not silent and not done.stderr.startswith(b"wine client error:"):
            break
    out, errors = (stream.decode("utf-8", "replace").replace("\r\n", "\n")
                   for stream in (done.stdout, done.stderr))
    return letter(row, out, errors, done.returncode, options.fatal, options.fault)


def run_all(program, rows, options):
    """{(row, mode): {(size, thread): letter}}, and what went wrong."""
    cases = [(row, mode, size, thread) for mode in MODES for row in rows for size in SIZES for thread in THREADS]

    def one(case):
        row, mode, size, thread = case
        try:
            return run(program, row, size, thread, mode, options)
        except Wrong as wrong:
            return wrong

    seen, errors = {}, []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for case, result in zip(cases, pool.map(one, cases)):
            row, mode, size, thread = case
            if isinstance(result, Wrong):
                errors.append(f"row {row}, {size}, {thread} thread, {mode}: {result}")
                result = "?"
            elif result not in promised(row, mode, size):
                errors.append(f"row {row}, {size}, {thread} thread, {mode}: {result}, promised is "
                              f"{' or '.join(sorted(promised(row, mode, size)))}")
            seen.setdefault((row, mode), {})[size, thread] = result
    return seen, errors


def promised(row, mode, size):
    """The letters that are allowed."""
    chance, _ = CHANCE.get((mode, row, size), (None, None))
    return chance or PROMISED[mode].get(row) or ANYTHING


def cell(row, letters, mode="default"):
    """What was seen of a row in one mode: the three sizes, where they differ; the other thread's, too."""
    def seen(size, thread):
        chance, text = CHANCE.get((mode, row, size), ((), None))
        return text if letters[size, thread] in chance else letters[size, thread]

    texts = []
    for thread in THREADS:
        three = [seen(size, thread) for size in SIZES]
        texts.append(three[0] if len(set(three)) == 1 else " ".join(three))
    return texts[0] if texts[0] == texts[1] else f"{texts[0]}; other thread: {texts[1]}"


def table(seen):
    with open(HERE / "peers.json", encoding="utf-8") as file:
        peers = json.load(file)
    names = {"default": "Strata"}
    head = ["#", "misuse"] + [names.get(mode, mode) for mode in MODES] + list(peers["allocators"])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in sorted({row for row, _ in seen}):
        title, others = peers["rows"][str(row)]
        cells = [str(row), title] + [f"**{cell(row, seen[row, mode], mode)}**" for mode in MODES] + others.split()
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", ", ".join(f"{short} {name}" for short, name in peers["allocators"].items()) + "."]
    return "\n".join(lines)


def with_table(document, content):
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{DOCUMENT.name} has no place for the matrix")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def self_test():
    message = FATAL + "x\n"

    def of(out, errors="", code=0, row=1):
        return letter(row, out, errors, code, [-6], [-11])

    def fails(*arguments, **more):
        try:
            of(*arguments, **more)
        except Wrong:
            return True
        return False

    assert of(message + "misuse\n", message, -6) == "A"
    assert of(message + "misuse\nunnoticed\n", message, -6) == "L"
    assert of(message + "misuse\n", message, -6, row=3) == "P"
    assert of("misuse\n", "", -11) == "F"
    assert of("misuse\n", "strata: report\n", -11) == "F"
    assert of("on fault opt-in\nmisuse\n", "", -11) == "opt-in"
    assert of("misuse\nunnoticed\n") == "–"
    assert of("misuse\nunnoticed\nsaw immune\n") == "I"
    assert fails(message, message, -6)                          # before the misuse
    assert fails("misuse\n", message, -6)                       # not announced
    assert fails(message + "misuse\n", message, 0)              # another exit code
    assert fails(message + "misuse\n", message, -11)
    assert fails("misuse\nunnoticed\n", "", -11)                # a crash that nobody meant
    assert fails("misuse\nunnoticed\n", "something\n")
    assert fails("misuse\nunnoticed\n", "strata: something\n")
    assert fails("misuse\n") and fails("misuse\n", "", -6)
    letters = {(size, thread): "A" for size in SIZES for thread in THREADS}
    assert cell(1, letters) == "A"
    letters["large", "same"] = letters["large", "other"] = "F"
    assert cell(1, letters) == "A A F"
    letters["large", "other"] = "A"
    assert cell(1, letters) == "A A F; other thread: A"
    letters = {(size, thread): "L" for size in SIZES for thread in THREADS}
    assert cell(5, letters) == "A/L" and cell(5, letters, "hardened") == "L"
    assert cell(13, letters, "hardened") == "L/F" and cell(15, letters, "hardened") == "P L L"
    letters["small", "same"] = "–"
    assert cell(15, letters, "hardened") == "P L L" and cell(13, letters, "hardened") != "L/F"
    assert promised(15, "hardened", "small") == {"L", "–"} and promised(15, "hardened", "large") == {"L"}
    assert promised(5, "hardened", "small") == {"A"} and promised(21, "hardened", "small") == ANYTHING
    print("the checks of matrix.py can fail")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", help="only these")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--fatal", type=int, action="append")
    parser.add_argument("--fault", type=int, action="append")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("program", nargs="*")
    options = parser.parse_args()
    options.fatal = options.fatal or [-6]
    options.fault = options.fault or [-11]
    if not options.self_test and not options.program:
        parser.error("a program is needed")
    if options.rows and (options.check or options.update):
        parser.error("the table is of all rows")
    return options


def main():
    options = arguments()
    if options.self_test:
        return self_test()
    listed = subprocess.run(options.program + ["--list"], stdin=subprocess.DEVNULL, capture_output=True)
    rows = [int(row) for row in listed.stdout.split()]
    if rows != list(range(1, 31)):
        sys.exit(f"{' '.join(options.program)} --list: exit code {listed.returncode}, rows {rows}")
    if options.rows:
        rows = [int(row) for row in options.rows.split(",")]
    seen, errors = run_all(options.program, rows, options)
    for row in rows:
        print(f"{row:2}  " + "  ".join(f"{mode}: {cell(row, seen[row, mode], mode)}" for mode in MODES))
    if not errors and (options.check or options.update):
        document = DOCUMENT.read_text(encoding="utf-8")
        current = with_table(document, table(seen))
        if options.update:
            DOCUMENT.write_text(current, encoding="utf-8")
        elif current != document:
            errors.append(f"the matrix in {DOCUMENT.name} is not current: matrix.py --update writes it")
            errors += [line for line in table(seen).splitlines() if line not in document]
    print("\n".join(errors))
    print(f"{len(rows) * len(SIZES) * len(THREADS) * len(MODES)} runs, {len(errors)} failed")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
