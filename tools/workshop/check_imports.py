#!/usr/bin/env python3
"""Checks that a DLL can be loaded first in any process.

  imports        only the DLLs that --allow names
  tls            no TLS directory: the loader would have to set up a block for every thread
  constructors   no static constructors, which nobody would run
  thread_local   no emulated TLS, which allocates
  unwind         an exception directory: exceptions and stack walks pass through the DLL
  relocatable    it may be loaded anywhere: its preferred address may be taken

Constructors and emulated TLS are looked for in the object files (--objects, a file with one path per
line), because the linked file no longer tells them apart.

Usage: check_imports.py DLL [--allow NAME]... [--objects FILE] | --self-test
"""

import argparse
import pathlib
import struct
import sys

IMPORT, EXCEPTION, TLS, DELAY_IMPORT = 1, 3, 9, 13
RELOCATIONS_STRIPPED, DYNAMIC_BASE = 0x0001, 0x0040
PE32_PLUS = 0x20B
CONSTRUCTOR_SECTIONS = (".ctors", ".dtors", ".init_array", ".fini_array", ".CRT$X")
TLS_SECTIONS = (".tls",)


def c_string(data, offset):
    return data[offset:data.index(b"\0", offset)].decode("latin-1")


class Image:
    """As much of the PE format as is needed here."""

    def __init__(self, data):
        self.data = data
        pe = struct.unpack_from("<I", data, 0x3C)[0]
        if data[:2] != b"MZ" or data[pe:pe + 4] != b"PE\0\0":
            raise ValueError("not a PE file")
        section_count, optional_size, flags = struct.unpack_from("<H12xHH", data, pe + 6)
        optional = pe + 24
        if struct.unpack_from("<H", data, optional)[0] != PE32_PLUS:
            raise ValueError("not a 64-bit PE file")
        dll_flags = struct.unpack_from("<H", data, optional + 70)[0]
        self.relocatable = not flags & RELOCATIONS_STRIPPED and bool(dll_flags & DYNAMIC_BASE)
        count = struct.unpack_from("<I", data, optional + 108)[0]
        self.directories = [struct.unpack_from("<II", data, optional + 112 + 8 * i)
                            for i in range(count)]
        self.sections = [struct.unpack_from("<8sIIII", data, optional + optional_size + 40 * i)
                         for i in range(section_count)]

    def offset(self, rva):
        for _, size, address, raw_size, raw in self.sections:
            if address <= rva < address + max(size, raw_size):
                return raw + rva - address
        raise ValueError(f"no section holds address {rva:#x}")

    def has(self, directory):
        return directory < len(self.directories) and self.directories[directory][1] != 0

    def _names(self, directory, entry_size, name_at):
        if not self.has(directory):
            return []
        names, at = [], self.offset(self.directories[directory][0])
        while rva := struct.unpack_from("<I", self.data, at + name_at)[0]:
            names.append(c_string(self.data, self.offset(rva)))
            at += entry_size
        return names

    def imports(self):
        return self._names(IMPORT, 20, 12) + self._names(DELAY_IMPORT, 32, 4)


def object_names(data):
    """Names of the non-empty sections, and of all symbols, of a COFF object file."""
    machine, section_count, _, symbols, symbol_count, optional = struct.unpack_from("<HHIIIH", data)
    if machine != 0x8664:
        raise ValueError("not an x86-64 COFF object")
    strings = symbols + 18 * symbol_count

    def long_name(raw):
        if raw[:4] == b"\0\0\0\0":
            return c_string(data, strings + struct.unpack_from("<I", raw, 4)[0])
        name = raw.rstrip(b"\0").decode("latin-1")
        return c_string(data, strings + int(name[1:])) if name[:1] == "/" else name

    sections = []
    for i in range(section_count):
        raw, size = struct.unpack_from("<8s8xI", data, 20 + optional + 40 * i)
        if size:
            sections.append(long_name(raw))
    names, i = [], 0
    while i < symbol_count:
        at = symbols + 18 * i
        names.append(long_name(data[at:at + 8]))
        i += 1 + data[at + 17]
    return sections, names


def check_image(image, allowed):
    errors = [f"imports {name}" for name in image.imports() if name.lower() not in allowed]
    if image.has(TLS):
        errors.append("has a TLS directory")
    if not image.has(EXCEPTION):
        errors.append("has no exception directory (unwind tables)")
    if not image.relocatable:
        errors.append("is not relocatable")
    return errors


def check_object(sections, symbols):
    errors = [f"has static constructors or destructors (section {name})"
              for name in sections if name.startswith(CONSTRUCTOR_SECTIONS)]
    errors += [f"has native thread-local data (section {name})"
               for name in sections if name.startswith(TLS_SECTIONS)]
    errors += [f"has emulated thread-local data ({name})"
               for name in symbols if name.startswith("__emutls")]
    return errors


def make_image(imports, directories, flags=0, dll_flags=DYNAMIC_BASE):
    """A small PE file with one section, for the self-test."""
    address, raw = 0x1000, 0x400
    body = bytearray(0x400)
    at = 0x200
    for i, name in enumerate(imports):
        struct.pack_into("<5I", body, 20 * i, 0, 0, 0, address + at, 0)
        body[at:at + len(name)] = name.encode()
        at += len(name) + 1
    table = [(0, 0)] * 16
    for index in directories:
        table[index] = (address, 20)
    header = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0"
    header += struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 112 + 128, flags)
    header += struct.pack("<H68xH", PE32_PLUS, dll_flags).ljust(108, b"\0") + struct.pack("<I", 16)
    header += b"".join(struct.pack("<II", *entry) for entry in table)
    header += struct.pack("<8sIIII", b".all", len(body), address, len(body), raw).ljust(40, b"\0")
    return Image(bytes(header.ljust(raw, b"\0") + body))


def make_object(section, symbol):
    """A small COFF object with one section and one symbol, both with long names, for the self-test."""
    strings = section.encode() + b"\0" + symbol.encode() + b"\0"
    symbols = 20 + 40
    data = struct.pack("<HHIIIHH", 0x8664, 1, 0, symbols, 1, 0, 0)
    data += struct.pack("<8s8xI", b"/4", 8).ljust(40, b"\0")
    data += struct.pack("<II", 0, 4 + len(section) + 1).ljust(18, b"\0")
    return data + struct.pack("<I", 4 + len(strings)) + strings


def self_test():
    good = {EXCEPTION}
    allowed = {"ntdll.dll"}
    cases = [
        (check_image(make_image(["ntdll.dll"], good | {IMPORT}), allowed), None),
        (check_image(make_image(["NTDLL.dll", "msvcrt.dll"], good | {IMPORT}), allowed), "msvcrt"),
        (check_image(make_image([], good | {TLS}), allowed), "TLS"),
        (check_image(make_image([], set()), allowed), "exception"),
        (check_image(make_image([], good, flags=RELOCATIONS_STRIPPED), allowed), "relocatable"),
        (check_image(make_image([], good, dll_flags=0), allowed), "relocatable"),
        (check_object(*object_names(make_object(".text$hot", "StrataFree"))), None),
        (check_object(*object_names(make_object(".ctors.65535", "f"))), "constructors"),
        (check_object(*object_names(make_object(".CRT$XCU", "f"))), "constructors"),
        (check_object(*object_names(make_object(".tls$anything", "f"))), "thread-local"),
        (check_object(*object_names(make_object(".data$x", "__emutls_v.x"))), "emulated"),
    ]
    failed = 0
    for errors, expected in cases:
        right = len(errors) == 1 and expected in errors[0] if expected else not errors
        if not right:
            failed += 1
            print(f"self-test: expected {expected or 'nothing'}, found {errors}")
    print(f"self-test: {len(cases) - failed} of {len(cases)} files judged rightly")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dll", nargs="?", type=pathlib.Path)
    parser.add_argument("--allow", action="append", default=[], metavar="NAME")
    parser.add_argument("--objects", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    if not arguments.dll:
        parser.error("which DLL?")

    image = Image(arguments.dll.read_bytes())
    errors = [f"{arguments.dll.name}: {text}"
              for text in check_image(image, {name.lower() for name in arguments.allow})]
    paths = []
    if arguments.objects:
        paths = [pathlib.Path(line) for line in arguments.objects.read_text().splitlines() if line]
        if not paths:
            errors.append(f"{arguments.objects.name}: no object files listed")
    for path in paths:
        errors += [f"{path.name}: {text}" for text in check_object(*object_names(path.read_bytes()))]
    for text in errors:
        print(f"error: {text}")
    print(f"{arguments.dll.name}: imports {', '.join(image.imports()) or 'nothing'}; "
          f"{len(paths)} object files; {len(errors)} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
