// Arenas: growth by two threads at once, and the purge against those who allocate.
#include "arena/arena_set.h"
#include "arena/tables.h"
#include "fixture.h"

namespace strata::interleave {
namespace {

using ArenaInterleave = Interleave;

// Others than the process has. As good as new after each run, but for what never goes away.
os::Memory g_memory{CallsWithPoints()};
arena::SliceMap g_map;
arena::ArenaSet g_set{g_memory, &g_map};
std::vector<std::pair<char*, size_t>> g_taken;

void Make() {
    arena::ArenaSet* const sets[] = {&g_set};
    if (!g_map.IsInitialized()) {
        ASSERT_TRUE(arena::InitializeTables(g_memory, os::kAddressEnd, &g_map, sets, 1));
    }
    g_taken.clear();
}

void Note(char* base, size_t slices) {
    ASSERT_NE(base, nullptr);
    for (const auto& [other, count] : g_taken) {
        if (base < other + count * kSliceSize && other < base + slices * kSliceSize) {
            Fail("slices were handed out twice");
        }
    }
    if (!g_map.Knows(AddressOf(base))) Fail("an arena that the slice map does not know");
    g_taken.emplace_back(base, slices);
}

// Everything is given back: the books are even, and one arena at most is kept.
void GiveBackAndCheck() {
    for (const auto& [base, slices] : g_taken) g_set.Free(base, slices);
    g_set.Purge(g_now, true);
    EXPECT_EQ(g_set.slice_committed(), 0u);
    EXPECT_LE(g_set.arenas(), 1u);
    while (char* const left = g_set.NextOwned(0, 77)) {
        ADD_FAILURE() << static_cast<void*>(left) << " has an owner yet";
        break;
    }
    // What stays reserved are the map, the records and one arena, whose record and entries have
    // memory.
    const size_t fixed = kMapArenas * kSlicesPerArena * sizeof(arena::SliceEntry);
    const os::MemoryCounters counters = g_memory.Counters();
    EXPECT_LE(counters.reserved, fixed + kMapArenas * 2 * kPageSize + kArenaSize);
}

TEST_F(ArenaInterleave, TwoThreadsGrowAtOnce) {
    const auto grow = [] {
        for (int i = 0; i < 3; ++i) Note(g_set.Allocate(kMaxRunSlices, 1, 77), kMaxRunSlices);
    };
    Expect("arena growth, two threads", {Make, {grow, grow}, GiveBackAndCheck}, With(2));
    const auto once = [] { Note(g_set.Allocate(kMaxRunSlices, 1, 77), kMaxRunSlices); };
    Expect("arena growth, three threads", {Make, {once, once, once}, GiveBackAndCheck}, With(2));
}

TEST_F(ArenaInterleave, PurgeAgainstAllocation) {
    const auto prepare = [] {
        Make();
        // Warm slices, and an arena that is empty but for them.
        char* const warm = g_set.Allocate(6, 1, 77);
        ASSERT_TRUE(g_set.Commit(warm, warm + 6 * kSliceSize));
        g_set.Free(warm, 6);
    };
    const auto purge = [] { g_set.Purge(g_now, true); };
    const auto use = [] {
        for (int i = 0; i < 2; ++i) {
            char* const base = g_set.Allocate(2, 1, 77);
            ASSERT_NE(base, nullptr);
            ASSERT_TRUE(g_set.Commit(base, base + 2 * kSliceSize));
            const bool dirty = g_set.IsDirty(base, 2);
            // Faults if the purge took it away, and is not zero if it said so wrongly.
            for (size_t page = 0; page < 2 * kPagesPerSlice; page += 5) {
                char& byte = base[page * kPageSize];
                if (!dirty && byte != 0) Fail("memory that is said to be zero is not");
                byte = 1;
            }
            SystemPoint();
            for (size_t page = 0; page < 2 * kPagesPerSlice; page += 5) {
                if (base[page * kPageSize] != 1)
                    Fail("the memory of a slice in use was decommitted");
            }
            g_set.Free(base, 2);
        }
    };
    Expect("purge against allocation", {prepare, {purge, use}, GiveBackAndCheck}, With(3));
    Expect("purge against two who allocate", {prepare, {purge, use, use}, GiveBackAndCheck},
           With(2));
    Expect("two purges against allocation", {prepare, {purge, purge, use}, GiveBackAndCheck},
           With(2));
}

}  // namespace
}  // namespace strata::interleave
