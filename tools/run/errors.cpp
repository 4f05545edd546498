#include "run/errors.h"

#include <windows.h>

#include "run/command_line.h"

namespace strata::run {

std::string SystemErrorText(std::string_view call, uint32_t error) {
    wchar_t* text = nullptr;
    const DWORD length =
        FormatMessageW(FORMAT_MESSAGE_ALLOCATE_BUFFER | FORMAT_MESSAGE_FROM_SYSTEM |
                           FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK,
                       nullptr, error, 0, reinterpret_cast<wchar_t*>(&text), 0, nullptr);
    std::string message = std::string(call) + " failed: ";
    if (length != 0) message += ToUtf8({text, length});
    LocalFree(text);
    while (message.back() == ' ') message.pop_back();
    return message + " (error " + std::to_string(error) + ")";
}

void Say(std::string_view message) {
    const std::string line = "strata-run: " + std::string(message) + "\n";
    DWORD written;
    WriteFile(GetStdHandle(STD_ERROR_HANDLE), line.data(), static_cast<DWORD>(line.size()),
              &written, nullptr);
}

}  // namespace strata::run
