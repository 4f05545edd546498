// For what works on the arenas of the process: each test begins and ends without free pages and
// without cached runs, so that a commit is a commit.
#pragma once

#include <gtest/gtest.h>

#include "arena/process_arenas.h"
#include "os/process.h"
#include "slab/run_cache.h"
#include "slab/slab.h"
#include "support/fault_injection.h"

namespace strata::test {

class ProcessFixture : public ::testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(arena::InitializeProcessArenas());
        Purge();
        lost_ = arena::g_arenas.slice_committed();
    }
    void TearDown() override { Purge(); }

    static void Purge() {
        slab::PurgeRuns(os::Milliseconds(), true);
        slab::FindLostSlabs();
        arena::PurgeEverything();
    }
    // Committed bytes of user slices, without what tests before this one let the system keep.
    size_t Committed() const { return arena::g_arenas.slice_committed() - lost_; }
    static arena::SliceEntry* EntryOf(const void* address) {
        return arena::g_slice_map.Find(AddressOf(address));
    }
    static arena::SliceKind KindOf(const void* address) {
        const arena::SliceEntry* entry = EntryOf(address);
        return entry == nullptr ? arena::SliceKind::kNone : entry->kind.load();
    }

private:
    size_t lost_ = 0;
};

}  // namespace strata::test
