// How much memory was in use at most within the last kDecayEpochs epochs: a program that frees much
// and soon needs it again has paid for it already.
//
// Thread-safe; what two threads note at the change of an epoch may be lost, which costs a few
// system calls.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/constants.h"

namespace strata::arena {

class CommitPeaks {
public:
    // Notes that so many bytes are in use in this epoch.
    void Note(uint64_t epoch, size_t bytes) noexcept {
        Peak& peak = peaks_[epoch % kDecayEpochs];
        if (peak.epoch.load(kRelaxed) != epoch) {
            peak.epoch.store(epoch, kRelaxed);
            peak.bytes.store(bytes, kRelaxed);
        } else if (bytes > peak.bytes.load(kRelaxed)) {
            peak.bytes.store(bytes, kRelaxed);
        }
    }

    // The most that was noted in this epoch and the kDecayEpochs - 1 before it; 0 when nothing was.
    size_t Highest(uint64_t epoch) const noexcept {
        size_t highest = 0;
        for (const Peak& peak : peaks_) {
            if (epoch - peak.epoch.load(kRelaxed) >= kDecayEpochs) continue;
            const size_t bytes = peak.bytes.load(kRelaxed);
            if (bytes > highest) highest = bytes;
        }
        return highest;
    }

private:
    static constexpr auto kRelaxed = std::memory_order_relaxed;
    struct Peak {
        std::atomic<uint64_t> epoch{0};
        std::atomic<size_t> bytes{0};
    };
    Peak peaks_[kDecayEpochs];
};

}  // namespace strata::arena
