#include "replay/options.h"

#include <strata/version.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>

namespace strata::replay {

namespace {

constexpr char kFooter[] =
    "Each thread of the trace gets a thread, every call is made in the order that the trace has "
    "for its\n"
    "block, and no thread runs more than --window calls ahead of the slowest. Blocks of private "
    "heaps are\n"
    "taken from the one heap that all allocators have; the end of a heap frees what it still "
    "held.\n"
    "\n"
    "Exit code: 0; 1 when --verify found a fault or the allocator had no memory; 2 for a wrong "
    "command\n"
    "line, a file that cannot be read, or a damaged trace, which is named with its place in the "
    "file.";

}  // namespace

Options ParseOptions(const std::vector<std::string>& arguments) {
    Options options;
    CLI::App app(std::string("Runs a trace of strata-run --record again, on the allocator ") +
                     AllocatorName() + ".",
                 "strata-replay");
    app.footer(kFooter);
    app.add_option("file", options.file, "The trace")->required()->type_name("FILE");
    app.add_flag("-i,--info", options.info, "Say what is in the trace, and run nothing");
    app.add_option(
           "-a,--allocator", options.allocator,
           "Run it on another allocator: by the program strata_replay_NAME beside this one\n"
           "(the benchmarks' build makes mimalloc, default, crt, limit, requested)")
        ->type_name("NAME");
    app.add_flag("-j,--json", options.json, "Print one line of JSON");
    app.add_flag("-m,--memory", options.run.memory,
                 "Sample the commit charge meanwhile; such a run is not for comparing times");
    const std::map<std::string, Touch> touches = {{"none", Touch::kNone},
                                                  {"first", Touch::kFirst},
                                                  {"page", Touch::kPage},
                                                  {"line", Touch::kLine}};
    app.add_option("-t,--touch", options.run.touch,
                   "What is written of a new block: the first byte of each cache line (line, the\n"
                   "default) or page (page), of the block (first), or nothing (none)")
        ->transform(CLI::Transformer(touches))
        ->type_name("HOW");
    app.add_flag("--verify", options.run.verify,
                 "Check sizes, zeros, alignment and contents of every block; slower");
    app.add_option("-w,--window", options.run.window, "See below (2048)")->type_name("CALLS");
    app.add_option("-r,--repeat", options.run.repeat,
                   "Run it so often; what is left is freed between")
        ->check(CLI::Range(1u, 1000000u))
        ->type_name("TIMES");
    app.add_flag("--partial", options.partial,
                 "Of a damaged trace, use what stands before the damage");
    app.add_flag("--wait", options.wait,
                 "At the end, wait until the input ends, so that others can look at the process");
    app.set_version_flag("--version", "strata-replay " STRATA_VERSION_STRING);
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants them
    try {
        app.parse(reversed);
    } catch (const CLI::ParseError& error) {
        options.exit = true;
        options.exit_code = app.exit(error, std::cout, std::cerr) == 0 ? 0 : 2;
    }
    return options;
}

}  // namespace strata::replay
