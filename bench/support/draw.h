// Random choices that come out the same in every program and on every system.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace bench {

class Random {
public:
    explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 0x1234567) {}

    uint64_t Next() {  // splitmix64
        uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    // Less than `limit`, which is less than 2^32.
    size_t Below(size_t limit) { return static_cast<size_t>(((Next() >> 32) * limit) >> 32); }
    size_t Between(size_t least, size_t most) { return least + Below(most - least + 1); }
    double Fraction() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
    // Spread evenly over the logarithm: as many between 16 and 32 as between 1 and 2 KiB.
    size_t LogBetween(size_t least, size_t most) {
        const double ratio = static_cast<double>(most) / static_cast<double>(least);
        return static_cast<size_t>(static_cast<double>(least) * std::pow(ratio, Fraction()));
    }
    // Zipf's law with exponent 1, nearly: rank k below `count` with a probability of about 1/k.
    size_t Zipf(size_t count) {
        return static_cast<size_t>(std::pow(static_cast<double>(count), Fraction())) - 1;
    }

private:
    uint64_t state_;
};

inline uint64_t Mix(uint64_t checksum, uint64_t value) {
    return (checksum ^ value) * 0x100000001b3u + (checksum >> 47);
}

}  // namespace bench
