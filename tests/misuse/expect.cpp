#include "cases.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace strata::misuse {

namespace {

using Address = unsigned long long;

Address Number(const void* pointer) {
    return static_cast<Address>(reinterpret_cast<uintptr_t>(pointer));
}

// The message that has to come: "strata: fatal: " and this.
#if defined(__GNUC__) || defined(__clang__)
#if defined(_WIN32) && !defined(__clang__)
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

}  // namespace

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
void ExpectEnded(const char* verb, const void* block) {
    const bool free = std::strcmp(verb, "free") == 0;
    Expect("%s%s block " ADDRESS ": it was freed before, or its heap destroyed",
           free ? "double free" : verb, free ? " of" : " of freed", Number(block));
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
void ExpectFault(const char* what, const void* address, ptrdiff_t offset, const char* freed,
                 const void* block, size_t requested, const char* heap_kind) {
    std::printf("strata: %s " ADDRESS ", offset %td of %sblock " ADDRESS
                " (%zu bytes requested), heap " ADDRESS " (%s)\n",
                what, Number(address), offset, freed, Number(block), requested, Number(Process()),
                heap_kind);
    std::fflush(stdout);
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
void ExpectTailOverrun(const char* verb, const void* block, size_t requested, const void* heap) {
    Expect("%s of overrun block " ADDRESS " (%zu bytes requested) in heap " ADDRESS
           ": the bytes behind it were overwritten",
           verb, Number(block), requested, Number(heap));
}
void ExpectUnderrun(const char* verb, const void* block, size_t requested, const void* heap) {
    Expect("%s of underrun block " ADDRESS " (%zu bytes requested) in heap " ADDRESS
           ": the bytes before it were overwritten",
           verb, Number(block), requested, Number(heap));
}
void ExpectWriteAfterFree(const void* block, const void* heap, size_t offset) {
    Expect("free block " ADDRESS " of heap " ADDRESS
           " was written to at offset %zu after it was freed",
           Number(block), Number(heap), offset);
}

}  // namespace strata::misuse
