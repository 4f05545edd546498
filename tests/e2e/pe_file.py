"""Where things lie in a 64-bit PE image's file, after Microsoft's "PE Format"."""

import struct


def reader(image):
    """Where an address relative to the image lies in its file."""
    pe = struct.unpack_from("<I", image, 0x3c)[0]
    sections, optional = struct.unpack_from("<H", image, pe + 6)[0], struct.unpack_from("<H", image, pe + 20)[0]

    def offset(rva):
        for i in range(sections):
            begin, size, raw = struct.unpack_from("<III", image, pe + 24 + optional + 40 * i + 12)
            if begin <= rva < begin + size:
                return raw + rva - begin
        raise ValueError(f"{rva:#x} is in no section")

    return offset


def offset_of_export(image, name):
    """Where the export of this name lies."""
    offset = reader(image)
    pe = struct.unpack_from("<I", image, 0x3c)[0]
    table = offset(struct.unpack_from("<I", image, pe + 24 + 112)[0])
    names, addresses, names_at, ordinals_at = struct.unpack_from("<IIII", image, table + 24)
    for i in range(names):
        text = offset(struct.unpack_from("<I", image, offset(names_at) + 4 * i)[0])
        if image[text:image.index(0, text)] == name.encode():
            index = struct.unpack_from("<H", image, offset(ordinals_at) + 2 * i)[0]
            return offset(struct.unpack_from("<I", image, offset(addresses) + 4 * index)[0])
    raise ValueError(f"{name} is not exported")
