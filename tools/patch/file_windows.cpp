#include <windows.h>

#include <algorithm>

#include "patch/file.h"

namespace strata::patch {

namespace {

class Handle {
public:
    explicit Handle(HANDLE handle) : handle_(handle) {}
    ~Handle() { Close(); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    HANDLE get() const { return handle_; }
    bool IsOpen() const { return handle_ != INVALID_HANDLE_VALUE; }
    void Close() {
        if (IsOpen()) CloseHandle(handle_);
        handle_ = INVALID_HANDLE_VALUE;
    }

private:
    HANDLE handle_;
};

constexpr DWORD kShareAll = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
constexpr DWORD kChunk = 1u << 20;  // ReadFile and WriteFile count in 32 bits

FileError SystemError(const Path& path, const char* what) {
    return {path, what, static_cast<int>(GetLastError())};
}

DWORD AttributesOf(const Path& path) {
    const DWORD attributes = GetFileAttributesW(path.c_str());
    if (attributes == INVALID_FILE_ATTRIBUTES) throw SystemError(path, "cannot be read");
    return attributes;
}

// Goes away with its name unless it is given another.
class Temporary {
public:
    Temporary(const Path& target, DWORD attributes)
        : name_(target.native() + L".strata-" + std::to_wstring(GetCurrentProcessId()) + L"-" +
                std::to_wstring(GetTickCount64())),
          file_(CreateFileW(name_.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, CREATE_NEW,
                            attributes & ~DWORD{FILE_ATTRIBUTE_READONLY}, nullptr)) {
        if (!file_.IsOpen()) throw SystemError(target, "cannot be written beside");
    }
    ~Temporary() {
        if (name_.empty()) return;
        file_.Close();
        DeleteFileW(name_.c_str());
    }

    void Fill(Bytes bytes) {
        while (!bytes.empty()) {
            const DWORD size = static_cast<DWORD>(std::min<size_t>(bytes.size(), kChunk));
            DWORD written = 0;
            if (!::WriteFile(file_.get(), bytes.data(), size, &written, nullptr) ||
                written != size) {
                throw SystemError(name_, "cannot be written");
            }
            bytes = bytes.subspan(size);
        }
    }

    void Finish(const FILETIME* modified) {
        if ((modified != nullptr && !SetFileTime(file_.get(), nullptr, nullptr, modified)) ||
            !FlushFileBuffers(file_.get())) {
            throw SystemError(name_, "cannot be written");
        }
        file_.Close();
    }

    void MoveTo(const Path& target, Existing existing) {
        if (existing == Existing::kReplace) {
            MoveOver(name_, target);
        } else if (!MoveFileExW(name_.c_str(), target.c_str(), MOVEFILE_WRITE_THROUGH)) {
            const DWORD error = GetLastError();
            if (error == ERROR_ALREADY_EXISTS || error == ERROR_FILE_EXISTS) {
                throw Refused(Reason::kFileExists, ToUtf8(target) + " is there already");
            }
            throw SystemError(target, "cannot be made");
        }
        name_.clear();
    }

private:
    std::wstring name_;
    Handle file_;
};

}  // namespace

Path FollowLinks(const Path& path) {
    const DWORD attributes = GetFileAttributesW(path.c_str());
    if (attributes == INVALID_FILE_ATTRIBUTES || (attributes & FILE_ATTRIBUTE_REPARSE_POINT) == 0) {
        return path;
    }
    const Handle file(CreateFileW(path.c_str(), 0, kShareAll, nullptr, OPEN_EXISTING, 0, nullptr));
    wchar_t final_path[0x8000];
    const DWORD length =
        file.IsOpen() ? GetFinalPathNameByHandleW(file.get(), final_path, 0x8000, 0) : 0;
    if (length == 0 || length >= 0x8000) throw SystemError(path, "leads nowhere");
    return Path(final_path);
}

std::vector<uint8_t> ReadWholeFile(const Path& path) {
    if ((AttributesOf(path) & FILE_ATTRIBUTE_DIRECTORY) != 0) {
        throw FileError(ToUtf8(path) + " is not a file");
    }
    const Handle file(CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE,
                                  nullptr, OPEN_EXISTING, FILE_FLAG_SEQUENTIAL_SCAN, nullptr));
    LARGE_INTEGER size = {};
    if (!file.IsOpen() || !GetFileSizeEx(file.get(), &size)) {
        throw SystemError(path, "cannot be read");
    }
    std::vector<uint8_t> bytes(static_cast<size_t>(size.QuadPart));
    for (size_t done = 0; done < bytes.size();) {
        DWORD got = 0;
        const DWORD wanted = static_cast<DWORD>(std::min<size_t>(bytes.size() - done, kChunk));
        if (!::ReadFile(file.get(), bytes.data() + done, wanted, &got, nullptr)) {
            throw SystemError(path, "cannot be read");
        }
        if (got == 0) throw FileError(ToUtf8(path) + " became shorter while it was read");
        done += got;
    }
    return bytes;
}

// A file that is mapped as a program cannot be opened for writing.
void CheckReplaceable(const Path& path) {
    if ((AttributesOf(path) & FILE_ATTRIBUTE_READONLY) != 0) {
        throw Refused(Reason::kReadOnly,
                      "it is read-only; make it writable first, or use --output");
    }
    const Handle file(CreateFileW(path.c_str(), GENERIC_READ | GENERIC_WRITE | DELETE, 0, nullptr,
                                  OPEN_EXISTING, 0, nullptr));
    if (file.IsOpen()) return;
    if (GetLastError() == ERROR_SHARING_VIOLATION) {
        throw Refused(Reason::kInUse,
                      "it is running, or another program has it open; end that, or use --output");
    }
    throw SystemError(path, "cannot be written");
}

void WriteWholeFile(const Path& target, Bytes bytes, const Path& model, Existing existing,
                    Modified modified) {
    FILETIME time = {};
    {
        const Handle file(CreateFileW(model.c_str(), FILE_READ_ATTRIBUTES, kShareAll, nullptr,
                                      OPEN_EXISTING, 0, nullptr));
        if (!file.IsOpen() || !GetFileTime(file.get(), nullptr, nullptr, &time)) {
            throw SystemError(model, "cannot be read");
        }
    }
    Temporary file(target, AttributesOf(model));
    file.Fill(bytes);
    file.Finish(modified == Modified::kAsModel ? &time : nullptr);
    file.MoveTo(target, existing);
}

void MoveOver(const Path& from, const Path& to) {
    // ReplaceFileW leaves the place its access rights, time of creation and further streams.
    // Without a backup's name, it fails only with both files still under their names.
    if (ReplaceFileW(to.c_str(), from.c_str(), nullptr, REPLACEFILE_IGNORE_MERGE_ERRORS, nullptr,
                     nullptr)) {
        return;
    }
    if (!MoveFileExW(from.c_str(), to.c_str(),
                     MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)) {
        throw SystemError(to, "cannot be replaced");
    }
}

}  // namespace strata::patch
