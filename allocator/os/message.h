// Messages: whole lines for whoever runs the program. They go to standard error, to the file of
// STRATA_LOG, to the program's own handler, and to a debugger (Windows: OutputDebugString), since
// many programs have no console.
//
// Nothing here takes a lock of Strata's or allocates from a heap of its own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::os {

// `text` is one line or several, each with its end; zero-terminated behind `length`.
void WriteMessage(const char* text, size_t length) noexcept;

// From now on the debugger is told nothing before EndLastWords, which tells it all at once:
// OutputDebugString raises an exception, by which handlers of the program come to run, perhaps to
// wait for a lock that the dying thread has.
void BeginLastWords() noexcept;
void EndLastWords() noexcept;

// Who else is told, nullptr: nobody. It may be called with any lock held.
using MessageHandler = void (*)(void* context, const char* text, size_t length);
void SetMessageHandler(MessageHandler handler, void* context) noexcept;

// A file that is appended to. Each write is one, so that processes can share the file.
class AppendFile {
public:
    enum class Result : uint8_t { kNotNamed, kOpen, kFailed };

    // Opens the file that an environment variable names, in any script. kFailed: `error` is the
    // system's. REQUIRES: no lock is held.
    Result Open(const char* option, uint32_t& error) noexcept;
#ifdef _WIN32
    Result OpenAt(const wchar_t* path, uint32_t& error) noexcept;
#endif
    bool IsOpen() const noexcept { return handle_ != kNone; }
    // What cannot be written is dropped.
    void Write(const char* text, size_t length) const noexcept;

private:
    static constexpr intptr_t kNone = -1;
    intptr_t handle_ = kNone;
};

// Opens the file of STRATA_LOG; the second time it has no effect. REQUIRES: no lock is held.
AppendFile::Result OpenLog(uint32_t& error) noexcept;

// The debugger's part of WriteMessage; zero-terminated text.
void WriteToDebugger(const char* text) noexcept;

}  // namespace strata::os
