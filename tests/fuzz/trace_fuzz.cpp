// Fuzzes the reading of traces: whatever the bytes, they are refused with the place of the damage,
// or read to the end with events in the order of their stamps.
//
// Input: the first byte says whether the checksums are made right first, without which no change
// would get past them; the rest is the file.
#include <cstdint>
#include <cstring>
#include <vector>

#include "input.h"
#include "replay/trace_reader.h"

namespace {

using namespace strata::replay;

template <typename Header>
bool Peek(const std::vector<uint8_t>& bytes, size_t at, Header& header) {
    if (at > bytes.size() || bytes.size() - at < sizeof header) return false;
    std::memcpy(&header, bytes.data() + at, sizeof header);
    return true;
}

// Makes the checksum of each part right, as far as there are parts.
void Repair(std::vector<uint8_t>& bytes) {
    strata::observe::FileHeader file;
    if (!Peek(bytes, 0, file)) return;
    file.checksum = strata::observe::ChecksumOf(file);
    std::memcpy(bytes.data(), &file, sizeof file);
    size_t at = sizeof file;
    strata::observe::ChunkHeader chunk;
    while (Peek(bytes, at, chunk) && chunk.magic == strata::observe::kChunkMagic &&
           chunk.bytes <= bytes.size() - at - sizeof chunk) {
        chunk.checksum = strata::observe::Crc32(strata::observe::ChecksumOf(chunk),
                                                bytes.data() + at + sizeof chunk, chunk.bytes);
        std::memcpy(bytes.data() + at, &chunk, sizeof chunk);
        at += sizeof chunk + chunk.bytes;
    }
    strata::observe::EndRecord end;
    if (!Peek(bytes, at, end)) return;
    end.checksum = strata::observe::ChecksumOf(end);
    std::memcpy(bytes.data() + at, &end, sizeof end);
}

void ReadAll(const std::vector<uint8_t>& bytes, bool lenient) {
    try {
        const Trace trace = ReadTrace(bytes, lenient);
        EventStream stream(trace);
        uint64_t last = 0;
        uint64_t events = 0;
        for (Event event; stream.Next(event); ++events) {
            FUZZ_CHECK(event.stamp >= last);
            FUZZ_CHECK(event.stamp <= trace.MostStamps());
            FUZZ_CHECK(event.thread < trace.threads.size());
            FUZZ_CHECK(event.offset < bytes.size());
            last = event.stamp;
        }
        FUZZ_CHECK(events == trace.events);
    } catch (const TraceDamage& damage) {
        FUZZ_CHECK(damage.offset() <= bytes.size());
        FUZZ_CHECK(damage.what()[0] != 0);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    // A copy of exactly this size, so that a read behind it is seen.
    if (size == 0) return 0;
    std::vector<uint8_t> file(bytes + 1, bytes + size);
    file.shrink_to_fit();
    if ((bytes[0] & 1) != 0) Repair(file);
    ReadAll(file, false);
    ReadAll(file, true);
    return 0;
}
