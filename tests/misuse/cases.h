// What the cases share: announcing the message that has to come, and hiding pointers from the
// compiler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <thread>

#include <strata/strata.h>

namespace strata::misuse {

// Each writes one of the messages of os/fatal.h to standard output. `verb`: free, realloc, size
// query.
void ExpectDoubleFree(const void* block, size_t usable, const void* heap);
void ExpectUseOfFreed(const char* verb, const void* block, size_t usable, const void* heap);
void ExpectInterior(const void* pointer, const void* block, size_t usable, const void* heap);
void ExpectInvalid(const char* verb, const void* pointer);
void ExpectEnded(const char* verb, const void* block);
void ExpectForeign(const char* verb, const void* pointer);
void ExpectWrongHeap(const char* verb, const void* block, size_t requested, const void* owner,
                     const void* given);
void ExpectMismatch(const void* block, const void* heap, size_t given, size_t requested);
void ExpectInvalidHeap(const void* handle);
// What the report of an access violation begins with: "overflow: write to", for example; `freed`:
// "" or "freed ".
void ExpectFault(const char* what, const void* address, ptrdiff_t offset, const char* freed,
                 const void* block, size_t requested, const char* heap_kind);
void ExpectOverrun(const char* verb, const void* block, size_t usable, const void* heap);
void ExpectTailOverrun(const char* verb, const void* block, size_t requested, const void* heap);
void ExpectUnderrun(const char* verb, const void* block, size_t requested, const void* heap);
void ExpectWriteAfterFree(const void* block, const void* heap, size_t offset);

// The compiler must not see what happens to a pointer.
inline char* Hide(void* pointer) {
    void* volatile hidden = pointer;
    return static_cast<char*>(hidden);
}
inline char* Wild(uintptr_t value) { return Hide(reinterpret_cast<void*>(value)); }
inline char* Malloc(size_t bytes) { return Hide(strata_malloc(bytes)); }
inline void* Process() { return strata_heap_process(); }

template <typename F>
void InOtherThread(F body) {
    std::thread(body).join();
}

// Sizes, and what is usable of them: a small class, a larger one with far slack, the largest.
inline constexpr size_t kSmall = 48, kMedium = 3000, kLargest = 65536, kRun = 100000,
                        kDirect = 40 << 20;
inline constexpr size_t kMediumUsable = 3072, kRunUsable = 102400;

struct Case {
    const char* name;
    void (*run)();
};

#define CASE(function) {#function, &function}

// A null name ends each list.
extern const Case kDoubleFrees[];
extern const Case kBadPointers[];
extern const Case kUsesAfterFree[];
extern const Case kHeapMixUps[];
extern const Case kHardened[];
extern const Case kNoMisuse[];
// Access violations in page heaps: listed when STRATA_PAGE_HEAP is set, and nothing else then.
extern const Case kGuarded[];

}  // namespace strata::misuse
