#!/usr/bin/env python3
"""What every program and DLL that is shipped says of itself: the project's version in a VERSIONINFO resource, and
the DLLs whether they were built for Control Flow Guard.

    version_test.py --bin <folder> --version <version> [--header <version.h>] [--guard] [-v]

Reads the files themselves, after Microsoft's "PE Format" and "VS_VERSIONINFO", so that no Windows is needed.
"""

import argparse
import os
import re
import struct
import sys
import unittest

from pe_file import reader

FILES = {"strata.dll": 2, "strata-override.dll": 2, "strata-run.exe": 1, "strata-patch.exe": 1, "strata-replay.exe": 1}
RT_VERSION = 16


class Setup:
    bin = ""
    version = ""
    header = ""
    guard = False


def resource(image, kind):
    """The bytes of the first resource of this kind; None without one."""
    pe = struct.unpack_from("<I", image, 0x3c)[0]
    root_rva = struct.unpack_from("<I", image, pe + 24 + 112 + 2 * 8)[0]
    if root_rva == 0:
        return None
    offset = reader(image)
    root = offset(root_rva)

    def entries(table):
        named, numbered = struct.unpack_from("<HH", image, table + 12)
        return [struct.unpack_from("<II", image, table + 16 + 8 * i) for i in range(named + numbered)]

    for number, at in entries(root):
        if number == kind:
            for _ in range(2):  # the name, the language
                at = entries(root + (at & 0x7fffffff))[0][1]
            rva, size = struct.unpack_from("<II", image, root + at)
            return image[offset(rva):offset(rva) + size]
    return None


def strings(data):
    """The names and values of all strings in a VS_VERSIONINFO."""
    found = {}

    def align(at):
        return (at + 3) & ~3

    def block(at):
        length, value_length, is_text = struct.unpack_from("<HHH", data, at)
        end = data.index(b"\0\0\0", at + 6) + 1
        end += (end - at) % 2
        key = data[at + 6:end].decode("utf-16-le")
        value_at = align(end + 2)
        if is_text and value_length:
            found[key] = data[value_at:value_at + 2 * value_length].decode("utf-16-le").rstrip("\0")
        child = align(value_at + (2 * value_length if is_text else value_length))
        while child + 6 <= at + length:
            child = align(child + block(child))
        return length

    block(0)
    return found


class Version(unittest.TestCase):
    def test_every_file(self):
        wanted = tuple(int(part) for part in Setup.version.split(".")) + (0,)
        for name, kind in FILES.items():
            with self.subTest(name):
                with open(os.path.join(Setup.bin, name), "rb") as file:
                    data = resource(file.read(), RT_VERSION)
                self.assertIsNotNone(data, "no VERSIONINFO resource")
                fixed = data.index(struct.pack("<I", 0xfeef04bd))
                high, low, product_high, product_low = struct.unpack_from("<IIII", data, fixed + 8)
                for a, b in ((high, low), (product_high, product_low)):
                    self.assertEqual(wanted, (a >> 16, a & 0xffff, b >> 16, b & 0xffff))
                self.assertEqual(kind, struct.unpack_from("<I", data, fixed + 36)[0], "program or DLL")
                text = strings(data)
                self.assertEqual((Setup.version, Setup.version, "Strata", name),
                                 (text["FileVersion"], text["ProductVersion"], text["ProductName"],
                                  text["OriginalFilename"]))
                self.assertTrue(text["FileDescription"])

    def test_the_header(self):
        if not Setup.header:
            self.skipTest("no --header")
        with open(Setup.header, encoding="utf-8") as file:
            self.assertEqual(Setup.version, re.search(r'STRATA_VERSION_STRING "(.*)"', file.read())[1])


class Guard(unittest.TestCase):
    """A process with strict control flow guard loads no DLL without these marks."""

    def test_the_dlls(self):
        for name in ("strata.dll", "strata-override.dll"):
            with self.subTest(name), open(os.path.join(Setup.bin, name), "rb") as file:
                image = file.read()
                pe = struct.unpack_from("<I", image, 0x3c)[0]
                flags = struct.unpack_from("<H", image, pe + 24 + 70)[0]
                self.assertEqual(Setup.guard, flags & 0x4000 != 0, "IMAGE_DLLCHARACTERISTICS_GUARD_CF")
                if Setup.guard:
                    self.look_at(image, pe)

    def look_at(self, image, pe):
        offset = reader(image)
        base = struct.unpack_from("<Q", image, pe + 24 + 24)[0]
        entry = struct.unpack_from("<I", image, pe + 24 + 16)[0]
        exports = offset(struct.unpack_from("<I", image, pe + 24 + 112)[0])
        config = offset(struct.unpack_from("<I", image, pe + 24 + 112 + 10 * 8)[0])
        check, dispatch, table, count, flags = struct.unpack_from("<QQQQI", image, config + 112)
        self.assertEqual(0x500, flags & 0x500, "instrumented, with a table of functions")
        stride = 4 + (flags >> 28)
        targets = [struct.unpack_from("<I", image, offset(table - base) + stride * i)[0] for i in range(count)]
        self.assertEqual(sorted(targets), targets)
        # Where the loader puts its own functions; until then there is code that does no harm.
        for pointer, code in ((check, b"\xc3"), (dispatch, b"\xff\xe0")):
            function = struct.unpack_from("<Q", image, offset(pointer - base))[0] - base
            self.assertEqual(code, image[offset(function):offset(function) + len(code)])
        # Whatever the loader or other modules call.
        self.assertIn(entry, targets)
        functions, at = struct.unpack_from("<I", image, exports + 20)[0], struct.unpack_from("<I", image, exports + 28)[0]
        addresses = struct.unpack_from(f"<{functions}I", image, offset(at))
        self.assertGreaterEqual(len(set(addresses) & set(targets)), 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--header", default="")
    parser.add_argument("--guard", action="store_true", help="the compiler can do it")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    Setup.bin, Setup.version, Setup.header = options.bin, options.version, options.header
    Setup.guard = options.guard
    unittest.main(argv=[sys.argv[0]], verbosity=2 if options.verbose else 1)


if __name__ == "__main__":
    main()
