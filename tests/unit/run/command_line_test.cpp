#include "run/command_line.h"

#include <windows.h>
#include <gtest/gtest.h>

#include <shellapi.h>

namespace strata::run {
namespace {

// The system's own function is the reference.
void ExpectLikeTheSystem(const std::wstring& text) {
    int count = 0;
    wchar_t** const expected = CommandLineToArgvW(text.c_str(), &count);
    ASSERT_NE(nullptr, expected);
    const std::vector<Argument> arguments = SplitCommandLine(text);
    EXPECT_EQ(static_cast<size_t>(count), arguments.size()) << ToUtf8(text);
    for (int i = 0; i < count && static_cast<size_t>(i) < arguments.size(); ++i) {
        EXPECT_EQ(expected[i], arguments[static_cast<size_t>(i)].value) << ToUtf8(text);
    }
    LocalFree(expected);
}

TEST(CommandLine, IsSplitAsTheSystemDoes) {
    for (const wchar_t* text : {L"a",
                                L"a b c",
                                L"a  b\tc ",
                                L"\"a b\" c",
                                L"\"a b\"c d",
                                L"a \"b c\"",
                                L"a b\"c d\"e",
                                L"a \"\"",
                                L"a \"\" b",
                                L"a b\\c",
                                L"a b\\\\c",
                                L"a b\\\"c",
                                L"a \"b\\\"c\"",
                                L"a \"b\\\\\" c",
                                L"a \"b\\\\\\\"\" c",
                                L"a b\\",
                                L"a \"b\\",
                                L"a \"b c",
                                L"\"C:\\Program Files\\x.exe\" /a:\"b c\"",
                                L"a \\\\server\\share \\\"x\\\"",
                                L"C:\\a\\\"b\" c",
                                L"a \u00e4\u65e5 b"}) {
        ExpectLikeTheSystem(text);
    }
}

TEST(CommandLine, SaysWhereArgumentsStart) {
    const std::wstring text = L"\"run me\"  --option   \"a program\" \"rest\"  as is ";
    const std::vector<Argument> arguments = SplitCommandLine(text);
    ASSERT_EQ(6u, arguments.size());
    EXPECT_EQ(0u, arguments[0].begin);
    EXPECT_EQ(L"--option", text.substr(arguments[1].begin, 8));
    EXPECT_EQ(L"\"a program\" \"rest\"  as is ", text.substr(arguments[2].begin));
}

TEST(CommandLine, ConvertsText) {
    EXPECT_EQ("", ToUtf8(L""));
    EXPECT_EQ(L"", FromUtf8(""));
    EXPECT_EQ("\xc3\xa4", ToUtf8(L"\u00e4"));
    EXPECT_EQ(L"\U0001f600", FromUtf8(ToUtf8(L"\U0001f600")));
}

}  // namespace
}  // namespace strata::run
