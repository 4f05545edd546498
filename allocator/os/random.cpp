#include "os/random.h"

#include <atomic>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#else
#include <cpuid.h>
#endif

#include "os/process.h"

namespace strata::os {

namespace {

constexpr uint32_t kRdrand = 1u << 30;  // CPUID leaf 1, ECX (Intel SDM, vol. 2, "RDRAND")

// 0 where the processor has no generator, or it has nothing to give now.
uint64_t ProcessorRandom() noexcept {
    unsigned char done = 0;
#if defined(_MSC_VER) && !defined(__clang__)
    int registers[4];
    __cpuid(registers, 1);
    if ((static_cast<uint32_t>(registers[2]) & kRdrand) == 0) return 0;
    unsigned long long value = 0;
    done = static_cast<unsigned char>(_rdrand64_step(&value));
#else
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kRdrand) == 0) return 0;
    uint64_t value = 0;
    __asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(done) : : "cc");
#endif
    return done != 0 ? value : 0;
}

constinit std::atomic<uint64_t> g_secret{0};
constinit std::atomic<uint64_t> g_position{0};

}  // namespace

uint64_t Secret() noexcept {
    uint64_t secret = g_secret.load(std::memory_order_relaxed);
    if (secret != 0) return secret;
    uint64_t fresh = Scramble(ProcessorRandom() + RandomBits()) | 1;
    // The first thread's value is everybody's.
    return g_secret.compare_exchange_strong(secret, fresh, std::memory_order_relaxed) ? fresh
                                                                                      : secret;
}

uint64_t FastRandom() noexcept {
    constexpr uint64_t kStep = 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio: all positions differ
    const uint64_t position = g_position.fetch_add(kStep, std::memory_order_relaxed);
    return Scramble(position + Secret());
}

}  // namespace strata::os
