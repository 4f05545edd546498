#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "os/message.h"

namespace strata::os {

AppendFile::Result AppendFile::Open(const char* option, uint32_t& error) noexcept {
    const char* const path = getenv(option);
    if (path == nullptr || path[0] == 0) return Result::kNotNamed;
    const int saved = errno;
    handle_ = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    error = static_cast<uint32_t>(errno);
    errno = saved;
    return handle_ != kNone ? Result::kOpen : Result::kFailed;
}

void AppendFile::Write(const char* text, size_t length) const noexcept {
    const int saved = errno;
    const ssize_t written = write(static_cast<int>(handle_), text, length);
    static_cast<void>(written);
    errno = saved;
}

void WriteToDebugger(const char*) noexcept {}

}  // namespace strata::os
