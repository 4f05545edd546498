#include "observe/trace_format.h"

#include <gtest/gtest.h>

namespace strata::observe {
namespace {

TEST(TraceFormat, NumbersComeBack) {
    for (unsigned bit = 0; bit < 64; ++bit) {
        for (const uint64_t value :
             {uint64_t{1} << bit, (uint64_t{1} << bit) - 1, ~uint64_t{0} >> bit}) {
            uint8_t bytes[16] = {};
            const uint8_t* const end = PutNumber(bytes, value);
            ASSERT_LE(end - bytes, 10);
            uint64_t read = 1;
            EXPECT_EQ(GetNumber(bytes, end, read), end);
            EXPECT_EQ(read, value);
            EXPECT_EQ(GetNumber(bytes, end - 1, read), nullptr) << "cut short: " << value;
        }
    }
}

TEST(TraceFormat, NumbersThatAreNoneAreRefused) {
    uint64_t value = 0;
    const uint8_t endless[] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01};
    EXPECT_EQ(GetNumber(endless, endless + sizeof endless, value), nullptr);
    const uint8_t too_large[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02};
    EXPECT_EQ(GetNumber(too_large, too_large + sizeof too_large, value), nullptr);
    EXPECT_EQ(GetNumber(endless, endless, value), nullptr);
}

TEST(TraceFormat, ChecksumIsThatOfZip) {
    EXPECT_EQ(Crc32(0, "123456789", 9), 0xCBF43926u);
    EXPECT_EQ(Crc32(Crc32(0, "1234", 4), "56789", 5), 0xCBF43926u);
    EXPECT_EQ(Crc32(0, "", 0), 0u);
}

}  // namespace
}  // namespace strata::observe
