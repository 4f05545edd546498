#include "patch/file.h"

#include <system_error>

namespace strata::patch {

FileError::FileError(const Path& path, const std::string& what, int code)
    : std::runtime_error(ToUtf8(path) + " " + what + ": " +
                         std::error_code(code, std::system_category()).message()) {}

std::string ToUtf8(const Path& path) {
    const std::u8string text = path.u8string();
    return {text.begin(), text.end()};
}

Path FromUtf8(const std::string& text) { return Path(std::u8string(text.begin(), text.end())); }

bool Exists(const Path& path) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::symlink_status(path, error);
    return status.type() != std::filesystem::file_type::not_found &&
           status.type() != std::filesystem::file_type::none;
}

}  // namespace strata::patch
