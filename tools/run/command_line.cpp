#include "run/command_line.h"

#include <windows.h>

namespace strata::run {

namespace {

bool IsBlank(wchar_t c) { return c == L' ' || c == L'\t'; }

// The program's own name: in quotes, or up to a blank. Nothing has a meaning in it.
size_t ReadFirst(std::wstring_view text, std::wstring& value) {
    const bool quoted = !text.empty() && text.front() == L'"';
    const size_t begin = quoted ? 1 : 0;
    size_t end = begin;
    while (end < text.size() && (quoted ? text[end] != L'"' : !IsBlank(text[end]))) ++end;
    value = text.substr(begin, end - begin);
    return quoted && end < text.size() ? end + 1 : end;
}

// 2n backslashes and a quote: n backslashes, and the quote opens or closes; 2n+1 and a quote: n
// backslashes and a quote; two quotes in a quoted part: one quote.
size_t ReadNext(std::wstring_view text, size_t at, std::wstring& value) {
    bool quoted = false;
    while (at < text.size() && (quoted || !IsBlank(text[at]))) {
        size_t backslashes = 0;
        while (at < text.size() && text[at] == L'\\') {
            ++backslashes;
            ++at;
        }
        if (at == text.size() || text[at] != L'"') {
            value.append(backslashes, L'\\');
            if (at < text.size() && (quoted || !IsBlank(text[at]))) value += text[at++];
            continue;
        }
        value.append(backslashes / 2, L'\\');
        if (backslashes % 2 != 0) {
            value += L'"';
        } else if (quoted && at + 1 < text.size() && text[at + 1] == L'"') {
            value += L'"';
            ++at;
        } else {
            quoted = !quoted;
        }
        ++at;
    }
    return at;
}

}  // namespace

std::vector<Argument> SplitCommandLine(std::wstring_view text) {
    std::vector<Argument> arguments;
    Argument first{L"", 0};
    size_t at = ReadFirst(text, first.value);
    arguments.push_back(first);
    for (;;) {
        while (at < text.size() && IsBlank(text[at])) ++at;
        if (at >= text.size()) return arguments;
        Argument next{L"", at};
        at = ReadNext(text, at, next.value);
        arguments.push_back(next);
    }
}

std::string ToUtf8(std::wstring_view text) {
    const int size = static_cast<int>(text.size());
    const int length =
        WideCharToMultiByte(CP_UTF8, 0, text.data(), size, nullptr, 0, nullptr, nullptr);
    std::string result(static_cast<size_t>(length), 0);
    WideCharToMultiByte(CP_UTF8, 0, text.data(), size, result.data(), length, nullptr, nullptr);
    return result;
}

std::wstring FromUtf8(std::string_view text) {
    const int size = static_cast<int>(text.size());
    const int length = MultiByteToWideChar(CP_UTF8, 0, text.data(), size, nullptr, 0);
    std::wstring result(static_cast<size_t>(length), 0);
    MultiByteToWideChar(CP_UTF8, 0, text.data(), size, result.data(), length);
    return result;
}

}  // namespace strata::run
