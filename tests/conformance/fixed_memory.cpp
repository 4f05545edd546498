// The experiments with fixed blocks of GlobalAlloc and LocalAlloc.
#include "moveable_memory.h"

#include <cstring>

namespace conformance {

const Family kGlobal = {GlobalAlloc, GlobalReAlloc, GlobalFree,   GlobalSize,
                        GlobalLock,  GlobalUnlock,  GlobalHandle, GlobalFlags};
const Family kLocal = {LocalAlloc, LocalReAlloc, LocalFree,   LocalSize,
                       LocalLock,  LocalUnlock,  LocalHandle, LocalFlags};

Observed FixedSizes(const Family& family) {
    bool larger = false;
    for (size_t bytes = 1; bytes <= 8 * kMiB; bytes += bytes < 4096 ? 1 : bytes / 3) {
        HANDLE block = family.alloc(kFixed, bytes);
        if (block == nullptr) return Say("no block of %zu bytes", bytes);
        const SIZE_T size = family.size(block);
        family.free(block);
        if (size < bytes) return Say("%zu for %zu bytes", static_cast<size_t>(size), bytes);
        larger |= size != bytes;
    }
    return larger ? "at least" : "exact";
}

Observed FixedZeroBytes(const Family& family) {
    HANDLE block = family.alloc(kFixed, 0);
    if (block == nullptr) return "NULL";
    const SIZE_T size = family.size(block);
    family.free(block);
    return Say("block of size %zu", static_cast<size_t>(size));
}

Observed FixedIsItsPointer(const Family& family) {
    HANDLE block = family.alloc(kFixed, 100);
    const bool pointer = family.lock(block) == block && family.handle(block) == block;
    const UINT flags = family.flags(block);
    family.free(block);
    return Say("%s, flags 0x%X", pointer ? "the pointer itself" : "another value", flags);
}

Observed FixedUnlock(const Family& family) {
    HANDLE block = family.alloc(kFixed, 100);
    SeedError();
    const BOOL unlocked = family.unlock(block);
    const Observed seen = Say("%s, %s", unlocked ? "TRUE" : "FALSE", ErrorNow());
    family.free(block);
    return seen;
}

Observed FixedZeroInit(const Family& family) {
    for (size_t bytes : {size_t{1}, kSmall, kMedium, kLarge, kHuge}) {
        HANDLE soiled = family.alloc(kFixed, bytes);
        std::memset(soiled, 0xCC, bytes);
        family.free(soiled);
        HANDLE block = family.alloc(kFixed | kZeroInit, bytes);
        const bool zero = block != nullptr && IsZero(block, 0, bytes);
        family.free(block);
        if (!zero) return Say("%zu bytes: not zero", bytes);
    }
    return "zero";
}

// Without the flag for moveable memory, a fixed block may only be resized where it is.
Observed FixedGrowInPlace(const Family& family) {
    HANDLE block = family.alloc(kFixed, 100);
    HANDLE neighbour = family.alloc(kFixed, 100);
    Stamp(block, 100, 1);
    SeedError();
    HANDLE grown = family.realloc(block, 4 * kMiB, kFixed);
    const Observed error(ErrorNow());
    Observed seen =
        Say("NULL, %s, block %s", error.text(),
            family.size(block) == 100 && IsStamped(block, 100, 100, 1) ? "untouched" : "damaged");
    if (grown != nullptr) {
        seen = grown == block ? "grown in place" : "moved";
        block = grown;
    }
    family.free(block);
    family.free(neighbour);
    return seen;
}

Observed FixedGrowMoveable(const Family& family) {
    HANDLE block = family.alloc(kFixed, 1);
    size_t before = 1;
    Stamp(block, before, 0);
    unsigned step = 0;
    for (size_t bytes : {size_t{2}, kSmall, kMedium, kLarge, kHuge, kMedium, size_t{3}}) {
        block = family.realloc(block, bytes, kMoveable | kZeroInit);
        if (block == nullptr) return Say("not resized to %zu bytes", bytes);
        if (family.size(block) != bytes) return "size wrong";
        if (family.lock(block) != block) return "not fixed any more";
        if (!IsStamped(block, before, bytes, step)) return "contents lost";
        if (!IsZero(block, before, bytes)) return "growth not zero";
        Stamp(block, bytes, ++step);
        before = bytes;
    }
    family.free(block);
    return "resized, contents kept, growth zero";
}

Observed FixedShrinkInPlace(const Family& family) {
    for (size_t bytes : {kSmall, kMedium, kLarge}) {
        HANDLE block = family.alloc(kFixed, bytes);
        Stamp(block, bytes, 1);
        const size_t to = bytes - bytes / 4;
        HANDLE shrunk = family.realloc(block, to, kFixed);
        if (shrunk != block) return Say("refused or moved, %zu bytes", bytes);
        const bool good = family.size(block) == to && IsStamped(block, bytes, to, 1);
        family.free(block);
        if (!good) return "block damaged";
    }
    return "same block, exact";
}

Observed FixedFree(const Family& family) {
    for (size_t bytes : {size_t{0}, kSmall, kMedium, kLarge, kHuge}) {
        HANDLE block = family.alloc(kFixed, bytes);
        SeedError();
        HANDLE freed = family.free(block);
        const Observed seen = Say("%s, %s", freed == nullptr ? "NULL" : "the handle", ErrorNow());
        if (std::strcmp(seen.text(), "NULL, unchanged") != 0) return seen;
    }
    return "NULL, unchanged";
}

Observed FixedModify(const Family& family) {
    HANDLE block = family.alloc(kFixed, 123);
    Stamp(block, 123, 1);
    HANDLE changed = family.realloc(block, 0, kModify | kMoveable);
    if (changed == nullptr) {
        family.free(block);
        return Say("NULL, %s", ErrorNow());
    }
    const void* data = family.lock(changed);
    const bool kept =
        data != nullptr && family.size(changed) == 123 && IsStamped(data, 123, 123, 1);
    family.unlock(changed);
    family.free(changed);
    return kept ? "size and contents kept" : "damaged";
}

Observed Impossible(const Family& family) {
    for (UINT flags : {kFixed, kMoveable}) {
        for (SIZE_T bytes : kImpossibleSizes) {
            SeedError();
            if (family.alloc(flags, bytes) != nullptr) return "a block";
            if (GetLastError() != ERROR_NOT_ENOUGH_MEMORY) return Say("NULL, %s", ErrorNow());
        }
    }
    return "NULL, ERROR_NOT_ENOUGH_MEMORY";
}

Observed FreeOfNull(const Family& family) {
    SeedError();
    HANDLE freed = family.free(nullptr);
    return Say("%s, %s", freed == nullptr ? "NULL" : "a handle", ErrorNow());
}

}  // namespace conformance
