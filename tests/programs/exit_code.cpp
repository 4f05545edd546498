// Ends with the exit code of the first argument, in the manner of the second.
#include <windows.h>

#include <cstdlib>
#include <cstring>
#include <thread>

#include "check.h"

int main(int count, char** arguments) {
    CHECK(count == 3);
    const auto code = static_cast<unsigned>(std::strtoul(arguments[1], nullptr, 0));
    const auto is = [&](const char* name) { return std::strcmp(arguments[2], name) == 0; };
    std::puts("leaving");
    std::fflush(stdout);
    if (is("return")) return static_cast<int>(code);
    if (is("exit")) std::exit(static_cast<int>(code));
    if (is("terminate")) TerminateProcess(GetCurrentProcess(), code);
    if (is("crash")) RaiseException(code, EXCEPTION_NONCONTINUABLE, 0, nullptr);
    if (is("busy")) {
        // The other threads are ended wherever they stand: inside the allocator, most likely.
        for (int i = 0; i < 4; ++i) {
            std::thread([] {
                for (;;) {
                    void* blocks[64];
                    for (size_t j = 0; j < 64; ++j) blocks[j] = malloc(j * j * 40);
                    for (void* const block : blocks) free(block);
                }
            }).detach();
        }
        Sleep(30);
        ExitProcess(code);
    }
    return 5;
}
