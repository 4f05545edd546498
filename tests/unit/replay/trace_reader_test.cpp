#include "replay/trace_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <thread>

#include "replay/plan.h"
#include "support/memory_trace.h"

namespace strata::replay {
namespace {

using observe::ChunkHeader;
using observe::FileHeader;

// Three threads, a few hundred calls, every kind of event.
std::vector<uint8_t> Sample() {
    test::MemoryRecording recording;
    EXPECT_TRUE(recording.Start());
    const void* const heap = recording.Address(0x900);
    recording.recorder.CreatedHeap(heap);
    for (uintptr_t t = 0; t < 3; ++t) {
        std::thread([&] {
            for (uintptr_t i = 1; i <= 60; ++i) {
                const uintptr_t block = 1000 * t + i;
                recording.Allocate(block, i * i * i, i % 4 == 0 ? heap : recording.ProcessHeap());
                recording.recorder.QueriesSize(recording.Address(block), false);
                const observe::Named named =
                    recording.recorder.BeginResize(recording.Address(block));
                recording.recorder.EndResize(named, recording.Address(block),
                                             recording.Address(block), i, 0, false);
                if (i % 3 == 0) recording.Free(block);
                if (t > 0 && i % 3 == 1 && i % 4 != 0) recording.Free(block - 1000);
            }
            recording.recorder.Calls(observe::OtherCall::kValidate);
            recording.recorder.ThreadEnds();
        }).join();
    }
    recording.Free(0xFFFF);  // foreign
    recording.recorder.DestroysHeap(heap);
    recording.recorder.Finish();
    return recording.trace.bytes;
}

uint64_t ReadAll(std::span<const uint8_t> bytes, bool lenient = false) {
    const Trace trace = ReadTrace(bytes, lenient);
    Plan plan(MostOperations(trace), static_cast<size_t>(trace.MostStamps()) + 1);
    MakePlan(trace, plan);
    EXPECT_FALSE(DescribeTrace(trace, plan).empty());
    return trace.events;
}

// The damage that reading finds; fails when it finds none.
TraceDamage DamageOf(std::span<const uint8_t> bytes) {
    try {
        ReadAll(bytes);
    } catch (const TraceDamage& damage) {
        return damage;
    }
    ADD_FAILURE() << "nothing was found wrong";
    return {0, ""};
}

template <typename Header>
void Sign(std::vector<uint8_t>& bytes, size_t at, void (*change)(Header&)) {
    Header header;
    std::memcpy(&header, bytes.data() + at, sizeof header);
    change(header);
    header.checksum = observe::ChecksumOf(header);
    if constexpr (std::is_same_v<Header, ChunkHeader>) {
        const size_t room = bytes.size() - at - sizeof header;
        header.checksum = observe::Crc32(header.checksum, bytes.data() + at + sizeof header,
                                         std::min<size_t>(header.bytes, room));
    }
    std::memcpy(bytes.data() + at, &header, sizeof header);
}

TEST(TraceReader, ReadsTheSample) {
    const std::vector<uint8_t> bytes = Sample();
    const Trace trace = ReadTrace(bytes);
    EXPECT_TRUE(trace.whole);
    EXPECT_EQ(trace.program, "test.exe");
    EXPECT_EQ(trace.process_id, 42u);
    EXPECT_EQ(trace.threads.size(), 4u);
    EXPECT_EQ(ReadAll(bytes), trace.events);
}

TEST(TraceReader, AnyCutIsFoundOrIsBetweenChunks) {
    const std::vector<uint8_t> bytes = Sample();
    size_t between = 0;
    for (size_t length = 0; length < bytes.size(); ++length) {
        // A copy, so that a read beyond its end is one that AddressSanitizer sees.
        const std::vector<uint8_t> cut(bytes.begin(),
                                       bytes.begin() + static_cast<ptrdiff_t>(length));
        try {
            const Trace trace = ReadTrace(cut);
            EXPECT_FALSE(trace.whole);
            ReadAll(cut);
            ++between;
        } catch (const TraceDamage& damage) {
            EXPECT_LE(damage.offset(), length);
            if (length >= sizeof(FileHeader)) {
                const Trace trace = ReadTrace(cut, true);
                EXPECT_FALSE(trace.whole);
                EXPECT_NE(trace.cut, "");
                ReadAll(cut, true);
            }
        }
    }
    EXPECT_EQ(between, 5u);  // behind the header, and behind each chunk
}

TEST(TraceReader, AnyChangedByteIsFound) {
    std::vector<uint8_t> bytes = Sample();
    for (size_t i = 0; i < bytes.size(); ++i) {
        for (const uint8_t change : {0x01}) {
            bytes[i] ^= change;
            EXPECT_THROW(ReadAll(bytes), TraceDamage) << "byte " << i;
            bytes[i] ^= change;
        }
    }
}

// What a checksum does not protect from: a file that is wrong on purpose. Found, or harmless.
TEST(TraceReader, SignedNonsenseIsFoundOrHarmless) {
    const std::vector<uint8_t> good = Sample();
    std::mt19937 random(11);
    size_t found = 0;
    for (int round = 0; round < 4'000; ++round) {
        std::vector<uint8_t> bytes = good;
        size_t at = sizeof(FileHeader);
        for (int skip = static_cast<int>(random() % 4); skip > 0; --skip) {
            ChunkHeader header;
            std::memcpy(&header, bytes.data() + at, sizeof header);
            at += sizeof header + header.bytes;
        }
        ChunkHeader header;
        std::memcpy(&header, bytes.data() + at, sizeof header);
        for (int change = static_cast<int>(random() % 4); change >= 0; --change) {
            const size_t where = 4 + random() % (sizeof header - 8 + header.bytes);
            // Not the length: then it would be another chunk.
            if (where >= 8) bytes[at + where] = static_cast<uint8_t>(random());
        }
        Sign<ChunkHeader>(bytes, at, [](ChunkHeader&) {});
        try {
            ReadAll(bytes);
        } catch (const TraceDamage& damage) {
            EXPECT_LE(damage.offset(), bytes.size());
            ++found;
        }
    }
    EXPECT_GT(found, 2'000u);
}

TEST(TraceReader, SaysWhatIsWrongAndWhere) {
    const std::vector<uint8_t> good = Sample();
    const auto text = [](const TraceDamage& damage) { return std::string(damage.what()); };
    EXPECT_NE(text(DamageOf({})).find("not a trace"), std::string::npos);
    const uint8_t program[] = "MZ this is something else";
    EXPECT_NE(text(DamageOf(program)).find("not a trace"), std::string::npos);

    std::vector<uint8_t> bytes = good;
    Sign<FileHeader>(bytes, 0, [](FileHeader& header) { header.version = 9; });
    EXPECT_NE(text(DamageOf(bytes)).find("version 9"), std::string::npos);

    bytes = good;
    bytes[200] ^= 1;
    EXPECT_EQ(text(DamageOf(bytes)), "at byte 128: the chunk's checksum is wrong");

    bytes = good;
    Sign<ChunkHeader>(bytes, 128, [](ChunkHeader& header) { header.number = 3; });
    EXPECT_NE(text(DamageOf(bytes)).find("chunk 0 of thread"), std::string::npos);

    bytes = good;
    Sign<ChunkHeader>(bytes, 128, [](ChunkHeader& header) { header.bytes = 0x7FFFFFFF; });
    EXPECT_EQ(text(DamageOf(bytes)), "at byte 132: the chunk is impossibly large");

    bytes = good;
    Sign<ChunkHeader>(bytes, 128, [](ChunkHeader& header) { header.events += 1; });
    EXPECT_NE(text(DamageOf(bytes)).find("the end speaks of"), std::string::npos);
    bytes.resize(bytes.size() - sizeof(observe::EndRecord));
    EXPECT_NE(text(DamageOf(bytes)).find("the chunk has fewer events"), std::string::npos);

    bytes = good;
    bytes.push_back(0);
    EXPECT_NE(text(DamageOf(bytes)).find("something follows the end"), std::string::npos);
}

// A thread that was ended while it wrote a chunk, at the end of the process: it is written once
// more.
TEST(TraceReader, AChunkThatIsThereTwiceCountsOnce) {
    const std::vector<uint8_t> good = Sample();
    ChunkHeader header;
    std::memcpy(&header, good.data() + sizeof(FileHeader), sizeof header);
    const auto begin = good.begin() + sizeof(FileHeader);
    const auto end = begin + sizeof header + header.bytes;
    std::vector<uint8_t> bytes(good.begin(), end);
    bytes.insert(bytes.end(), begin, end);
    bytes.insert(bytes.end(), end, good.end());
    EXPECT_EQ(ReadAll(bytes), ReadAll(good));
}

}  // namespace
}  // namespace strata::replay
