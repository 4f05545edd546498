// The heap functions of ntdll that are redirected: their names, what to do when one is missing, and
// the trampolines that lead to the originals.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::override {

enum class Entry : uint8_t {
    kAllocate,
    kFree,
    kReAllocate,
    kSize,
    kValidate,
    kCreate,
    kDestroy,
    kWalk,
    kLock,
    kUnlock,
    kGetUserInfo,
    kSetUserValue,
    kSetUserFlags,
    kCompact,
    kQueryInformation,
    kSetInformation,
    kValidateProcessHeaps,
    kMultipleAllocate,
    kMultipleFree,
    kFreeUnicodeString,
    kFreeAnsiString,
    kFreeOemString,
    kFreeUtf8String,
    kCount,
};
inline constexpr size_t kEntryCount = static_cast<size_t>(Entry::kCount);

enum class Need : uint8_t {
    kAlways,      // without it nothing is redirected
    kIfExported,  // missing: skipped; there, but not redirectable: nothing is redirected
    kWelcome,     // skipped also when it cannot be redirected: the original is right about its part
};

struct EntryInfo {
    const char* name;
    Need need;
};

inline constexpr EntryInfo kEntries[kEntryCount] = {
    {"RtlAllocateHeap", Need::kAlways},          {"RtlFreeHeap", Need::kAlways},
    {"RtlReAllocateHeap", Need::kAlways},        {"RtlSizeHeap", Need::kAlways},
    {"RtlValidateHeap", Need::kAlways},          {"RtlCreateHeap", Need::kAlways},
    {"RtlDestroyHeap", Need::kAlways},           {"RtlWalkHeap", Need::kIfExported},
    {"RtlLockHeap", Need::kIfExported},          {"RtlUnlockHeap", Need::kIfExported},
    {"RtlGetUserInfoHeap", Need::kIfExported},   {"RtlSetUserValueHeap", Need::kIfExported},
    {"RtlSetUserFlagsHeap", Need::kIfExported},  {"RtlCompactHeap", Need::kWelcome},
    {"RtlQueryHeapInformation", Need::kWelcome}, {"RtlSetHeapInformation", Need::kWelcome},
    {"RtlValidateProcessHeaps", Need::kWelcome}, {"RtlMultipleAllocateHeap", Need::kIfExported},
    {"RtlMultipleFreeHeap", Need::kIfExported},  {"RtlFreeUnicodeString", Need::kWelcome},
    {"RtlFreeAnsiString", Need::kWelcome},       {"RtlFreeOemString", Need::kWelcome},
    {"RtlFreeUTF8String", Need::kWelcome},
};

constexpr size_t Index(Entry entry) noexcept { return static_cast<size_t>(entry); }

// Where the original is: the trampoline once redirected, nullptr where ntdll does not export it.
extern constinit void* g_originals[kEntryCount];

// What an entry does beside its work: nothing, not even a test for it, unless the process was
// started so.
enum class Watch : uint8_t {
    kNone,
    kCounted,   // counts who served what (counters.h)
    kRecorded,  // counts, and writes every call down (recording.h)
};

const void* ReplacementOf(Entry entry, Watch watch) noexcept;

}  // namespace strata::override
