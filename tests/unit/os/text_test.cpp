#include "os/text.h"

#include <gtest/gtest.h>

#include <string>

namespace strata::os {
namespace {

TEST(TextBuffer, StartsEmpty) {
    const TextBuffer<16> text;
    EXPECT_STREQ(text.text(), "");
    EXPECT_EQ(text.length(), 0u);
    EXPECT_EQ(text.room(), 15u);
}

TEST(TextBuffer, ChainsPieces) {
    TextBuffer<64> text;
    text.Put("a").PutChar('b').Put("cdXX", 2).PutDecimal(10).Put(" ").PutHex(255);
    EXPECT_STREQ(text.text(), "abcd10 0xff");
    EXPECT_EQ(text.length(), 11u);
    EXPECT_EQ(text.room(), 64u - 1 - 11);
}

TEST(TextBuffer, Decimals) {
    const auto decimal = [](uint64_t value) {
        TextBuffer<32> text;
        text.PutDecimal(value);
        return std::string(text.text());
    };
    EXPECT_EQ(decimal(0), "0");
    EXPECT_EQ(decimal(9), "9");
    EXPECT_EQ(decimal(10), "10");
    EXPECT_EQ(decimal(1'000'007), "1000007");
    EXPECT_EQ(decimal(UINT64_MAX), "18446744073709551615");
}

TEST(TextBuffer, Hexadecimals) {
    TextBuffer<64> text;
    text.PutHex(0).Put(" ").PutHex(0xabcdef).Put(" ").PutHex(UINT64_MAX);
    EXPECT_STREQ(text.text(), "0x0 0xabcdef 0xffffffffffffffff");
}

TEST(TextBuffer, AddressesHaveTwelveDigitsAtLeast) {
    TextBuffer<80> text;
    text.PutAddress(nullptr).Put(" ").PutAddress(
        reinterpret_cast<void*>(uintptr_t{0x7f0012345678}));
    text.Put(" ").PutAddress(reinterpret_cast<void*>(uintptr_t{0xffff800000000000}));
    EXPECT_STREQ(text.text(), "0x000000000000 0x7f0012345678 0xffff800000000000");
}

TEST(TextBuffer, DropsWhatDoesNotFit) {
    TextBuffer<5> text;
    text.Put("abcdefgh");
    EXPECT_STREQ(text.text(), "abcd");
    EXPECT_EQ(text.room(), 0u);
    text.Put("x").PutDecimal(7).PutAddress(nullptr);
    EXPECT_STREQ(text.text(), "abcd");
    EXPECT_EQ(text.length(), 4u);
}

TEST(TextBuffer, ClearStartsAgain) {
    TextBuffer<8> text;
    text.Put("overflowing");
    text.Clear();
    EXPECT_STREQ(text.text(), "");
    text.Put("new");
    EXPECT_STREQ(text.text(), "new");
}

TEST(TextSink, StaysInsideItsBuffer) {
    char bytes[8];
    for (char& byte : bytes) byte = '#';
    TextSink sink(bytes + 1, 4);
    sink.Put("abcdefg").PutDecimal(123);
    EXPECT_STREQ(sink.text(), "abc");
    EXPECT_EQ(bytes[0], '#');
    EXPECT_EQ(bytes[5], '#');

    TextSink smallest(bytes, 1);
    smallest.Put("abc");
    EXPECT_STREQ(smallest.text(), "");
    EXPECT_EQ(smallest.room(), 0u);
}

}  // namespace
}  // namespace strata::os
