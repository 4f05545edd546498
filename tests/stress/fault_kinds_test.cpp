// The same as fault_test.cpp for the other kinds of heaps and what Win32 programs do with them:
// heaps of fixed size, in the caller's memory, with checks, for code, hardened, page heaps; user
// records, compaction, walks. Each runs with the Nth call to the system failing, once and from then
// on.
#include <gtest/gtest.h>

#include <cstdio>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "api/win32_heap.h"
#include "arena/process_arenas.h"
#include "effort.h"
#include "os/process.h"
#include "slab/large_run.h"
#include "support/fault_injection.h"
#include "support/model.h"

#include <strata/strata.h>

namespace strata {
namespace {

using test::FillPattern;
using test::FindNonZero;
using test::FindPatternBreak;

enum class Kind {
    kFixed,
    kFixedChecked,
    kChecked,
    kExecutable,
    kOwnMemory,
    kOwnExecutable,
    kPlain,
    kHardened,
    kPageHeap
};

struct KindOfFaults {
    const char* name;
    Kind kind;
    bool from_then_on;
};
void PrintTo(const KindOfFaults& kind, std::ostream* out) { *out << kind.name; }

// Memory that the program brings: its first half committed, not by the calls that fail; all of it
// where the system cannot be asked what is committed (os::QueryRange).
class OwnMemory {
public:
    static constexpr size_t kBytes = size_t{1} << 20;
    OwnMemory() {
        os::ReserveRequest request;
        request.bytes = kBytes;
        base_ = os::SystemMemory::Reserve(request);
#ifdef _WIN32
        os::SystemMemory::Commit(base_, kBytes / 2);
#else
        os::SystemMemory::Commit(base_, kBytes);
#endif
    }
    ~OwnMemory() { os::SystemMemory::Release(base_, kBytes); }
    OwnMemory(const OwnMemory&) = delete;
    OwnMemory& operator=(const OwnMemory&) = delete;
    void* base() const { return base_; }

private:
    void* base_;
};

class Program {
public:
    explicit Program(Kind kind) : kind_(kind) {}

    // False when not even the heap could be had.
    bool Run() {
        OwnMemory memory;
        heap::Heap* const heap = Create(memory);
        if (heap == nullptr) {
            // A caller's memory whose protection cannot be changed is refused as such.
            EXPECT_TRUE(os::GetLastErrorCode() == 8 || os::GetLastErrorCode() == 87);
            return false;
        }
        Fill(*heap);
        Resize(*heap);
        Look(*heap);
        FreeHalf(*heap);
        api::HeapCompact(*heap, 0);
        Fill(*heap);
        Look(*heap);
        FreeHalf(*heap);
        heap::DestroyHeap(heap);  // with all that is left
        return true;
    }

    size_t refused() const { return refused_; }

private:
    struct Held {
        void* block;
        size_t bytes;
        bool user;
    };

    heap::Heap* Create(const OwnMemory& memory) {
        const uint32_t checks = api::kHeapTailChecking | api::kHeapFreeChecking;
        os::SetLastErrorCode(0);
        switch (kind_) {
            case Kind::kFixed:
                return api::HeapCreate(0, 16384, 3 << 20);
            case Kind::kFixedChecked:
                return api::HeapCreate(checks, 0, 200'000);
            case Kind::kChecked:
                return api::HeapCreate(checks, 300'000, 0);
            case Kind::kExecutable:
                return api::HeapCreate(api::kHeapCreateEnableExecute, 0, 0);
            case Kind::kOwnMemory:
                return api::HeapCreateInRegion(0, memory.base(), OwnMemory::kBytes);
            case Kind::kOwnExecutable:
                return api::HeapCreateInRegion(api::kHeapCreateEnableExecute, memory.base(),
                                               OwnMemory::kBytes);
            case Kind::kPlain:
                return api::HeapCreate(0, 0, 0);
            case Kind::kHardened:
                return api::HeapCreate(api::kHeapCreateHardened, 0, 0);
            case Kind::kPageHeap: {
                heap::HeapRequest request;
                request.page_heap = true;
                return heap::CreateHeap(request);
            }
        }
        return nullptr;
    }

    void Got(void* block, size_t bytes, bool zero, bool user) {
        if (block == nullptr) {
            ++refused_;
            return;
        }
        if (zero) {
            ASSERT_EQ(FindNonZero(block, 0, bytes), bytes);
        }
        FillPattern(block, bytes, bytes);
        held_.push_back({block, bytes, user});
    }

    void Fill(heap::Heap& heap) {
        for (const size_t bytes : {0, 40, 700, 5000, 30000, 70000}) {
            for (const uint32_t flags : {uint32_t{0}, api::kHeapZeroMemory, api::kHeapUserValue,
                                         api::kHeapUserValue | api::kHeapZeroMemory | 0x200}) {
                const bool user = (flags & api::kHeapUserValue) != 0;
                void* const block = api::HeapAllocate(heap, flags, bytes);
                Got(block, bytes, (flags & api::kHeapZeroMemory) != 0, user);
                if (block != nullptr && user) {
                    EXPECT_TRUE(api::HeapSetUserValue(heap, 0, block, this));
                }
            }
        }
        // Where each block takes calls of its own, a few do.
        const int more = kind_ == Kind::kPageHeap ? 4 : 80;
        for (int i = 0; i < more; ++i) Got(api::HeapAllocate(heap, 0, 900), 900, false, false);
    }

    void Resize(heap::Heap& heap) {
        for (size_t i = 0; i < held_.size(); i += 3) {
            Held& each = held_[i];
            for (const size_t bytes : {each.bytes + 100, each.bytes + 40000, each.bytes / 2}) {
                void* const block =
                    api::HeapReallocate(heap, api::kHeapZeroMemory, each.block, bytes);
                if (block == nullptr) {
                    ++refused_;
                    Check(heap, each);
                    continue;
                }
                const size_t kept = bytes < each.bytes ? bytes : each.bytes;
                ASSERT_EQ(FindPatternBreak(block, kept, each.bytes), kept);
                ASSERT_EQ(FindNonZero(block, kept, bytes), bytes);
                FillPattern(block, bytes, bytes);
                each = {block, bytes, each.user};
            }
            // May change nothing but the flags; a block without a place for them may have to move.
            static_cast<void>(api::HeapSetUserFlags(heap, 0, each.block, 0x400, 0x200));
        }
    }

    void Check(heap::Heap& heap, const Held& each) {
        ASSERT_EQ(api::HeapBlockSize(heap, 0, each.block), each.bytes);
        ASSERT_EQ(FindPatternBreak(each.block, each.bytes, each.bytes), each.bytes);
        if (each.user) {
            void* value = nullptr;
            ASSERT_TRUE(api::HeapGetUserInfo(heap, 0, each.block, &value, nullptr));
            ASSERT_EQ(value, this);
        }
    }

    void Look(heap::Heap& heap) {
        EXPECT_TRUE(api::HeapIsValid(heap, 0, nullptr));
        for (const Held& each : held_) Check(heap, each);
        api::HeapLock(heap);
        size_t busy = 0;
        api::WalkEntry entry;
        while (api::HeapWalkStep(heap, entry)) busy += entry.kind == api::WalkEntry::Kind::kBusy;
        EXPECT_EQ(busy, held_.size());
        EXPECT_TRUE(api::HeapUnlock(heap));
    }

    void FreeHalf(heap::Heap& heap) {
        for (size_t i = 0; i < held_.size(); ++i) {
            Check(heap, held_[i]);
            EXPECT_TRUE(api::HeapRelease(heap, 0, held_[i].block));
            held_[i] = held_.back();
            held_.pop_back();
        }
    }

    Kind kind_;
    std::vector<Held> held_;
    size_t refused_ = 0;
};

class FaultOfKind : public testing::TestWithParam<KindOfFaults> {};

TEST_P(FaultOfKind, NothingButNull) {
    const auto& [name, kind, from_then_on] = GetParam();
    if (test::LeavesOneThreadToOthers() && !std::string_view(name).starts_with("Plain")) {
        GTEST_SKIP();
    }
    const auto run = [what = kind] {
        Program program(what);
        const bool made = program.Run();
        return made ? program.refused() : size_t{1};
    };
    // Heaps of fixed size refuse some of it anyway.
    for (int i = 0; i < 3; ++i) run();
    const size_t usual = run();
    strata_purge();
    const size_t direct = slab::DirectCommitted();
    const size_t slices = arena::g_arenas.slice_committed();
    const size_t all = arena::g_memory.Counters().committed;

    test::FaultInjector faults(arena::g_memory);
    size_t refused = 0;
    const size_t runs = test::FailEachInTurn(
        faults, test::kAnyCall, from_then_on,
        [&](size_t n) {
            SCOPED_TRACE(testing::Message() << name << ", call " << n);
            refused += run() > usual;
        },
        [&](size_t n) {
            SCOPED_TRACE(testing::Message() << name << ", after call " << n);
            strata_purge();
            ASSERT_EQ(slab::DirectCommitted(), direct);
            ASSERT_EQ(arena::g_arenas.slice_committed(), slices);
            ASSERT_LE(arena::g_memory.Counters().committed, all + (2 << 20));
            ASSERT_TRUE(heap::IsConsistent(*heap::ProcessHeap()));
        },
        3'000);
    std::printf("%s: %zu runs met a failing call, %zu were refused something\n", name, runs,
                refused);
    EXPECT_GT(runs, 0u);
    EXPECT_LT(runs, 3'000u);
    // One call that fails may be made up for; none that succeeds may not.
    if (from_then_on) {
        EXPECT_GT(refused, 0u);
    }
    EXPECT_EQ(run(), usual) << "works again";
}

constexpr KindOfFaults kKinds[] = {{"Fixed", Kind::kFixed, false},
                                   {"FixedFromThenOn", Kind::kFixed, true},
                                   {"FixedChecked", Kind::kFixedChecked, false},
                                   {"FixedCheckedFromThenOn", Kind::kFixedChecked, true},
                                   {"Checked", Kind::kChecked, false},
                                   {"CheckedFromThenOn", Kind::kChecked, true},
                                   {"Executable", Kind::kExecutable, false},
                                   {"ExecutableFromThenOn", Kind::kExecutable, true},
                                   {"OwnMemory", Kind::kOwnMemory, false},
                                   {"OwnMemoryFromThenOn", Kind::kOwnMemory, true},
                                   {"OwnExecutable", Kind::kOwnExecutable, false},
                                   {"OwnExecutableFromThenOn", Kind::kOwnExecutable, true},
                                   {"Plain", Kind::kPlain, false},
                                   {"PlainFromThenOn", Kind::kPlain, true},
                                   {"Hardened", Kind::kHardened, false},
                                   {"HardenedFromThenOn", Kind::kHardened, true},
                                   {"PageHeap", Kind::kPageHeap, false},
                                   {"PageHeapFromThenOn", Kind::kPageHeap, true}};
INSTANTIATE_TEST_SUITE_P(Kinds, FaultOfKind, testing::ValuesIn(kKinds),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

}  // namespace
}  // namespace strata
