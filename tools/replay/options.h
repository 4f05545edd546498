// The command line of strata-replay.
#pragma once

#include <string>
#include <vector>

#include "replay/run.h"

namespace strata::replay {

struct Options {
    std::string file;       // UTF-8
    std::string allocator;  // not this program's: empty, or a name
    bool info = false;
    bool json = false;
    bool partial = false;
    bool wait = false;  // at the end, until the input ends
    RunOptions run;

    bool exit = false;  // --help, --version or an error has been answered already
    int exit_code = 0;
};

// `arguments`: without the program's name, UTF-8.
Options ParseOptions(const std::vector<std::string>& arguments);

}  // namespace strata::replay
