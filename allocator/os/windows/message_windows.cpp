#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include "os/memory.h"
#include "os/message.h"
#include "os/windows/last_error_keeper.h"
#include "os/windows/wide_name.h"

namespace strata::os {

namespace {

// The value of an environment variable, however long.
class Value {
public:
    explicit Value(const char* name) noexcept {
        const WideName wide(name);
        const DWORD needed = GetEnvironmentVariableW(wide.text, nullptr, 0);
        if (needed <= 1) return;  // not set, or empty
        named_ = true;
        bytes_ = needed * sizeof(wchar_t);
        text_ = static_cast<wchar_t*>(AllocatePages(bytes_));
        if (text_ == nullptr) return;
        const DWORD length = GetEnvironmentVariableW(wide.text, text_, needed);
        if (length >= needed) text_[0] = 0;  // longer since
    }
    ~Value() {
        if (text_ != nullptr) FreePages(text_, bytes_);
    }
    Value(const Value&) = delete;
    Value& operator=(const Value&) = delete;

    bool named() const noexcept { return named_; }
    const wchar_t* text() const noexcept { return text_; }

private:
    bool named_ = false;
    size_t bytes_ = 0;
    wchar_t* text_ = nullptr;
};

}  // namespace

AppendFile::Result AppendFile::OpenAt(const wchar_t* path, uint32_t& error) noexcept {
    const LastErrorKeeper keeper;
    const HANDLE file =
        CreateFileW(path, FILE_APPEND_DATA | SYNCHRONIZE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                    nullptr, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file == INVALID_HANDLE_VALUE) {
        error = GetLastError();
        return Result::kFailed;
    }
    handle_ = reinterpret_cast<intptr_t>(file);
    return Result::kOpen;
}

AppendFile::Result AppendFile::Open(const char* option, uint32_t& error) noexcept {
    const LastErrorKeeper keeper;
    const Value value(option);
    if (!value.named()) return Result::kNotNamed;
    if (value.text() == nullptr) {
        error = ERROR_NOT_ENOUGH_MEMORY;
        return Result::kFailed;
    }
    return OpenAt(value.text(), error);
}

void AppendFile::Write(const char* text, size_t length) const noexcept {
    const LastErrorKeeper keeper;
    DWORD written = 0;
    WriteFile(reinterpret_cast<HANDLE>(handle_), text, static_cast<DWORD>(length), &written,
              nullptr);
}

void WriteToDebugger(const char* text) noexcept {
    const LastErrorKeeper keeper;
    OutputDebugStringA(text);
}

}  // namespace strata::os
