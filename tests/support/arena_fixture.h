// Arenas of a test's own, over real memory whose calls can be made to fail.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "arena/arena_set.h"
#include "arena/slice_map.h"
#include "arena/tables.h"
#include "os/memory.h"
#include "support/fault_injection.h"

namespace strata::arena {

inline constexpr Owner kMe = 7;
inline constexpr Owner kOther = 8;
inline constexpr size_t kRunsPerArena = kSlicesPerArena / kMaxRunSlices;

// What a test reserved stays when it ends, as sets and maps live as long as their process: some
// hundred MiB of addresses, and the few pages that it left committed.
class ArenaFixture : public ::testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(InitializeTables(memory_, os::kAddressEnd, map_.get(), sets_, 1));
    }
    // One that the slice map does not know.
    void InitializeOwn(ArenaSet& own) {
        ArenaSet* const sets[] = {&own};
        ASSERT_TRUE(InitializeTables(memory_, os::kAddressEnd, nullptr, sets, 1));
    }

    // Allocates, or fails the test.
    char* Take(size_t slices, size_t alignment = 1, Owner owner = kMe) {
        char* const base = arenas_->Allocate(slices, alignment, owner);
        EXPECT_NE(base, nullptr);
        return base;
    }
    // All pages of the slices.
    void CommitAll(char* base, size_t slices) {
        EXPECT_TRUE(arenas_->Commit(base, base + slices * kSliceSize));
    }
    void PurgeAll() { arenas_->Purge(0, true); }
    size_t Committed() const { return memory_.Counters().committed; }

    os::Memory memory_{os::kCallsOf<os::SystemMemory>};
    std::unique_ptr<SliceMap> map_ = std::make_unique<SliceMap>();
    std::unique_ptr<ArenaSet> arenas_ = std::make_unique<ArenaSet>(memory_, map_.get());
    ArenaSet* const sets_[1] = {arenas_.get()};
    test::FaultInjector faults_{memory_};
};

}  // namespace strata::arena
