// Who hears of a message.
#include "os/message.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "support/environment.h"

namespace strata::os {
namespace {

std::string Contents(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

void Append(void* context, const char* text, size_t length) {
    static_cast<std::string*>(context)->append(text, length);
}

void Write(const std::string& text) { WriteMessage(text.c_str(), text.size()); }

TEST(Message, AHandlerHearsIt) {
    std::string heard;
    SetMessageHandler(&Append, &heard);
    testing::internal::CaptureStderr();
    Write("one\n");
    Write("two\nthree\n");
    SetMessageHandler(nullptr, nullptr);
    Write("four\n");
    EXPECT_EQ("one\ntwo\nthree\nfour\n", testing::internal::GetCapturedStderr());
    EXPECT_EQ("one\ntwo\nthree\n", heard);
}

class AppendFileTest : public testing::Test {
protected:
    void SetUp() override { std::remove(path_.c_str()); }
    void TearDown() override {
        test::UnsetVariable("STRATA_TEST_FILE");
        std::remove(path_.c_str());
    }
    AppendFile::Result Open(AppendFile& file, const std::string& path) {
        test::SetVariable("STRATA_TEST_FILE", path.c_str());
        return file.Open("STRATA_TEST_FILE", error_);
    }

    std::string path_ = testing::TempDir() + "strata_message_test.txt";
    uint32_t error_ = 0;
};

TEST_F(AppendFileTest, SeveralWriteBehindEachOther) {
    AppendFile one;
    AppendFile other;
    EXPECT_FALSE(one.IsOpen());
    ASSERT_EQ(AppendFile::Result::kOpen, Open(one, path_));
    ASSERT_EQ(AppendFile::Result::kOpen, Open(other, path_));
    EXPECT_TRUE(one.IsOpen());
    one.Write("a\n", 2);
    other.Write("b\n", 2);
    one.Write("c\n", 2);
    EXPECT_EQ("a\nb\nc\n", Contents(path_));
}

TEST_F(AppendFileTest, NoNameAndNoSuchFolder) {
    AppendFile file;
    EXPECT_EQ(AppendFile::Result::kNotNamed, file.Open("STRATA_TEST_FILE", error_));
    EXPECT_EQ(AppendFile::Result::kNotNamed, Open(file, ""));
    EXPECT_EQ(AppendFile::Result::kFailed, Open(file, testing::TempDir() + "no such folder/file"));
    EXPECT_NE(0u, error_);
    EXPECT_FALSE(file.IsOpen());
}

}  // namespace
}  // namespace strata::os
