// The state byte of a block: free or live, and how much slack. It lies outside the slab.
//
//   0        free and never used since its pages were committed: the memory is known to be zero
//   1        free, dirty
//   2        free, dirty, and returned: it has left the magazine of the thread that freed it
//   3..253   live; slack (usable size - requested size) = byte - 3
//   254      live; the last 16 bytes of the block are a user record, whose last 4 bytes are the slack
//   255      live; the slack is 251 or more and stands in the last 4 bytes of the block
//
// Bytes are read by walkers while other threads change them, hence relaxed atomics: the
// instructions are the plain ones.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/compiler.h"

namespace strata {

enum class State : uint8_t {
    kFreeZero = 0,
    kFreeDirty = 1,
    kFreeReturned = 2,
    kLive = 3,
    kLiveUser = 254,
    kLiveFarSlack = 255,
};

using StateByte = uint8_t;

inline constexpr uint32_t kMaxNearSlack = 250;
inline constexpr size_t kFarSlackBytes = 4;

// What a program keeps beside a block: HEAP_SETTABLE_USER_VALUE and the three settable flags.
struct UserRecord {
    void* value;
    uint32_t flags;
    uint32_t slack;  // of a slab's block; where the far slack stands, too
};
static_assert(sizeof(UserRecord) == 16 && offsetof(UserRecord, slack) == 16 - kFarSlackBytes);

STRATA_INLINE uint8_t LoadState(const StateByte* byte) noexcept {
    return std::atomic_ref<StateByte>(*const_cast<StateByte*>(byte))
        .load(std::memory_order_relaxed);
}
STRATA_INLINE void StoreState(StateByte* byte, uint8_t value) noexcept {
    std::atomic_ref<StateByte>(*byte).store(value, std::memory_order_relaxed);
}
constexpr bool IsLive(uint8_t state) noexcept {
    return state >= static_cast<uint8_t>(State::kLive);
}
// Free, and not known to be zero.
constexpr bool IsFreeDirty(uint8_t state) noexcept {
    return state == static_cast<uint8_t>(State::kFreeDirty) ||
           state == static_cast<uint8_t>(State::kFreeReturned);
}
constexpr bool HasUserRecord(uint8_t state) noexcept {
    return state == static_cast<uint8_t>(State::kLiveUser);
}
// True when the slack stands in the block's last bytes.
constexpr bool HasFarSlack(uint8_t state) noexcept {
    return state >= static_cast<uint8_t>(State::kLiveUser);
}

// Marks a block live with `slack`. `end` is one past the block's last usable byte.
STRATA_INLINE void StoreLive(StateByte* byte, void* end, uint32_t slack) noexcept {
    if (STRATA_LIKELY(slack <= kMaxNearSlack)) {
        StoreState(byte, static_cast<uint8_t>(slack + static_cast<uint8_t>(State::kLive)));
        return;
    }
    std::memcpy(static_cast<char*>(end) - kFarSlackBytes, &slack, kFarSlackBytes);
    StoreState(byte, static_cast<uint8_t>(State::kLiveFarSlack));
}

// Marks a block live that ends with a user record. REQUIRES: slack >= sizeof(UserRecord).
inline void StoreLiveUser(StateByte* byte, void* end, void* value, uint32_t flags,
                          uint32_t slack) noexcept {
    const UserRecord record = {value, flags, slack};
    std::memcpy(static_cast<char*>(end) - sizeof record, &record, sizeof record);
    StoreState(byte, static_cast<uint8_t>(State::kLiveUser));
}

// The slack of a live block.
STRATA_INLINE uint32_t LoadSlack(uint8_t state, const void* end) noexcept {
    if (STRATA_LIKELY(!HasFarSlack(state))) {
        return static_cast<uint32_t>(state) - static_cast<uint32_t>(State::kLive);
    }
    uint32_t slack;
    std::memcpy(&slack, static_cast<const char*>(end) - kFarSlackBytes, kFarSlackBytes);
    return slack;
}

#if defined(__GNUC__) || defined(__clang__)
#define STRATA_READS_RACILY __attribute__((no_sanitize("thread")))
#else
#define STRATA_READS_RACILY
#endif

// The slack of a block that may change hands meanwhile: false when it is not live. The last bytes
// are read first and believed only if the state is the same afterwards, as they may be some owner's
// data.
STRATA_READS_RACILY inline bool ReadSlack(const StateByte* byte, const void* end,
                                          uint32_t& slack) noexcept {
    for (;;) {
        const uint8_t state = LoadState(byte);
        if (!IsLive(state)) return false;
        slack = LoadSlack(state, end);
        if (!HasFarSlack(state)) return true;
        std::atomic_thread_fence(std::memory_order_acquire);
        if (LoadState(byte) == state) return true;
    }
}

}  // namespace strata
