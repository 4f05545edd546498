#!/usr/bin/env python3
"""The mixing matrix, the C runtimes' redirected functions, and ntdll's strings, under strata-override.dll.

    matrix_test.py --bin <folder of strata-run.exe> [--runner <command>] [--check | --update] [-v]
                   [TestClass[.test] ...]

  --check      the table in docs/override.md has to be what this run gives
  --update     write this run's table into docs/override.md, and run no other test

The table depends on where each C runtime has its heap (the programs ask it), so --check says nothing about a
system on which that is elsewhere than where the table in the document was made.
"""

import collections
import os
import pathlib
import re
import sys
import unittest

from harness import (Case, Result, Running, arguments, overridden, override_dll, plain, program, run_tests,
                     set_up, windows_path)

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "override.md"
BEGIN = "<!-- begin of the table: tests/e2e/matrix_test.py --update writes it -->"
END = "<!-- end of the table -->"
PROGRAMS = ("mixing", "mixing_ucrt")
# How a program gets the override, and what its blocks are to it then.
COLUMNS = (("run", "after", "under `strata-run`"), ("late", "before", "from before `LoadLibrary`"),
           ("late", "after", "from after it"), ("attach", "before", "from before `--attach`"))

Cell = collections.namedtuple("Cell", "runtime source partner time thread result")


class Options:
    check = False


def built():
    return [name for name in PROGRAMS if os.path.exists(program(name))]


def late(name, **more):
    return plain(name, windows_path(override_dll()), **more)


def attached(name, **more):
    process = Running(name, "--wait", **more)
    try:
        result = process.attach("--require")
        if result.code != 0:
            raise AssertionError(f"{name} cannot be attached to: {result.err}")
        code, out, err = process.end()
        return Result(code, out, "\n".join([err, *process.remarks]), result.seconds)
    finally:
        process.stop()


def run_in_every_way(name):
    return {"run": overridden(["--require"], name), "late": late(name), "attach": attached(name)}


def parse(text):
    """The cells of a run, and where each runtime has its heap."""
    cells, heaps, done = [], {}, False
    for line in text.splitlines():
        kind, *fields = line.split("\t")
        if kind == "cell":
            cells.append(Cell(*fields))
        elif kind == "heap":
            heaps[fields[0]] = fields[1]
        elif kind == "done":
            done = True
    return cells, heaps, done


def collect():
    """Every run's cells by (way, program), and the heaps."""
    runs, heaps = {}, {}
    for name in built():
        for way, result in run_in_every_way(name).items():
            cells, heaps, done = parse(result.out)
            if result.code not in (0, 1) or not done:
                last = cells[-1] if cells else "nothing"
                sys.exit(f"{name}, {way}: ended with {result.code} after {last}\n{result.err}")
            runs[way, name] = cells
    return runs, heaps


def source_name(cell):
    return f"`{cell.source}` of {cell.runtime}" if cell.runtime else cell.source


def table(runs, heaps):
    """Markdown: a row per source, with what its blocks were given to, and how many of those went well."""
    partners, counts = {}, collections.Counter()
    for (way, _), cells in runs.items():
        for cell in cells:
            name = source_name(cell)
            partners.setdefault(name, dict())[cell.partner] = True
            counts[name, way, cell.time, "all"] += 1
            counts[name, way, cell.time, cell.result] += 1
    own = ", ".join(f"{name}: {heap}" for name, heap in sorted(heaps.items()))
    lines = [f"Heaps of the runtimes here: {own}.", "",
             "| block from | given to | " + " | ".join(title for *_, title in COLUMNS) + " |",
             "|---|---|" + "---|" * len(COLUMNS)]
    for name, given in partners.items():
        cells = " | ".join(f"{counts[name, way, time, 'ok']} of {counts[name, way, time, 'all']}"
                           for way, time, _ in COLUMNS)
        lines.append(f"| {name} | {', '.join(f'`{partner}`' for partner in given)} | {cells} |")
    total = sum(count for key, count in counts.items() if key[3] == "all")
    well = sum(count for key, count in counts.items() if key[3] == "ok")
    lines += ["", f"In all {well:,} of {total:,} combinations, each in seven sizes."]
    return "\n".join(lines)


def split(text):
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return text[:begin], text[begin:end].strip(), text[end:]


def update(new):
    head, _, tail = split(DOCUMENT.read_text(encoding="utf-8"))
    DOCUMENT.write_text(f"{head}\n{new}\n{tail}", encoding="utf-8")


class Matrix(unittest.TestCase):
    def test_every_legal_combination(self):
        runs, heaps = collect()
        for (way, name), cells in runs.items():
            with self.subTest(way=way, program=name):
                self.assertEqual([], [cell for cell in cells if cell.result != "ok"])
                # The same combinations as without the override: nothing was left out.
                without, _, _ = parse(plain(name, "--list").out)
                self.assertEqual({cell[:3] for cell in without}, {cell[:3] for cell in cells})
                self.assertGreater(len(without), 300)
                times = {(cell.time, cell.thread) for cell in cells}
                expected = {column[1] for column in COLUMNS if column[0] == way}
                self.assertEqual({(time, thread) for time in expected for thread in ("same", "other")}, times)
        new = table(runs, heaps)
        print("\n" + new)
        _, old, _ = split(DOCUMENT.read_text(encoding="utf-8"))
        if Options.check and len(built()) == len(PROGRAMS) and new.split("\n")[0] == old.split("\n")[0]:
            self.assertEqual(old, new, "the table is not current: matrix_test.py --update writes it")


class Runtimes(Case):
    """The functions of msvcrt.dll and ucrtbase.dll themselves."""

    def counts(self, name, *arguments, **more):
        """The output, and how many calls Strata served, by entry."""
        result, lines = self.statistics(name, *arguments, options=["--require"], **more)
        self.assertEqual((0, ""), (result.code, result.err.strip()))
        self.assertEqual(1, len(lines))
        counts = {entry["name"]: entry["strata"] for entry in lines[0]["entries"]}
        self.assertEqual(lines[0]["calls"]["strata"], sum(counts.values()))
        return result.out, counts

    def same_with_and_without(self, name, dll):
        if not os.path.exists(program(name)):
            self.skipTest("not built with this compiler")
        expected = plain(name)
        self.assertEqual(0, expected.code, expected.err)
        out, counts = self.counts(name)
        self.assertEqual(expected.out, out)
        for function in ("malloc", "calloc", "realloc", "free", "_msize", "_expand"):
            self.assertGreater(counts.get(f"{dll} {function}", 0), 0, function)
        out, kept = self.counts(name, environment={"STRATA_KEEP_CRT": "1"})
        self.assertEqual(expected.out, out)
        self.assertEqual([], [entry for entry in kept if ".dll" in entry])
        # A call is counted once, wherever it is served: the two ways differ by a few of the runtime's own.
        self.assertLess(abs(sum(kept.values()) - sum(counts.values())), 0.1 * sum(kept.values()))

    def test_msvcrt(self):
        self.same_with_and_without("crt_semantics", "msvcrt.dll")

    def test_ucrt(self):
        self.same_with_and_without("crt_semantics_ucrt", "ucrtbase.dll")

    def test_operators(self):
        _, counts = self.counts("crt_semantics")
        self.assertEqual(2, counts["msvcrt.dll operator new"])

    def test_a_runtime_that_comes_and_goes(self):
        expected = plain("late_runtime", "ucrtbase.dll")
        out, counts = self.counts("late_runtime", "ucrtbase.dll")
        self.assertEqual(expected.out, out)
        # 200 times 82 blocks, of which the first one of each time teaches where the heap is.
        self.assertGreaterEqual(counts["ucrtbase.dll malloc"], 200 * 80)
        self.assertGreaterEqual(counts["ucrtbase.dll realloc"], 200 * 82)

    def test_said_when_asked(self):
        result = overridden(["--verbose"], "late_runtime", "ucrtbase.dll")
        self.assertRegex(result.err, r"redirected: \d+ functions of msvcrt\.dll")
        self.assertEqual(200, len(re.findall(r"redirected: \d+ functions of ucrtbase\.dll", result.err)))
        result = overridden(["--verbose"], "late_runtime", "ucrtbase.dll",
                            environment={"STRATA_KEEP_CRT": "1"})
        self.assertNotIn("functions of", result.err)
        self.assertIn("of ntdll's heap functions redirected", result.err)

    def test_a_heap_from_before_is_left(self):
        """Where a runtime has a heap of its own that was there first, its functions stay as they are."""
        result = late("mixing", environment={"STRATA_VERBOSE": "1"})
        self.assertEqual(0, result.code, result.err)
        _, heaps, _ = parse(result.out)
        for name, heap in heaps.items():
            if heap == "the process heap":
                self.assertRegex(result.err, rf"redirected: \d+ functions of {name}\.dll")
            else:
                self.assertIn(f"not redirected: {name}.dll: its heap is from before Strata", result.err)


class Ntdll(Case):
    def test_strings_and_lists(self):
        expected = plain("ntdll_strings")
        self.assertEqual(0, expected.code, expected.err)
        result, lines = self.statistics("ntdll_strings", options=["--require"])
        self.assertEqual((0, expected.out), (result.code, result.out), result.err)
        self.assert_clean(result)
        entries = {entry["name"]: entry for entry in lines[0]["entries"]}
        for kind in ("Unicode", "Ansi", "Oem"):
            self.assertEqual(1000, entries.get(f"RtlFree{kind}String", {"strata": 1000})["strata"])
        # What ntdll made, ntdll or the system's heap freed: 501 by the former, 500 by the program.
        self.assertGreaterEqual(entries["RtlFreeHeap"]["foreign"], 500)
        self.assertLess(lines[0]["live_blocks"], 100)


def main():
    parser = arguments()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    Options.check = options.check
    if options.update:
        set_up(options)
        update(table(*collect()))
        return
    run_tests(options)


if __name__ == "__main__":
    main()
