// How the launcher fails: a message, and an exit code as shells and env(1) have them.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace strata::run {

inline constexpr int kExitLauncher = 125;   // strata-run itself failed, or --require was not met
inline constexpr int kExitCannotRun = 126;  // the program is there and cannot be run (so)
inline constexpr int kExitNotFound = 127;

class Failure : public std::runtime_error {
public:
    Failure(int exit_code, const std::string& message)
        : std::runtime_error(message), exit_code_(exit_code) {}
    int exit_code() const { return exit_code_; }

private:
    int exit_code_;
};

// "CreateProcessW failed: Access is denied. (error 5)"
std::string SystemErrorText(std::string_view call, uint32_t error);

// One line, "strata-run: …", on standard error.
void Say(std::string_view message);

}  // namespace strata::run
