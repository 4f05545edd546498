#include "override/code_patch.h"

#include <cstring>

namespace strata::override {

namespace {

constexpr uint64_t kCacheLine = 64;

// The eight bytes that one locked exchange replaces. Within one cache line it is a single store for
// every other processor; where the entry straddles two, the exchange is still atomic, only slow.
uint8_t* WindowAround(uint8_t* at) noexcept {
    const uint64_t in_line = reinterpret_cast<uintptr_t>(at) % kCacheLine;
    const bool moved = in_line + 8 > kCacheLine && in_line + kNearJumpBytes <= kCacheLine;
    return moved ? at - (in_line + 8 - kCacheLine) : at;
}

}  // namespace

void CodePatch::Begin(void* at) noexcept {
    at_ = static_cast<uint8_t*>(at);
    memcpy(before_, at_, kNearJumpBytes);
}

bool CodePatch::Unprotect(ProtectFunction protect) noexcept {
    return protect(WindowAround(at_), 8, PAGE_EXECUTE_READWRITE, &protection_) != 0;
}

void CodePatch::Protect(ProtectFunction protect) const noexcept {
    DWORD ignored;
    protect(WindowAround(at_), 8, protection_, &ignored);
    FlushInstructionCache(GetCurrentProcess(), at_, kNearJumpBytes);
}

bool CodePatch::Replace(const uint8_t* expected, const uint8_t* bytes) const noexcept {
    uint8_t* const window = WindowAround(at_);
    const auto offset = static_cast<size_t>(at_ - window);
    uint64_t old_word;
    memcpy(&old_word, window, sizeof old_word);
    for (;;) {
        uint64_t new_word = old_word;
        if (memcmp(reinterpret_cast<uint8_t*>(&old_word) + offset, expected, kNearJumpBytes) != 0) {
            return false;
        }
        memcpy(reinterpret_cast<uint8_t*>(&new_word) + offset, bytes, kNearJumpBytes);
        const auto seen = static_cast<uint64_t>(InterlockedCompareExchange64(
            reinterpret_cast<volatile LONG64*>(window), static_cast<LONG64>(new_word),
            static_cast<LONG64>(old_word)));
        if (seen == old_word) return true;
        old_word = seen;
    }
}

size_t ReadableCode(const void* code) noexcept {
    MEMORY_BASIC_INFORMATION information;
    if (VirtualQuery(code, &information, sizeof information) == 0) return 0;
    constexpr DWORD kExecutable =
        PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
    if (information.State != MEM_COMMIT || (information.Protect & kExecutable) == 0 ||
        (information.Protect & PAGE_GUARD) != 0) {
        return 0;
    }
    return static_cast<size_t>(reinterpret_cast<uintptr_t>(information.BaseAddress) +
                               information.RegionSize - reinterpret_cast<uintptr_t>(code));
}

}  // namespace strata::override
