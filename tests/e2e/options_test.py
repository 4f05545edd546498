#!/usr/bin/env python3
"""Options in the environment, and where messages go, with strata-override.dll and strata-run.exe.

    options_test.py --bin <folder of strata-run.exe> [--runner <command>] [-v] [TestClass[.test] ...]
"""

import os

from harness import EXIT_LAUNCHER, Case, main, overridden, windows_path

ON = ("1", "on", "yes", "true", "ON", "True")
OFF = ("0", "off", "no", "false", "OFF", "No", "")
NEITHER = ("2", "maybe", "offf")


def exit_code(environment, options=()):
    return overridden([*options], "exit_code", "5", "return", environment=environment)


class Options(Case):
    """One reading of every switch, and a word about what is not understood."""

    def test_statistics(self):
        for word in ON:
            with self.subTest(word):
                self.assertIn("served by Strata", exit_code({"STRATA_STATS": word}).err)
        for word in OFF:
            with self.subTest(word):
                self.assertEqual("", exit_code({"STRATA_STATS": word}).err.strip())

    def test_disable(self):
        for word, active in ((ON[1], False), (OFF[2], True)):
            with self.subTest(word):
                result = exit_code({"STRATA_DISABLE": word}, ["--require"])
                self.assertEqual(5 if active else EXIT_LAUNCHER, result.code, result.err)

    def test_neither(self):
        for word in NEITHER:
            with self.subTest(word):
                result = exit_code({"STRATA_STATS": word})
                self.assertEqual(5, result.code)
                self.assertEqual([f"strata: option STRATA_STATS={word} is neither on (1, on, yes, true) nor off "
                                  "(0, off, no, false); the default is used"], result.err.splitlines())

    def test_names(self):
        result = exit_code({"STRATA_HARDEND": "1", "STRATA_SATS": "1", "STRATA_WINE_LIKE": "1"})
        self.assertEqual(["strata: STRATA_HARDEND is no option; is STRATA_HARDENED meant?",
                          "strata: STRATA_SATS is no option; is STRATA_STATS meant?"],
                         sorted(result.err.splitlines()))

    def test_verbose_shows_them_all(self):
        result = exit_code({"STRATA_VERBOSE": "yes", "STRATA_GUARD_SAMPLE": "1000", "STRATA_DECAY_MS": "300",
                            "STRATA_STATS": "on"})
        self.assertRegex(result.err, r"options: STRATA_HARDENED=0 STRATA_PAGE_HEAP=0 STRATA_GUARD_SAMPLE=1000 "
                         r"STRATA_GUARD_BEFORE=0 STRATA_DECAY_MS=384 STRATA_RETAIN_KB=\d+ STRATA_STATS=1 "
                         r"STRATA_VERBOSE=1")

    def test_a_statistics_file_that_cannot_be_opened(self):
        nowhere = windows_path(self.path(os.path.join("no such folder", "file")))
        result = exit_code({"STRATA_STATS_FILE": nowhere})
        self.assertEqual((5, 1), (result.code, len(result.err.splitlines())), result.err)
        self.assertRegex(result.err, r"the file for the statistics cannot be opened \(error \d+\)")
        result = exit_code({"STRATA_STATS_FILE": nowhere}, ["--require"])
        self.assertEqual((EXIT_LAUNCHER, ""), (result.code, result.out), result.err)
        self.assertIn("the file for the statistics cannot be opened", result.err)

    def test_a_log_that_cannot_be_opened(self):
        result = exit_code({"STRATA_LOG": windows_path(self.path(os.path.join("no such folder", "log")))})
        self.assertEqual((5, 1), (result.code, len(result.err.splitlines())), result.err)
        self.assertRegex(result.err, r"the file of STRATA_LOG cannot be opened \(error \d+\)")


class Messages(Case):
    """They reach programs without a console, too."""

    def log(self, *arguments, options=("--require",), **environment):
        file = self.path("log")
        if os.path.exists(file):
            os.remove(file)
        result = overridden([*options], *arguments,
                            environment={"STRATA_LOG": windows_path(file), **environment})
        with open(file, encoding="utf-8") as text:
            return result, text.read()

    def test_the_log_has_reports(self):
        for kind in ("double-free", "double-free-private", "double-free-private-large"):
            with self.subTest(kind):
                result, log = self.log("misuse", kind)
                self.assertEqual("before\n", result.out)
                self.assertRegex(log, "^strata: fatal: double free of block 0x[0-9a-f]+")
                self.assertEqual(result.err.replace("\r", "").strip(), log.strip())

    def test_the_log_has_what_is_declined(self):
        result, log = self.log("exit_code", "5", "return", options=(), STRATA_VERBOSE="1", STRATA_DISABLE="1")
        self.assertEqual(5, result.code)
        self.assertIn("inactive: STRATA_DISABLE is set", log)

    def test_stacks_begin_at_the_program(self):
        result = overridden(["--require"], "misuse", "double-free")
        lines = result.err.splitlines()
        frames = lines[next(i for i, line in enumerate(lines) if "found by thread" in line) + 1:]
        self.assertGreater(len(frames), 1, result.err)
        for line in frames:
            self.assertNotIn("strata-override.dll", line)

    def test_a_debugger_hears_the_report_last(self):
        result = overridden(["--require"], "misuse", "double-free", "debugger")
        report = result.err.replace("\r", "")
        self.assertIn("strata: fatal: double free of block", report)
        self.assertEqual("before\ndebugger: " + report.strip(), result.out.strip())


if __name__ == "__main__":
    main()
