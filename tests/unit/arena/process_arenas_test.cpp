#include "arena/process_arenas.h"

#include <gtest/gtest.h>

#include "base/bits.h"
#include "support/fault_injection.h"

namespace strata::arena {
namespace {

// The first test that runs makes them, with every one of the calls failing once.
TEST(ProcessArenas, InitializeMayBeTriedAgainAfterEachFailure) {
    test::FaultInjector faults(g_memory);
    bool ok = false;
    test::FailEachInTurn(faults, test::kTakingMemory, true,
                         [&](size_t) { ok = InitializeProcessArenas(); });
    EXPECT_TRUE(ok);
    faults.ResetCounts();
    EXPECT_TRUE(InitializeProcessArenas());
    EXPECT_EQ(faults.Calls(), 0u) << "a second call has nothing to do";
}

TEST(ProcessArenas, BlocksAndMetadataAreApart) {
    ASSERT_TRUE(InitializeProcessArenas());
    char* const slice = g_arenas.Allocate(1, 1, 5);
    void* const chunk = g_metadata.Allocate(100);
    ASSERT_NE(slice, nullptr);
    ASSERT_NE(chunk, nullptr);
    EXPECT_TRUE(g_slice_map.Knows(AddressOf(slice)));
    EXPECT_FALSE(g_slice_map.Knows(AddressOf(chunk))) << "no block lies among the metadata";
    g_metadata.Free(chunk, 100);
    g_arenas.Free(slice, 1);
}

TEST(ProcessArenas, PurgeEverythingReachesBothSets) {
    ASSERT_TRUE(InitializeProcessArenas());
    char* const slice = g_arenas.Allocate(4, 1, 5);
    ASSERT_TRUE(g_arenas.Commit(slice, slice + 4 * kSliceSize));
    g_arenas.Free(slice, 4);
    void* chunks[40];
    for (void*& chunk : chunks) chunk = g_metadata.Allocate(Metadata::kMaxChunk);
    for (void* chunk : chunks) g_metadata.Free(chunk, Metadata::kMaxChunk);
    EXPECT_EQ(g_arenas.slice_committed(), 4 * kSliceSize);
    const size_t metadata = g_metadata_arenas.slice_committed();
    PurgeEverything();
    EXPECT_EQ(g_arenas.slice_committed(), 0u);
    EXPECT_LT(g_metadata_arenas.slice_committed(), metadata);
    PurgeTick();
}

}  // namespace
}  // namespace strata::arena
