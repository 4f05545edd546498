// The text of a command line, and where its arguments stand in it. A launcher must hand on what it
// was given as it was written: splitting and quoting anew would change it for programs that read
// their command line in their own way.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace strata::run {

struct Argument {
    std::wstring value;  // unquoted
    size_t begin;        // where it starts in the command line
};

// Splits by the rules of CommandLineToArgvW: the first argument is in quotes or ends at a blank; in
// the others quotes can stand anywhere, and backslashes in front of a quote count.
std::vector<Argument> SplitCommandLine(std::wstring_view text);

std::string ToUtf8(std::wstring_view text);
std::wstring FromUtf8(std::string_view text);

}  // namespace strata::run
