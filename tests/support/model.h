// A model to hold an allocator against: reproducible random numbers, the set of live blocks as an
// interval map (so that an overlap is found the moment it is handed out), and patterns that show
// whether a block's bytes were kept.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <vector>

namespace strata::test {

// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
class Random {
public:
    explicit Random(uint64_t seed) noexcept : state_(seed) {}

    uint64_t Next() noexcept {
        uint64_t z = state_ += 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }
    // In [0, bound). REQUIRES: bound > 0. The bias is below bound / 2^64.
    uint64_t Below(uint64_t bound) noexcept { return Next() % bound; }
    // In [low, high].
    uint64_t Between(uint64_t low, uint64_t high) noexcept { return low + Below(high - low + 1); }
    bool OneIn(uint64_t n) noexcept { return Below(n) == 0; }
    // In [0, limit], every power of two as likely as the next: sizes as programs ask for them.
    uint64_t Skewed(uint64_t limit) noexcept {
        const uint64_t bits = Below(static_cast<uint64_t>(std::bit_width(limit)) + 1);
        const uint64_t value = bits == 0 ? 0 : Next() >> (64 - bits);
        return value <= limit ? value : limit;
    }

private:
    uint64_t state_;
};

// The byte at `offset` of a block filled with `seed`; neighbouring blocks and offsets differ.
inline uint8_t PatternByte(uint64_t seed, size_t offset) noexcept {
    return static_cast<uint8_t>((seed + offset / 8) * 0x9E3779B97F4A7C15u >> (offset % 8 * 8));
}

inline void FillPattern(void* block, size_t from, size_t to, uint64_t seed) noexcept {
    for (size_t i = from; i < to; ++i) static_cast<uint8_t*>(block)[i] = PatternByte(seed, i);
}
inline void FillPattern(void* block, size_t bytes, uint64_t seed) noexcept {
    FillPattern(block, 0, bytes, seed);
}

// The first offset in [0, bytes) that does not hold the pattern; `bytes` when all do.
inline size_t FindPatternBreak(const void* block, size_t bytes, uint64_t seed) noexcept {
    size_t i = 0;
    while (i < bytes && static_cast<const uint8_t*>(block)[i] == PatternByte(seed, i)) ++i;
    return i;
}

// The first offset in [from, to) that is not zero; `to` when all are.
inline size_t FindNonZero(const void* block, size_t from, size_t to) noexcept {
    while (from < to && static_cast<const uint8_t*>(block)[from] == 0) ++from;
    return from;
}

struct ModelBlock {
    void* address = nullptr;
    size_t requested = 0;  // bytes
    size_t occupied =
        0;              // bytes no other block may share; at least 1, so that addresses are unique
    uint64_t seed = 0;  // of its pattern
};

// The live blocks. Not thread-safe: use one per thread, or a lock.
class IntervalMap {
public:
    // Notes a new live block. False, and no change, when any byte of it is in another live block.
    bool Add(const ModelBlock& block) {
        const uintptr_t start = reinterpret_cast<uintptr_t>(block.address);
        const size_t bytes = block.occupied == 0 ? 1 : block.occupied;
        if (start + bytes < start || Overlaps(start, bytes)) return false;
        ModelBlock copy = block;
        copy.occupied = bytes;
        index_[start] = blocks_.size();
        blocks_.push_back(copy);
        return true;
    }
    bool Add(void* address, size_t requested, uint64_t seed = 0) {
        return Add(ModelBlock{address, requested, requested, seed});
    }

    // Forgets the block that starts at `address`; false when there is none.
    bool Remove(const void* address) {
        const auto found = index_.find(reinterpret_cast<uintptr_t>(address));
        if (found == index_.end()) return false;
        const size_t position = found->second;
        index_.erase(found);
        if (position + 1 != blocks_.size()) {
            blocks_[position] = blocks_.back();
            index_[reinterpret_cast<uintptr_t>(blocks_[position].address)] = position;
        }
        blocks_.pop_back();
        return true;
    }

    // The block that starts there; nullptr when there is none. Valid until the next Add or Remove.
    ModelBlock* Find(const void* address) {
        const auto found = index_.find(reinterpret_cast<uintptr_t>(address));
        return found == index_.end() ? nullptr : &blocks_[found->second];
    }

    // The block that `address` lies in; nullptr when there is none.
    const ModelBlock* Containing(const void* address) const {
        const uintptr_t value = reinterpret_cast<uintptr_t>(address);
        auto above = index_.upper_bound(value);
        if (above == index_.begin()) return nullptr;
        const ModelBlock& block = blocks_[std::prev(above)->second];
        return value - reinterpret_cast<uintptr_t>(block.address) < block.occupied ? &block
                                                                                   : nullptr;
    }

    bool Overlaps(uintptr_t start, size_t bytes) const {
        const auto next = index_.lower_bound(start);
        if (next != index_.end() && next->first - start < bytes) return true;
        if (next == index_.begin()) return false;
        const auto& [before, position] = *std::prev(next);
        return start - before < blocks_[position].occupied;
    }

    // A random live block. REQUIRES: not empty.
    ModelBlock& Pick(Random& random) { return blocks_[random.Below(blocks_.size())]; }

    bool empty() const noexcept { return blocks_.empty(); }
    size_t size() const noexcept { return blocks_.size(); }
    const std::vector<ModelBlock>& blocks() const noexcept { return blocks_; }
    void Clear() {
        blocks_.clear();
        index_.clear();
    }

private:
    std::vector<ModelBlock> blocks_;
    std::map<uintptr_t, size_t> index_;  // start of each block -> position in blocks_
};

}  // namespace strata::test
