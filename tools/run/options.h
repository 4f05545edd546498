// The launcher's command line: strata-run [options] program [arguments], or
// strata-run [options] --attach PID.
#pragma once

#include <cstdint>
#include <string>

namespace strata::run {

struct Options {
    bool verbose = false;
    bool stats = false;
    bool disable = false;
    bool require = false;
    bool children = false;
    std::wstring stats_file;
    std::wstring record;  // the file of the trace; empty: none
    std::wstring dll;
    uint32_t attach = 0;  // the process to attach to, if is_attach
    bool is_attach = false;
    uint32_t timeout_seconds = 30;
    std::wstring program;       // as given
    std::wstring command_line;  // from the program's name on, as given

    bool exit = false;  // --help, --version or an error has been answered already
    int exit_code = 0;
};

Options ParseOptions(const std::wstring& command_line);

}  // namespace strata::run
