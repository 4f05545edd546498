// The name of an environment variable, which is ASCII, as the system wants it.
#pragma once

#include <cstddef>

namespace strata::os {

struct WideName {
    explicit WideName(const char* name) noexcept {
        size_t i = 0;
        for (; name[i] != 0 && i + 1 < sizeof text / sizeof text[0]; ++i) {
            text[i] = static_cast<wchar_t>(name[i]);
        }
        text[i] = 0;
    }
    wchar_t text[64];
};

}  // namespace strata::os
