// What the allocator needs from the process besides memory: time, text, options, the last error,
// the end. All functions are usable under the loader lock and allocate nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::os {

// Milliseconds since some fixed moment; coarse (1-16 ms) and cheap.
uint64_t Milliseconds() noexcept;

// Unpredictable bits, for address hints and block choice. Not for keys.
uint64_t RandomBits() noexcept;

// Writes to standard error as it is now; text that cannot be written is dropped.
void WriteStandardError(const char* text, size_t length) noexcept;

// The value of an environment variable as ASCII into `buffer`, zero-terminated; false when it is
// not set, longer than the buffer, or not ASCII. `name` is ASCII.
bool GetOption(const char* name, char* buffer, size_t capacity) noexcept;

// Whether it is set, and not empty.
bool HasOption(const char* name) noexcept;

// Calls `visit` with the name of each environment variable that begins with `prefix`, in capitals
// or not, as far as it is ASCII and has fewer than 64 characters. REQUIRES: no lock is held.
void ForEachOption(const char* prefix, void (*visit)(const char* name, void* context) noexcept,
                   void* context) noexcept;

// Ends the process at once, in a way that Windows Error Reporting (or the parent, by SIGABRT) sees
// as a crash. Runs no handlers of the program.
[[noreturn]] void FailFast() noexcept;

// The calling thread's "out of memory" and "bad argument" marks: the last error on Windows, errno
// elsewhere.
void SetOutOfMemoryError() noexcept;
void SetInvalidArgumentError() noexcept;

// The Win32 last error; kept in a variable of its own where there is none.
uint32_t GetLastErrorCode() noexcept;
void SetLastErrorCode(uint32_t code) noexcept;

// HEAP_GENERATE_EXCEPTIONS: raise STATUS_NO_MEMORY, or STATUS_ACCESS_VIOLATION for a bad argument,
// as structured exceptions. They return when a handler continues. Without structured exceptions
// they end the process with a message.
void RaiseNoMemory(size_t bytes);
void RaiseAccessViolation(const void* handle);

uint32_t ProcessId() noexcept;

}  // namespace strata::os
