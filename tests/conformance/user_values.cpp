// User values and user flags of blocks: undocumented, and what LocalAlloc and GlobalAlloc are made of.
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
    {"user.value.fresh", "The value of a new block at the place of an old one", "NULL",
     "undocumented", FreshValue},
    {"user.value.not_settable", "RtlSetUserValueHeap of a block without the flag 0x100", "FALSE",
     "undocumented", NotSettable},
    {"user.flags", "RtlSetUserFlagsHeap of 0x200, 0x400 and 0x800", "changed", "Wine tests",
     ChangeFlags},
    {"user.flags.others", "RtlSetUserFlagsHeap of other bits", "untouched", "Wine tests",
     OtherFlagBits},
    {"user.realloc", "Value and flags of a block that grows and shrinks", "kept", "undocumented",
     KeptByMove<kSettable>},
    {"user.realloc.plain", "The same when HeapReAlloc is called without the flag 0x100", "kept",
     "undocumented", KeptByMove<0>},
    {"user.realloc.in_place", "Value and flags of a block that shrinks in place", "kept",
     "GlobalReAlloc", KeptInPlace},
    {"user.size", "HeapSize and alignment of settable blocks, 0 to 4096 bytes", "exact", "HeapSize",
     ExactSizes},
    {"user.zero", "HEAP_ZERO_MEMORY for settable blocks", "zero", "HeapAlloc", ZeroedWithValue},
    {"user.walk", "HeapWalk of settable blocks", "exact", "PROCESS_HEAP_ENTRY", WalkedExactly},
};

}  // namespace

const Topic kUserValues = MakeTopic("user values", kRules);

}  // namespace conformance
