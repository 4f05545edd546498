// Files: read whole, and replaced so that at every moment there is either the old file or the new
// one.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "patch/pe_image.h"

namespace strata::patch {

using Path = std::filesystem::path;

// The system did not do what it was asked; the message names the file.
class FileError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
    // "program.exe cannot be read: Permission denied"; `code` is the system's.
    FileError(const Path& path, const std::string& what, int code);
};

std::string ToUtf8(const Path& path);
Path FromUtf8(const std::string& text);

// The file that a symbolic link leads to; other paths as they are.
Path FollowLinks(const Path& path);

bool Exists(const Path& path);

std::vector<uint8_t> ReadWholeFile(const Path& path);

// Throws Refused (kReadOnly, kInUse) when the file is not one that may be replaced now.
void CheckReplaceable(const Path& path);

enum class Existing { kRefuse, kReplace };
enum class Modified { kNow, kAsModel };

// Writes a file of this content as a temporary file beside `target`, flushes it, and renames it. It
// gets the attributes and permissions of `model`, and its time of modification on request. Throws
// Refused (kFileExists) when `target` exists and must not.
void WriteWholeFile(const Path& target, Bytes bytes, const Path& model, Existing existing,
                    Modified modified);

// Renames `from` to `to`, in whose place it comes.
void MoveOver(const Path& from, const Path& to);

}  // namespace strata::patch
