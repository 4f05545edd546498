// The experiments with moveable blocks of GlobalAlloc and LocalAlloc.
#include "moveable_memory.h"

#include <cstring>
#include <set>

namespace conformance {

Observed MoveableSizes(const Family& family) {
    bool larger = false;
    for (size_t bytes = 1; bytes <= 8 * kMiB; bytes += bytes < 4096 ? 1 : bytes / 3) {
        HANDLE handle = family.alloc(kMoveable, bytes);
        if (handle == nullptr) return Say("no block of %zu bytes", bytes);
        const SIZE_T size = family.size(handle);
        family.free(handle);
        if (size < bytes) return Say("%zu for %zu bytes", static_cast<size_t>(size), bytes);
        larger |= size != bytes;
    }
    return larger ? "at least" : "exact";
}

Observed MoveableHandle(const Family& family) {
    for (size_t bytes : {size_t{1}, kSmall, kMedium, kLarge, kHuge}) {
        HANDLE handle = family.alloc(kMoveable, bytes);
        if (handle == nullptr) return "NULL";
        void* data = family.lock(handle);
        if (data == nullptr || data == handle) return "no pointer of its own";
        if (reinterpret_cast<uintptr_t>(handle) % 16 != 8) return "not 8 modulo 16";
        if (family.handle(data) != handle) return "the pointer leads to no handle";
        std::memset(data, 1, bytes);
        family.unlock(handle);
        if (family.lock(handle) != data) return "moved while unlocked";
        family.unlock(handle);
        family.free(handle);
    }
    return "8 modulo 16, to the pointer and back";
}

Observed MoveableLockCount(const Family& family) {
    HANDLE handle = family.alloc(kMoveable, 100);
    if (family.flags(handle) != 0) return "not unlocked at first";
    for (UINT count = 1; count <= 5; ++count) {
        family.lock(handle);
        if (family.flags(handle) != count) return "another count";
    }
    for (UINT count = 4; count != 0; --count) {
        if (!family.unlock(handle)) return "unlocked too early";
        if (family.flags(handle) != count) return "another count";
    }
    SeedError();
    const BOOL locked = family.unlock(handle);
    const Observed seen = Say("counted; the last: %s, %s", locked ? "TRUE" : "FALSE", ErrorNow());
    family.free(handle);
    return seen;
}

Observed MoveableUnlockTwice(const Family& family) {
    HANDLE handle = family.alloc(kMoveable, 100);
    SeedError();
    const BOOL locked = family.unlock(handle);
    const Observed seen = Say("%s, %s", locked ? "TRUE" : "FALSE", ErrorNow());
    family.free(handle);
    return seen;
}

Observed MoveableZeroInit(const Family& family) {
    for (size_t bytes : {size_t{1}, kSmall, kMedium, kLarge, kHuge}) {
        for (int round = 0; round < 2; ++round) {
            HANDLE handle = family.alloc(kMoveable | kZeroInit, bytes);
            void* data = family.lock(handle);
            const bool zero = data != nullptr && IsZero(data, 0, bytes);
            if (zero) std::memset(data, 0xCC, bytes);
            family.unlock(handle);
            family.free(handle);
            if (!zero) return Say("%zu bytes: not zero", bytes);
        }
    }
    return "zero";
}

Observed MoveableZeroBytes(const Family& family) {
    HANDLE handle = family.alloc(kMoveable, 0);
    if (handle == nullptr) return "NULL";
    const UINT flags = family.flags(handle);
    const bool lockable = family.lock(handle) != nullptr;
    const SIZE_T size = family.size(handle);
    family.free(handle);
    return Say("%s, %s, size %zu", (flags & kDiscarded) != 0 ? "discarded" : "not discarded",
               lockable ? "lockable" : "not lockable", static_cast<size_t>(size));
}

Observed MoveableDiscard(const Family& family) {
    HANDLE handle = family.alloc(kMoveable, 5000);
    if (family.realloc(handle, 0, kMoveable) != handle) return "not discarded";
    if ((family.flags(handle) & kDiscarded) == 0) return "not marked";
    if (family.lock(handle) != nullptr || family.size(handle) != 0) return "still there";
    if (family.realloc(handle, 300, kMoveable | kZeroInit) != handle) return "not revived";
    const void* data = family.lock(handle);
    const bool good = data != nullptr && family.size(handle) == 300 && IsZero(data, 0, 300) &&
                      (family.flags(handle) & kDiscarded) == 0;
    family.unlock(handle);
    family.free(handle);
    return good ? "discarded, revived with the same handle" : "revived, damaged";
}

Observed MoveableDiscardLocked(const Family& family) {
    HANDLE handle = family.alloc(kMoveable, 5000);
    void* data = family.lock(handle);
    Stamp(data, 5000, 1);
    HANDLE discarded = family.realloc(handle, 0, kMoveable);
    const bool kept = family.size(handle) == 5000 && IsStamped(data, 5000, 5000, 1);
    family.unlock(handle);
    family.free(handle);
    return Say("%s, %s", discarded == nullptr ? "NULL" : "the handle",
               kept ? "contents kept" : "contents lost");
}

// Through all kinds of sizes and back; the handle stays.
Observed MoveableGrow(const Family& family) {
    HANDLE handle = family.alloc(kMoveable, 1);
    size_t before = 1;
    unsigned step = 0;
    Stamp(family.lock(handle), before, step);
    family.unlock(handle);
    for (size_t bytes = 2; bytes <= 20 * kMiB; bytes += bytes / 2 + 1) {
        if (family.realloc(handle, bytes, kMoveable) != handle) return "another handle";
        if (family.size(handle) != bytes) return "size wrong";
        void* data = family.lock(handle);
        if (!IsStamped(data, before, before, step)) return Say("lost at %zu bytes", bytes);
        if (family.handle(data) != handle) return Say("no handle at %zu bytes", bytes);
        Stamp(data, bytes, ++step);
        before = bytes;
        family.unlock(handle);
    }
    for (size_t bytes = before / 3; bytes != 0; bytes /= 3) {
        if (family.realloc(handle, bytes, kMoveable) != handle) return "another handle";
        void* data = family.lock(handle);
        if (!IsStamped(data, before, bytes, step)) return Say("lost at %zu bytes", bytes);
        if (family.handle(data) != handle) return Say("no handle at %zu bytes", bytes);
        family.unlock(handle);
    }
    return family.free(handle) == nullptr ? "same handle, contents kept" : "not freed";
}

Observed MoveableGrowZero(const Family& family) {
    HANDLE handle = family.alloc(kMoveable, 10);
    std::memset(family.lock(handle), 0xCC, 10);
    family.unlock(handle);
    size_t before = 10;
    for (size_t bytes : {size_t{11}, size_t{100}, size_t{3001}, size_t{70000}, size_t{2000000}}) {
        if (family.realloc(handle, bytes, kMoveable | kZeroInit) != handle) return "another handle";
        auto* data = static_cast<unsigned char*>(family.lock(handle));
        if (!IsFilled(data, 0, before, 0xCC)) return Say("lost at %zu bytes", bytes);
        if (!IsZero(data, before, bytes)) return Say("not zero at %zu bytes", bytes);
        std::memset(data, 0xCC, bytes);
        family.unlock(handle);
        before = bytes;
    }
    family.free(handle);
    return "zero from the old size on";
}

Observed MoveableGrowLocked(const Family& family) {
    HANDLE handle = family.alloc(kMoveable, 100);
    void* data = family.lock(handle);
    HANDLE neighbour = family.alloc(kMoveable, 100);
    Stamp(data, 100, 1);
    HANDLE in_place = family.realloc(handle, 4 * kMiB, kFixed);
    const bool kept =
        in_place == nullptr && family.size(handle) == 100 && IsStamped(data, 100, 100, 1);
    HANDLE moved = family.realloc(handle, 4 * kMiB, kMoveable);
    const bool grown = moved == handle && family.size(handle) == 4 * kMiB &&
                       IsStamped(family.lock(handle), 100, 100, 1);
    family.free(handle);
    family.free(neighbour);
    return Say("%s; with the flag: %s", kept ? "NULL, contents kept" : "resized or damaged",
               grown ? "moved, contents kept" : "fails");
}

Observed MoveableFreeLocked(const Family& family) {
    HANDLE handle = family.alloc(kMoveable, 100);
    family.lock(handle);
    SeedError();
    HANDLE freed = family.free(handle);
    return Say("%s, %s", freed == nullptr ? "NULL" : "the handle", ErrorNow());
}

// A freed handle, while its slot has no successor.
Observed MoveableStale(const Family& family) {
    HANDLE handle = family.alloc(kMoveable, 100);
    family.free(handle);
    SeedError();
    const bool refused = family.lock(handle) == nullptr && GetLastError() == ERROR_INVALID_HANDLE;
    const bool sizeless = family.size(handle) == 0;
    const bool flagged = family.flags(handle) == kInvalidHandle;
    SeedError();
    const bool kept = family.free(handle) == handle && GetLastError() == ERROR_INVALID_HANDLE;
    return refused && sizeless && flagged && kept
               ? "ERROR_INVALID_HANDLE everywhere"
               : Say("lock %s, size %s, flags %s, free %s", refused ? "refused" : "wrong",
                     sizeless ? "0" : "wrong", flagged ? "invalid" : "wrong",
                     kept ? "refused" : "wrong");
}

Observed MoveableMany(const Family& family) {
    std::set<HANDLE> handles;
    constexpr size_t kAtMost = 0x10000;
    while (handles.size() <= kAtMost) {
        HANDLE handle = family.alloc(kMoveable, 16);
        if (handle == nullptr) break;
        if (!handles.insert(handle).second) return "a handle twice";
    }
    const size_t count = handles.size();
    for (HANDLE handle : handles) {
        if (family.free(handle) != nullptr) return "not freed";
    }
    return Say("%s", count > kAtMost            ? "more than 65,536"
                     : count >= kAtMost - 0x400 ? "about 65,536"
                                                : "fewer");
}

Observed MoveableThreads(const Family& family) {
    std::atomic<bool> good(true);
    const auto work = [&] {
        for (int i = 0; i < 300; ++i) {
            const size_t bytes = 10 + static_cast<size_t>(i) * 37;
            HANDLE handle = family.alloc(kMoveable, bytes);
            Stamp(family.lock(handle), bytes, 1);
            family.unlock(handle);
            handle = family.realloc(handle, bytes * 3, kMoveable);
            if (handle == nullptr || !IsStamped(family.lock(handle), bytes, bytes, 1)) good = false;
            family.unlock(handle);
            if (family.free(handle) != nullptr) good = false;
        }
    };
    Waiter first(work), second(work);
    while (!first.HasEndedWithin(1000) || !second.HasEndedWithin(1000)) {
    }
    return good ? "contents kept" : "contents lost";
}

Observed SuccessKeepsError(const Family& family) {
    SeedError();
    for (UINT flags : {kFixed, kMoveable}) {
        HANDLE handle = family.alloc(flags, 100);
        void* data = family.lock(handle);
        family.lock(handle);
        if (flags == kMoveable) family.unlock(handle);  // still locked: no error
        family.size(handle);
        family.handle(data);
        family.flags(handle);
        handle = family.realloc(handle, 50, flags);
        family.free(handle);
        if (std::strcmp(ErrorNow(), "unchanged") != 0) {
            return Say("%s (%s)", ErrorNow(), flags == kFixed ? "fixed" : "moveable");
        }
    }
    return "unchanged";
}

}  // namespace conformance
