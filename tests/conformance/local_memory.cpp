// The rules of LocalAlloc and its kin: handles on the process heap. Not for strata.dll, which has no such
// functions; under the override they run on Strata.
#include "moveable_memory.h"

namespace conformance {

namespace {

// A rule about one of the shared experiments.
#define RULE(id, function, title, expected, source) \
    {"local." id, title, expected, source, Of<&kLocal, function>, Scope::kSystemOnly}

const Rule kRules[] = {
    RULE("fixed.size", FixedSizes, "Sizes of fixed blocks, 1 byte to 8 MiB", "exact",
         "Wine tests (LocalSize: at least)"),
    RULE("fixed.zero_bytes", FixedZeroBytes, "A fixed block of 0 bytes", "block of size 0",
         "Wine tests"),
    RULE("fixed.pointer", FixedIsItsPointer, "Handle, pointer and flags of a fixed block",
         "the pointer itself, flags 0x0", "LocalLock, LocalFlags"),
    RULE("fixed.unlock", FixedUnlock, "LocalUnlock of a fixed block", "FALSE, ERROR_NOT_LOCKED",
         "LocalUnlock"),
    RULE("fixed.zeroinit", FixedZeroInit, "LMEM_ZEROINIT over memory that was used", "zero",
         "LocalAlloc"),
    RULE("fixed.realloc.in_place", FixedGrowInPlace,
         "LocalReAlloc of a fixed block, 100 bytes to 4 MiB, without LMEM_MOVEABLE",
         "NULL, ERROR_NOT_ENOUGH_MEMORY, block untouched", "LocalReAlloc; Wine tests"),
    RULE("fixed.realloc.shrink", FixedShrinkInPlace, "The same to three quarters of the size",
         "same block, exact", "LocalReAlloc"),
    RULE("fixed.realloc.moveable", FixedGrowMoveable,
         "LocalReAlloc of a fixed block with LMEM_MOVEABLE and LMEM_ZEROINIT",
         "resized, contents kept, growth zero", "LocalReAlloc"),
    RULE("fixed.realloc.modify", FixedModify,
         "LocalReAlloc of a fixed block with LMEM_MODIFY and LMEM_MOVEABLE",
         "size and contents kept", "LocalReAlloc"),
    RULE("fixed.free", FixedFree, "LocalFree of fixed blocks", "NULL, unchanged", "LocalFree"),
    RULE("free.null", FreeOfNull, "LocalFree of NULL", "NULL, unchanged", "LocalFree"),
    RULE("impossible", Impossible, "Impossible sizes, fixed and moveable",
         "NULL, ERROR_NOT_ENOUGH_MEMORY", "LocalAlloc; Wine tests"),
    RULE("moveable.size", MoveableSizes, "Sizes of moveable blocks, 1 byte to 8 MiB", "exact",
         "Wine tests (LocalSize: at least)"),
    RULE("moveable.handle", MoveableHandle, "LocalLock and LocalHandle of moveable blocks",
         "8 modulo 16, to the pointer and back", "LocalHandle; Wine tests"),
    RULE("moveable.lock_count", MoveableLockCount, "Lock counts, and the unlock that reaches 0",
         "counted; the last: FALSE, NO_ERROR", "LocalUnlock, LocalFlags"),
    RULE("moveable.unlock_twice", MoveableUnlockTwice, "LocalUnlock of a block that is not locked",
         "FALSE, ERROR_NOT_LOCKED", "LocalUnlock"),
    RULE("moveable.zeroinit", MoveableZeroInit, "LMEM_ZEROINIT for moveable blocks", "zero",
         "LocalAlloc"),
    RULE("moveable.zero_bytes", MoveableZeroBytes, "A moveable block of 0 bytes",
         "discarded, not lockable, size 0", "LocalAlloc, LocalLock"),
    RULE("moveable.discard", MoveableDiscard, "LocalReAlloc to 0 bytes, and to 300 again",
         "discarded, revived with the same handle", "LocalDiscard"),
    RULE("moveable.discard.locked", MoveableDiscardLocked,
         "LocalReAlloc of a locked block to 0 bytes", "NULL, contents kept", "LocalDiscard"),
    RULE("moveable.realloc", MoveableGrow, "Through all kinds of blocks, 1 byte to 20 MiB and back",
         "same handle, contents kept", "LocalReAlloc"),
    RULE("moveable.realloc.zeroinit", MoveableGrowZero, "Growth with LMEM_ZEROINIT",
         "zero from the old size on", "LocalReAlloc"),
    RULE("moveable.realloc.locked", MoveableGrowLocked,
         "LocalReAlloc of a locked block, 100 bytes to 4 MiB, without LMEM_MOVEABLE",
         "NULL, contents kept; with the flag: moved, contents kept", "LocalReAlloc"),
    RULE("moveable.free.locked", MoveableFreeLocked, "LocalFree of a locked block",
         "NULL, unchanged", "LocalFree"),
    RULE("moveable.stale", MoveableStale, "A handle that was freed",
         "ERROR_INVALID_HANDLE everywhere", "LocalLock, LocalFlags, LocalFree"),
    RULE("moveable.many", MoveableMany, "How many moveable blocks can be had at once",
         "about 65,536", "Wine tests"),
    RULE("moveable.threads", MoveableThreads, "Moveable blocks in two threads", "contents kept",
         "LocalReAlloc"),
    RULE("error.success", SuccessKeepsError, "The last error after functions that succeed",
         "unchanged", "Wine tests"),
};

}  // namespace

const Topic kLocalMemory = MakeTopic("LocalAlloc", kRules);

}  // namespace conformance
