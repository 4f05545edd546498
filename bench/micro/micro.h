// What the micro benchmarks share. Each of the files beside this one registers one group; main.cpp
// lists them.
//
// Rules for all of them:
//  - time is real time per item, an item being one block's malloc and free, or one realloc; every
//    benchmark states its items;
//  - every new block is written to: its first word, as any program would. An allocator that keeps its
//    lists in the blocks has that line in the cache anyway, one that does not must fetch it here;
//  - random choices are drawn before the clock starts, from the same seed for every allocator.
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "adapter.h"

namespace bench {

inline constexpr size_t kKiB = 1024;
inline constexpr size_t kMiB = 1024 * kKiB;

// Uses `block` as its first owner would: one word written, and the pointer known to the outside, so
// that no compiler can leave a pair of calls out. Ends the process when there is no block.
inline void Touch(void* block) {
    if (block == nullptr) std::abort();
    *static_cast<volatile uint64_t*>(block) = reinterpret_cast<uintptr_t>(block);
    benchmark::DoNotOptimize(block);
}

// "16", "4K", "1M".
std::string SizeName(size_t size);

using Body = void (*)(benchmark::State& state, size_t size);

// Registers "<name>/<size>".
void Register(const std::string& name, size_t size, Body body);

void RegisterPairs();
void RegisterBursts();
void RegisterChurn();
void RegisterRealloc();
void RegisterCalloc();
void RegisterAligned();
void RegisterBlockSize();
void RegisterExchange();
void RegisterThreads();
void RegisterHeaps();

}  // namespace bench
