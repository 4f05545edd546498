// The contract of os/memory.h, the same on both platforms; and the books of Memory over it.
#include "os/memory.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "base/bits.h"
#include "base/constants.h"
#include "os/process.h"
#include "support/death.h"
#include "support/fault_injection.h"
#include "support/model.h"
#include "support/probe.h"

namespace strata::os {
namespace {

using test::CanRead;
using test::CanWrite;

char* Reserve(size_t bytes, size_t alignment = 0) {
    ReserveRequest request;
    request.bytes = bytes;
    request.alignment = alignment;
    return static_cast<char*>(SystemMemory::Reserve(request));
}

// A reservation that ends with the test.
class Range {
public:
    explicit Range(size_t bytes, size_t alignment = 0)
        : base_(Reserve(bytes, alignment)), bytes_(bytes) {
        EXPECT_NE(base_, nullptr);
    }
    ~Range() { EXPECT_TRUE(SystemMemory::Release(base_, bytes_)); }
    Range(const Range&) = delete;
    Range& operator=(const Range&) = delete;

    char* base() const { return base_; }
    size_t bytes() const { return bytes_; }

private:
    char* base_;
    size_t bytes_;
};

TEST(SystemMemory, ReservedPagesHaveNoMemory) {
    const Range range(2 * kSliceSize);
    EXPECT_EQ(AddressOf(range.base()) % kSliceSize, 0u);
    for (size_t offset = 0; offset < range.bytes(); offset += kPageSize) {
        EXPECT_FALSE(CanRead(range.base() + offset));
    }
}

TEST(SystemMemory, QueryRangeSeesWhatIsReserved) {
    char* gone = nullptr;
    {
        const Range range(2 * kSliceSize);
        ASSERT_TRUE(SystemMemory::Commit(range.base(), 3 * kPageSize));
        ASSERT_TRUE(SystemMemory::Commit(range.base() + 5 * kPageSize, kPageSize));
        const RangeInfo info = QueryRange(range.base(), range.bytes());
        EXPECT_TRUE(info.usable);
#ifdef _WIN32
        EXPECT_EQ(info.committed, 3 * kPageSize);
        ASSERT_TRUE(SystemMemory::Protect(range.base() + kPageSize, kPageSize, Access::kRead));
        EXPECT_FALSE(QueryRange(range.base(), range.bytes()).usable) << "cannot be written";
        EXPECT_TRUE(QueryRange(range.base(), kPageSize).usable);
#endif
        gone = range.base();
    }
    EXPECT_FALSE(QueryRange(gone, kPageSize).usable);
}

TEST(SystemMemory, CommitGivesZeroesToThosePagesOnly) {
    const Range range(kSliceSize);
    char* const page = range.base() + 3 * kPageSize;
    ASSERT_TRUE(SystemMemory::Commit(page, 2 * kPageSize));
    EXPECT_FALSE(CanRead(page - 1));
    EXPECT_TRUE(CanWrite(page));
    EXPECT_TRUE(CanWrite(page + 2 * kPageSize - 1));
    EXPECT_FALSE(CanRead(page + 2 * kPageSize));
    EXPECT_EQ(test::FindNonZero(page, 0, 2 * kPageSize), 2 * kPageSize);
    test::FillPattern(page, 2 * kPageSize, 1);
}

TEST(SystemMemory, CommitKeepsWhatIsCommitted) {
    const Range range(kSliceSize);
    ASSERT_TRUE(SystemMemory::Commit(range.base() + kPageSize, kPageSize));
    test::FillPattern(range.base() + kPageSize, kPageSize, 2);
    ASSERT_TRUE(SystemMemory::Commit(range.base(), 4 * kPageSize));
    EXPECT_EQ(test::FindPatternBreak(range.base() + kPageSize, kPageSize, 2), kPageSize);
    EXPECT_EQ(test::FindNonZero(range.base(), 0, kPageSize), kPageSize);
    EXPECT_EQ(test::FindNonZero(range.base(), 2 * kPageSize, 4 * kPageSize), 4 * kPageSize);
}

TEST(SystemMemory, DecommitTakesTheMemoryAndKeepsTheAddresses) {
    const Range range(kSliceSize);
    ASSERT_TRUE(SystemMemory::Commit(range.base(), kSliceSize));
    test::FillPattern(range.base(), kSliceSize, 3);
    ASSERT_TRUE(SystemMemory::Decommit(range.base() + 2 * kPageSize, 3 * kPageSize));
    EXPECT_TRUE(CanRead(range.base() + 2 * kPageSize - 1));
    EXPECT_FALSE(CanRead(range.base() + 2 * kPageSize));
    EXPECT_FALSE(CanRead(range.base() + 5 * kPageSize - 1));
    EXPECT_TRUE(CanRead(range.base() + 5 * kPageSize));
    EXPECT_EQ(test::FindPatternBreak(range.base(), 2 * kPageSize, 3), 2 * kPageSize);
    // Nobody else can get the addresses.
    ReserveRequest request;
    request.address = range.base();
    request.bytes = kSliceSize;
    EXPECT_EQ(SystemMemory::Reserve(request), nullptr);
}

TEST(SystemMemory, RecommittedPagesAreZero) {
    const Range range(kSliceSize);
    for (uint64_t round = 0; round < 3; ++round) {
        ASSERT_TRUE(SystemMemory::Commit(range.base(), kSliceSize));
        ASSERT_EQ(test::FindNonZero(range.base(), 0, kSliceSize), kSliceSize) << round;
        test::FillPattern(range.base(), kSliceSize, round + 4);
        ASSERT_TRUE(SystemMemory::Decommit(range.base(), kSliceSize));
    }
}

TEST(SystemMemory, DecommitMayCoverPagesWithoutMemory) {
    const Range range(2 * kSliceSize);
    ASSERT_TRUE(SystemMemory::Commit(range.base() + kSliceSize, kPageSize));
    EXPECT_TRUE(SystemMemory::Decommit(range.base(), 2 * kSliceSize));
    EXPECT_TRUE(SystemMemory::Decommit(range.base(), 2 * kSliceSize));
    EXPECT_FALSE(CanRead(range.base() + kSliceSize));
}

TEST(SystemMemory, ReleaseFreesTheAddresses) {
    char* const base = Reserve(4 * kSliceSize);
    ASSERT_NE(base, nullptr);
    ASSERT_TRUE(SystemMemory::Commit(base + kSliceSize, kPageSize));
    ASSERT_TRUE(SystemMemory::Release(base, 4 * kSliceSize));
    EXPECT_FALSE(CanRead(base + kSliceSize));
    ReserveRequest request;
    request.address = base;
    request.bytes = 4 * kSliceSize;
    ASSERT_EQ(SystemMemory::Reserve(request), base);
    ASSERT_TRUE(SystemMemory::Commit(base, kSliceSize));
    EXPECT_EQ(test::FindNonZero(base, 0, kSliceSize), kSliceSize);
    EXPECT_TRUE(SystemMemory::Release(base, 4 * kSliceSize));
}

TEST(SystemMemory, HonoursEveryAlignment) {
    for (size_t alignment = kSliceSize; alignment <= size_t{1} << 34; alignment *= 2) {
        for (size_t bytes : {kSliceSize, 3 * kSliceSize}) {
            const Range range(bytes, alignment);
            EXPECT_EQ(AddressOf(range.base()) % alignment, 0u) << alignment;
            EXPECT_TRUE(SystemMemory::Commit(range.base() + bytes - kPageSize, kPageSize));
        }
    }
    for (int i = 0; i < 20; ++i) {
        const Range range(kArenaSize, kArenaSize);
        EXPECT_EQ(AddressOf(range.base()) % kArenaSize, 0u);
    }
}

// Prepared or not: the tests before this one did not ask. (Wine 8 takes no notice of a lowest
// address, so that there places are tried.)
TEST(SystemMemory, LowAddressesAreLeftAlone) {
    for (int round = 0; round < 2; ++round) {
        for (size_t bytes = kSliceSize; bytes <= size_t{1} << 32; bytes *= 16) {
            for (const size_t alignment : {size_t{0}, kArenaSize, size_t{1} << 32}) {
                const Range first(bytes, alignment);
                const Range second(bytes, alignment);
                EXPECT_GE(AddressOf(first.base()), kLowAddressEnd);
                EXPECT_GE(AddressOf(second.base()), kLowAddressEnd);
                EXPECT_LE(AddressOf(second.base()) + bytes, AddressLimit());
            }
        }
        PrepareMemory();
    }
}

TEST(SystemMemory, AnExactAddressOrNothing) {
    const Range range(2 * kSliceSize);
    ReserveRequest request;
    request.bytes = kSliceSize;
    request.address = range.base();
    EXPECT_EQ(SystemMemory::Reserve(request), nullptr);
    request.address = range.base() + kSliceSize;
    EXPECT_EQ(SystemMemory::Reserve(request), nullptr);
    // A refusal leaves what is there alone.
    EXPECT_TRUE(SystemMemory::Commit(range.base(), kPageSize));
}

TEST(SystemMemory, TheImpossibleFails) {
    for (const size_t bytes : {size_t{1} << 50, size_t{1} << 62, RoundDown(SIZE_MAX, kSliceSize)}) {
        EXPECT_EQ(Reserve(bytes), nullptr) << bytes;
        EXPECT_EQ(Reserve(bytes, kArenaSize), nullptr) << bytes;
    }
    EXPECT_EQ(Reserve(kSliceSize, size_t{1} << 60), nullptr);
}

TEST(SystemMemory, ProtectChangesAccessAndKeepsData) {
    const Range range(kSliceSize);
    ASSERT_TRUE(SystemMemory::Commit(range.base(), 3 * kPageSize));
    test::FillPattern(range.base(), 3 * kPageSize, 5);
    char* const middle = range.base() + kPageSize;
    ASSERT_TRUE(SystemMemory::Protect(middle, kPageSize, Access::kNone));
    EXPECT_FALSE(CanRead(middle));
    EXPECT_TRUE(CanWrite(middle - 1));
    EXPECT_TRUE(CanWrite(middle + kPageSize));
    ASSERT_TRUE(SystemMemory::Protect(middle, kPageSize, Access::kRead));
    EXPECT_TRUE(CanRead(middle));
    EXPECT_FALSE(CanWrite(middle));
    ASSERT_TRUE(SystemMemory::Protect(middle, kPageSize, Access::kReadWrite));
    EXPECT_TRUE(CanWrite(middle));
    EXPECT_EQ(test::FindPatternBreak(range.base(), 3 * kPageSize, 5), 3 * kPageSize);
}

TEST(SystemMemory, ErrorMarksArePreserved) {
    SetLastErrorCode(1234);
    errno = EDOM;
    char* const base = Reserve(kSliceSize);
    ReserveRequest request;
    request.address = base;
    request.bytes = kSliceSize;
    EXPECT_EQ(SystemMemory::Reserve(request), nullptr);
    EXPECT_EQ(Reserve(size_t{1} << 50), nullptr);
    EXPECT_TRUE(SystemMemory::Commit(base, kPageSize));
    EXPECT_TRUE(SystemMemory::Protect(base, kPageSize, Access::kRead));
    EXPECT_TRUE(SystemMemory::Decommit(base, kPageSize));
    EXPECT_TRUE(SystemMemory::Release(base, kSliceSize));
    EXPECT_FALSE(SystemMemory::Commit(base, kPageSize));
    EXPECT_FALSE(SystemMemory::Protect(base, kPageSize, Access::kRead));
    EXPECT_EQ(GetLastErrorCode(), 1234u);
    EXPECT_EQ(errno, EDOM);
}

class SystemMemoryDeathTest : public test::DeathTest {};

void Touch(char* address) { *static_cast<volatile char*>(address) = 1; }

TEST_F(SystemMemoryDeathTest, TouchingReservedPagesFaults) {
    EXPECT_FAULT(Touch(Reserve(kSliceSize)));
}

TEST_F(SystemMemoryDeathTest, TouchingDecommittedPagesFaults) {
    char* const base = Reserve(kSliceSize);
    ASSERT_TRUE(SystemMemory::Commit(base, kSliceSize));
    Touch(base);
    ASSERT_TRUE(SystemMemory::Decommit(base, kSliceSize));
    EXPECT_FAULT(Touch(base));
    EXPECT_TRUE(SystemMemory::Release(base, kSliceSize));
}

TEST(SystemMemory, NumaNodeIsSmallOrAny) {
    PrepareMemory();
    const uint32_t node = PreferredNumaNode();
    EXPECT_TRUE(node == kAnyNode || node < 64) << node;
}

// ---- the books ---------------------------------------------------------------------------------

TEST(Memory, KeepsBooks) {
    Memory memory(kCallsOf<SystemMemory>);
    ReserveRequest request;
    request.bytes = 2 * kSliceSize;
    void* const base = memory.Reserve(request);
    ASSERT_NE(base, nullptr);
    EXPECT_EQ(memory.Counters().reserved, 2 * kSliceSize);
    EXPECT_EQ(memory.Counters().committed, 0u);

    EXPECT_TRUE(memory.Commit(base, 4 * kPageSize, 4 * kPageSize));
    EXPECT_TRUE(memory.Commit(base, 6 * kPageSize, 2 * kPageSize));
    EXPECT_EQ(memory.Counters().committed, 6 * kPageSize);
    EXPECT_TRUE(memory.Decommit(base, 5 * kPageSize, 5 * kPageSize));
    EXPECT_EQ(memory.Counters().committed, kPageSize);
    EXPECT_EQ(memory.Counters().peak_committed, 6 * kPageSize);
    EXPECT_TRUE(memory.Commit(base, kPageSize, kPageSize));
    EXPECT_EQ(memory.Counters().peak_committed, 6 * kPageSize);
    EXPECT_TRUE(memory.Release(base, 2 * kSliceSize, 2 * kPageSize));

    const MemoryCounters counters = memory.Counters();
    EXPECT_EQ(counters.reserved, 0u);
    EXPECT_EQ(counters.committed, 0u);
    EXPECT_EQ(counters.peak_committed, 6 * kPageSize);
    EXPECT_EQ(counters.reserve_calls, 1u);
    EXPECT_EQ(counters.commit_calls, 3u);
    EXPECT_EQ(counters.decommit_calls, 1u);
    EXPECT_EQ(counters.release_calls, 1u);
}

TEST(Memory, FailedCallsAreCountedAndChangeNothing) {
    Memory memory(kCallsOf<SystemMemory>);
    test::FaultInjector faults(memory);
    ReserveRequest request;
    request.bytes = kSliceSize;
    faults.FailNth(test::kReserve, 1);
    EXPECT_EQ(memory.Reserve(request), nullptr);
    EXPECT_EQ(memory.Counters().reserved, 0u);
    void* const base = memory.Reserve(request);
    ASSERT_NE(base, nullptr);
    faults.FailNth(test::kCommit, 1);
    EXPECT_FALSE(memory.Commit(base, kPageSize, kPageSize));
    EXPECT_EQ(memory.Counters().committed, 0u);
    EXPECT_EQ(memory.Counters().peak_committed, 0u);
    EXPECT_TRUE(memory.Commit(base, kPageSize, kPageSize));
    faults.FailNth(test::kDecommit, 1);
    EXPECT_FALSE(memory.Decommit(base, kPageSize, kPageSize));
    EXPECT_EQ(memory.Counters().committed, kPageSize);
    faults.FailNth(test::kRelease, 1);
    EXPECT_FALSE(memory.Release(base, kSliceSize, kPageSize));
    EXPECT_EQ(memory.Counters().reserved, kSliceSize);
    EXPECT_EQ(memory.Counters().committed, kPageSize);
    EXPECT_TRUE(memory.Release(base, kSliceSize, kPageSize));
    EXPECT_EQ(memory.Counters().reserve_calls, 2u);
    EXPECT_EQ(memory.Counters().commit_calls, 2u);
    EXPECT_EQ(memory.Counters().decommit_calls, 1u);
    EXPECT_EQ(memory.Counters().release_calls, 2u);
    EXPECT_EQ(faults.Calls(test::kRelease), 2u);
    EXPECT_EQ(faults.Calls(), 7u);
}

}  // namespace
}  // namespace strata::os
