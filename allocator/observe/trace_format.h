// The format of a trace: every heap call of a program, in chunks that one thread each filled. What
// a reader has to know stands in docs/traces.md; this file is what the writer and the reader share.
//
// All numbers are little-endian. A file is a FileHeader, chunks in any order of their threads, and
// at the end of an orderly process one EndRecord. Every part carries a CRC-32 of all its other
// bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::observe {

inline constexpr char kFileMagic[8] = {'S', 'T', 'R', 'T', 'R', 'A', 'C', 'E'};
inline constexpr uint32_t kChunkMagic = 0x4B4E4843;  // "CHNK"
inline constexpr uint32_t kEndMagic = 0x21444E45;    // "END!"
inline constexpr uint32_t kTraceVersion = 1;

struct FileHeader {
    char magic[8];
    uint32_t version;
    uint32_t bytes;       // of this header: chunks begin there
    uint64_t started;     // milliseconds since 1970
    uint32_t process_id;  // of the recorded process
    uint32_t unused;
    char program[92];  // UTF-8, zero-terminated
    uint32_t checksum;
};
static_assert(sizeof(FileHeader) == 128);

struct ChunkHeader {
    uint32_t magic;
    uint32_t bytes;        // of the events behind this header
    uint32_t thread;       // threads are numbered from 0, in the order of their first call
    uint32_t number;       // of this chunk among those of its thread, from 0
    uint64_t first_stamp;  // of its first event
    uint32_t events;
    uint32_t milliseconds;  // from the start of the recording until this chunk was closed
    uint32_t unused;
    uint32_t checksum;  // of header and events
};
static_assert(sizeof(ChunkHeader) == 40);

struct EndRecord {
    uint32_t magic;
    uint32_t threads;
    uint64_t
        stamps;  // how many were given out: one for each event, and for each thread that the system
                 // ended, at the end of the process, between drawing one and writing the event
    uint32_t milliseconds;
    uint32_t checksum;
};
static_assert(sizeof(EndRecord) == 24);

// Nothing valid is larger.
inline constexpr uint32_t kMaxChunkBytes = 1 << 24;

// The low half of an event's first byte; its flags are the high half. Then follow numbers of
// varying length: the event's stamp less that of the event before it in the chunk (0 for the
// first), and what the kind has beside it, in the order given here. A block is named by the
// distance of its stamp, that of the event that allocated it, from the event's own; a block from
// before the recording has no name.
enum class EventKind : uint8_t {
    kAllocate = 1,     // kInHeap: the heap; the size
    kFree = 2,         // the block, unless kForeign
    kResize = 3,       // the block, unless kForeign; the size
    kQuerySize = 4,    // the block, unless kForeign
    kCreateHeap = 5,   // its number: 1 and up, in the order of creation
    kDestroyHeap = 6,  // its number; with it end all its blocks
    kOther = 7,        // an OtherCall: changes nothing about blocks
};

// Flags; each kind has only those that say something about it.
inline constexpr uint8_t kZeroed = 0x10;   // kAllocate, kResize: new bytes had to be zero
inline constexpr uint8_t kFailed = 0x20;   // kAllocate, kResize: there was no memory (or no room)
inline constexpr uint8_t kForeign = 0x40;  // the block, or the heap, is from before the recording
inline constexpr uint8_t kInHeap = 0x80;   // kAllocate: not in the process heap
inline constexpr uint8_t kInPlace = 0x80;  // kResize: only in place

enum class OtherCall : uint8_t {
    kValidate = 1,
    kWalk,
    kLock,
    kUnlock,
    kCompact,
    kUserValue,  // of a block: read, or written
    kInformation,
};

// The most bytes that an event takes: its first, and four numbers.
inline constexpr size_t kMaxEventBytes = 1 + 4 * 10;

// ---- numbers of varying length ------------------------------------------------------------------

// Seven bits a byte, the lowest first; the high bit says that more follow. Writes up to 10 bytes.
inline uint8_t* PutNumber(uint8_t* to, uint64_t value) noexcept {
    while (value >= 0x80) {
        *to++ = static_cast<uint8_t>(value | 0x80);
        value >>= 7;
    }
    *to++ = static_cast<uint8_t>(value);
    return to;
}

// The number at `from`, and where it ends; nullptr when it does not end before `end`, is longer
// than it need be for 64 bits, or is none that 64 bits can hold.
inline const uint8_t* GetNumber(const uint8_t* from, const uint8_t* end, uint64_t& value) noexcept {
    value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (from == end) return nullptr;
        const uint64_t byte = *from++;
        if (shift == 63 && byte > 1) return nullptr;
        value |= (byte & 0x7F) << shift;
        if (byte < 0x80) return from;
    }
    return nullptr;
}

// ---- checksum -----------------------------------------------------------------------------------

struct CrcTable {
    uint32_t entries[256];
};

constexpr CrcTable MakeCrcTable() noexcept {
    CrcTable table = {};
    for (uint32_t i = 0; i < 256; ++i) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
        table.entries[i] = crc;
    }
    return table;
}
inline constexpr CrcTable kCrcTable = MakeCrcTable();

// CRC-32 as in zip, gzip and PNG. `crc`: that of what stands before, 0 at the beginning.
inline uint32_t Crc32(uint32_t crc, const void* data, size_t bytes) noexcept {
    const auto* at = static_cast<const uint8_t*>(data);
    crc = ~crc;
    for (size_t i = 0; i < bytes; ++i) crc = (crc >> 8) ^ kCrcTable.entries[(crc ^ at[i]) & 0xFF];
    return ~crc;
}

// Of a header without its last field, which is the checksum.
template <typename Header>
uint32_t ChecksumOf(const Header& header) noexcept {
    static_assert(offsetof(Header, checksum) + sizeof(uint32_t) == sizeof(Header));
    return Crc32(0, &header, offsetof(Header, checksum));
}

}  // namespace strata::observe
