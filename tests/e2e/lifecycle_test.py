#!/usr/bin/env python3
"""End-to-end tests of what happens while processes live, with strata-override.dll in them: attaching to
those that run, declining, threads and libraries that come and go, and the end.

    lifecycle_test.py --bin <folder of strata-run.exe> [--runner <command>] [--full] [-v] [TestClass ...]

The counts are small, so that every test run can have them; --full takes those of tools/stress.sh.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time

import override_test
from override_test import (EXIT_CANNOT_RUN, EXIT_LAUNCHER, EXIT_NOT_FOUND, Case, Setup, launcher, overridden,
                           plain, program, run, windows_path, without_remarks)


def count(few, many):
    return many if Setup.full else few


class Running:
    """A test program that prints "process <id>" and waits for a byte on its standard input."""

    def __init__(self, name, *arguments, environment=None):
        env = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_") or k.startswith("STRATA_WINE")}
        env.update(environment or {})
        self.process = subprocess.Popen(
            [*Setup.runner, program(name), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=env)
        line = self.process.stdout.readline()
        match = re.match(r"process (\d+)$", line)
        if not match:
            raise AssertionError(f"{name} did not start: {line} {self.process.communicate(timeout=60)}")
        self.pid = match[1]

    def attach(self, *options):
        return run([launcher(), *options, "--attach", self.pid])

    def end(self):
        """Lets it end; its exit code, output and errors."""
        out, err = self.process.communicate("x", timeout=Setup.time_limit)
        err, self.remarks = without_remarks(err)
        return self.process.returncode, out.replace("\r\n", "\n"), err

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


class Attach(Case):
    def running(self, *arguments, **more):
        process = Running(*arguments, **more)
        self.addCleanup(process.stop)
        return process

    def test_a_busy_process(self):
        rounds = count(3, 100)
        longest = 0.0
        for _ in range(rounds):
            busy = self.running("busy")
            result = busy.attach("--require", "--verbose")
            self.assertEqual(0, result.code, result.err)
            self.assertRegex(result.err, rf"strata-run: process {busy.pid}: active, \d+ entry points redirected")
            longest = max(longest, result.seconds)
            code, out, err = busy.end()
            self.assertEqual((0, "active\ndone\n"), (code, out), err)
        print(f"  attached to {rounds} busy processes, {longest:.2f} s at most, and all went on")

    def test_options(self):
        busy = self.running("busy")
        file = self.path("statistics.json")
        result = busy.attach("--stats", "--stats-file", windows_path(file), "--children")
        self.assertEqual(0, result.code, result.err)
        self.says_what_it_serves(busy, result)
        code, out, err = busy.end()
        self.assertEqual((0, "active\ndone\n"), (code, out), err)
        self.assertIn("of the calls from outside ntdll served by Strata", err)
        with open(file, encoding="utf-8") as text:
            self.assertIn('"active":true', text.read())

    def says_what_it_serves(self, busy, result):
        who = f"strata-run: process {busy.pid}: "
        lines = result.err.replace("\r", "").strip().split("\n")
        self.assertEqual(2, len(lines), result.err)
        self.assertRegex(lines[0], f"^{who}active, \\d+ entry points redirected in ntdll.dll$")
        # Where runtimes have heaps of their own, as under Wine 8, attaching comes too late for them.
        msvcrt = (r"msvcrt\.dll: (\d+ functions redirected|"
                  r"not served, its heap is one of its own from before Strata)(;|$)")
        self.assertRegex(lines[1], f"^{who}{msvcrt}")
        if "not served, its" in lines[1]:
            self.assertRegex(lines[1], r"; other heaps from before, not served: \d+$")

    def test_says_what_it_does_not_serve(self):
        """Not served at all is said without being asked for, and the statistics show it."""
        busy = self.running("busy")
        result = busy.attach()
        self.assertEqual(0, result.code, result.err)
        if result.err.strip():
            self.says_what_it_serves(busy, result)
            self.assertIn("not served, its heap", result.err)
        self.assertEqual((0, "active\ndone\n"), busy.end()[:2])

    def test_not_twice(self):
        busy = self.running("busy")
        self.assertEqual(0, busy.attach().code)
        again = busy.attach()
        self.assertEqual(EXIT_CANNOT_RUN, again.code)
        self.assertIn("it has been attached to already: strata-override.dll is loaded in it", again.err)
        self.assertEqual((0, "active\ndone\n"), busy.end()[:2])

    def test_declines(self):
        for manner, reason in (("guard", "the process forbids dynamic code (arbitrary code guard)"),
                               ("jump", "RtlWalkHeap cannot be redirected: its entry is a jump already")):
            process = self.running("decline", "--later", manner)
            result = process.attach()
            self.assertEqual(0, result.code, result.err)
            self.assertIn(f"process {process.pid}: declined, it goes on with its own heap: {reason}", result.err)
            required = process.attach("--require", "--children")
            self.assertEqual(EXIT_LAUNCHER, required.code)
            self.assertIn(f"process {process.pid}: declined: {reason}", required.err)
            self.assertEqual((0, "not loaded\nas it was\n"), process.end()[:2])

    def test_declines_where_it_is_disabled(self):
        busy = self.running("busy", environment={"STRATA_DISABLE": "1"})
        result = busy.attach("--require")
        self.assertEqual(EXIT_LAUNCHER, result.code)
        self.assertIn("declined: STRATA_DISABLE is set", result.err)
        self.assertEqual((0, "absent\ndone\n"), busy.end()[:2])

    def test_refusals(self):
        for code, message, arguments in (
                (EXIT_NOT_FOUND, "process 2147483632: there is no such process", ["--attach", "2147483632"]),
                (EXIT_LAUNCHER, "--attach", ["--attach", "x"]),
                (EXIT_LAUNCHER, "excludes", ["--disable", "--attach", "1"]),
                (EXIT_LAUNCHER, "exclude each other", ["--record", "x", "--attach", "1"]),
                (EXIT_LAUNCHER, "not expected", ["--attach", "1", program("exit_code")]),
                (EXIT_LAUNCHER, "--timeout", ["--timeout", "0", program("exit_code")]),
                (EXIT_LAUNCHER, "the override DLL is missing", ["--dll", "no-such.dll", "--attach", "1"])):
            with self.subTest(arguments):
                result = run([launcher(), *arguments])
                self.assertEqual(code, result.code, result.err)
                self.assertIn(message, result.err)


class Decline(Case):
    """Where redirecting is forbidden or unsafe, nothing is changed, and the reason is told."""

    REASONS = (("guard", "the process forbids dynamic code (arbitrary code guard)"),
               ("arm64", "this is an x64 program on ARM64 Windows"),
               ("slots", "no thread slot is free that is set without a heap call"),
               ("unknown", "RtlWalkHeap cannot be redirected: its entry has an unknown instruction"),
               ("breakpoint", "RtlWalkHeap cannot be redirected: its entry has an instruction that cannot be moved"),
               ("jump", "RtlWalkHeap cannot be redirected: its entry is a jump already"),
               ("far-jump", "RtlWalkHeap cannot be redirected: its entry is a jump already"),
               ("branch", "RtlWalkHeap cannot be redirected: a branch leads into its first bytes"))

    def test_as_a_whole(self):
        dll = windows_path(os.path.join(Setup.bin, "strata-override.dll"))
        for manner, reason in self.REASONS:
            with self.subTest(manner):
                result = plain("decline", dll, manner, environment={"STRATA_VERBOSE": "1"})
                self.assertEqual((0, f"{reason}\nas it was\n"), (result.code, result.out), result.err)
                lines = [line for line in result.err.splitlines() if "declined" in line]
                self.assertEqual(1, len(lines), result.err)
                self.assertRegex(lines[0], r"^strata: strata_program_decline\.exe \(\d+\): declined: "
                                 + re.escape(reason) + "$")


class Counted(Case):
    """Every entry of ntdll's heap family counts who served it."""

    CALLS = 5  # of every_entry.cpp
    BLOCKS = {"RtlAllocateHeap", "RtlFreeHeap", "RtlReAllocateHeap", "RtlSizeHeap", "RtlValidateHeap",
              "RtlGetUserInfoHeap", "RtlSetUserValueHeap", "RtlSetUserFlagsHeap", "RtlMultipleAllocateHeap",
              "RtlMultipleFreeHeap"}
    HEAPS = {"RtlCreateHeap", "RtlDestroyHeap", "RtlWalkHeap", "RtlLockHeap", "RtlUnlockHeap", "RtlCompactHeap",
             "RtlQueryHeapInformation", "RtlSetHeapInformation"}
    STRATA_ONLY = {"RtlValidateProcessHeaps", "RtlFreeUnicodeString", "RtlFreeAnsiString", "RtlFreeOemString",
                   "RtlFreeUTF8String"}
    TAGGED = 400  # allocations with a tag in their flags

    def test_every_entry(self):
        all_of_them = ["all"] if os.name == "nt" else []
        self.assertEqual("done\n", plain("every_entry", *all_of_them).out)
        result, lines = self.statistics("every_entry", *all_of_them, options=["--require"])
        self.assertEqual((0, "done\n", ""), (result.code, result.out, result.err.strip()))
        entries = {entry["name"]: entry for entry in lines[0]["entries"] if entry["name"].startswith("Rtl")}
        self.assertLessEqual(set(entries), self.BLOCKS | self.HEAPS | self.STRATA_ONLY)
        self.assertGreaterEqual(len(entries), 20)
        if not all_of_them:
            del entries["RtlValidateProcessHeaps"]
        for name, entry in entries.items():
            with self.subTest(name):
                self.assertGreaterEqual(entry["strata"], self.CALLS)
                if name not in self.STRATA_ONLY:
                    self.assertGreaterEqual(entry["original"] + entry["foreign"], self.CALLS)
        # Those with a tag are like the others.
        self.assertGreaterEqual(entries["RtlAllocateHeap"]["strata"], self.TAGGED)
        self.assertLess(entries["RtlAllocateHeap"]["original"], self.TAGGED)
        print(f"  {len(entries)} entries counted")


class Life(Case):
    """Threads, libraries and processes that come to their end, in every way."""

    def lives(self, expected, name, *arguments, options=("--require",)):
        result = overridden([*options], name, *arguments)
        self.assertEqual((0, expected + "\n"), (result.code, result.out), result.err)
        self.assertNotIn("strata: fatal", result.err)
        print(f"  {name} {' '.join(arguments)}: {result.seconds:.1f} s; {result.err.strip()}")

    def test_thread_births_and_deaths(self):
        self.lives("commit is flat\ndone", "lifecycle", "births", str(count(400, 10000)))

    def test_terminated_threads(self):
        self.lives("the heap goes on\ndone", "lifecycle", "terminations", str(count(20, 200)))

    def test_callbacks_after_detach(self):
        n = count(50, 1000)
        self.lives(f"{n} freed by TLS callbacks, {n} by FLS callbacks\ndone", "lifecycle", "late-frees", str(n))

    def test_the_override_stays(self):
        self.lives("freed, and the heap goes on\ndone", "lifecycle", "free-override", str(count(50, 1000)))

    def test_libraries_that_come_and_go(self):
        n = count(50, 1000)
        self.lives(f"loaded and freed {n} times\ndone", "late_library", str(n))

    def test_process_exits(self):
        # In eight manners, each with other threads inside the heap's functions.
        n = count(16, 1000)
        self.lives(f"{n} processes: 0 too late, 0 with a wrong exit code", "exits", str(n), "2000",
                   options=("--require", "--children"))

    def test_a_fatal_error_under_the_loader_lock(self):
        result = overridden(["--require"], "lifecycle", "loader-lock", "1")
        self.assertEqual("before\n", result.out)
        self.assertNotEqual(0, result.code)
        self.assertRegex(result.err, r"^strata: fatal: (double free of block|free of invalid pointer) 0x[0-9a-f]+")
        self.assertEqual(1, result.err.count("strata: fatal"))


def main():
    if "--full" in sys.argv:
        sys.argv.remove("--full")
        Setup.full = True
        Setup.time_limit = 1200
    override_test.main()


Setup.full = False

if __name__ == "__main__":
    main()
