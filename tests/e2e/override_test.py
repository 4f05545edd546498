#!/usr/bin/env python3
"""End-to-end tests of strata-override.dll: real processes, plain and overridden.

    override_test.py --bin <folder of strata-run.exe> [--runner <command>] [-v] [TestClass[.test] ...]

Each program of tests/programs is run twice and must print the same; what the override says of itself
(statistics, messages, exit codes) is checked beside it.
"""

import json
import os
import re
import shutil

from harness import (EXIT_LAUNCHER, SHARE_AT_LEAST, Case, launcher, main, overridden, override_dll, plain, program,
                     run, share_served, windows_path)

REDIRECTS_AT_LEAST = 10


class Programs(Case):
    """The same output and exit code with and without, and at least 95 % of the calls served."""

    def compare(self, name, *arguments, share=SHARE_AT_LEAST):
        without = plain(name, *arguments)
        self.assertEqual(0, without.code, without.out + without.err)
        with_it, lines = self.statistics(name, *arguments, options=["--require"])
        self.assertEqual(without.code, with_it.code, with_it.err)
        self.assertEqual(without.out, with_it.out)
        self.assert_clean(with_it)
        self.assertEqual(1, len(lines))
        self.assertTrue(lines[0]["active"])
        served = share_served(lines[0])
        print(f"  {name}: {lines[0]['calls']['strata']} calls served by Strata, {100 * served:.1f} %"
              f" ({without.seconds:.2f} s plain, {with_it.seconds:.2f} s with it)")
        self.assertGreaterEqual(served, share)

    def test_msvcrt(self):
        self.compare("crt_blocks")

    def test_ucrt(self):
        if not os.path.exists(program("crt_blocks_ucrt")):
            self.skipTest("not built with this compiler")
        self.compare("crt_blocks_ucrt")

    def test_no_runtime(self):
        self.compare("plain_heap")

    def test_no_imports(self):
        # No call of its own, so no share.
        result, lines = self.statistics("no_imports", options=["--require"])
        self.assertEqual((42, "", ""), (result.code, result.out, result.err.strip()))
        self.assertEqual([True], [line["active"] for line in lines])

    def test_threads(self):
        self.compare("threads")

    def test_late_library(self):
        self.compare("late_library")

    def test_private_heaps(self):
        # Fixed and executable heaps are the system's business, and this program uses them on purpose.
        self.compare("private_heaps", share=0.9)

    def test_low_addresses(self):
        self.compare("low_addresses")

    def test_mixed_blocks(self):
        # Blocks with handles stay with the system for now.
        self.compare("mixed_blocks", share=0.95)


class Activation(Case):
    def test_late(self):
        result = plain("late_activation", windows_path(override_dll()))
        self.assertEqual((0, "done\n"), (result.code, result.out), result.err)

    def test_a_second_copy_declines(self):
        copy = self.path("another-strata.dll")
        shutil.copy(override_dll(), copy)
        result = overridden([], "late_activation", windows_path(copy), "declines")
        self.assertEqual(0, result.code, result.err)
        self.assertIn("its entry is a jump already", result.out)

    def test_disabled_by_the_environment(self):
        result, lines = self.statistics("crt_blocks", environment={"STRATA_DISABLE": "1"})
        self.assertEqual(0, result.code)
        self.assertEqual(plain("crt_blocks").out, result.out)
        self.assertIn("STRATA_DISABLE is set", result.err)
        self.assertEqual([], lines)

    def test_disabled_by_the_launcher(self):
        result, lines = self.statistics("crt_blocks", options=["--disable"])
        self.assertEqual((0, ""), (result.code, result.err.strip()))
        self.assertEqual([], lines)

    def test_zero_is_off(self):
        result = overridden(
            ["--require"], "exit_code", "5", "return", environment={"STRATA_DISABLE": "0"})
        self.assertEqual(5, result.code, result.err)

    def test_require(self):
        result = overridden(
            ["--require"], "exit_code", "5", "return", environment={"STRATA_DISABLE": "1"})
        self.assertEqual(EXIT_LAUNCHER, result.code)
        self.assertNotIn("leaving", result.out)
        self.assertIn("declined: STRATA_DISABLE is set", result.err)

    def test_verbose(self):
        result = overridden(["--verbose"], "exit_code", "5", "return")
        self.assertEqual(5, result.code)
        redirected = re.findall(r"redirected: (Rtl\w+) at ntdll\+0x[0-9a-f]+", result.err)
        for name in ("RtlAllocateHeap", "RtlFreeHeap", "RtlReAllocateHeap", "RtlSizeHeap",
                     "RtlValidateHeap", "RtlCreateHeap", "RtlDestroyHeap", "RtlWalkHeap"):
            self.assertIn(name, redirected)
        self.assertIn(f"active, {len(redirected)} of ntdll's heap functions redirected", result.err)
        self.assertIn(f"strata-run: active, {len(redirected)} entry points redirected", result.err)

    def with_global_flag(self, name, flag):
        """A copy of a test program that the system starts with this global flag."""
        copy = self.path("strata_checked_program.exe")
        shutil.copy(program(name), copy)
        key = ("HKLM\\Software\\Microsoft\\Windows NT\\CurrentVersion\\"
               "Image File Execution Options\\strata_checked_program.exe")
        self.addCleanup(run, ["reg", "delete", key, "/f"])
        added = run(["reg", "add", key, "/v", "GlobalFlag", "/t", "REG_DWORD", "/d", flag, "/f"])
        if added.code != 0:
            self.skipTest("the registry cannot be written")
        return windows_path(copy)

    def test_declines_under_page_heap_and_verifier(self):
        for flag, name in (("0x02000000", "page heap"), ("0x100", "Application Verifier")):
            copy = self.with_global_flag("exit_code", flag)
            result = run([launcher(), copy, "4", "exit"])
            self.assertEqual((4, "leaving\n"), (result.code, result.out))
            self.assertIn(f"declined, the program runs on its own heap: {name} is enabled", result.err)
            result = run([launcher(), "--require", copy, "4", "exit"])
            self.assertEqual((EXIT_LAUNCHER, ""), (result.code, result.out))

    def test_checks_where_the_debug_heap_does(self):
        copy = self.with_global_flag("misuse", "0x30")  # tail and free checks
        for kind, message in (
                ("overrun", r"free of overrun block 0x[0-9a-f]+ \(21 bytes requested\) in heap"),
                ("overrun-private", r"free of overrun block 0x[0-9a-f]+ \(5000 bytes requested\)"),
                ("write-after-free", r"free block .* was written to at offset 8 after it was freed"),
                ("double-free", r"(double free of block|free of invalid pointer)")):
            result = run([launcher(), "--require", copy, kind])
            self.assertRegex(result.err, "strata: fatal: " + message)
            self.assertEqual("before\n", result.out)
        # Without the flag nobody looks.
        result = run([launcher(), "--require", program("misuse"), "overrun"])
        self.assertNotIn("strata: fatal", result.err)


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
        dll = windows_path(override_dll())
        for manner, reason in self.REASONS:
            with self.subTest(manner):
                result = plain("decline", dll, manner, environment={"STRATA_VERBOSE": "1"})
                self.assertEqual((0, f"{reason}\nas it was\n"), (result.code, result.out), result.err)
                lines = [line for line in result.err.splitlines() if "declined" in line]
                self.assertEqual(1, len(lines), result.err)
                self.assertRegex(lines[0], r"^strata: strata_program_decline\.exe \(\d+\): declined: "
                                 + re.escape(reason) + "$")


class Statistics(Case):
    def test_text(self):
        result = overridden(["--stats"], "plain_heap")
        self.assertEqual(0, result.code)
        for pattern in (r"strata: strata_program_plain_heap\.exe \(\d+\): active for \d+ ms",
                        r"RtlAllocateHeap +\d{5} +0 +0 +\d+",
                        r"\d+\.\d % of the calls from outside ntdll served by Strata",
                        r"live at exit: \d+ blocks, \d+ bytes; peak commit: \d+ bytes"):
            self.assertRegex(result.err, pattern)

    def test_json(self):
        result, lines = self.statistics("plain_heap")
        self.assertEqual((0, ""), (result.code, result.err.strip()))
        self.assertEqual(1, len(lines))
        line = lines[0]
        self.assertEqual("strata_program_plain_heap.exe", line["program"])
        self.assertGreater(line["pid"], 0)
        entries = {entry["name"]: entry for entry in line["entries"]}
        self.assertGreaterEqual(len(entries), REDIRECTS_AT_LEAST)
        # The program's own loops: 2 heaps, 20 rounds, 500 blocks, and one too large.
        self.assertEqual(20001, entries["RtlAllocateHeap"]["strata"])
        self.assertEqual(10000, entries["RtlReAllocateHeap"]["strata"])
        for kind in ("strata", "original", "foreign", "ntdll"):
            self.assertEqual(line["calls"][kind], sum(e[kind] for e in entries.values()))
        self.assertEqual((0, 0), (line["live_blocks"], line["live_bytes"]))
        self.assertGreater(line["peak_commit"], 0)
        self.assertGreaterEqual(line["active_ms"], 0)

    def test_appends(self):
        self.statistics("exit_code", "0", "return")
        file = self.path("statistics.json")
        overridden(["--stats-file", windows_path(file)], "exit_code", "0", "exit")
        with open(file, encoding="utf-8") as text:
            self.assertEqual(2, len([json.loads(line) for line in text]))

    def test_a_file_that_cannot_be_written_harms_nobody(self):
        result = overridden(["--stats-file", windows_path(self.path("no/such/folder/x"))],
                            "exit_code", "7", "return")
        self.assertEqual(7, result.code)


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


class Misuse(Case):
    """Under the override, corruption ends the process at the call, with one line that says what."""

    def fatal(self, kind, pattern):
        result = overridden(["--require"], "misuse", kind)
        self.assertEqual("before\n", result.out)
        self.assertNotEqual(0, result.code)
        self.assertEqual(1, result.err.count("strata: fatal: "), result.err)
        self.assertRegex(result.err, "strata: fatal: .*" + pattern)

    def test_double_free(self):
        for kind in ("double-free", "double-free-elsewhere", "double-free-crt", "double-free-large"):
            with self.subTest(kind):
                # With its slab gone, too, a freed block is a place where no block is.
                self.fatal(kind, "double free|no block is there")

    def test_interior_pointer(self):
        self.fatal("interior", "interior|inside")

    def test_wrong_heap(self):
        self.fatal("wrong-heap", "heap")
        self.fatal("wrong-heap-process", "heap")
        self.fatal("wrong-heap-native", "heap")

    def test_resizing_a_freed_block(self):
        self.fatal("resize-freed", "freed|free")


if __name__ == "__main__":
    main()
