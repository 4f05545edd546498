// How long calls took, in ticks of the processor's clock: buckets a sixteenth of their value wide,
// so that a percentile is exact to about 3 %.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <x86intrin.h>

namespace bench {

inline uint64_t Ticks() { return __rdtsc(); }

class Histogram {
public:
    void Add(uint64_t ticks) {
        ++counts_[Index(ticks)];
        if (ticks > most_) most_ = ticks;
    }
    void Add(const Histogram& other) {
        for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
        if (other.most_ > most_) most_ = other.most_;
    }
    uint64_t most() const { return most_; }
    uint64_t Count() const {
        uint64_t sum = 0;
        for (const uint64_t count : counts_) sum += count;
        return sum;
    }
    // The value that `share` of all are below.
    uint64_t Percentile(double share) const {
        const auto wanted = static_cast<uint64_t>(share * static_cast<double>(Count()));
        uint64_t seen = 0;
        for (size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen > wanted) return Middle(i);
        }
        return most_;
    }

private:
    static constexpr size_t kSteps = 16;

    static size_t Index(uint64_t ticks) {
        if (ticks < kSteps) return ticks;
        const auto octave = static_cast<size_t>(std::bit_width(ticks)) - 5;
        return (octave + 1) * kSteps + ((ticks >> octave) & (kSteps - 1));
    }
    static uint64_t Middle(size_t index) {
        if (index < 2 * kSteps) return index;
        const size_t octave = index / kSteps - 1;
        const uint64_t least = (kSteps + index % kSteps) << octave;
        return least + (uint64_t{1} << octave) / 2;
    }

    std::array<uint64_t, 62 * kSteps> counts_ = {};
    uint64_t most_ = 0;
};

}  // namespace bench
