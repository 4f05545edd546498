// User values and user flags of blocks: undocumented, and what LocalAlloc and GlobalAlloc are made
// of.
#include "support.h"

#include <cstring>

namespace conformance {

namespace {

constexpr DWORD kSettable = 0x100;  // HEAP_SETTABLE_USER_VALUE
constexpr DWORD kFlag1 = 0x200, kFlag2 = 0x400, kFlag3 = 0x800;
constexpr DWORD kFlags = kFlag1 | kFlag2 | kFlag3;

void* const kValue = reinterpret_cast<void*>(uintptr_t{0x1234567890ABCDE8});

bool Available(const HeapApi& api) {
    return api.set_user_value != nullptr && api.get_user_info != nullptr &&
           api.set_user_flags != nullptr;
}

struct Info {
    BOOL got;
    void* value;
    DWORD flags;
};

Info Get(const HeapApi& api, HANDLE heap, const void* block) {
    Info info = {FALSE, nullptr, 0};
    info.got = api.get_user_info(heap, 0, block, &info.value, &info.flags);
    return info;
}

// Runs `check` on a settable block of each kind, whose value is kValue and whose flag is 0x200.
template <typename Check>
Observed WithBlocks(const HeapApi& api, const char* good, Check check) {
    if (!Available(api)) return kNotExported;
    Heap heap(api);
    for (size_t bytes : {size_t{0}, size_t{16}, kSmall, kMedium, kLarge, kHuge}) {
        void* block = api.alloc(heap, kSettable | kFlag1, bytes);
        if (block == nullptr) return Say("no block of %zu bytes", bytes);
        Stamp(block, bytes, 1);
        if (!api.set_user_value(heap, 0, block, kValue)) return "RtlSetUserValueHeap fails";
        const char* seen = check(static_cast<HANDLE>(heap), block, bytes);
        if (std::strcmp(seen, good) != 0) return Say("%s (%zu bytes)", seen, bytes);
    }
    return api.validate(heap, 0, nullptr) ? good : "heap damaged";
}

Observed SetAndGet(const HeapApi& api) {
    return WithBlocks(api, "kept", [&](HANDLE heap, void* block, size_t bytes) {
        const Info info = Get(api, heap, block);
        if (!info.got) return "RtlGetUserInfoHeap fails";
        if (info.value != kValue) return "another value";
        if ((info.flags & kFlags) != kFlag1) return "other flags";
        return api.size(heap, 0, block) == bytes && IsStamped(block, bytes, bytes, 1)
                   ? "kept"
                   : "block damaged";
    });
}

// A block without a user value: the caller's variable stays as it is. LocalHandle puts the block's
// address there first, and so takes it for a fixed block.
Observed OrdinaryBlock(const HeapApi& api, HANDLE heap) {
    if (!Available(api)) return kNotExported;
    if (heap == nullptr) return Say("no heap, %s", ErrorNow());
    for (size_t bytes : {size_t{0}, size_t{1}, kSmall, size_t{1000}, kMedium, kLarge, kHuge}) {
        void* block = api.alloc(heap, 0, bytes);
        if (block == nullptr && bytes == kHuge) continue;  // too large for a heap of fixed size
        Info info = {FALSE, kValue, 77};
        info.got = api.get_user_info(heap, 0, block, &info.value, &info.flags);
        api.free(heap, 0, block);
        if (!info.got) return Say("FALSE (%zu bytes)", bytes);
        if (info.value != kValue) return Say("TRUE, value changed (%zu bytes)", bytes);
        if (info.flags != 0)
            return Say("TRUE, flags 0x%lX", static_cast<unsigned long>(info.flags));
    }
    return "TRUE, value untouched, flags 0";
}

// The same when it carries user flags and no value.
Observed FlagsAndNoValue(const HeapApi& api) {
    if (!Available(api)) return kNotExported;
    Heap heap(api);
    for (size_t bytes : {size_t{0}, kSmall, kMedium, kLarge, kHuge}) {
        void* block = api.alloc(heap, kSettable | kFlag2, bytes);
        Info info = {FALSE, kValue, 77};
        info.got = api.get_user_info(heap, 0, block, &info.value, &info.flags);
        if (!info.got) return Say("FALSE (%zu bytes)", bytes);
        if (info.value != nullptr) return Say("TRUE, another value (%zu bytes)", bytes);
        if ((info.flags & kFlags) != kFlag2) return Say("TRUE, other flags (%zu bytes)", bytes);
    }
    return "TRUE, NULL, the flags";
}

Observed NullArguments(const HeapApi& api) {
    return WithBlocks(api, "both can be left out", [&](HANDLE heap, void* block, size_t) {
        void* value = nullptr;
        DWORD flags = 0;
        if (!api.get_user_info(heap, 0, block, nullptr, &flags)) return "no value: FALSE";
        if (!api.get_user_info(heap, 0, block, &value, nullptr)) return "no flags: FALSE";
        return value == kValue && (flags & kFlags) == kFlag1 ? "both can be left out" : "wrong";
    });
}

// What HeapWalk says of a block that is marked as LocalAlloc marks its own.
Observed WalkedFlags(const HeapApi& api) {
    if (!Available(api)) return kNotExported;
    Heap heap(api);
    for (size_t bytes : {kSmall, kMedium, kLarge, kHuge}) {
        void* block = api.alloc(heap, kSettable | kFlag1 | kFlag2, bytes);
        api.set_user_value(heap, 0, block, kValue);
        const Walked walked = WalkAll(api, heap);
        const PROCESS_HEAP_ENTRY* entry = walked.Busy(block);
        if (entry == nullptr) return "no busy entry";
        if (entry->cbData != bytes) return "wrong cbData";
        const bool moveable = Is(*entry, PROCESS_HEAP_ENTRY_MOVEABLE);
        const bool shared = Is(*entry, PROCESS_HEAP_ENTRY_DDESHARE);
        if (!moveable || !shared || entry->Block.hMem != kValue) {
            return Say("%s, %s%s", moveable ? "moveable" : "not moveable",
                       shared ? "shared" : "not shared",
                       entry->Block.hMem == kValue ? ", hMem" : "");
        }
    }
    return "moveable, shared, hMem";
}

Observed FreshValue(const HeapApi& api) {
    if (!Available(api)) return kNotExported;
    Heap heap(api);
    for (int round = 0; round < 50; ++round) {
        void* block = api.alloc(heap, kSettable, 48);
        const Info info = Get(api, heap, block);
        if (info.value != nullptr) return "a value of an earlier block";
        api.set_user_value(heap, 0, block, kValue);
        api.free(heap, 0, block);
    }
    return "NULL";
}

Observed NotSettable(const HeapApi& api) {
    if (!Available(api)) return kNotExported;
    Heap heap(api);
    void* block = api.alloc(heap, 0, 100);
    Stamp(block, 100, 1);
    const BOOL set = api.set_user_value(heap, 0, block, kValue);
    const Info info = Get(api, heap, block);
    return Say("%s%s", set ? "TRUE" : "FALSE",
               info.value == kValue             ? ", and set"
               : !IsStamped(block, 100, 100, 1) ? ", block damaged"
                                                : "");
}

Observed ChangeFlags(const HeapApi& api) {
    return WithBlocks(api, "changed", [&](HANDLE heap, void* block, size_t) {
        if (!api.set_user_flags(heap, 0, block, kFlag1, kFlag2 | kFlag3)) return "refused";
        if ((Get(api, heap, block).flags & kFlags) != (kFlag2 | kFlag3)) return "not changed";
        if (!api.set_user_flags(heap, 0, block, kFlag2, 0)) return "refused";
        const Info info = Get(api, heap, block);
        if (info.value != kValue) return "value lost";
        return (info.flags & kFlags) == kFlag3 ? "changed" : "not changed";
    });
}

Observed OtherFlagBits(const HeapApi& api) {
    return WithBlocks(api, "untouched", [&](HANDLE heap, void* block, size_t bytes) {
        const DWORD before = Get(api, heap, block).flags;
        api.set_user_flags(heap, 0, block, 0, 0x7F001F);
        api.set_user_flags(heap, 0, block, 0x7F001F, 0);
        if (Get(api, heap, block).flags != before) return "changed";
        return api.size(heap, 0, block) == bytes && api.validate(heap, 0, block) ? "untouched"
                                                                                 : "block damaged";
    });
}

const char* CheckKept(const HeapApi& api, HANDLE heap, void* block, size_t bytes, size_t stamped) {
    const Info info = Get(api, heap, block);
    if (info.value != kValue) return "value lost";
    if ((info.flags & kFlags) != kFlag1) return "flags lost";
    return api.size(heap, 0, block) == bytes && IsStamped(block, stamped, stamped, 1)
               ? "kept"
               : "block damaged";
}

template <DWORD flags>
Observed KeptByMove(const HeapApi& api) {
    return WithBlocks(api, "kept", [&](HANDLE heap, void* block, size_t bytes) {
        size_t now = bytes;
        for (size_t to : {bytes * 3 + 100, bytes * 20 + 3000, bytes + 400000, bytes + 5}) {
            block = api.realloc(heap, flags, block, to);
            if (block == nullptr) return "not resized";
            now = to;
            const char* seen = CheckKept(api, heap, block, now, bytes);
            if (std::strcmp(seen, "kept") != 0) return seen;
        }
        return api.free(heap, 0, block) ? "kept" : "not freed";
    });
}

Observed KeptInPlace(const HeapApi& api) {
    return WithBlocks(api, "kept", [&](HANDLE heap, void* block, size_t bytes) {
        const size_t to = bytes - bytes / 8;
        if (api.realloc(heap, kSettable | HEAP_REALLOC_IN_PLACE_ONLY, block, to) != block) {
            return "not shrunk";
        }
        const Info info = Get(api, heap, block);
        return info.value != kValue              ? "value lost"
               : (info.flags & kFlags) != kFlag1 ? "flags lost"
               : api.size(heap, 0, block) != to  ? "HeapSize wrong"
               : !IsStamped(block, bytes, to, 1) ? "contents lost"
                                                 : "kept";
    });
}

// User flags in the call: a block that shrinks keeps its own, one that grows gets those.
Observed FlagsInTheCall(const HeapApi& api, bool grows) {
    if (!Available(api)) return kNotExported;
    Heap heap(api);
    for (size_t bytes : {size_t{0x100}, kMedium, kLarge, kHuge}) {
        void* block = api.alloc(heap, kSettable | kFlag2, bytes);
        if (block == nullptr || !api.set_user_value(heap, 0, block, kValue)) return "no value";
        api.set_user_flags(heap, 0, block, kFlag1 | kFlag2, kFlag3);
        const size_t to = grows ? bytes * 3 : bytes / 2;
        const DWORD given = grows ? kFlag1 : kFlag2;
        block = api.realloc(heap, kSettable | given, block, to);
        if (block == nullptr) return "not resized";
        const Info info = Get(api, heap, block);
        if (info.value != kValue) return Say("value lost (%zu bytes)", bytes);
        const DWORD flags = info.flags & kFlags;
        if (flags != (grows ? kFlag1 : kFlag3)) {
            return Say("flags 0x%lX (%zu bytes)", static_cast<unsigned long>(flags), bytes);
        }
        api.free(heap, 0, block);
    }
    return grows ? "value kept, flags of the call" : "value and flags kept";
}

// Bits that are no user flags are refused.
Observed RefusedFlagBits(const HeapApi& api) {
    return WithBlocks(api, "FALSE, ERROR_INVALID_PARAMETER", [&](HANDLE heap, void* block, size_t) {
        for (const DWORD bits : {0x1000u, 0x100u, 0x1u}) {
            for (const bool set : {true, false}) {
                SeedError();
                if (api.set_user_flags(heap, 0, block, set ? 0 : bits, set ? bits : 0))
                    return "TRUE";
                if (GetLastError() != ERROR_INVALID_PARAMETER) return ErrorNow();
            }
        }
        const Info info = Get(api, heap, block);
        return info.value == kValue && (info.flags & kFlags) == kFlag1
                   ? "FALSE, ERROR_INVALID_PARAMETER"
                   : "changed";
    });
}

Observed ExactSizes(const HeapApi& api) {
    Heap heap(api);
    for (size_t bytes = 0; bytes <= 4096; ++bytes) {
        void* block = api.alloc(heap, kSettable | kFlag1, bytes);
        if (block == nullptr) return "no block";
        if (api.size(heap, 0, block) != bytes) return Say("HeapSize wrong for %zu bytes", bytes);
        if (reinterpret_cast<uintptr_t>(block) % 16 != 0) return "not a multiple of 16";
        if (bytes % 2 == 0) api.free(heap, 0, block);
    }
    return "exact";
}

Observed ZeroedWithValue(const HeapApi& api) {
    Heap heap(api);
    for (size_t bytes = 0; bytes <= 2000; bytes += 3) {
        SoilFreeMemory(api, heap, bytes);
        void* block = api.alloc(heap, kSettable | HEAP_ZERO_MEMORY, bytes);
        if (block == nullptr || !IsZero(block, 0, bytes)) return "not zero";
        if (api.set_user_value != nullptr) api.set_user_value(heap, 0, block, kValue);
        block = api.realloc(heap, kSettable | HEAP_ZERO_MEMORY, block, bytes + 50);
        if (block == nullptr || !IsZero(block, 0, bytes + 50)) return "growth not zero";
        std::memset(block, 0xCC, bytes + 50);
        api.free(heap, 0, block);
    }
    return "zero";
}

Observed WalkedExactly(const HeapApi& api) {
    Heap heap(api);
    std::vector<Block> live;
    for (size_t bytes : {size_t{0}, size_t{7}, kSmall, kMedium, kLarge, kHuge}) {
        live.push_back({api.alloc(heap, kSettable | kFlag1, bytes), bytes});
        live.push_back({api.alloc(heap, 0, bytes), bytes});
    }
    return CompareBusy(WalkAll(api, heap), live);
}

const Rule kRules[] = {
    {"user.value", "RtlSetUserValueHeap, then RtlGetUserInfoHeap", "kept", "GlobalHandle",
     SetAndGet},
    {"user.info.ordinary", "RtlGetUserInfoHeap of a block without user value, 0 bytes to 3 MiB",
     "TRUE, value untouched, flags 0", "LocalHandle",
     [](const HeapApi& api) {
         Heap heap(api);
         return OrdinaryBlock(api, heap);
     }},
    {"user.info.ordinary.process_heap", "The same in the process heap",
     "TRUE, value untouched, flags 0", "LocalHandle",
     [](const HeapApi& api) { return OrdinaryBlock(api, api.process_heap()); }},
    {"user.info.ordinary.fixed", "The same in a heap of 2 MiB", "TRUE, value untouched, flags 0",
     "LocalHandle",
     [](const HeapApi& api) {
         Heap heap(api, 0, 0, 2 * kMiB);
         return OrdinaryBlock(api, heap);
     }},
    {"user.info.flags", "The same of a settable block with a flag and no value",
     "TRUE, NULL, the flags", "Wine tests", FlagsAndNoValue},
    {"user.info.null", "The same without a place for the value, or for the flags",
     "both can be left out", "include/strata/heap_api.h", NullArguments, Scope::kStrataOnly},
    {"user.value.fresh", "The value of a new block at the place of an old one", "NULL",
     "undocumented", FreshValue},
    {"user.value.not_settable", "RtlSetUserValueHeap of a block without the flag 0x100", "FALSE",
     "undocumented", NotSettable},
    {"user.flags", "RtlSetUserFlagsHeap of 0x200, 0x400 and 0x800", "changed", "Wine tests",
     ChangeFlags},
    {"user.flags.refused", "RtlSetUserFlagsHeap of 0x1000, 0x100 and 0x1, set or cleared",
     "FALSE, ERROR_INVALID_PARAMETER", "Wine tests", RefusedFlagBits},
    {"user.flags.others", "RtlSetUserFlagsHeap of other bits", "untouched", "Wine tests",
     OtherFlagBits},
    {"user.realloc", "Value and flags of a block that grows and shrinks", "kept", "undocumented",
     KeptByMove<kSettable | kFlag1>},
    {"user.realloc.plain", "The same when HeapReAlloc is called without the flag 0x100", "kept",
     "undocumented", KeptByMove<0>},
    {"user.realloc.in_place", "Value and flags of a block that shrinks in place", "kept",
     "GlobalReAlloc", KeptInPlace},
    {"user.realloc.flags.shrink", "A block that shrinks, with another user flag in the call",
     "value and flags kept", "ReactOS tests",
     [](const HeapApi& api) { return FlagsInTheCall(api, false); }},
    {"user.realloc.flags.grow", "A block that grows, with another user flag in the call",
     "value kept, flags of the call", "ReactOS tests",
     [](const HeapApi& api) { return FlagsInTheCall(api, true); }},
    {"user.size", "HeapSize and alignment of settable blocks, 0 to 4096 bytes", "exact", "HeapSize",
     ExactSizes},
    {"user.zero", "HEAP_ZERO_MEMORY for settable blocks", "zero", "HeapAlloc", ZeroedWithValue},
    {"user.walk", "HeapWalk of settable blocks", "exact", "PROCESS_HEAP_ENTRY", WalkedExactly},
    {"user.walk.flags", "HeapWalk of blocks with the flags 0x200 and 0x400 and a value",
     "moveable, shared, hMem", "PROCESS_HEAP_ENTRY", WalkedFlags},
};

}  // namespace

const Topic kUserValues = MakeTopic("user values", kRules);

}  // namespace conformance
