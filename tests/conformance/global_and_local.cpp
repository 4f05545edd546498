// The rules of GlobalAlloc and its kin and of LocalAlloc and its kin, one table for both: handles
// on the process heap. Not for strata.dll, which has no such functions; under the override they run
// on Strata.
#include "moveable_memory.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace conformance {

namespace {

template <size_t kSize>
struct Literal {
    consteval Literal(const char (&literal)[kSize]) { std::copy_n(literal, kSize, text); }
    char text[kSize];
};

// A text with $ for Global or Local, @ for global or local, and # for the letter before
// MEM_MOVEABLE.
constexpr std::string_view Meaning(const char& letter, bool local) {
    switch (letter) {
        case '$':
            return local ? "Local" : "Global";
        case '@':
            return local ? "local" : "global";
        case '#':
            return local ? "L" : "G";
        default:
            return {&letter, 1};
    }
}

template <Literal kLiteral, bool kIsLocal>
consteval auto Expand() {
    constexpr size_t kSize = [] {
        size_t size = 0;
        for (const char& letter : kLiteral.text) size += Meaning(letter, kIsLocal).size();
        return size;
    }();
    std::array<char, kSize> text;
    char* end = text.data();
    for (const char& letter : kLiteral.text) {
        for (const char c : Meaning(letter, kIsLocal)) *end++ = c;
    }
    return text;
}
template <Literal kLiteral, bool kIsLocal>
constexpr auto kText = Expand<kLiteral, kIsLocal>();

// A rule about one of the shared experiments.
#define TEXT_OF(literal) kText<literal, family == &kLocal>.data()
#define EITHER(global, local) (family == &kLocal ? (local) : (global))
#define RULE(id, function, title, expected, source)    \
    {TEXT_OF("@." id), TEXT_OF(title),       expected, \
     TEXT_OF(source),  Of<family, function>, Scope::kSystemOnly}

template <const Family* family>
const Rule kRules[] = {
    RULE("fixed.size", FixedSizes, "Sizes of fixed blocks, 1 byte to 8 MiB", "exact",
         "Wine tests ($Size: at least)"),
    RULE("fixed.zero_bytes", FixedZeroBytes, "A fixed block of 0 bytes",
         EITHER("block of size 1", "block of size 0"), "Wine tests"),
    RULE("fixed.pointer", FixedIsItsPointer, "Handle, pointer and flags of a fixed block",
         "the pointer itself, flags 0x0", "$Lock, $Flags"),
    RULE("fixed.unlock", FixedUnlock, "$Unlock of a fixed block",
         EITHER("TRUE, unchanged", "FALSE, ERROR_NOT_LOCKED"), "$Unlock"),
    RULE("fixed.zeroinit", FixedZeroInit, "#MEM_ZEROINIT over memory that was used", "zero",
         "$Alloc"),
    RULE("fixed.realloc.in_place", FixedGrowInPlace,
         "$ReAlloc of a fixed block, 100 bytes to 4 MiB, without #MEM_MOVEABLE",
         "NULL, ERROR_NOT_ENOUGH_MEMORY, block untouched", "$ReAlloc; Wine tests"),
    RULE("fixed.realloc.shrink", FixedShrinkInPlace, "The same to three quarters of the size",
         "same block, exact", "$ReAlloc"),
    RULE("fixed.realloc.shrink.all", FixedShrinkStays,
         "To less, 20,000 bytes to 3 MiB, to a little less and to next to nothing",
         "same pointer, contents kept", "$ReAlloc"),
    RULE("fixed.realloc.shrink.moveable", FixedShrinkMoveableStays, "The same with #MEM_MOVEABLE",
         "same pointer, contents kept", "HeapReAlloc (1998: moves for a larger size only)"),
    RULE("fixed.realloc.grow", FixedGrowsWhereItIs,
         "A fresh fixed block of 128 KiB to 128.5 KiB with #MEM_ZEROINIT, without #MEM_MOVEABLE",
         "same pointer, growth zero", "$ReAlloc"),
    RULE("fixed.realloc.moveable", FixedGrowMoveable,
         "$ReAlloc of a fixed block with #MEM_MOVEABLE and #MEM_ZEROINIT",
         "resized, contents kept, growth zero", "$ReAlloc"),
    RULE("fixed.realloc.modify", FixedModify,
         "$ReAlloc of a fixed block with #MEM_MODIFY and #MEM_MOVEABLE", "size and contents kept",
         "$ReAlloc"),
    RULE("fixed.free", FixedFree, "$Free of fixed blocks", "NULL, unchanged", "$Free"),
    RULE("free.null", FreeOfNull, "$Free of NULL", "NULL, unchanged", "LocalFree"),
    RULE("impossible", Impossible, "Impossible sizes, fixed and moveable",
         "NULL, ERROR_NOT_ENOUGH_MEMORY", "$Alloc; Wine tests"),
    RULE("moveable.size", MoveableSizes, "Sizes of moveable blocks, 1 byte to 8 MiB", "exact",
         "Wine tests ($Size: at least)"),
    RULE("moveable.handle", MoveableHandle, "$Lock and $Handle of moveable blocks",
         "8 modulo 16, to the pointer and back", "$Handle; Wine tests"),
    RULE("moveable.lock_count", MoveableLockCount, "Lock counts, and the unlock that reaches 0",
         "counted; the last: FALSE, NO_ERROR", "$Unlock, $Flags"),
    RULE("moveable.unlock_twice", MoveableUnlockTwice, "$Unlock of a block that is not locked",
         "FALSE, ERROR_NOT_LOCKED", "$Unlock"),
    RULE("moveable.zeroinit", MoveableZeroInit, "#MEM_ZEROINIT for moveable blocks", "zero",
         "$Alloc"),
    RULE("moveable.zero_bytes", MoveableZeroBytes, "A moveable block of 0 bytes",
         "discarded, not lockable, size 0", "$Alloc, $Lock"),
    RULE("moveable.discard", MoveableDiscard, "$ReAlloc to 0 bytes, and to 300 again",
         "discarded, revived with the same handle", "$Discard"),
    RULE("moveable.discard.locked", MoveableDiscardLocked, "$ReAlloc of a locked block to 0 bytes",
         "NULL, contents kept", "$Discard"),
    RULE("moveable.realloc", MoveableGrow, "Through all kinds of blocks, 1 byte to 20 MiB and back",
         "same handle, contents kept", "$ReAlloc"),
    RULE("moveable.realloc.zeroinit", MoveableGrowZero, "Growth with #MEM_ZEROINIT",
         "zero from the old size on", "$ReAlloc"),
    RULE("moveable.realloc.locked", MoveableGrowLocked,
         "$ReAlloc of a locked block, 100 bytes to 4 MiB, without #MEM_MOVEABLE",
         "NULL, contents kept; with the flag: moved, contents kept", "$ReAlloc"),
    RULE("moveable.realloc.shrink", MoveableShrinkStays,
         "$ReAlloc of moveable blocks to less with #MEM_MOVEABLE", "same pointer, contents kept",
         "HeapReAlloc (1998: moves for a larger size only)"),
    RULE("moveable.realloc.shrink.plain", MoveableShrinkPlainStays,
         "The same without #MEM_MOVEABLE", "same pointer, contents kept",
         "HeapReAlloc (1998: moves for a larger size only)"),
    RULE("moveable.realloc.shrink.locked", MoveableShrinkLockedStays,
         "Locked blocks to less without #MEM_MOVEABLE", "same pointer, contents kept", "$ReAlloc"),
    RULE("realloc.shrink.small", SmallShrinkStays,
         "All of these from 8 bytes to 16 KiB, fixed and moveable, locked and not",
         "same pointer, contents kept",
         "HeapReAlloc (1998); _expand: perhaps not in the low-fragmentation heap"),
    RULE("moveable.realloc.grow.locked", MoveableLockedGrowsWhereItIs,
         "A fresh locked block of 128 KiB to 128.5 KiB without #MEM_MOVEABLE",
         "same pointer, contents kept", "$ReAlloc"),
    RULE("realloc.modify", ModifyIgnoresSize,
         "$ReAlloc with #MEM_MODIFY, fixed and moveable, whatever the size",
         "handle, size and contents kept", "$ReAlloc; Wine tests"),
    RULE("realloc.modify.fixed", FixedMadeMoveable,
         "A fixed block, $ReAlloc with #MEM_MODIFY and #MEM_MOVEABLE",
         EITHER("moveable", "still fixed"), "Wine tests"),
    RULE("realloc.null", ReallocOfNull, "$ReAlloc of NULL", "NULL", "Wine tests"),
    RULE("heap_block.handle", HandleOfHeapBlock, "$Handle of blocks of HeapAlloc", "the pointer",
         "$Handle"),
    RULE("handle.nothing", HandleOfNothing, "$Handle of pointers into a block and to the stack",
         "NULL", "$Handle"),
    RULE("realloc.impossible", ReallocImpossible,
         "$ReAlloc to impossible sizes, fixed and moveable",
         "NULL, ERROR_NOT_ENOUGH_MEMORY, block untouched", "$ReAlloc; Wine tests"),
    RULE("heap_block.fixed", HeapBlockIsFixed,
         "$Lock, $Size, $Flags and $Free of blocks of HeapAlloc", "fixed blocks", "$Lock"),
    RULE("no_handle", NoHandle, "A value that is no handle", "ERROR_INVALID_HANDLE everywhere",
         "$Lock; Wine tests"),
    RULE("flags.obsolete", ObsoleteFlags, "The flags of 16-bit Windows", "ignored", "$Alloc"),
    RULE("moveable.discarded.lock", DiscardedLock, "$Lock of a discarded block",
         "NULL, ERROR_DISCARDED", "$Lock; Wine tests"),
    RULE("moveable.lock_count.most", MostLocks, "255 locks", "counted", "Wine tests"),
    RULE("moveable.free.locked", MoveableFreeLocked, "$Free of a locked block", "NULL, unchanged",
         "$Free"),
    RULE("moveable.stale", MoveableStale, "A handle that was freed",
         "ERROR_INVALID_HANDLE everywhere", "$Lock, $Flags, $Free"),
    RULE("moveable.many", MoveableMany, "How many moveable blocks can be had at once",
         "about 65,536", "Wine tests"),
    RULE("moveable.threads", MoveableThreads, "Moveable blocks in two threads", "contents kept",
         "$ReAlloc"),
    RULE("error.success", SuccessKeepsError, "The last error after functions that succeed",
         "unchanged", "Wine tests"),
};

}  // namespace

const Topic kGlobalMemory = MakeTopic("GlobalAlloc", kRules<&kGlobal>);
const Topic kLocalMemory = MakeTopic("LocalAlloc", kRules<&kLocal>);

}  // namespace conformance
