#!/usr/bin/env python3
"""End-to-end tests of strata-run --record and strata-replay: real processes are recorded, and run again.

    record_test.py --bin <folder of strata-run.exe> [--runner <command>] [-v] [TestClass[.test] ...]
"""

import glob
import os
import re

from harness import EXIT_LAUNCHER, Case, Setup, launcher, main, overridden, plain, program, run, windows_path


def replay(trace, *options):
    return run([os.path.join(Setup.bin, "strata-replay.exe"), *options, windows_path(trace)])


class Recording(Case):
    def record(self, name, *arguments, options=(), environment=None):
        trace = self.path("trace")
        result = overridden(["--record", windows_path(trace), *options], name, *arguments,
                            environment=environment)
        return result, trace

    def info(self, trace):
        result = replay(trace, "--info")
        self.assertEqual((0, ""), (result.code, result.err.strip()))
        return result.out

    def count(self, info, what):
        found = re.search(rf"^  {what} +(\d+)$", info, re.MULTILINE)
        return int(found[1]) if found else 0

    def test_the_program_does_not_notice(self):
        for name in ("plain_heap", "threads", "private_heaps", "mixed_blocks"):
            with self.subTest(name):
                expected = plain(name)
                result, trace = self.record(name)
                self.assertEqual((expected.code, expected.out), (result.code, result.out))
                self.assert_clean(result)
                self.assertIn("the trace is whole", self.info(trace))

    def test_every_call_is_there(self):
        _, trace = self.record("plain_heap")
        info = self.info(trace)
        self.assertIn("program: strata_program_plain_heap.exe", info)
        # The program's own loops: 2 heaps, 20 rounds, 500 blocks, and one too large.
        self.assertEqual(20001, self.count(info, "allocate"))
        self.assertEqual(10000, self.count(info, "resize"))
        self.assertGreaterEqual(self.count(info, "create a heap"), 1)

    def test_threads_and_what_they_pass_on(self):
        _, trace = self.record("threads")
        info = self.info(trace)
        across = re.search(r"freed by another thread than allocated them: (\d+)", info)
        self.assertGreater(int(across[1]), 10000)
        # Several allocators' worth of checks: sizes, zeros, contents.
        result = replay(trace, "--verify", "--json")
        self.assertEqual((0, ""), (result.code, result.err.strip()))
        self.assertIn('"faults": 0', result.out)
        again = replay(trace, "--json", "--memory", "--window", "256")
        checksum = re.search(r'"checksum": "(\w+)"', result.out)[1]
        self.assertIn(f'"checksum": "{checksum}"', again.out)

    def test_a_killed_process_leaves_a_trace_that_can_be_read(self):
        result, trace = self.record("exit_code", "9", "terminate")
        self.assertEqual(9, result.code)
        self.assertIn("the trace is not whole", self.info(trace))

    def test_threads_that_the_end_of_the_process_cuts_off(self):
        result, trace = self.record("exit_code", "3", "busy")
        self.assertEqual(3, result.code)
        self.assertIn("the trace is whole", self.info(trace))
        self.assertEqual(0, replay(trace, "--verify").code)

    def test_children_write_files_of_their_own(self):
        result, trace = self.record("family", options=["--children"])
        self.assertEqual(0, result.code)
        self.assertFalse(os.path.exists(trace))
        traces = glob.glob(trace + ".*")
        self.assertGreater(len(traces), 1)
        for name in traces:
            self.assertIn("strata_program_family.exe", self.info(name))

    def test_a_file_that_cannot_be_written(self):
        nowhere = windows_path(self.path("no/such/folder/x"))
        result = overridden(["--record", nowhere], "exit_code", "7", "return")
        self.assertEqual(EXIT_LAUNCHER, result.code)
        self.assertIn("the trace cannot be written", result.err)
        # Told by the environment alone, it is no reason not to run.
        result = overridden([], "exit_code", "7", "return", environment={"STRATA_RECORD": nowhere})
        self.assertEqual(7, result.code)
        self.assertIn("not recording: the file of STRATA_RECORD cannot be created", result.err)

    def test_what_excludes_each_other(self):
        result = run([launcher(), "--disable", "--record", "x", program("exit_code"), "0", "return"])
        self.assertEqual(EXIT_LAUNCHER, result.code)
        self.assertIn("exclude each other", result.err)

    def test_damage_is_named(self):
        _, trace = self.record("plain_heap")
        with open(trace, "r+b") as file:
            file.seek(300)
            byte = file.read(1)
            file.seek(300)
            file.write(bytes([byte[0] ^ 1]))
        result = replay(trace)
        self.assertEqual(2, result.code)
        self.assertRegex(result.err, r"strata-replay: .*: at byte 128: the chunk's checksum is wrong")
        result = replay(self.path("missing"))
        self.assertEqual(2, result.code)
        self.assertIn("strata-replay:", result.err)


if __name__ == "__main__":
    main()
