// Who served how many calls, per entry point of ntdll and per kind of function of each C runtime. A
// call is counted once: one that a C runtime's function hands on comes to ntdll's, and counts
// there. Only the counting variants of the entries touch this.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "os/thread.h"
#include "override/crt_table.h"
#include "override/entry_table.h"

namespace strata::override {

enum class Served : uint8_t {
    kStrata,    // by our heap
    kOriginal,  // by the system's: a heap or a request that Strata leaves to it
    kForeign,   // by the system's: the block is its own
    kNtdll,     // by the system's, for ntdll itself
};
inline constexpr size_t kServedKinds = 4;

// What is counted separately: ntdll's entries, then the C runtimes' functions.
inline constexpr size_t kRowCount = kEntryCount + kCrtCount * kCrtKinds;
constexpr size_t Row(Entry entry) noexcept { return Index(entry); }
constexpr size_t Row(size_t crt, CrtKind kind) noexcept {
    return kEntryCount + crt * kCrtKinds + Index(kind);
}

struct CallCounts {
    uint64_t by[kServedKinds] = {};

    uint64_t operator[](Served served) const noexcept { return by[static_cast<size_t>(served)]; }
};

class Counters {
public:
    void Add(size_t row, Served served) noexcept {
        Shard& shard = shards_[(os::ThreadToken() >> 13) % kShards];  // TEBs lie 8 KiB apart
        shard.calls[row][static_cast<size_t>(served)].fetch_add(1, std::memory_order_relaxed);
    }

    CallCounts Of(size_t row) const noexcept {
        CallCounts counts;
        for (const Shard& shard : shards_) {
            for (size_t i = 0; i < kServedKinds; ++i) {
                counts.by[i] += shard.calls[row][i].load(std::memory_order_relaxed);
            }
        }
        return counts;
    }

private:
    // Threads that count in different shards do not fight for cache lines.
    static constexpr size_t kShards = 8;
    struct alignas(64) Shard {
        std::atomic<uint64_t> calls[kRowCount][kServedKinds];
    };
    Shard shards_[kShards] = {};
};

extern constinit Counters g_counters;

}  // namespace strata::override
