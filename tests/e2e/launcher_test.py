#!/usr/bin/env python3
"""End-to-end tests of strata-run.exe: what it starts and refuses, and the children of what it has started.

    launcher_test.py --bin <folder of strata-run.exe> [--runner <command>] [-v] [TestClass[.test] ...]
"""

import json
import os
import shutil
import struct

from harness import (EXIT_CANNOT_RUN, EXIT_LAUNCHER, EXIT_NOT_FOUND, Case, Setup, launcher, main, overridden,
                     override_dll, plain, program, run, windows_path)
from pe_file import offset_of_export


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
        with open(override_dll(), "rb") as file:
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
        shutil.copy(override_dll(), dll)
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
                     windows_path(override_dll()))
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
        shutil.copy(override_dll(), dll)
        result = overridden(["--require", "--children", "--dll", windows_path(dll)], "shut_out")
        self.assertEqual((0, "child: absent\nended: 21\n"), (result.code, result.out), result.err)
        self.assertRegex(result.err.strip(), r"^strata: strata_program_shut_out\.exe \(\d+\): child \d+ runs "
                                             r"without Strata: its user or token may not read and execute the DLL$")


if __name__ == "__main__":
    main()
