#include "patch/sha256.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace strata::patch {
namespace {

std::string Of(const std::string& text) {
    const std::vector<uint8_t> bytes(text.begin(), text.end());
    return ToText(ComputeSha256(bytes));
}

// FIPS 180-4's examples, and lengths around the end of a block as sha256sum has them.
TEST(Sha256, MatchesKnownDigests) {
    EXPECT_EQ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Of(""));
    EXPECT_EQ("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", Of("abc"));
    EXPECT_EQ("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
              Of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"));
    EXPECT_EQ("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
              Of(std::string(1'000'000, 'a')));
    EXPECT_EQ("9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318",
              Of(std::string(55, 'a')));
    EXPECT_EQ("b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a",
              Of(std::string(56, 'a')));
    EXPECT_EQ("7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34",
              Of(std::string(63, 'a')));
    EXPECT_EQ("ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb",
              Of(std::string(64, 'a')));
    EXPECT_EQ("635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0",
              Of(std::string(65, 'a')));
}

}  // namespace
}  // namespace strata::patch
