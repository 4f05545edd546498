// The rules of GlobalAlloc and its kin: handles on the process heap. Not for strata.dll, which has no such
// functions; under the override they run on Strata.
#include "moveable_memory.h"

namespace conformance {

namespace {

// A rule about one of the shared experiments.
#define RULE(id, function, title, expected, source) \
    {"global." id, title, expected, source, Of<&kGlobal, function>, Scope::kSystemOnly}

const Rule kRules[] = {
    RULE("fixed.size", FixedSizes, "Sizes of fixed blocks, 1 byte to 8 MiB", "exact",
         "Wine tests (GlobalSize: at least)"),
    RULE("fixed.zero_bytes", FixedZeroBytes, "A fixed block of 0 bytes", "block of size 1",
         "Wine tests"),
    RULE("fixed.pointer", FixedIsItsPointer, "Handle, pointer and flags of a fixed block",
         "the pointer itself, flags 0x0", "GlobalLock, GlobalFlags"),
    RULE("fixed.unlock", FixedUnlock, "GlobalUnlock of a fixed block", "TRUE, unchanged",
         "GlobalUnlock"),
    RULE("fixed.zeroinit", FixedZeroInit, "GMEM_ZEROINIT over memory that was used", "zero",
         "GlobalAlloc"),
    RULE("fixed.realloc.in_place", FixedGrowInPlace,
         "GlobalReAlloc of a fixed block, 100 bytes to 4 MiB, without GMEM_MOVEABLE",
         "NULL, ERROR_NOT_ENOUGH_MEMORY, block untouched", "GlobalReAlloc; Wine tests"),
    RULE("fixed.realloc.shrink", FixedShrinkInPlace, "The same to three quarters of the size",
         "same block, exact", "GlobalReAlloc"),
    RULE("fixed.realloc.moveable", FixedGrowMoveable,
         "GlobalReAlloc of a fixed block with GMEM_MOVEABLE and GMEM_ZEROINIT",
         "resized, contents kept, growth zero", "GlobalReAlloc"),
    RULE("fixed.realloc.modify", FixedModify,
         "GlobalReAlloc of a fixed block with GMEM_MODIFY and GMEM_MOVEABLE",
         "size and contents kept", "GlobalReAlloc"),
    RULE("fixed.free", FixedFree, "GlobalFree of fixed blocks", "NULL, unchanged", "GlobalFree"),
    RULE("free.null", FreeOfNull, "GlobalFree of NULL", "NULL, unchanged", "LocalFree"),
    RULE("impossible", Impossible, "Impossible sizes, fixed and moveable",
         "NULL, ERROR_NOT_ENOUGH_MEMORY", "GlobalAlloc; Wine tests"),
    RULE("moveable.size", MoveableSizes, "Sizes of moveable blocks, 1 byte to 8 MiB", "exact",
         "Wine tests (GlobalSize: at least)"),
    RULE("moveable.handle", MoveableHandle, "GlobalLock and GlobalHandle of moveable blocks",
         "8 modulo 16, to the pointer and back", "GlobalHandle; Wine tests"),
    RULE("moveable.lock_count", MoveableLockCount, "Lock counts, and the unlock that reaches 0",
         "counted; the last: FALSE, NO_ERROR", "GlobalUnlock, GlobalFlags"),
    RULE("moveable.unlock_twice", MoveableUnlockTwice, "GlobalUnlock of a block that is not locked",
         "FALSE, ERROR_NOT_LOCKED", "GlobalUnlock"),
    RULE("moveable.zeroinit", MoveableZeroInit, "GMEM_ZEROINIT for moveable blocks", "zero",
         "GlobalAlloc"),
    RULE("moveable.zero_bytes", MoveableZeroBytes, "A moveable block of 0 bytes",
         "discarded, not lockable, size 0", "GlobalAlloc, GlobalLock"),
    RULE("moveable.discard", MoveableDiscard, "GlobalReAlloc to 0 bytes, and to 300 again",
         "discarded, revived with the same handle", "GlobalDiscard"),
    RULE("moveable.discard.locked", MoveableDiscardLocked,
         "GlobalReAlloc of a locked block to 0 bytes", "NULL, contents kept", "GlobalDiscard"),
    RULE("moveable.realloc", MoveableGrow, "Through all kinds of blocks, 1 byte to 20 MiB and back",
         "same handle, contents kept", "GlobalReAlloc"),
    RULE("moveable.realloc.zeroinit", MoveableGrowZero, "Growth with GMEM_ZEROINIT",
         "zero from the old size on", "GlobalReAlloc"),
    RULE("moveable.realloc.locked", MoveableGrowLocked,
         "GlobalReAlloc of a locked block, 100 bytes to 4 MiB, without GMEM_MOVEABLE",
         "NULL, contents kept; with the flag: moved, contents kept", "GlobalReAlloc"),
    RULE("moveable.free.locked", MoveableFreeLocked, "GlobalFree of a locked block",
         "NULL, unchanged", "GlobalFree"),
    RULE("moveable.stale", MoveableStale, "A handle that was freed",
         "ERROR_INVALID_HANDLE everywhere", "GlobalLock, GlobalFlags, GlobalFree"),
    RULE("moveable.many", MoveableMany, "How many moveable blocks can be had at once",
         "about 65,536", "Wine tests"),
    RULE("moveable.threads", MoveableThreads, "Moveable blocks in two threads", "contents kept",
         "GlobalReAlloc"),
    RULE("error.success", SuccessKeepsError, "The last error after functions that succeed",
         "unchanged", "Wine tests"),
};

}  // namespace

const Topic kGlobalMemory = MakeTopic("GlobalAlloc", kRules);

}  // namespace conformance
