// The experiments with blocks of GlobalAlloc and LocalAlloc that are resized where they lie, or
// whose attributes change, and with handles that are none.
#include "moveable_memory.h"

#include <cstring>

namespace conformance {

namespace {

struct Step {
    size_t from, to;
};
// Above what the low-fragmentation heap of Windows serves, and below: there, blocks may not become
// smaller where they are.
const std::vector<Step> kLargeShrinks = {{20000, 900},     {64 * kKiB, 10}, {128 * kKiB, 10},
                                         {kLarge, 100000}, {kMiB, 600000},  {kHuge, 70000}};
const std::vector<Step> kSmallShrinks = {{8, 1},     {24, 8},     {100, 50},
                                         {1000, 10}, {5000, 900}, {16384, 100}};

constexpr char kSame[] = "same pointer, contents kept";

bool IsGood(const Family& family, HANDLE handle, const void* data, const Step& step) {
    return family.size(handle) == step.to && IsStamped(data, step.from, step.to, 1) &&
           HeapValidate(GetProcessHeap(), 0, data);
}

Observed ShrinkFixed(const Family& family, UINT flags, const std::vector<Step>& steps) {
    for (const Step& step : steps) {
        HANDLE block = family.alloc(kFixed, step.from);
        HANDLE behind = family.alloc(kFixed, step.from);
        Stamp(block, step.from, 1);
        HANDLE shrunk = family.realloc(block, step.to, flags);
        if (shrunk == nullptr) return Say("%zu to %zu bytes: refused", step.from, step.to);
        if (shrunk != block) return Say("%zu to %zu bytes: moved", step.from, step.to);
        if (!IsGood(family, block, block, step)) return Say("%zu bytes: damaged", step.from);
        family.free(block);
        family.free(behind);
    }
    return kSame;
}

Observed ShrinkMoveable(const Family& family, UINT flags, bool locked,
                        const std::vector<Step>& steps) {
    for (const Step& step : steps) {
        HANDLE handle = family.alloc(kMoveable, step.from);
        HANDLE behind = family.alloc(kMoveable, step.from);
        void* data = family.lock(handle);
        Stamp(data, step.from, 1);
        if (!locked) family.unlock(handle);
        if (family.realloc(handle, step.to, flags) != handle) {
            return Say("%zu to %zu bytes: refused", step.from, step.to);
        }
        if (family.lock(handle) != data) return Say("%zu to %zu bytes: moved", step.from, step.to);
        if (!IsGood(family, handle, data, step)) return Say("%zu bytes: damaged", step.from);
        if (family.handle(data) != handle) return "the pointer leads to no handle";
        family.free(handle);
        family.free(behind);
    }
    return kSame;
}

}  // namespace

Observed FixedShrinkStays(const Family& family) {
    return ShrinkFixed(family, kFixed, kLargeShrinks);
}
Observed FixedShrinkMoveableStays(const Family& family) {
    return ShrinkFixed(family, kMoveable, kLargeShrinks);
}
Observed MoveableShrinkStays(const Family& family) {
    return ShrinkMoveable(family, kMoveable, false, kLargeShrinks);
}
Observed MoveableShrinkPlainStays(const Family& family) {
    return ShrinkMoveable(family, 0, false, kLargeShrinks);
}
Observed MoveableShrinkLockedStays(const Family& family) {
    return ShrinkMoveable(family, 0, true, kLargeShrinks);
}

Observed SmallShrinkStays(const Family& family) {
    for (const UINT flags : {kFixed, kMoveable}) {
        const Observed fixed = ShrinkFixed(family, flags, kSmallShrinks);
        if (std::strcmp(fixed.text(), kSame) != 0) return fixed;
        for (const bool locked : {false, true}) {
            const Observed moveable = ShrinkMoveable(family, flags, locked, kSmallShrinks);
            if (std::strcmp(moveable.text(), kSame) != 0) return moveable;
        }
    }
    return kSame;
}

// A fresh block: what is behind it has not been used yet.
Observed FixedGrowsWhereItIs(const Family& family) {
    constexpr size_t kBytes = 128 * kKiB, kMore = kBytes + 512;
    HANDLE block = family.alloc(kFixed, kBytes);
    Stamp(block, kBytes, 1);
    SeedError();
    HANDLE grown = family.realloc(block, kMore, kZeroInit);
    if (grown == nullptr) return Say("NULL, %s", ErrorNow());
    if (grown != block) return "moved";
    const bool good = family.size(block) == kMore && IsStamped(block, kBytes, kBytes, 1) &&
                      IsZero(block, kBytes, kMore);
    family.free(block);
    return good ? "same pointer, growth zero" : "damaged";
}

Observed MoveableLockedGrowsWhereItIs(const Family& family) {
    constexpr size_t kBytes = 128 * kKiB, kMore = kBytes + 512;
    HANDLE handle = family.alloc(kMoveable, kBytes);
    void* data = family.lock(handle);
    Stamp(data, kBytes, 1);
    SeedError();
    if (family.realloc(handle, kMore, 0) != handle) return Say("refused, %s", ErrorNow());
    const bool good = family.lock(handle) == data && family.size(handle) == kMore &&
                      IsStamped(data, kBytes, kBytes, 1);
    family.free(handle);
    return good ? kSame : "moved or damaged";
}

namespace {

// "", or what is wrong.
Observed Modify(const Family& family, UINT kind, UINT flags, SIZE_T bytes) {
    HANDLE handle = family.alloc(kind, 10);
    void* data = family.lock(handle);
    Stamp(data, 10, 1);
    family.unlock(handle);
    SeedError();
    if (family.realloc(handle, bytes, flags) != handle) return Say("refused, %s", ErrorNow());
    const bool kept =
        family.size(handle) == 10 && family.lock(handle) == data && IsStamped(data, 10, 10, 1);
    const UINT locks = kind == kMoveable ? 1 : 0;
    if (!kept || family.flags(handle) != locks) return "changed";
    family.free(handle);
    return "";
}

}  // namespace

// With the flag for attributes the size is not looked at.
Observed ModifyIgnoresSize(const Family& family) {
    for (const SIZE_T bytes : {SIZE_T{9}, SIZE_T{0}, SIZE_T{kMiB}, kImpossible}) {
        const Observed fixed = Modify(family, kFixed, kModify, bytes);
        if (*fixed.text() != '\0') return Say("fixed: %s", fixed.text());
        for (const UINT flags : {kModify, kModify | kMoveable}) {
            const Observed moveable = Modify(family, kMoveable, flags, bytes);
            if (*moveable.text() != '\0') return Say("moveable: %s", moveable.text());
        }
    }
    return "handle, size and contents kept";
}

// What becomes of a fixed block that is made moveable.
Observed FixedMadeMoveable(const Family& family) {
    void* block = family.alloc(kFixed, 100000);
    Stamp(block, 100000, 1);
    HANDLE handle = family.realloc(block, 0, kModify | kMoveable);
    if (handle == nullptr) return Say("NULL, %s", ErrorNow());
    const void* data = family.lock(handle);
    const bool good = data != nullptr && IsStamped(data, 100000, 100000, 1) &&
                      family.size(handle) == 100000 && family.handle(data) == handle;
    const UINT locks = family.flags(handle);
    family.free(handle);
    if (!good) return "damaged";
    return handle == block && data == block && locks == 0    ? "still fixed"
           : handle != block && data != handle && locks == 1 ? "moveable"
                                                             : "neither";
}

Observed HandleOfHeapBlock(const Family& family) {
    const HANDLE heap = GetProcessHeap();
    for (size_t bytes : {size_t{0}, size_t{1}, kSmall, size_t{1000}, kMedium, kLarge, kHuge}) {
        void* block = HeapAlloc(heap, 0, bytes);
        SeedError();
        HANDLE handle = family.handle(block);
        const Observed seen = Say("%s, %s (%zu bytes)",
                                  handle == block     ? "the pointer"
                                  : handle == nullptr ? "NULL"
                                                      : "another handle",
                                  ErrorNow(), bytes);
        HeapFree(heap, 0, block);
        if (handle != block) return seen;
    }
    return "the pointer";
}

Observed HeapBlockIsFixed(const Family& family) {
    const HANDLE heap = GetProcessHeap();
    for (size_t bytes : {kSmall, kMedium, kLarge, kHuge}) {
        void* block = HeapAlloc(heap, 0, bytes);
        const bool fixed =
            family.lock(block) == block && family.size(block) == bytes && family.flags(block) == 0;
        if (!fixed || family.free(block) != nullptr) return Say("not fixed (%zu bytes)", bytes);
    }
    return "fixed blocks";
}

// What is no block's address leads to no handle.
Observed HandleOfNothing(const Family& family) {
    const HANDLE heap = GetProcessHeap();
    auto* block = static_cast<char*>(HeapAlloc(heap, 0, 1000));
    char local[64] = {};
    for (const void* wrong :
         {static_cast<const void*>(block + 16), static_cast<const void*>(block + 160),
          static_cast<const void*>(local + 16)}) {
        if (family.handle(wrong) != nullptr) return "a handle";
    }
    HeapFree(heap, 0, block);
    return "NULL";
}

// Growth that fails leaves everything as it was.
Observed ReallocImpossible(const Family& family) {
    for (const UINT kind : {kFixed, kMoveable}) {
        for (const SIZE_T bytes : kImpossibleSizes) {
            HANDLE handle = family.alloc(kind, kMedium);
            void* data = family.lock(handle);
            Stamp(data, kMedium, 1);
            family.unlock(handle);
            SeedError();
            if (family.realloc(handle, bytes, kMoveable) != nullptr) return "a block";
            const Observed error(ErrorNow());
            const bool untouched = family.size(handle) == kMedium && family.lock(handle) == data &&
                                   IsStamped(data, kMedium, kMedium, 1);
            family.unlock(handle);
            family.free(handle);
            const Observed seen =
                Say("NULL, %s, block %s", error.text(), untouched ? "untouched" : "damaged");
            if (std::strcmp(seen.text(), "NULL, ERROR_NOT_ENOUGH_MEMORY, block untouched") != 0) {
                return Say("%s: %s", kind == kFixed ? "fixed" : "moveable", seen.text());
            }
        }
    }
    return "NULL, ERROR_NOT_ENOUGH_MEMORY, block untouched";
}

Observed DiscardedLock(const Family& family) {
    HANDLE handle = family.alloc(kMoveable | kZeroInit, 0);
    SeedError();
    const void* data = family.lock(handle);
    const Observed seen = Say("%s, %s%s", data == nullptr ? "NULL" : "a pointer", ErrorNow(),
                              family.flags(handle) == kDiscarded ? "" : ", a lock count");
    family.free(handle);
    return seen;
}

// A value that looks like a handle and is none.
Observed NoHandle(const Family& family) {
    HANDLE handle = reinterpret_cast<HANDLE>(uintptr_t{0xFFFFFFFFDEADBEE8});
    const auto invalid = [] { return GetLastError() == ERROR_INVALID_HANDLE; };
    SeedError();
    if (family.free(handle) != handle || !invalid()) return Say("free: %s", ErrorNow());
    SeedError();
    if (family.flags(handle) != kInvalidHandle || !invalid()) return Say("flags: %s", ErrorNow());
    SeedError();
    if (family.size(handle) != 0 || !invalid()) return Say("size: %s", ErrorNow());
    SeedError();
    if (family.lock(handle) != nullptr || !invalid()) return Say("lock: %s", ErrorNow());
    SeedError();
    family.unlock(handle);
    if (!invalid()) return Say("unlock: %s", ErrorNow());
    SeedError();
    if (family.realloc(handle, 10, kMoveable) != nullptr || !invalid()) {
        return Say("realloc: %s", ErrorNow());
    }
    return "ERROR_INVALID_HANDLE everywhere";
}

Observed ReallocOfNull(const Family& family) {
    return family.realloc(nullptr, 10, kMoveable) == nullptr ? "NULL" : "a handle";
}

// 255 locks are counted, and undone one by one.
Observed MostLocks(const Family& family) {
    constexpr UINT kMost = 255;
    HANDLE handle = family.alloc(kMoveable, 100);
    for (UINT count = 1; count <= kMost; ++count) {
        if (family.lock(handle) == nullptr) return "not locked";
        if ((family.flags(handle) & kLockCount) != count)
            return Say("another count than %u", count);
    }
    for (UINT count = kMost - 1; count != 0; --count) {
        if (!family.unlock(handle)) return Say("unlocked with %u locks left", count);
    }
    const BOOL locked = family.unlock(handle);
    const UINT flags = family.flags(handle);
    family.free(handle);
    return !locked && flags == 0 ? "counted" : "still locked";
}

// What 16-bit Windows knew and is ignored now: one by one, and all at once.
Observed ObsoleteFlags(const Family& family) {
    const bool local = family.alloc == kLocal.alloc;
    const std::vector<UINT> flags =
        local ? std::vector<UINT>{LMEM_NOCOMPACT, LMEM_NODISCARD, LMEM_DISCARDABLE, 0xF30}
              : std::vector<UINT>{GMEM_NOCOMPACT,  GMEM_NODISCARD, GMEM_DISCARDABLE,
                                  GMEM_NOT_BANKED, GMEM_DDESHARE,  GMEM_NOTIFY,
                                  0x7130};
    for (const UINT flag : flags) {
        for (const UINT kind : {kFixed, kMoveable}) {
            HANDLE handle = family.alloc(kind | flag | kZeroInit, 1000);
            if (handle == nullptr) return Say("0x%X: NULL, %s", flag, ErrorNow());
            void* data = family.lock(handle);
            const bool good = data != nullptr && IsZero(data, 0, 1000) &&
                              family.size(handle) == 1000 &&
                              (kind == kMoveable) == (data != handle) &&
                              (family.flags(handle) & (kDiscarded | kInvalidHandle)) == 0;
            family.free(handle);
            if (!good) return Say("0x%X: not ignored", flag);
        }
    }
    return "ignored";
}

}  // namespace conformance
