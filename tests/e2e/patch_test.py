#!/usr/bin/env python3
"""End-to-end tests of strata-patch: its command line, and the files it makes.

    patch_test.py --bin <folder of strata-patch> [--runner <command>] [-v] [TestClass[.test] ...]

The runner starts a Windows program: none for the native strata-patch. What the patch writes is also judged by
programs of others, where they are installed: objdump, llvm-readobj, pefile, osslsigncode.
"""

import os
import re
import shutil
import struct
import subprocess
import unittest

from harness import main, program
from patch_case import DLL, FILE, NOT_RIGHT, USAGE, PatchCase, read, write


def tool(*names):
    """The first of some programs that is installed, or a skipped test."""
    for name in names:
        if shutil.which(name):
            return name
    raise unittest.SkipTest(f"{' or '.join(names)}: not installed")


def said_by(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def small_program(machine=0x8664, tail=b""):
    """A PE file of one section that imports one function, written down after the format's description."""
    rdata = bytearray(0x200)
    thunks = struct.pack("<QQ", 0x1060, 0)
    rdata[0x00:0x14] = struct.pack("<IIIII", 0x1030, 0, 0, 0x1070, 0x1040)  # descriptor, then zeros
    rdata[0x30:0x40] = rdata[0x40:0x50] = thunks
    rdata[0x60:0x6E] = b"\0\0ExitProcess\0"
    rdata[0x70:0x7D] = b"KERNEL32.dll\0"
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    coff = struct.pack("<4sHHIIIHH", b"PE", machine, 1, 0x5F5E100, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIII", 0x20B, 2, 40, 0, 0x200, 0, 0x1000, 0x1000)
    optional += struct.pack("<QIIHHHHHHIIII", 0x140000000, 0x1000, 0x200, 6, 0, 0, 0, 6, 0, 0, 0x2000,
                            0x200, 0)
    optional += struct.pack("<HHQQQQII", 3, 0x160, 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
    directories = [(0, 0)] * 16
    directories[1] = (0x1000, 40)
    optional += b"".join(struct.pack("<II", *d) for d in directories)
    section = struct.pack("<8sIIIIIIHHI", b".rdata", 0x200, 0x1000, 0x200, 0x200, 0, 0, 0, 0, 0x40000040)
    return (dos + coff + optional + section).ljust(0x200, b"\0") + bytes(rdata) + tail


class CommandLine(PatchCase):
    def setUp(self):
        super().setUp()
        self.exe = self.path("small.exe")
        self.original = small_program()
        write(self.exe, self.original)

    def test_there_and_back(self):
        self.assertEqual(
            "small.exe: patched: strata-override.dll is its first import; the original is "
            "small.exe.strata-backup\n"
            "note: without strata-override.dll beside it the program does not start\n",
            self.done(self.exe))
        self.assertEqual(self.original, read(self.exe + ".strata-backup"))
        self.assertIn("small.exe: patched, and all is right\n", self.done("--verify", self.exe))
        self.assertIn("yes: strata-override.dll comes first\n", self.done("--list", self.exe))
        self.assertEqual("small.exe: restored from the backup, byte for byte\n",
                         self.done("--undo", self.exe))
        self.assertEqual(self.original, read(self.exe))
        self.assertEqual(["small.exe"], os.listdir(self.folder))

    def test_without_the_backup(self):
        self.done(self.exe)
        os.remove(self.exe + ".strata-backup")
        self.done("--undo", self.exe)
        self.assertEqual(self.original, read(self.exe))

    def test_output_dll_and_dry_run(self):
        other = self.path("other.exe")
        self.done("--dry-run", self.exe)
        self.assertEqual(["small.exe"], os.listdir(self.folder))
        self.done("--dll", "mine.dll", "--output", other, self.exe)
        self.assertEqual(self.original, read(self.exe))
        self.assertIn(b"mine.dll\0", read(other))
        self.refused("other.exe is there already", "--output", other, self.exe)
        self.done("--force", "-o", other, self.exe)
        self.assertIn(b"strata-override.dll\0", read(other))

    def test_verify_says_no(self):
        self.assertEqual(NOT_RIGHT, self.patch("--verify", self.exe).code)
        self.done(self.exe)
        changed = bytearray(read(self.exe))
        changed[0x280] ^= 1
        write(self.exe, changed)
        result = self.patch("--verify", self.exe)
        self.assertEqual(NOT_RIGHT, result.code)
        self.assertIn("  WRONG  without the patch, the file is not the original: it was changed\n", result.out)

    def test_refusals(self):
        for message, data in (
                ("it is not a Windows program", b"#!/bin/sh\n"),
                ("it is damaged or cut off: section .rdata ends at 0x400, the file at 0x300",
                 self.original[:0x300]),
                ("it is a 32-bit program; Strata is 64-bit only",
                 small_program(machine=0x14C)),
                ("it carries 9 bytes of other data", small_program(tail=b"an archiv"))):
            with self.subTest(message):
                write(self.exe, data)
                self.refused(message, self.exe)
                self.assertEqual(data, read(self.exe))
        self.assertEqual(["small.exe"], os.listdir(self.folder))

    def test_files(self):
        self.refused("cannot be read: ", self.path("no.exe"), code=FILE)
        self.refused("is not a file", self.folder, code=FILE)
        self.refused("cannot be ", "--output", self.path("no/folder.exe"), self.exe, code=FILE)
        os.chmod(self.exe, 0o444)
        self.refused("it is read-only", self.exe)
        os.chmod(self.exe, 0o644)

    def test_wrong_command_lines(self):
        self.refused("program is required", code=USAGE)
        self.refused("--no-such-option", "--no-such-option", self.exe, code=USAGE)
        for one, other in (("--list", "--verify"), ("--verify", "--dry-run")):
            self.refused("excludes", one, other, self.exe, code=USAGE)
        self.refused("excludes --dll", "--undo", "--dll", "x.dll", self.exe, code=USAGE)
        self.refused("--dll wants the name of a DLL without a folder", "--dll", "a/b.dll", self.exe)

    def test_help_and_version(self):
        text = self.done("--help")
        for option in ("--list", "--verify", "--undo", "--dll NAME", "--output FILE", "--force",
                       "--dry-run", "--version", "Exit code"):
            self.assertIn(option, text)
        self.assertRegex(self.done("--version"), r"^strata-patch \d+\.\d+\.\d+\n$")


class Judged(PatchCase):
    """What others' tools say of a patched file."""

    def setUp(self):
        super().setUp()
        self.exe = self.path("p.exe")
        self.original = program("crt_blocks")
        shutil.copy(self.original, self.exe)

    def test_objdump(self):
        objdump = tool("x86_64-w64-mingw32-objdump", "objdump")
        self.done(self.exe)

        def imports(path):
            return re.findall(r"DLL Name: (\S+)", said_by(objdump, "-p", path))

        def sections(path):
            found = re.findall(r"^ +\d+ (\S+) +([0-9a-f]+) +([0-9a-f]+) +[0-9a-f]+ +([0-9a-f]+)",
                               said_by(objdump, "-h", "-w", path), re.MULTILINE)
            return [(name, size, address, offset) for name, size, address, offset in found]

        # It shows imports up to the first whose name is in another section than the table.
        self.assertEqual([DLL], imports(self.exe))
        self.assertEqual(sections(self.original), sections(self.exe)[:-1])
        self.assertEqual(".strata", sections(self.exe)[-1][0])
        # The program's code and data, as objdump reads them, and its symbols.
        for option in ("-d", "-t"):
            before = said_by(objdump, option, self.original).splitlines()[2:]
            after = said_by(objdump, option, self.exe).splitlines()[2:]
            self.assertEqual(before, after)
            self.assertGreater(len(before), 100)

    def test_llvm_readobj(self):
        readobj = tool("llvm-readobj-19", "llvm-readobj")
        self.done(self.exe)
        text = said_by(readobj, "--coff-imports", self.exe)
        names = re.findall(r"^  Name: (\S+)", text, re.MULTILINE)
        before = re.findall(r"^  Name: (\S+)", said_by(readobj, "--coff-imports", self.original),
                            re.MULTILINE)
        self.assertEqual([DLL, *before], names)
        self.assertRegex(text, r"Name: strata-override\.dll\s+ImportLookupTableRVA: \S+\s+"
                               r"ImportAddressTableRVA: \S+\s+Symbol:  \(1\)")

    def test_pefile(self):
        try:
            import pefile
        except ImportError:
            self.skipTest("python3-pefile is not installed")
        before = pefile.PE(self.original)
        for options in ([], ["--force"]):
            self.done(*options, self.exe)
            after = pefile.PE(self.exe)
            self.assertEqual(before.get_warnings(), after.get_warnings())
            self.assertTrue(after.verify_checksum())
            self.assertEqual([DLL.encode(), *(e.dll for e in before.DIRECTORY_ENTRY_IMPORT)],
                             [e.dll for e in after.DIRECTORY_ENTRY_IMPORT])
            self.assertEqual([1], [i.ordinal for i in after.DIRECTORY_ENTRY_IMPORT[0].imports])
            for old, new in zip(before.DIRECTORY_ENTRY_IMPORT, after.DIRECTORY_ENTRY_IMPORT[1:]):
                self.assertEqual([(i.name, i.address) for i in old.imports],
                                 [(i.name, i.address) for i in new.imports])
            last = after.sections[-1]
            self.assertEqual(0, last.VirtualAddress % after.OPTIONAL_HEADER.SectionAlignment)
            self.assertEqual(0, last.PointerToRawData % after.OPTIONAL_HEADER.FileAlignment)
            before.close()
            after.close()
            self.done("--undo", self.exe)
            before = pefile.PE(self.original)
        before.close()

    def test_signed(self):
        """A real signature: refused; dropped by force; valid again after --undo."""
        sign, openssl = tool("osslsigncode"), tool("openssl")
        key, certificate = self.path("key.pem"), self.path("certificate.pem")
        said_by(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
                certificate, "-days", "2", "-subj", "/CN=test")
        signed = self.path("signed.exe")
        said_by(sign, "sign", "-certs", certificate, "-key", key, "-in", self.original, "-out", signed)
        original = read(signed)

        def verdict():
            done = subprocess.run([sign, "verify", "-CAfile", certificate, signed],
                                  capture_output=True, text=True)
            return done.stdout + done.stderr

        self.assertIn("Signature verification: ok", verdict())
        self.refused("it is signed", signed)
        self.assertIn("note: its signature is dropped; --undo brings it back\n",
                      self.done("--force", signed))
        self.assertIn("No signature found", verdict())
        os.remove(signed + ".strata-backup")
        self.done("--undo", signed)
        self.assertEqual(original, read(signed))
        self.assertIn("Signature verification: ok", verdict())

        # The other order: patched first, then signed. Undoing takes the signature away, too.
        self.done(self.exe)
        said_by(sign, "sign", "-certs", certificate, "-key", key, "-in", self.exe, "-out", signed + "2")
        self.assertEqual(NOT_RIGHT, self.patch("--verify", signed + "2").code)
        self.done("--undo", signed + "2")
        self.assertEqual(read(self.original), read(signed + "2"))


if __name__ == "__main__":
    main()
