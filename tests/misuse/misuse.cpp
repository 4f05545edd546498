// One misuse of the heap per run:
//
//   strata_misuse --list     the names of all cases
//   strata_misuse <case>     says on standard output what has to appear on standard error, does it
//
// run_misuse.py holds the two against each other, and checks that the process ended as it should.
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <strata/allocator.h>
#include <strata/heap_api.h>
#include <strata/memory_resource.h>
#include <strata/strata.h>

namespace {

using Address = unsigned long long;

Address Number(const void* pointer) {
    return static_cast<Address>(reinterpret_cast<uintptr_t>(pointer));
}

// The message that has to come: "strata: fatal: " and this.
#if defined(__GNUC__) || defined(__clang__)
#ifdef _WIN32
__attribute__((format(gnu_printf, 1, 2)))
#else
__attribute__((format(printf, 1, 2)))
#endif
#endif
void Expect(const char* format, ...) {
    std::fputs("strata: fatal: ", stdout);
    va_list arguments;
    va_start(arguments, format);
    std::vprintf(format, arguments);
    va_end(arguments);
    std::fputc('\n', stdout);
    std::fflush(stdout);
}

#define ADDRESS "0x%012llx"

void ExpectDoubleFree(const void* block, size_t usable, const void* heap) {
    Expect("double free of block " ADDRESS " (%zu usable bytes) in heap " ADDRESS, Number(block),
           usable, Number(heap));
}
void ExpectUseOfFreed(const char* verb, const void* block, size_t usable, const void* heap) {
    Expect("%s of freed block " ADDRESS " (%zu usable bytes) in heap " ADDRESS, verb, Number(block),
           usable, Number(heap));
}
void ExpectInterior(const void* pointer, const void* block, size_t usable, const void* heap) {
    Expect("free of interior pointer " ADDRESS " into block " ADDRESS
           " (%zu usable bytes) of heap " ADDRESS,
           Number(pointer), Number(block), usable, Number(heap));
}
void ExpectInvalid(const char* verb, const void* pointer) {
    Expect("%s of invalid pointer " ADDRESS
           ": no block is there now (freed before, or never allocated)",
           verb, Number(pointer));
}
void ExpectForeign(const char* verb, const void* pointer) {
    Expect("%s of foreign pointer " ADDRESS ": not allocated by Strata", verb, Number(pointer));
}
void ExpectWrongHeap(const char* verb, const void* block, size_t requested, const void* owner,
                     const void* given) {
    Expect("%s to the wrong heap: block " ADDRESS " (%zu bytes) belongs to heap " ADDRESS
           ", not to " ADDRESS,
           verb, Number(block), requested, Number(owner), Number(given));
}
void ExpectMismatch(const void* block, const void* heap, size_t given, size_t requested) {
    Expect("sized free of block " ADDRESS " in heap " ADDRESS " with %zu bytes, requested were %zu",
           Number(block), Number(heap), given, requested);
}
void ExpectInvalidHeap(const void* handle) {
    Expect("use of invalid heap handle " ADDRESS ": destroyed before, or never a heap",
           Number(handle));
}
void ExpectOverrun(const char* verb, const void* block, size_t usable, const void* heap) {
    Expect("%s of overrun block " ADDRESS " (%zu usable bytes) in heap " ADDRESS
           ": its last bytes were overwritten",
           verb, Number(block), usable, Number(heap));
}

// The compiler must not see what happens to a pointer.
char* Hide(void* pointer) {
    void* volatile hidden = pointer;
    return static_cast<char*>(hidden);
}
char* Malloc(size_t bytes) { return Hide(strata_malloc(bytes)); }
void* Process() { return strata_heap_process(); }

template <typename F>
void InOtherThread(F body) {
    std::thread(body).join();
}

// Sizes, and what is usable of them: a small class, a larger one with far slack, the largest.
constexpr size_t kSmall = 48, kMedium = 3000, kLargest = 65536, kRun = 100000, kDirect = 20 << 20;
constexpr size_t kMediumUsable = 3072, kRunUsable = 102400;

// ---- double free ----------------------------------------------------------------------------------

void DoubleFreeNow(size_t bytes, size_t usable) {
    char* const block = Malloc(bytes);
    ExpectDoubleFree(block, usable, Process());
    strata_free(block);
    strata_free(block);
}
void DoubleFreeSmall() { DoubleFreeNow(kSmall, kSmall); }
void DoubleFreeZeroBytes() { DoubleFreeNow(0, 0); }
void DoubleFreeMedium() { DoubleFreeNow(kMedium, kMediumUsable); }
void DoubleFreeLargest() { DoubleFreeNow(kLargest, kLargest); }
void DoubleFreeRun() { DoubleFreeNow(kRun, kRunUsable); }
void DoubleFreeRunAfterPurge() {
    char* const block = Malloc(kRun);
    ExpectInvalid("free", block);
    strata_free(block);
    strata_purge();
    strata_free(block);
}
void DoubleFreeDirect() {
    char* const block = Malloc(kDirect);
    ExpectForeign("free", block);  // its addresses were given back
    strata_free(block);
    strata_free(block);
}
void DoubleFreeLater() {
    static void* others[1000];
    char* const block = Malloc(kSmall);
    for (void*& other : others) other = Malloc(kSmall);
    ExpectDoubleFree(block, kSmall, Process());
    strata_free(block);
    for (size_t i = 0; i < 1000; i += 2) strata_free(others[i]);
    strata_free(block);
}
void DoubleFreeInOtherThread() {
    char* const block = Malloc(kSmall);
    ExpectDoubleFree(block, kSmall, Process());
    strata_free(block);
    InOtherThread([=] { strata_free(block); });
}
void DoubleFreeAfterOtherThread() {
    char* const keeps_the_slab = Malloc(kSmall);
    char* const block = Malloc(kSmall);
    ExpectDoubleFree(block, kSmall, Process());
    InOtherThread([=] { strata_free(block); });
    strata_free(block);
    strata_free(keeps_the_slab);
}
void DoubleFreeByTwoThreads() {
    char* const keeps_the_slab = Malloc(kMedium);
    char* const block = Malloc(kMedium);
    ExpectDoubleFree(block, kMediumUsable, Process());
    InOtherThread([=] { strata_free(block); });
    InOtherThread([=] { strata_free(block); });
    strata_free(keeps_the_slab);
}
void DoubleFreeRunInOtherThread() {
    char* const block = Malloc(kRun);
    ExpectDoubleFree(block, kRunUsable, Process());
    InOtherThread([=] { strata_free(block); });
    strata_free(block);
}
void DoubleFreeInPrivateHeap() {
    strata_heap* const heap = strata_heap_create();
    strata_heap_malloc(heap, kSmall);
    char* const block = Hide(strata_heap_malloc(heap, kSmall));
    ExpectDoubleFree(block, kSmall, heap);
    strata_heap_free(heap, block);
    strata_heap_free(heap, block);
}
void DoubleFreeInEmptiedSlab() {
    strata_heap* const heap = strata_heap_create();
    char* const block = Hide(strata_heap_malloc(heap, kSmall));
    ExpectInvalid("free", block);
    strata_heap_free(heap, block);
    strata_heap_free(heap, block);
}
void DoubleFreeByHeapFree() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    StrataHeapAlloc(heap, 0, kSmall);
    char* const block = Hide(StrataHeapAlloc(heap, 0, kSmall));
    ExpectDoubleFree(block, kSmall, heap);
    StrataHeapFree(heap, 0, block);
    StrataHeapFree(heap, 0, block);
}
void DoubleFreeByProcessHeapFree() {
    char* const block = Hide(StrataHeapAlloc(StrataGetProcessHeap(), 0, kSmall));
    ExpectDoubleFree(block, kSmall, StrataGetProcessHeap());
    StrataHeapFree(StrataGetProcessHeap(), 0, block);
    StrataHeapFree(StrataGetProcessHeap(), 0, block);
}
void DoubleFreeSized() {
    char* const block = Malloc(kSmall);
    ExpectUseOfFreed("size query", block, kSmall, Process());
    strata_free_sized(block, kSmall);
    strata_free_sized(block, kSmall);
}

// ---- interior and misaligned pointers -----------------------------------------------------------------

void Interior(size_t bytes, size_t usable, size_t offset) {
    char* const block = Malloc(bytes);
    ExpectInterior(block + offset, block, usable, Process());
    strata_free(block + offset);
}
void InteriorSmall() { Interior(kSmall, kSmall, 16); }
void InteriorMedium() { Interior(kMedium, kMediumUsable, 1536); }
void InteriorLargest() { Interior(kLargest, kLargest, 32768); }
void InteriorRun() { Interior(kRun, kRunUsable, 16); }
void InteriorRunNextSlice() { Interior(kRun, kRunUsable, 65536); }
void InteriorDirect() { Interior(kDirect, kDirect, 16); }
void InteriorDirectNextSlice() {
    char* const block = Malloc(kDirect);
    ExpectInvalid("free", block + (1 << 20));
    strata_free(block + (1 << 20));
}
void InteriorInOtherThread() {
    InOtherThread([] { InteriorSmall(); });
}
void MisalignedSmall() { Interior(kSmall, kSmall, 1); }
void MisalignedEnd() { Interior(kSmall, kSmall, 47); }
void MisalignedRun() { Interior(kRun, kRunUsable, 3); }
void InteriorOfPrivateHeap() {
    strata_heap* const heap = strata_heap_create();
    char* const block = Hide(strata_heap_malloc(heap, kSmall));
    ExpectInterior(block + 16, block, kSmall, heap);
    strata_heap_free(heap, block + 16);
}
void BehindTheLastBlock() {
    // 48 does not divide 65536: 16 bytes at the end of the slab belong to no block.
    char* const block = Malloc(kSmall);
    char* const slab = block - reinterpret_cast<uintptr_t>(block) % 65536;
    ExpectInvalid("free", slab + 65520);
    strata_free(slab + 65520);
}
void UnusedSlice() {
    char* const block = Malloc(kRun);
    char* const behind = block + (2 << 20);
    ExpectInvalid("free", behind);
    strata_free(behind);
}

// ---- pointers that are not ours -------------------------------------------------------------------

void Foreign(void* pointer) {
    Malloc(1);
    ExpectForeign("free", pointer);
    strata_free(pointer);
}
void ForeignStack() {
    char on_stack[64];
    Foreign(Hide(on_stack + 16));
}
void ForeignGlobal() {
    static char in_data[64];
    Foreign(Hide(in_data + 16));
}
void ForeignCode() { Foreign(Hide(reinterpret_cast<void*>(&ForeignGlobal))); }
void ForeignMalloc() { Foreign(Hide(std::malloc(100))); }
void ForeignFirstCall() {
    static char in_data[64];
    ExpectForeign("free", in_data);
    strata_free(Hide(in_data));  // nothing was allocated before
}
void ForeignHeapFree() {
    char on_stack[64];
    ExpectForeign("free", on_stack);
    StrataHeapFree(StrataGetProcessHeap(), 0, Hide(on_stack));
}
void ForeignHeapHandle() {
    // The handle itself is no block.
    Foreign(Hide(strata_heap_create()));
}
void ForeignRealloc() {
    char on_stack[64];
    Malloc(1);
    ExpectForeign("realloc", on_stack);
    strata_realloc(Hide(on_stack), 100);
}
void ForeignSize() {
    char on_stack[64];
    Malloc(1);
    ExpectForeign("size query", on_stack);
    strata_requested_size(Hide(on_stack));
}

void* Wild(uintptr_t value) { return Hide(reinterpret_cast<void*>(value)); }
void WildOne() { Foreign(Wild(1)); }
void WildLow() { Foreign(Wild(0x10000)); }
void WildMinusOne() { Foreign(Wild(UINTPTR_MAX)); }
void WildMinusSixteen() { Foreign(Wild(UINTPTR_MAX - 15)); }
void WildNonCanonical() { Foreign(Wild(uintptr_t{1} << 63)); }
void WildNonCanonicalBlock() { Foreign(Malloc(16) + (uintptr_t{1} << 52)); }
void WildKernel() { Foreign(Wild(0xFFFF800000000000)); }
void WildRealloc() {
    ExpectForeign("realloc", Wild(UINTPTR_MAX));
    strata_realloc(Wild(UINTPTR_MAX), 10);
}
void WildSize() {
    ExpectForeign("size query", Wild(1));
    strata_usable_size(Wild(1));
}

// ---- the wrong heap ----------------------------------------------------------------------------------

void WrongHeap(size_t bytes) {
    strata_heap* const owner = strata_heap_create();
    strata_heap* const other = strata_heap_create();
    char* const block = Hide(strata_heap_malloc(owner, bytes));
    ExpectWrongHeap("free", block, bytes, owner, other);
    strata_heap_free(other, block);
}
void WrongHeapSmall() { WrongHeap(30); }
void WrongHeapRun() { WrongHeap(kRun); }
void WrongHeapDirect() { WrongHeap(kDirect); }
void WrongHeapIsPrivate() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    char* const block = Malloc(30);
    ExpectWrongHeap("free", block, 30, Process(), heap);
    StrataHeapFree(heap, 0, block);
}
void WrongHeapIsTheProcess() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    char* const block = Hide(StrataHeapAlloc(heap, 0, 30));
    ExpectWrongHeap("free", block, 30, heap, StrataGetProcessHeap());
    StrataHeapFree(StrataGetProcessHeap(), 0, block);
}
void WrongHeapInOtherThread() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    char* const block = Hide(StrataHeapAlloc(heap, 0, 30));
    ExpectWrongHeap("free", block, 30, heap, StrataGetProcessHeap());
    InOtherThread([=] { StrataHeapFree(StrataGetProcessHeap(), 0, block); });
}
void WrongHeapRealloc() {
    strata_heap* const owner = strata_heap_create();
    strata_heap* const other = strata_heap_create();
    char* const block = Hide(strata_heap_malloc(owner, 30));
    ExpectWrongHeap("realloc", block, 30, owner, other);
    strata_heap_realloc(other, block, 40);
}
void WrongHeapReAlloc() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    char* const block = Malloc(30);
    ExpectWrongHeap("realloc", block, 30, Process(), heap);
    StrataHeapReAlloc(heap, 0, block, 40);
}
void WrongHeapResource() {
    strata_heap* const owner = strata_heap_create();
    strata_heap* const other = strata_heap_create();
    strata::memory_resource one(owner), two(other);
    void* const block = one.allocate(30);
    ExpectWrongHeap("free", block, 30, owner, other);
    two.deallocate(block, 30);
}

// ---- use of freed blocks ----------------------------------------------------------------------------

void FreedRealloc(size_t bytes, size_t usable) {
    char* const block = Malloc(bytes);
    ExpectUseOfFreed("realloc", block, usable, Process());
    strata_free(block);
    strata_realloc(block, 10);
}
void FreedReallocSmall() { FreedRealloc(kSmall, kSmall); }
void FreedReallocMedium() { FreedRealloc(kMedium, kMediumUsable); }
void FreedReallocRun() { FreedRealloc(kRun, kRunUsable); }
void FreedRecalloc() {
    char* const block = Malloc(kSmall);
    ExpectUseOfFreed("realloc", block, kSmall, Process());
    strata_free(block);
    strata_recalloc(block, 5, 5);
}
void FreedExpand() {
    char* const block = Malloc(kSmall);
    ExpectUseOfFreed("realloc", block, kSmall, Process());
    strata_free(block);
    strata_expand(block, 40);
}
void FreedMovedAway() {
    char* const block = Malloc(kSmall);
    ExpectDoubleFree(block, kSmall, Process());
    strata_realloc(block, 10000);
    strata_free(block);
}
void FreedReAlloc() {
    const HANDLE heap = StrataGetProcessHeap();
    char* const block = Hide(StrataHeapAlloc(heap, 0, kSmall));
    ExpectUseOfFreed("realloc", block, kSmall, heap);
    StrataHeapFree(heap, 0, block);
    StrataHeapReAlloc(heap, 0, block, 100);
}
void FreedRequestedSize() {
    char* const block = Malloc(kSmall);
    ExpectUseOfFreed("size query", block, kSmall, Process());
    strata_free(block);
    strata_requested_size(block);
}
void FreedUsableSizeOfRun() {
    char* const block = Malloc(kRun);
    ExpectUseOfFreed("size query", block, kRunUsable, Process());
    strata_free(block);
    strata_usable_size(block);
}

// ---- sizes ----------------------------------------------------------------------------------------------

void SizeMismatch(size_t requested, size_t given) {
    char* const block = Malloc(requested);
    ExpectMismatch(block, Process(), given, requested);
    strata_free_sized(block, given);
}
void SizeMismatchSmaller() { SizeMismatch(100, 99); }
void SizeMismatchLarger() { SizeMismatch(100, 101); }
void SizeMismatchRun() { SizeMismatch(kRun, kRun + 1); }
void SizeMismatchAllocator() {
    strata::allocator<int> allocator;
    int* const block = allocator.allocate(10);
    ExpectMismatch(block, Process(), 44, 40);
    allocator.deallocate(block, 11);
}
void SizeMismatchResource() {
    strata::memory_resource resource;
    void* const block = resource.allocate(40);
    ExpectMismatch(block, Process(), 41, 40);
    resource.deallocate(block, 41);
}
#ifdef STRATA_TEST_NEW_DELETE
void SizeMismatchDelete() {
    void* const block = Hide(::operator new(40));
    ExpectMismatch(block, Process(), 80, 40);
    ::operator delete(block, size_t{80});
}
#endif

// The slack of blocks with much of it stands in their last bytes.
char* OverrunBlock() {
    char* const block = Malloc(20481);
    std::memset(block + 20481, 0x41, 22528 - 20481);
    return block;
}
void OverrunRealloc() {
    char* const block = OverrunBlock();
    ExpectOverrun("realloc", block, 22528, Process());
    strata_realloc(block, 100000);
}
void OverrunSize() {
    char* const block = OverrunBlock();
    ExpectOverrun("size query", block, 22528, Process());
    strata_requested_size(block);
}
void OverrunFree() {
    const HANDLE heap = StrataHeapCreate(0, 0, 0);
    char* const block = Hide(StrataHeapAlloc(heap, 0, 20481));
    std::memset(block + 20481, 0x41, 22528 - 20481);
    ExpectOverrun("free", block, 22528, heap);
    StrataHeapFree(heap, 0, block);
}

// ---- heaps that are gone -----------------------------------------------------------------------------

strata_heap* DestroyedHeap() {
    strata_heap* const heap = strata_heap_create();
    strata_heap_malloc(heap, 10);
    strata_heap_destroy(heap);
    return heap;
}
void DestroyedHeapBlock(size_t bytes) {
    strata_heap* const heap = strata_heap_create();
    char* const block = Hide(strata_heap_malloc(heap, bytes));
    strata_heap_destroy(heap);
    strata_purge();
    if (bytes == kDirect) {
        ExpectForeign("free", block);
    } else {
        ExpectInvalid("free", block);
    }
    strata_free(block);
}
void DestroyedHeapSmall() { DestroyedHeapBlock(kSmall); }
void DestroyedHeapRun() { DestroyedHeapBlock(kRun); }
void DestroyedHeapDirect() { DestroyedHeapBlock(kDirect); }
void DestroyedHeapMalloc() {
    strata_heap* const heap = DestroyedHeap();
    ExpectInvalidHeap(heap);
    strata_heap_malloc(heap, 10);
}
void DestroyedHeapFree() {
    strata_heap* const heap = DestroyedHeap();
    ExpectInvalidHeap(heap);
    strata_heap_free(heap, Malloc(10));
}
void DestroyedHeapTwice() {
    strata_heap* const heap = DestroyedHeap();
    ExpectInvalidHeap(heap);
    strata_heap_destroy(heap);
}
void DestroyedHeapValidate() {
    strata_heap* const heap = DestroyedHeap();
    ExpectInvalidHeap(heap);
    strata_heap_validate(heap);
}
void GarbageHeapNull() {
    ExpectInvalidHeap(nullptr);
    strata_heap_malloc(reinterpret_cast<strata_heap*>(Wild(0)), 10);
}
void GarbageHeapStack() {
    alignas(16) char on_stack[64];
    ExpectInvalidHeap(on_stack);
    strata_heap_malloc(reinterpret_cast<strata_heap*>(Hide(on_stack)), 10);
}
void GarbageHeapBlock() {
    char* const block = Malloc(kRun);
    ExpectInvalidHeap(block);
    strata_heap_malloc(reinterpret_cast<strata_heap*>(block), 10);
}

// ---- what is no misuse -----------------------------------------------------------------------------

void NoneAtAll() {
    strata_free(Malloc(10));
    strata_free(nullptr);
    strata_free_sized(Malloc(10), 10);
}
void NoneWithHeaps() {
    strata_heap* const heap = strata_heap_create();
    InOtherThread([=] { strata_free(strata_heap_malloc(heap, kRun)); });
    strata_heap_destroy(heap);
    // The Win32-style functions answer for a stale handle, as Windows' own do.
    StrataHeapAlloc(heap, 0, 10);
    StrataHeapFree(heap, 0, nullptr);
    StrataHeapSize(StrataGetProcessHeap(), 0, Wild(1));
    StrataHeapValidate(StrataGetProcessHeap(), 0, Wild(UINTPTR_MAX));
}

struct Case {
    const char* name;
    void (*run)();
};

#define CASE(function) {#function, &function}

const Case kCases[] = {
    CASE(NoneAtAll),
    CASE(NoneWithHeaps),
    CASE(DoubleFreeSmall),
    CASE(DoubleFreeZeroBytes),
    CASE(DoubleFreeMedium),
    CASE(DoubleFreeLargest),
    CASE(DoubleFreeRun),
    CASE(DoubleFreeRunAfterPurge),
    CASE(DoubleFreeDirect),
    CASE(DoubleFreeLater),
    CASE(DoubleFreeInOtherThread),
    CASE(DoubleFreeAfterOtherThread),
    CASE(DoubleFreeByTwoThreads),
    CASE(DoubleFreeRunInOtherThread),
    CASE(DoubleFreeInPrivateHeap),
    CASE(DoubleFreeInEmptiedSlab),
    CASE(DoubleFreeByHeapFree),
    CASE(DoubleFreeByProcessHeapFree),
    CASE(DoubleFreeSized),
    CASE(InteriorSmall),
    CASE(InteriorMedium),
    CASE(InteriorLargest),
    CASE(InteriorRun),
    CASE(InteriorRunNextSlice),
    CASE(InteriorDirect),
    CASE(InteriorDirectNextSlice),
    CASE(InteriorInOtherThread),
    CASE(MisalignedSmall),
    CASE(MisalignedEnd),
    CASE(MisalignedRun),
    CASE(InteriorOfPrivateHeap),
    CASE(BehindTheLastBlock),
    CASE(UnusedSlice),
    CASE(ForeignStack),
    CASE(ForeignGlobal),
    CASE(ForeignCode),
    CASE(ForeignMalloc),
    CASE(ForeignFirstCall),
    CASE(ForeignHeapFree),
    CASE(ForeignHeapHandle),
    CASE(ForeignRealloc),
    CASE(ForeignSize),
    CASE(WildOne),
    CASE(WildLow),
    CASE(WildMinusOne),
    CASE(WildMinusSixteen),
    CASE(WildNonCanonical),
    CASE(WildNonCanonicalBlock),
    CASE(WildKernel),
    CASE(WildRealloc),
    CASE(WildSize),
    CASE(WrongHeapSmall),
    CASE(WrongHeapRun),
    CASE(WrongHeapDirect),
    CASE(WrongHeapIsPrivate),
    CASE(WrongHeapIsTheProcess),
    CASE(WrongHeapInOtherThread),
    CASE(WrongHeapRealloc),
    CASE(WrongHeapReAlloc),
    CASE(WrongHeapResource),
    CASE(FreedReallocSmall),
    CASE(FreedReallocMedium),
    CASE(FreedReallocRun),
    CASE(FreedRecalloc),
    CASE(FreedExpand),
    CASE(FreedMovedAway),
    CASE(FreedReAlloc),
    CASE(FreedRequestedSize),
    CASE(FreedUsableSizeOfRun),
    CASE(SizeMismatchSmaller),
    CASE(SizeMismatchLarger),
    CASE(SizeMismatchRun),
    CASE(SizeMismatchAllocator),
    CASE(SizeMismatchResource),
#ifdef STRATA_TEST_NEW_DELETE
    CASE(SizeMismatchDelete),
#endif
    CASE(OverrunRealloc),
    CASE(OverrunSize),
    CASE(OverrunFree),
    CASE(DestroyedHeapSmall),
    CASE(DestroyedHeapRun),
    CASE(DestroyedHeapDirect),
    CASE(DestroyedHeapMalloc),
    CASE(DestroyedHeapFree),
    CASE(DestroyedHeapTwice),
    CASE(DestroyedHeapValidate),
    CASE(GarbageHeapNull),
    CASE(GarbageHeapStack),
    CASE(GarbageHeapBlock),
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 2) return 2;
    if (std::strcmp(arguments[1], "--list") == 0) {
        for (const Case& each : kCases) std::puts(each.name);
        return 0;
    }
    for (const Case& each : kCases) {
        if (std::strcmp(arguments[1], each.name) != 0) continue;
        each.run();
        return 0;
    }
    return 3;
}
