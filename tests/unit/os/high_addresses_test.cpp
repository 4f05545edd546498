// The choice of addresses, over simulated address spaces.
#include "os/high_addresses.h"

#include <gtest/gtest.h>

#include <map>

#include "base/bits.h"
#include "base/constants.h"

namespace strata::os {
namespace {

constexpr uintptr_t kLimit = 0x7FFFFFFF0000;  // Windows', rounded
constexpr size_t kMiB = size_t{1} << 20;

// An address space that hands out the lowest free addresses first, as Windows and Wine do where
// nothing is random. One at a time: the calls are functions without a context.
struct Space {
    std::map<uintptr_t, uintptr_t> used;    // begin, end
    std::map<uintptr_t, uintptr_t> hidden;  // taken as well, and shown as free
    uintptr_t limit = kLimit;
    bool heeds_lowest = true;
    int calls = 0;

    bool IsFree(uintptr_t begin, uintptr_t end) const {
        if (begin < kSliceSize || end > limit || end < begin) return false;
        for (const auto* ranges : {&used, &hidden}) {
            const auto after = ranges->lower_bound(end);
            if (after != ranges->begin() && std::prev(after)->second > begin) return false;
        }
        return true;
    }
    void* Take(uintptr_t begin, size_t bytes) {
        used[begin] = begin + bytes;
        return reinterpret_cast<void*>(begin);
    }
    void* Lowest(const ReserveRequest& request, uintptr_t lowest) {
        const size_t alignment = request.alignment > kSliceSize ? request.alignment : kSliceSize;
        uintptr_t place = RoundUp(lowest > kSliceSize ? lowest : kSliceSize, alignment);
        if (IsFree(place, place + request.bytes)) return Take(place, request.bytes);
        for (const auto& [begin, end] : used) {
            place = RoundUp(end, alignment);
            if (place < lowest || !IsFree(place, place + request.bytes)) continue;
            return Take(place, request.bytes);
        }
        return nullptr;
    }
};
Space* g_space = nullptr;

void* ReserveAbove(const ReserveRequest& request, uintptr_t lowest) noexcept {
    ++g_space->calls;
    if (g_space->heeds_lowest && lowest >= g_space->limit) return nullptr;
    return g_space->Lowest(request, g_space->heeds_lowest ? lowest : 0);
}
void* ReserveAt(const ReserveRequest& request, uintptr_t address) noexcept {
    ++g_space->calls;
    EXPECT_EQ(address % kSliceSize, 0u);
    const bool is_free = g_space->IsFree(address, address + request.bytes);
    return is_free ? g_space->Take(address, request.bytes) : nullptr;
}
void* ReserveAnywhere(const ReserveRequest& request) noexcept {
    ++g_space->calls;
    return g_space->Lowest(request, 0);
}
void ReleaseAt(void* address) noexcept {
    ++g_space->calls;
    g_space->used.erase(AddressOf(address));
}
AddressRange RangeOf(uintptr_t address) noexcept {
    ++g_space->calls;
    if (address >= g_space->limit) return {};
    const auto after = g_space->used.upper_bound(address);
    const bool is_free = after == g_space->used.begin() || std::prev(after)->second <= address;
    if (!is_free) return {std::prev(after)->second, false};
    return {after == g_space->used.end() ? g_space->limit : after->first, true};
}
constexpr AddressCalls kCalls = {&ReserveAbove, &ReserveAt, &ReserveAnywhere, &ReleaseAt, &RangeOf};

class HighAddressesTest : public ::testing::Test {
protected:
    void SetUp() override { g_space = &space_; }

    uintptr_t Reserve(size_t bytes, size_t alignment = 0) {
        ReserveRequest request;
        request.bytes = bytes;
        request.alignment = alignment;
        const int before = space_.calls;
        const uintptr_t result = AddressOf(addresses_.Reserve(request));
        calls_ = space_.calls - before;
        EXPECT_EQ(result % (alignment != 0 ? alignment : kSliceSize), 0u);
        return result;
    }
    void Release(uintptr_t address, size_t bytes) {
        space_.used.erase(address);
        addresses_.Released(reinterpret_cast<void*>(address), bytes);
    }

    Space space_;
    HighAddresses addresses_{kCalls};
    int calls_ = 0;  // of the last Reserve
};

// On every system: one call for each, and they lie side by side.
TEST_F(HighAddressesTest, TakesOneCall) {
    addresses_.Use(kLimit, 0x123456789, true);
    uintptr_t last = Reserve(kMiB);
    EXPECT_GE(last, HighAddresses::kLowestStart);
    EXPECT_LT(last, HighAddresses::kHighestStart);
    for (int i = 0; i < 100; ++i) {
        const size_t alignment = i % 2 == 0 ? kSliceSize : kArenaSize;
        const uintptr_t place = Reserve(kMiB, alignment);
        EXPECT_EQ(place, RoundUp(last + kMiB, alignment));
        EXPECT_EQ(calls_, 1);
        last = place;
    }
}

// Windows 10 1803 and later, where something lies in the way.
TEST_F(HighAddressesTest, AsksWhereTheSystemCanBeAsked) {
    addresses_.Use(kLimit, 0, true);
    for (int i = 0; i < 100; ++i) {
        const uintptr_t place = Reserve(kMiB, i % 2 == 0 ? 0 : kArenaSize);
        EXPECT_GE(place, HighAddresses::kLowestStart);
        EXPECT_LE(calls_, 2);
        space_.Take(RoundUp(place + kMiB, kArenaSize), kSliceSize);
        space_.Take(place + kMiB, kSliceSize);
    }
}

TEST_F(HighAddressesTest, StartsWhereItIsTold) {
    for (const uint64_t random : {uint64_t{0}, uint64_t{0x123456789ABCDEF}, UINT64_MAX}) {
        for (const bool can_ask : {true, false}) {
            space_ = Space{};
            HighAddresses addresses(kCalls);
            addresses.Use(kLimit, random, can_ask);
            addresses.Use(kLimit, random + kArenaSize, !can_ask);  // counts for nothing
            ReserveRequest request;
            request.bytes = kMiB;
            const uintptr_t place = AddressOf(addresses.Reserve(request));
            const uintptr_t range = HighAddresses::kHighestStart - HighAddresses::kLowestStart;
            EXPECT_EQ(place, HighAddresses::kLowestStart + RoundDown(random % range, kSliceSize));
        }
    }
}

// Wine 8: the call is there, and gives low addresses. Once it has, it is left alone.
TEST_F(HighAddressesTest, LooksWhereTheSystemTakesNoNotice) {
    space_.heeds_lowest = false;
    addresses_.Use(kLimit, 7 * kArenaSize, true);
    uintptr_t place = Reserve(kMiB);
    EXPECT_GE(place, HighAddresses::kLowestStart);
    for (int i = 0; i < 10; ++i) {
        space_.Take(place + kMiB, kMiB);
        place = Reserve(kMiB);
        EXPECT_GE(place, HighAddresses::kLowestStart);
        EXPECT_LE(calls_, i == 0 ? 6 : 4);
    }
    EXPECT_GT(space_.used.begin()->first, kLowAddressEnd) << "nothing was left below";
}

// Who did not call Use can reserve, too.
TEST_F(HighAddressesTest, WorksUnprepared) {
    EXPECT_EQ(Reserve(kMiB), HighAddresses::kLowestStart);
    EXPECT_EQ(addresses_.limit(), kAddressEnd);
    space_.limit = uintptr_t{1} << 31;
    space_.used.clear();
    EXPECT_LT(Reserve(kMiB) - 1, space_.limit);
}

// Windows before 1803.
TEST_F(HighAddressesTest, FindsItsWayAroundOthers) {
    addresses_.Use(kLimit, 0, false);
    uintptr_t place = Reserve(kMiB);
    for (int i = 0; i < 10; ++i) {
        // Somebody else's, right behind, with a hole that is too small.
        space_.Take(place + kMiB, kSliceSize);
        space_.Take(place + kMiB + 2 * kSliceSize, 3 * kMiB);
        place = Reserve(kMiB);
        EXPECT_GE(place, HighAddresses::kLowestStart);
        EXPECT_LE(calls_, 6);
    }
}

TEST_F(HighAddressesTest, UsesAgainWhatWasGivenBack) {
    addresses_.Use(kLimit, 0, false);
    const uintptr_t first = Reserve(kMiB);
    const uintptr_t second = Reserve(4 * kMiB);
    for (int i = 0; i < 1000; ++i) {
        const uintptr_t place = Reserve(8 * kMiB);
        EXPECT_EQ(place, second + 4 * kMiB);
        Release(place, 8 * kMiB);
    }
    Release(first, kMiB);
    EXPECT_EQ(Reserve(kMiB), first);
    Release(first, kMiB);
    EXPECT_EQ(Reserve(2 * kMiB), second + 4 * kMiB) << "no room in the hole";
    EXPECT_EQ(calls_, 2);
}

// Arenas are reserved side by side, at places of their own choice.
TEST_F(HighAddressesTest, GoesOnBehindWhatSomebodyWanted) {
    addresses_.Use(kLimit, 0, true);
    uintptr_t end = Reserve(kArenaSize, kArenaSize) + kArenaSize;
    for (int i = 0; i < 10; ++i) {
        void* const wanted = space_.Take(end, kArenaSize);
        addresses_.Taken(wanted, kArenaSize);
        EXPECT_EQ(Reserve(kArenaSize), end + kArenaSize);
        EXPECT_EQ(calls_, 1);
        end += 2 * kArenaSize;
    }
    // Elsewhere: no matter.
    addresses_.Taken(space_.Take(end + kArenaSize, kArenaSize), kArenaSize);
    addresses_.Taken(space_.Take(kArenaSize, kArenaSize), kArenaSize);
    EXPECT_EQ(Reserve(kArenaSize), end);
}

// What a search tries is bounded, also where the system shows as free what is not.
TEST_F(HighAddressesTest, GivesUpAtLast) {
    addresses_.Use(kLimit, 0, false);
    space_.hidden[kLowAddressEnd] = kLimit;
    const uintptr_t place = Reserve(kMiB);
    EXPECT_NE(place, 0u);
    EXPECT_LT(place, kLowAddressEnd);
    EXPECT_LE(calls_, 20);
    space_.hidden.clear();
    for (uintptr_t at = HighAddresses::kLowestStart; at < kLimit / 4; at += 2 * kArenaSize) {
        space_.used[at] = at + kArenaSize;
    }
    EXPECT_EQ(Reserve(2 * kArenaSize), kLowAddressEnd);
    EXPECT_LE(calls_, 60);
}

TEST_F(HighAddressesTest, GoesBelowWhenNothingElseIsFree) {
    for (const bool can_ask : {true, false}) {
        space_ = Space{};
        space_.used[kLowAddressEnd] = kLimit;
        HighAddresses addresses(kCalls);
        addresses.Use(kLimit, 5 * kArenaSize, can_ask);
        ReserveRequest request;
        request.bytes = kMiB;
        EXPECT_LT(AddressOf(addresses.Reserve(request)) - 1, kLowAddressEnd);
        // There is a place at the very bottom of what is high.
        space_.used.erase(kLowAddressEnd);
        space_.used[kLowAddressEnd + kMiB] = kLimit;
        EXPECT_EQ(AddressOf(addresses.Reserve(request)), kLowAddressEnd);
    }
}

// A program that is not linked for large addresses: one call, as there is nothing to choose.
TEST_F(HighAddressesTest, ASmallAddressSpaceIsLeftToTheSystem) {
    space_.limit = (uintptr_t{1} << 31) - kSliceSize;
    addresses_.Use(space_.limit, 123 * kArenaSize, true);
    for (int i = 0; i < 10; ++i) {
        const uintptr_t place = Reserve(kMiB, kArenaSize);
        EXPECT_NE(place, 0u);
        EXPECT_LT(place, space_.limit);
        EXPECT_EQ(calls_, 1);
    }
    EXPECT_EQ(Reserve(size_t{4} << 30), 0u);
}

TEST_F(HighAddressesTest, TheImpossibleFails) {
    addresses_.Use(kLimit, 0, true);
    EXPECT_EQ(Reserve(size_t{1} << 50), 0u);
    EXPECT_EQ(Reserve(RoundDown(SIZE_MAX, kSliceSize)), 0u);
    EXPECT_LE(calls_, 4);
}

}  // namespace
}  // namespace strata::os
