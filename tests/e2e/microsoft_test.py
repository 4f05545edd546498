#!/usr/bin/env python3
"""Strata with Microsoft's own ucrtbase.dll in the process, under Wine.

    PYTHONPATH=tools/workshop microsoft_test.py --bin <folder of strata-run.exe> --packages <cache>
                      [--runner <command>] [-v] [TestClass[.test] ...]

The programs of tests/programs that are built for the UCRT are put beside that DLL (microsoft.py in real_programs
says where it comes from), and Wine is asked to take it instead of its own. Every run has to show by Wine's log
that it did. Exit code 77: the DLL cannot be had here, and nothing was tested.
"""

import os
import re
import shutil
import struct
import sys
import tempfile
import unittest

from harness import Case, Setup, arguments, launcher, overridden, plain, program, run
from link_test import NOT_SERVED, SERVED
from matrix_test import attached, late, parse
from real_programs import npm
from real_programs.windows import microsoft

SKIPPED = 77
DLL = microsoft.UCRT.name
PROGRAMS = ("mixing_ucrt", "crt_blocks_ucrt", "crt_semantics_ucrt", "linked_malloc_ucrt", "linked_blocks_ucrt",
            "late_runtime")
ALLOCATING = ("malloc", "calloc", "realloc", "free", "_msize", "_expand")


def beside(name):
    """A program beside the DLL, one of tests/programs or another."""
    return os.path.join(Setup.bin, "programs", name) if name.endswith(".exe") else program(name)


class OnMicrosofts(Case):
    def proven(self, result, name):
        """The run went well, and the runtime in that program was Microsoft's."""
        self.assertEqual((0, ""), (result.code, result.err.strip()), result.out[-500:])
        self.assertIsNone(microsoft.not_native(result.remarks, os.path.basename(beside(name)), [microsoft.UCRT]))
        return result

    def served_by_strata(self, name, *arguments):
        """The same output as plain, and how many calls of the runtime's functions Strata served, by name."""
        expected = self.proven(plain(name, *arguments), name)
        result, lines = self.statistics(name, *arguments, options=["--require"])
        self.assertEqual(expected.out, self.proven(result, name).out)
        self.assertEqual(1, len(lines))
        return {entry["name"].removeprefix(DLL + " "): entry["strata"]
                for entry in lines[0]["entries"] if entry["name"].startswith(DLL)}


class Matrix(OnMicrosofts):
    """Any block to any of its functions (matrix_test.py)."""

    @classmethod
    def setUpClass(cls):
        cls.plain = plain("mixing_ucrt")

    def check(self, way, result, times):
        cells, heaps, done = parse(self.proven(result, "mixing_ucrt").out)
        without, _, _ = parse(self.proven(self.plain, "mixing_ucrt").out)
        self.assertTrue(done)
        self.assertEqual("the process heap", heaps["ucrtbase"])
        self.assertEqual([], [cell for cell in cells + without if cell.result != "ok"])
        self.assertGreater(len(without), 550)
        for time in times:
            self.assertEqual({cell._replace(time="after") for cell in cells if cell.time == time}, set(without))
        self.assertEqual(len(without) * len(times), len(cells))
        print(f"  {way}: {len(cells):,} combinations, all right; plain: {len(without):,}")

    def test_run(self):
        self.check("strata-run", overridden(["--require"], "mixing_ucrt"), ["after"])

    def test_late(self):
        result = late("mixing_ucrt", environment={"STRATA_VERBOSE": "1"})
        # It is redirected, although it was there first.
        self.assertRegex(result.err, rf"redirected: \d+ functions of {DLL}")
        result.err = "\n".join(line for line in result.err.splitlines() if not line.startswith("strata: "))
        self.check("LoadLibrary", result, ["before", "after"])

    def test_attach(self):
        self.check("--attach", attached("mixing_ucrt"), ["before"])


class Runtime(OnMicrosofts):
    """The runtime's functions themselves."""

    def test_blocks(self):
        self.assertGreater(self.served_by_strata("crt_blocks_ucrt")["malloc"], 1000)

    def test_semantics(self):
        counts = self.served_by_strata("crt_semantics_ucrt")
        for function in ALLOCATING:
            self.assertGreater(counts.get(function, 0), 0, function)

    def test_comes_and_goes(self):
        # 200 times 82 blocks, of which the first one of each time teaches where the heap is.
        counts = self.served_by_strata("late_runtime", DLL)
        self.assertGreaterEqual(counts["malloc"], 200 * 80)
        self.assertGreaterEqual(counts["realloc"], 200 * 82)

    def test_documented_rules(self):
        """What Windows documents of these functions (tests/conformance), under the override."""
        result = self.proven(
            run([launcher(), "--require", beside("conformance.exe"), "--filter", "crt.ucrtbase"]), "conformance.exe")
        rules, right = map(int, re.search(r"^(\d+) rules: (\d+) ok, 0 differ, 0 skipped", result.out, re.M).groups())
        self.assertEqual(rules, right)
        self.assertGreaterEqual(rules, 9)

    def test_linked_malloc(self):
        """Strata's malloc linked into a program, whose runtime is Microsoft's."""
        result = self.proven(plain("linked_malloc_ucrt"), "linked_malloc_ucrt")
        expected = [f"{what}: Strata" for what in [*SERVED, "_recalloc"]] + ["failures: as documented"]
        expected += [f"{what}: another heap" for what in NOT_SERVED] + ["done", ""]
        self.assertEqual(expected, result.out.split("\n"))
        self.assertEqual(*(self.proven(plain(name), name).out for name in ("crt_blocks_ucrt", "linked_blocks_ucrt")))

    def test_exported_functions(self):
        """The redirect engine on all that it exports (tests/unit/override/relocate_exports_test.cpp)."""
        name = "strata_override_test.exe"
        filters = "ExportedFunctions.AreRelocatedOrRefused:ExportedFunctions.AnswerAlike*"
        result = self.proven(run([beside(name), "--gtest_filter=" + filters],
                                 environment={"STRATA_TEST_MODULE": DLL}), name)
        functions, relocated = map(int, re.search(
            DLL + r": (\d+) functions, (\d+) relocated", result.out).groups())
        alike = int(re.search(DLL + r": (\d+) functions answer alike", result.out)[1])
        print("  " + re.search(DLL + r": .*relocated.*", result.out)[0] + f"; {alike} answer alike")
        # Wine's own has 1,451, Microsoft's oldest more than 2,000.
        self.assertGreater(functions, 2000)
        self.assertGreater(relocated, 0.9 * functions)
        self.assertGreaterEqual(alike, 70)


class Bundle(Case):
    """What finds the DLL in the program that carries it."""

    @staticmethod
    def bundle(files, version=1):
        """A program with files appended, as .NET Core 3's single-file hosts have them."""
        def text(string):
            return bytes([len(string) & 0x7f | 0x80, len(string) >> 7]) + string.encode()
        data = bytearray(b"MZ" + 100 * b"c" + 8 * b"?" + microsoft.SIGNATURE + 50 * b"c")
        manifest = struct.pack("<IIi", version, 0, len(files)) + text("identifier")
        for name, contents in files.items():
            manifest += struct.pack("<qqB", len(data), len(contents), 4) + text(name)
            data += contents
        struct.pack_into("<q", data, 102, len(data))
        return bytes(data + manifest)

    def found(self, data, name):
        with open(self.path("bundle.exe"), "wb") as file:
            file.write(data)
        return microsoft.bundled_file(self.path("bundle.exe"), name)

    def test_files(self):
        files = {"a.dll": b"first", "n" * 200 + ".dll": 5000 * b"2", "empty": b""}
        for name, contents in files.items():
            self.assertEqual(contents, self.found(self.bundle(files), name))

    def test_refused(self):
        whole = self.bundle({"a.dll": b"first"})
        cut = whole.replace(struct.pack("<qq", whole.index(b"first"), 5), struct.pack("<qq", len(whole), 5))
        self.assertNotEqual(whole, cut)
        for data, name, why in ((whole, "b.dll", "no file b.dll"), (whole[:-3], "a.dll", "no file a.dll"),
                                (cut, "a.dll", "no file a.dll"), (b"MZ" + 200 * b"c", "a.dll", "no signature"),
                                (self.bundle({"a.dll": b"first"}, version=6), "a.dll", "version 6")):
            with self.assertRaisesRegex(microsoft.NotABundle, why):
                self.found(data, name)


class TheProof(OnMicrosofts):
    def test_fails_with_wines_own(self):
        for name, arguments, kind in (("crt_blocks_ucrt", [], "builtin"),
                                      ("late_runtime", ["msvcrt.dll"], "not loaded")):
            result = plain(name, *arguments, environment={"WINEDLLOVERRIDES": "ucrtbase=b"})
            with self.assertRaisesRegex(AssertionError, f"ucrtbase.dll: {kind}, by Wine's log"):
                self.proven(result, name)
        with self.assertRaisesRegex(AssertionError, "0 processes of another.exe"):
            self.proven(plain("crt_blocks_ucrt"), "another.exe")


def set_up(source, folder, cache):
    """The programs beside the DLL, in folders as they are in the build's."""
    names = os.path.join(folder, "programs")
    os.mkdir(names)
    microsoft.put_beside(names, [microsoft.UCRT], cache)
    for name in ("strata-run.exe", "strata-override.dll"):
        shutil.copy(os.path.join(source, name), folder)
    for name in ("strata_override_test.exe", "conformance.exe"):
        shutil.copy(os.path.join(source, name), names)
    Setup.bin = source
    for name in PROGRAMS:
        shutil.copy(program(name), names)
    Setup.bin = folder
    os.environ.update(microsoft.environment([microsoft.UCRT]))


def main():
    parser = arguments()
    parser.add_argument("--packages", required=True)
    options = parser.parse_args()
    Setup.runner = options.runner.split()
    Setup.time_limit = 90  # a run that loops for ever is ended then
    with tempfile.TemporaryDirectory(prefix="strata-microsoft-") as folder:
        try:
            set_up(os.path.abspath(options.bin), folder, os.path.abspath(options.packages))
        except npm.CannotBeHad as missing:
            print(f"SKIPPED: {missing}")
            sys.exit(SKIPPED)
        print(f"  {DLL} {microsoft.UCRT.version}, of {microsoft.UCRT.package}")
        unittest.main(argv=[sys.argv[0], *options.tests], verbosity=2 if options.verbose else 1)


if __name__ == "__main__":
    main()
