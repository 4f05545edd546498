// Exceptions around the allocator: handlers that allocate, and unwinding through a walk.
#include <gtest/gtest.h>

#include <windows.h>

#include <thread>
#include <vector>

#include <strata/heap_api.h>
#include <strata/strata.h>

namespace strata::life {
namespace {

constexpr DWORD kOurs = 0xE0001234;
constexpr DWORD kNoMemory = 0xC0000017;

int g_handled = 0;
HANDLE g_heap = nullptr;
void* g_page = nullptr;
CONTEXT g_restart;

// Allocates and frees in every heap there is, large and small.
void UseHeaps() {
    for (const size_t bytes : {30, 3000, 90'000}) {
        strata_free(strata_malloc(bytes));
        if (g_heap != nullptr) {
            // A tenth: for a heap that is full, and would raise again.
            StrataHeapFree(g_heap, 0, StrataHeapAlloc(g_heap, HEAP_NO_SERIALIZE, bytes / 10));
        }
    }
    HANDLE other = StrataHeapCreate(0, 0, 0);
    StrataHeapAlloc(other, 0, 100);
    StrataHeapDestroy(other);
}

LONG CALLBACK Handler(EXCEPTION_POINTERS* pointers) {
    const DWORD code = pointers->ExceptionRecord->ExceptionCode;
    if (code == kOurs || code == kNoMemory) {
        ++g_handled;
        UseHeaps();
        return EXCEPTION_CONTINUE_EXECUTION;
    }
    const bool ours =
        code == EXCEPTION_ACCESS_VIOLATION &&
        pointers->ExceptionRecord->ExceptionInformation[1] == reinterpret_cast<ULONG_PTR>(g_page);
    if (ours) {
        ++g_handled;
        UseHeaps();
        VirtualAlloc(g_page, 4096, MEM_COMMIT, PAGE_READWRITE);
        return EXCEPTION_CONTINUE_EXECUTION;
    }
    return EXCEPTION_CONTINUE_SEARCH;
}

class Vectored : public testing::Test {
protected:
    void SetUp() override {
        g_handled = 0;
        handler_ = AddVectoredExceptionHandler(1, Handler);
    }
    void TearDown() override {
        RemoveVectoredExceptionHandler(handler_);
        g_heap = nullptr;
    }
    void* handler_ = nullptr;
};

TEST_F(Vectored, HandlersAllocate) {
    RaiseException(kOurs, 0, 0, nullptr);
    g_page = VirtualAlloc(nullptr, 4096, MEM_RESERVE, PAGE_READWRITE);
    *static_cast<volatile char*>(g_page) = 1;
    VirtualFree(g_page, 0, MEM_RELEASE);
    EXPECT_EQ(g_handled, 2);
}

// The exception of a heap that is full is raised with no lock held: its handler may use that very
// heap.
TEST_F(Vectored, AHandlerUsesTheHeapThatRaised) {
    g_heap = StrataHeapCreate(HEAP_GENERATE_EXCEPTIONS, 0, 256 * 1024);
    std::vector<void*> blocks;
    while (void* const block = StrataHeapAlloc(g_heap, 0, 10'000)) {
        blocks.push_back(block);
        if (blocks.size() == 20) {
            // Room for what the handler wants.
            StrataHeapFree(g_heap, 0, blocks.back());
            blocks.pop_back();
            break;
        }
    }
    const HANDLE heap = g_heap;
    EXPECT_EQ(StrataHeapAlloc(heap, 0, 500'000), nullptr);
    EXPECT_GE(g_handled, 1);
    EXPECT_TRUE(StrataHeapValidate(heap, 0, nullptr));
    for (void* block : blocks) EXPECT_TRUE(StrataHeapFree(heap, 0, block));
    EXPECT_TRUE(StrataHeapDestroy(heap));
}

struct Locked {
    explicit Locked(HANDLE which) : heap(which) { StrataHeapLock(heap); }
    ~Locked() { StrataHeapUnlock(heap); }
    HANDLE heap;
};

// Walks a locked heap, and calls `visit` for each entry.
template <typename Visit>
void Walk(HANDLE heap, Visit visit) {
    const Locked locked(heap);
    PROCESS_HEAP_ENTRY entry = {};
    while (StrataHeapWalk(heap, &entry)) visit(entry);
}

HANDLE HeapWithBlocks() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    for (size_t i = 0; i < 100; ++i) StrataHeapAlloc(heap, 0, i * 50);
    return heap;
}

void ExpectUnlocked(HANDLE heap) {
    std::thread([=] {
        void* const block = StrataHeapAlloc(heap, 0, 12'345);
        EXPECT_NE(block, nullptr);
        EXPECT_TRUE(StrataHeapFree(heap, 0, block));
        EXPECT_TRUE(StrataHeapValidate(heap, 0, nullptr));
    }).join();
}

TEST(Unwinding, ACppExceptionThroughAWalk) {
    const HANDLE heap = HeapWithBlocks();
    int visited = 0;
    try {
        Walk(heap, [&](const PROCESS_HEAP_ENTRY&) {
            if (++visited == 30) throw visited;
        });
        FAIL();
    } catch (int count) {
        EXPECT_EQ(count, 30);
    }
    ExpectUnlocked(heap);
    EXPECT_TRUE(StrataHeapDestroy(heap));
}

LONG CALLBACK LeaveTheWalk(EXCEPTION_POINTERS* pointers) {
    if (pointers->ExceptionRecord->ExceptionCode != kOurs) return EXCEPTION_CONTINUE_SEARCH;
    ++g_handled;
    *pointers->ContextRecord = g_restart;
    return EXCEPTION_CONTINUE_EXECUTION;
}

// A structured exception whose handler goes on far outside of the walk, without unwinding: what was
// locked must be unlocked by hand, and then all is well.
TEST(Unwinding, AStructuredExceptionThroughAWalk) {
    static HANDLE heap;
    static volatile int visited;
    heap = HeapWithBlocks();
    visited = 0;
    g_handled = 0;
    void* const handler = AddVectoredExceptionHandler(1, LeaveTheWalk);
    RtlCaptureContext(&g_restart);
    if (g_handled == 0) {
        StrataHeapLock(heap);
        PROCESS_HEAP_ENTRY entry = {};
        while (StrataHeapWalk(heap, &entry)) {
            visited = visited + 1;
            if (visited == 30) RaiseException(kOurs, 0, 0, nullptr);
        }
    }
    RemoveVectoredExceptionHandler(handler);
    EXPECT_EQ(visited, 30);
    EXPECT_EQ(g_handled, 1);
    EXPECT_TRUE(StrataHeapUnlock(heap));
    ExpectUnlocked(heap);
    EXPECT_TRUE(StrataHeapDestroy(heap));
}

}  // namespace
}  // namespace strata::life
