#!/usr/bin/env python3
"""End-to-end tests of strata-run --attach: processes that run already.

    attach_test.py --bin <folder of strata-run.exe> [--runner <command>] [--full] [-v] [TestClass[.test] ...]

--full: the counts of tools/stress.sh.
"""

from harness import (EXIT_CANNOT_RUN, EXIT_LAUNCHER, EXIT_NOT_FOUND, Case, Running, count, launcher,
                     main_with_counts, program, run, windows_path)


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


if __name__ == "__main__":
    main_with_counts()
