#!/usr/bin/env python3
"""Makes a program one that is not linked for large addresses: clears IMAGE_FILE_LARGE_ADDRESS_AWARE, which GNU ld
always sets in 64-bit programs.

  clear_large_addresses.py PROGRAM
"""
import struct
import sys

LARGE_ADDRESS_AWARE = 0x20

with open(sys.argv[1], "r+b") as image:
    image.seek(0x3C)  # IMAGE_DOS_HEADER::e_lfanew
    header, = struct.unpack("<I", image.read(4))
    image.seek(header)
    assert image.read(4) == b"PE\0\0"
    place = header + 4 + 18  # IMAGE_FILE_HEADER::Characteristics
    image.seek(place)
    flags, = struct.unpack("<H", image.read(2))
    image.seek(place)
    image.write(struct.pack("<H", flags & ~LARGE_ADDRESS_AWARE))
