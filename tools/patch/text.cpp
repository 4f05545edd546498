#include "patch/text.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace strata::patch {

std::string Hex(uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%" PRIx64, value);
    return text;
}

std::string Count(uint64_t count, std::string_view noun) {
    return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::string Printable(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        if (c < 0x20 || c > 0x7E) c = '?';
    }
    return result;
}

bool EqualNames(std::string_view a, std::string_view b) {
    const auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace strata::patch
