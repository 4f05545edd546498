#!/usr/bin/env python3
"""End-to-end tests of strata-run.exe and strata-override.dll: real processes, plain and overridden.

    override_test.py --bin <folder of strata-run.exe> [--runner <command>] [-v] [TestClass[.test] ...]

Each program of tests/programs is run twice and must print the same; what the override says of itself
(statistics, messages, exit codes) is checked beside it. The runner starts a Windows program: on Linux
tools/wine.sh, on Windows nothing.
"""

import argparse
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

REDIRECTS_AT_LEAST = 10
SHARE_AT_LEAST = 0.95
EXIT_LAUNCHER, EXIT_CANNOT_RUN, EXIT_NOT_FOUND = 125, 126, 127


class Setup:
    bin = ""
    runner = []
    time_limit = 120


class Result:
    def __init__(self, code, out, err, seconds):
        self.code = code
        self.out = out
        # Wine's own remarks about the machine are nobody's output.
        self.err, self.remarks = without_remarks(err)
        self.seconds = seconds


def without_remarks(err):
    """Errors without what Wine itself wrote there, and that."""
    lines = err.splitlines()
    remarks = [line for line in lines if re.match(r"wine: |[0-9a-f]{4}:", line)]
    return "\n".join(line for line in lines if not re.match(r"wine: |[0-9a-f]{4}:", line)), remarks


# Wine's process creation fails now and then on a busy machine, before any code of the new process or of
# Strata has run in it: strata-run then reports CreateProcessW's ERROR_INTERNAL_ERROR.
WINE_COULD_NOT_START = "CreateProcessW failed: Internal error. (error 1359)"


def run(command, **more):
    """Runs a command; repeats it, and says so, when Wine could not start its process."""
    for attempt in range(3):
        result = run_once(command, **more)
        launcher_failed = result.code == 126 and WINE_COULD_NOT_START in result.err
        # Or it ends before any of it has run: nothing printed at all, not even the statistics.
        never_ran = result.code == 1 and not result.out and not result.err
        if not launcher_failed and not never_ran:
            break
        print(f"Wine could not start a process (attempt {attempt + 1}): {command[-1]}", file=sys.stderr)
    return result


def run_once(command, environment=None, folder=None, text="", binary=False):
    env = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_") or k.startswith("STRATA_WINE")}
    env["LC_ALL"] = "C.UTF-8"
    env.update(environment or {})
    began = time.monotonic()
    process = subprocess.Popen(Setup.runner + command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=env, cwd=folder, start_new_session=True)
    try:
        out, err = process.communicate(text.encode(), timeout=Setup.time_limit)
    except subprocess.TimeoutExpired:
        end_with_all_it_started(process)
        raise
    seconds = time.monotonic() - began
    out = out if binary else out.decode("utf-8", "replace").replace("\r\n", "\n")
    return Result(process.returncode, out, err.decode("utf-8", "replace"), seconds)


def end_with_all_it_started(process):
    """Ends a process of a session of its own; under Wine, what strata-run has started as well."""
    if os.name == "nt":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def program(name):
    return os.path.join(Setup.bin, "programs", f"strata_program_{name}.exe")


def launcher():
    return os.path.join(Setup.bin, "strata-run.exe")


def windows_path(path):
    path = os.path.abspath(path)
    return path if os.name == "nt" else "Z:" + path.replace("/", "\\")


def plain(name, *arguments, **more):
    return run([program(name), *arguments], **more)


def overridden(options, name, *arguments, **more):
    return run([launcher(), *options, program(name), *arguments], **more)


def offset_of_export(image, name):
    """Where the export of this name lies in a 64-bit image's file."""
    pe = struct.unpack_from("<I", image, 0x3c)[0]
    count, optional = struct.unpack_from("<H", image, pe + 6)[0], struct.unpack_from("<H", image, pe + 20)[0]

    def offset(rva):
        for i in range(count):
            size, begin, _, raw = struct.unpack_from("<IIII", image, pe + 24 + optional + 40 * i + 8)
            if begin <= rva < begin + size:
                return raw + rva - begin
        raise ValueError(f"{rva:#x} is in no section")

    table = offset(struct.unpack_from("<I", image, pe + 24 + 112)[0])
    names, addresses, names_at, ordinals_at = struct.unpack_from("<IIII", image, table + 24)
    for i in range(names):
        text = offset(struct.unpack_from("<I", image, offset(names_at) + 4 * i)[0])
        if image[text:image.index(0, text)] == name.encode():
            index = struct.unpack_from("<H", image, offset(ordinals_at) + 2 * i)[0]
            return offset(struct.unpack_from("<I", image, offset(addresses) + 4 * index)[0])
    raise ValueError(f"{name} is not exported")


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="strata-e2e-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def statistics(self, name, *arguments, options=(), environment=None):
        """Runs with --stats-file; the result and the lines of the file."""
        file = self.path("statistics.json")
        if os.path.exists(file):
            os.remove(file)
        result = overridden(
            ["--stats-file", windows_path(file), *options], name, *arguments, environment=environment)
        lines = []
        if os.path.exists(file):
            with open(file, encoding="utf-8") as text:
                lines = [json.loads(line) for line in text]
        return result, lines

    def assert_clean(self, result):
        self.assertNotIn("strata: fatal", result.err)
        self.assertEqual("", result.err.strip())


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
        calls = lines[0]["calls"]
        served = calls["strata"] / (calls["strata"] + calls["original"] + calls["foreign"])
        print(f"  {name}: {calls['strata']} calls served by Strata, {100 * served:.1f} %"
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
    def dll(self):
        return os.path.join(Setup.bin, "strata-override.dll")

    def test_late(self):
        result = plain("late_activation", windows_path(self.dll()))
        self.assertEqual((0, "done\n"), (result.code, result.out), result.err)

    def test_a_second_copy_declines(self):
        copy = self.path("another-strata.dll")
        shutil.copy(self.dll(), copy)
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


class Launcher(Case):
    def refused(self, code, message, *command, environment=None):
        result = run([launcher(), *command], environment=environment)
        self.assertEqual(code, result.code, result.err)
        self.assertIn(message, result.err)
        self.assertEqual("", result.out)

    def changed_program(self, name, change):
        """A copy of a program with some bytes changed: change(image, offset of the PE header)."""
        with open(program("exit_code"), "rb") as file:
            image = bytearray(file.read())
        change(image, struct.unpack_from("<I", image, 0x3c)[0])
        with open(self.path(name), "wb") as file:
            file.write(image)
        return windows_path(self.path(name))

    def test_exit_codes(self):
        for manner in ("return", "exit", "terminate"):
            with self.subTest(manner):
                result = overridden([], "exit_code", "77", manner)
                self.assertEqual((77, "leaving\n", ""), (result.code, result.out, result.err.strip()))
        # Wine and POSIX keep eight bits of it.
        self.assertEqual(0xC0000005 & 0xFF,
                         overridden([], "exit_code", "0xC0000005", "terminate").code & 0xFF)

    def test_exit_while_other_threads_allocate(self):
        for _ in range(20):
            result = overridden(["--require"], "exit_code", "78", "busy")
            self.assertEqual((78, "leaving\n"), (result.code, result.out))
            self.assertLess(result.seconds, 10)

    def test_arguments(self):
        for arguments in (["simple", "two words", ""], ['quote"inside', "back\\slash", "trailing\\"],
                          ['\\"', 'a\\\\"b c', "tab\there"], ["--stats", "--help", "-v", "--"],
                          ["\u00e4\u00f6\u00fc", "\u65e5\u672c\u8a9e", "\U0001f600"], ["%PATH%", "*", "^&|<>"]):
            with self.subTest(arguments):
                without = plain("arguments", *arguments)
                with_it = overridden([], "arguments", *arguments)
                self.assertEqual(0, with_it.code, with_it.err)
                self.assertEqual(without.out, with_it.out)
                self.assertEqual(len(arguments) + 1, with_it.out.count("\n"))

    def test_options_end_at_two_dashes(self):
        with_it = run([launcher(), "--require", "--", program("arguments"), "--require", "x"])
        self.assertEqual("[--require]\n[x]\n[ --require x]\n", with_it.out)

    def test_standard_handles(self):
        text = "through the pipe\nand back\n"
        self.assertEqual(plain("arguments", "-", text=text).out,
                         overridden([], "arguments", "-", text=text).out)

    def test_finds_programs(self):
        folder = os.path.join(Setup.bin, "programs")
        without_extension = program("exit_code")[:-len(".exe")]
        self.assertEqual(9, run([launcher(), without_extension, "9", "exit"]).code)
        self.assertEqual(
            9, run([launcher(), "strata_program_exit_code", "9", "exit"], folder=folder).code)
        if os.name != "nt":
            folder = windows_path(folder)
        result = run([launcher(), "strata_program_exit_code", "9", "exit"],
                     environment={"WINEPATH": folder, "PATH": os.environ["PATH"]})
        self.assertEqual(9, result.code, result.err)
        result = run([launcher(), "--require", "cmd", "/c", "echo found"])
        self.assertEqual((0, "found\n"), (result.code, result.out), result.err)

    def test_refuses_what_is_not_there(self):
        self.refused(EXIT_NOT_FOUND, "there is no such program", "no-such-program")
        self.refused(EXIT_NOT_FOUND, "there is no such program", "Z:\\no\\such\\program.exe")
        self.refused(EXIT_LAUNCHER, "the override DLL is missing",
                     "--dll", "no-such.dll", program("exit_code"), "1", "exit")

    def test_refuses_dlls_that_are_no_override(self):
        """Before the program runs, whether it must have Strata or not."""
        other = windows_path(os.path.join(Setup.bin, "strata.dll"))
        with open(os.path.join(Setup.bin, "strata-override.dll"), "rb") as file:
            image = bytearray(file.read())
        at = offset_of_export(image, "StrataOverrideProtocol")
        struct.pack_into("<I", image, at, 4711)
        with open(self.path("strata-override.dll"), "wb") as file:
            file.write(image)
        of_tomorrow = windows_path(self.path("strata-override.dll"))
        for dll, message in ((other, "it is not an override DLL"),
                             (of_tomorrow, "an override DLL of another version: it speaks version 4711")):
            for options in ([], ["--require"], ["--record", windows_path(self.path("trace"))]):
                self.refused(EXIT_LAUNCHER, message, *options, "--dll", dll, program("exit_code"), "1", "exit")
            self.refused(EXIT_LAUNCHER, message, "--dll", dll, "--attach", "4711")
        self.assertFalse(os.path.exists(self.path("trace")))

    def test_a_program_that_may_not_load_the_dll(self):
        """Its token has no right to the file; root on the machine under Wine can read it all the same."""
        if os.name == "nt" or os.geteuid() != 0:
            self.skipTest("strata-run could not read the DLL either")
        dll = self.path("strata-override.dll")
        shutil.copy(os.path.join(Setup.bin, "strata-override.dll"), dll)
        os.chmod(dll, 0)
        reason = "its user or token may not read and execute the DLL"
        options = ["--dll", windows_path(dll), program("exit_code"), "5", "exit"]
        result = run([launcher(), *options])
        self.assertEqual((5, "leaving\n", f"strata-run: the program runs on its own heap: {reason}"),
                         (result.code, result.out, result.err.strip()))
        self.refused(EXIT_LAUNCHER, f"it cannot have Strata: {reason}", "--require", *options)

    def test_refuses_what_cannot_be_run(self):
        self.refused(EXIT_CANNOT_RUN, "not a Windows program", windows_path(__file__))
        batch = self.path("batch.bat")
        with open(batch, "w", encoding="ascii") as file:
            file.write("echo hello\n")
        self.refused(EXIT_CANNOT_RUN, "batch file", windows_path(batch))
        self.refused(EXIT_CANNOT_RUN, "it is a DLL",
                     windows_path(os.path.join(Setup.bin, "strata-override.dll")))
        self.refused(EXIT_LAUNCHER, "it is not a DLL",
                     "--dll", windows_path(program("exit_code")), program("exit_code"), "1", "exit")

    def test_refuses_other_machines(self):
        def machine(value):
            return lambda image, pe: struct.pack_into("<H", image, pe + 4, value)
        self.refused(EXIT_CANNOT_RUN, "32-bit program",
                     self.changed_program("p32.exe", machine(0x14c)), "1", "exit")
        self.refused(EXIT_CANNOT_RUN, "ARM64 program",
                     self.changed_program("arm.exe", machine(0xaa64)), "1", "exit")

    def test_refuses_managed_programs(self):
        def managed(image, pe):
            optional_bytes = struct.unpack_from("<H", image, pe + 20)[0]
            section = pe + 24 + optional_bytes
            rva, _, raw = struct.unpack_from("<III", image, section + 12)
            struct.pack_into("<II", image, pe + 24 + 112 + 14 * 8, rva, 72)  # the CLI header
            struct.pack_into("<I", image, raw + 16, 1)                       # IL only
        self.refused(EXIT_CANNOT_RUN, ".NET program",
                     self.changed_program("managed.exe", managed), "1", "exit")

    def test_a_path_that_is_not_ascii(self):
        """The launcher and its DLL in a folder that no code page has; the children, too."""
        folder = self.path("\u00e4 \u65e5\u672c")
        os.mkdir(folder)
        for name in ("strata-run.exe", "strata-override.dll"):
            shutil.copy(os.path.join(Setup.bin, name), folder)
        result = run([os.path.join(folder, "strata-run.exe"), "--require", "--children", program("family")])
        self.assertEqual((0, ""), (result.code, result.err.strip()))
        self.assertEqual(6, result.out.count(": active\n"), result.out)

    def test_refuses_wrong_options(self):
        self.refused(EXIT_LAUNCHER, "--no-such-option", "--no-such-option", program("exit_code"))
        self.refused(EXIT_LAUNCHER, "program is required")
        self.refused(EXIT_LAUNCHER, "exclude each other", "--disable", "--require",
                     program("exit_code"), "1", "exit")

    def test_help_and_version(self):
        result = run([launcher(), "--help"])
        self.assertEqual(0, result.code)
        for option in ("--verbose", "--stats", "--stats-file", "--disable", "--require",
                       "--children", "--dll", "--version"):
            self.assertIn(option, result.out)
        result = run([launcher(), "--version"])
        self.assertEqual(0, result.code)
        self.assertRegex(result.out, r"^strata-run \d+\.\d+\.\d+\n$")


class Children(Case):
    def test_not_unless_asked(self):
        result = overridden([], "family")
        self.assertEqual(0, result.code, result.err)
        self.assertIn("parent: active\n", result.out)
        self.assertEqual(5, result.out.count(": absent\n"))

    def test_all_of_them(self):
        result, lines = self.statistics("family", options=["--children", "--require"])
        self.assertEqual((0, ""), (result.code, result.err.strip()))
        self.assertEqual(6, result.out.count(": active\n"), result.out)
        self.assertEqual(plain("family").out.replace("absent", "active"), result.out)
        self.assertEqual(6, len(lines))
        self.assertTrue(all(line["active"] for line in lines))

    def test_of_a_shell(self):
        result = run([launcher(), "--children", "cmd", "/c", program("family"), "child", "21"])
        self.assertEqual((21, "21: active\n"), (result.code, result.out), result.err)

    def test_without_imports(self):
        file = self.path("statistics.json")
        result = run([launcher(), "--children", "--stats-file", windows_path(file), "cmd", "/c",
                      program("no_imports")])
        self.assertEqual((42, ""), (result.code, result.out), result.err)
        with open(file, encoding="utf-8") as text:
            programs = {line["program"]: line["active"] for line in map(json.loads, text)}
        self.assertTrue(programs["strata_program_no_imports.exe"])

    def test_error_modes(self):
        # Wine's children do not inherit one, Windows' do: in either case it is the same with Strata.
        without = plain("error_mode")
        with_it = overridden(["--children", "--require"], "error_mode")
        self.assertEqual((0, without.out, ""), (with_it.code, with_it.out, with_it.err.strip()))
        self.assertEqual(5, without.out.count("child: "))
        self.assertIn("at the end: 32768\n", without.out)

    def test_those_that_may_not_load_the_dll(self):
        """They run as they are, and one line says so; also when nobody asked for words."""
        dll = self.path("strata-override.dll")
        shutil.copy(os.path.join(Setup.bin, "strata-override.dll"), dll)
        result = overridden(["--require", "--children", "--dll", windows_path(dll)], "shut_out")
        self.assertEqual((0, "child: absent\nended: 21\n"), (result.code, result.out), result.err)
        self.assertRegex(result.err.strip(), r"^strata: strata_program_shut_out\.exe \(\d+\): child \d+ runs "
                                             r"without Strata: its user or token may not read and execute the DLL$")


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--runner", default="")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("tests", nargs="*")
    options = parser.parse_args()
    Setup.bin = os.path.abspath(options.bin)
    Setup.runner = options.runner.split()
    unittest.main(argv=[sys.argv[0], *options.tests], verbosity=2 if options.verbose else 1)


if __name__ == "__main__":
    main()
