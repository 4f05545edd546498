// strata-patch: makes a Windows program on disk load Strata by itself.
#include <exception>
#include <iostream>

#include "patch/options.h"

namespace {

int Main(const std::vector<std::string>& arguments) {
    using namespace strata::patch;
    const Options options = ParseOptions(arguments);
    return options.exit ? options.exit_code : Run(options.command, std::cout, std::cerr);
}

}  // namespace

#ifdef _WIN32
int wmain(int argc, wchar_t** argv) {
#else
int main(int argc, char** argv) {
#endif
    try {
        std::vector<std::string> arguments;
        for (int i = 1; i < argc; ++i) arguments.push_back(strata::patch::ToUtf8(argv[i]));
        return Main(arguments);
    } catch (const std::exception& error) {
        std::cerr << "strata-patch: " << error.what() << "\n";
        return strata::patch::kExitFile;
    }
}
