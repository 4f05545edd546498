#!/usr/bin/env python3
"""End-to-end tests of what strata-patch makes: patched programs that run.

    patched_test.py --bin <folder of strata-patch> [--runner <command>] [--packages <folder>] [-v]
                    [TestClass[.test] ...]
"""

import glob
import os
import shutil
import subprocess

from harness import (SHARE_AT_LEAST, Setup, arguments, launcher, override_dll, plain, program, records, run,
                     run_tests, share_served, windows_path)
from patch_case import DLL, PatchCase, read, write


class Patched(PatchCase):
    """Programs that run, patched, with the DLL beside them."""

    packages = ""

    def setUp(self):
        super().setUp()
        shutil.copy(override_dll(), self.folder)

    def make(self, source):
        """A patched copy in the test's folder."""
        exe = self.path(os.path.basename(source))
        shutil.copy(source, exe)
        self.assertNotIn("note", self.done(exe))
        return exe

    def statistics(self, exe, *arguments, environment=None, **more):
        file = self.path("statistics.json")
        result = run([exe, *arguments],
                     environment={"STRATA_STATS_FILE": windows_path(file), **(environment or {})}, **more)
        lines = records(file)
        if os.path.exists(file):
            os.remove(file)
        return result, lines

    def compare(self, name):
        without = plain(name)
        exe = self.make(program(name))
        with_it, lines = self.statistics(exe)
        self.assertEqual((without.code, without.out), (with_it.code, with_it.out), with_it.err)
        self.assertEqual("", with_it.err.strip())
        self.assertEqual([True], [line["active"] for line in lines])
        served = share_served(lines[0])
        print(f"  {name}: {lines[0]['calls']['strata']} calls served by Strata, {100 * served:.1f} %")
        self.assertGreaterEqual(served, SHARE_AT_LEAST)
        self.assertIn("all is right", self.done("--verify", exe))
        os.remove(exe + ".strata-backup")
        self.done("--undo", exe)
        self.assertEqual(read(program(name)), read(exe))

    def test_msvcrt(self):
        self.compare("crt_blocks")

    def test_ucrt(self):
        if not os.path.exists(program("crt_blocks_ucrt")):
            self.skipTest("not built with this compiler")
        self.compare("crt_blocks_ucrt")

    def test_no_runtime(self):
        self.compare("plain_heap")

    def test_no_imports(self):
        result, lines = self.statistics(self.make(program("no_imports")))
        self.assertEqual((42, "", ""), (result.code, result.out, result.err.strip()))
        self.assertEqual([True], [line["active"] for line in lines])

    def test_threads(self):
        self.compare("threads")

    def test_private_heaps(self):
        self.compare("private_heaps")

    def test_mixed_blocks(self):
        self.compare("mixed_blocks")

    def test_says_so(self):
        exe = self.make(program("exit_code"))
        result = run([exe, "5", "return"], environment={"STRATA_VERBOSE": "1", "STRATA_STATS": "1"})
        self.assertEqual((5, "leaving\n"), (result.code, result.out))
        self.assertRegex(result.err, r"active, \d+ of ntdll's heap functions redirected")
        self.assertRegex(result.err, r"100\.0 % of the calls from outside ntdll served by Strata")

    def test_can_be_switched_off(self):
        exe = self.make(program("exit_code"))
        result, lines = self.statistics(
            exe, "5", "return", environment={"STRATA_DISABLE": "1", "STRATA_VERBOSE": "1"})
        self.assertEqual((5, "leaving\n", []), (result.code, result.out, lines))
        self.assertIn("STRATA_DISABLE is set", result.err)

    def test_does_not_start_without_the_dll(self):
        exe = self.make(program("exit_code"))
        os.remove(self.path(DLL))
        result = run([exe, "5", "return"])
        self.assertNotEqual(5, result.code)
        self.assertEqual("", result.out)

    def test_its_children_are_itself(self):
        result = run([self.make(program("family"))])
        self.assertEqual(0, result.code, result.err)
        self.assertEqual(6, result.out.count(": active\n"), result.out)

    def test_others_as_children(self):
        exe = self.make(program("family"))
        result = run(["cmd", "/c", windows_path(exe), "child", "21"])
        self.assertEqual((21, "21: active\n"), (result.code, result.out))

    def test_children_that_may_not_load_the_dll(self):
        exe = self.make(program("shut_out"))
        result = run([exe, windows_path(program("shut_out"))], environment={"STRATA_CHILDREN": "1"})
        self.assertEqual((0, "child: absent\nended: 21\n"), (result.code, result.out), result.err)
        self.assertRegex(result.err, r"child \d+ runs without Strata: its user or token may not read and execute")

    def test_under_the_launcher(self):
        """Two ways in, one override."""
        exe = self.make(program("exit_code"))
        self.assertNotEqual([], self.statistics(exe, "5", "return")[1])
        file = self.path("statistics.json")
        result = run([launcher(), "--require", "--stats-file",
                      windows_path(file), windows_path(exe), "6", "exit"])
        self.assertEqual((6, "leaving\n"), (result.code, result.out), result.err)
        self.assertEqual(1, len(read(file).splitlines()))

    def test_a_running_program_is_left_alone(self):
        exe = self.path("arguments.exe")
        shutil.copy(program("arguments"), exe)
        original = read(exe)
        process = subprocess.Popen(Setup.runner + [exe, "-"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        process.stdin.write(b"x" * 5000)
        process.stdin.flush()
        process.stdout.read(1)
        self.refused("it is running, or another program has it open", exe)
        process.communicate()
        self.assertEqual(original, read(exe))
        self.done(exe)

    def test_seven_zip(self):
        found = glob.glob(os.path.join(os.path.abspath(Patched.packages), "7zip-bin-*", "win", "x64", "7za.exe"))
        if not found:
            self.skipTest("tools/demo.sh has not fetched 7-Zip")
        exe = self.make(found[0])
        write(self.path("text"), b"".join(b"line %d of a text\n" % i for i in range(20000)))
        for arguments in (["a", "-bd", "-mx=5", "archive.7z", "text"], ["t", "archive.7z"],
                          ["x", "-y", "-oout", "archive.7z"]):
            result, lines = self.statistics(exe, *arguments, folder=self.folder)
            self.assertEqual(0, result.code, result.out + result.err)
            self.assertEqual([True], [line["active"] for line in lines])
        self.assertEqual(read(self.path("text")), read(self.path("out/text")))
        packed = read(self.path("archive.7z"))
        os.remove(self.path("archive.7z"))
        run([found[0], "a", "-bd", "-mx=5", "archive.7z", "text"], folder=self.folder)
        self.assertEqual(read(self.path("archive.7z")), packed)


def main():
    parser = arguments()
    parser.add_argument("--packages", default="", help="where tools/demo.sh keeps real programs")
    options = parser.parse_args()
    Patched.packages = options.packages
    run_tests(options)


if __name__ == "__main__":
    main()
