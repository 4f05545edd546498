// Fuzzes the options: numbers from the environment against another reading of them, and the command
// line of strata-patch, which must give a command or an exit code.
//
// Input: text; a line feed parts the command line's arguments.
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "input.h"
#include "patch/options.h"
#include "store/options.h"

namespace {

void CheckNumber(const std::string& text, uint64_t most) {
    uint64_t value = 12345;
    const bool parsed = strata::store::ParseNumber(text.c_str(), most, value);
    bool digits = !text.empty() && text.find('\0') == std::string::npos;
    for (const char c : text) digits = digits && c >= '0' && c <= '9';
    if (text.find('\0') != std::string::npos) {
        return CheckNumber(text.substr(0, text.find('\0')), most);
    }
    errno = 0;
    const unsigned long long expected = digits ? std::strtoull(text.c_str(), nullptr, 10) : 0;
    const bool good = digits && errno == 0 && expected <= most;
    FUZZ_CHECK(parsed == good);
    FUZZ_CHECK(value == (good ? expected : 12345));
}

void CheckCommandLine(const std::string& text) {
    std::vector<std::string> arguments;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) arguments.push_back(line);
    // What it says is not looked at.
    std::ostringstream out;
    std::streambuf* const cout = std::cout.rdbuf(out.rdbuf());
    std::streambuf* const cerr = std::cerr.rdbuf(out.rdbuf());
    const strata::patch::Options options = strata::patch::ParseOptions(arguments);
    std::cout.rdbuf(cout);
    std::cerr.rdbuf(cerr);
    if (options.exit) {
        FUZZ_CHECK(options.exit_code == 0 || options.exit_code == strata::patch::kExitUsage);
        FUZZ_CHECK(!out.str().empty());
    } else {
        FUZZ_CHECK(!options.command.program.empty());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    const std::string text(reinterpret_cast<const char*>(bytes), size);
    for (const uint64_t most : {uint64_t{0}, uint64_t{30'000}, uint64_t{1} << 32, UINT64_MAX}) {
        CheckNumber(text, most);
    }
    CheckCommandLine(text);
    return 0;
}
