// The bytes of a fuzzer's input, taken one after the other. Behind the end all are zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace strata::fuzz {

class Input {
public:
    Input(const uint8_t* bytes, size_t size) : next_(bytes), end_(bytes + size) {}

    bool AtEnd() const { return next_ == end_; }
    uint8_t Byte() { return AtEnd() ? uint8_t{0} : *next_++; }
    uint16_t Word() {
        const unsigned low = Byte();
        return static_cast<uint16_t>(low | unsigned{Byte()} << 8);
    }
    // In [0, bound). REQUIRES: bound > 0.
    size_t Below(size_t bound) { return bound <= 256 ? Byte() % bound : Word() % bound; }
    bool Bit() { return (Byte() & 1) != 0; }

    // Sizes as they are worth trying: small ones, one of a page or a slice, large ones, impossible
    // ones.
    size_t Size() {
        const uint8_t kind = Byte();
        switch (kind % 8) {
            case 0:
            case 1:
            case 2:
                return Byte();
            case 3:
            case 4:
                return Word() % 4096;
            case 5:
                return Word();
            case 6:
                return size_t{Word()} * (1 + kind / 8);  // up to 2 MiB
            default:
                break;
        }
        constexpr size_t kEdges[] = {4095,         4096,
                                     4097,         65535,
                                     65536,        65537,
                                     16 << 20,     (16 << 20) + 1,
                                     64 << 20,     SIZE_MAX,
                                     SIZE_MAX - 7, size_t{1} << 63,
                                     PTRDIFF_MAX,  size_t{1} << 45,
                                     1024,         1025};
        return kEdges[Byte() % (sizeof kEdges / sizeof kEdges[0])];
    }

private:
    const uint8_t* next_;
    const uint8_t* end_;
};

// What a fuzzer asserts: in every build.
#define FUZZ_CHECK(condition)                                                            \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            std::fflush(stderr);                                                         \
            std::abort();                                                                \
        }                                                                                \
    } while (false)

}  // namespace strata::fuzz
