// The command line: strata-patch [options] program.exe.
#pragma once

#include <string>
#include <vector>

#include "patch/commands.h"

namespace strata::patch {

struct Options {
    bool exit = false;  // --help, --version or an error has been answered already
    int exit_code = 0;
    Command command;
};

// `arguments`: without the program's own name, in UTF-8.
Options ParseOptions(std::vector<std::string> arguments);

}  // namespace strata::patch
