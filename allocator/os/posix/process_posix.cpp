#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/fatal.h"
#include "os/lock.h"
#include "os/process.h"
#include "os/thread.h"

namespace strata::os {

namespace {
constinit thread_local void* t_observer_slot = nullptr;
}

bool CreateObserverSlot() noexcept { return true; }
void* GetObserverSlot() noexcept { return t_observer_slot; }
void SetObserverSlot(void* value) noexcept { t_observer_slot = value; }

constinit thread_local void* t_slot __attribute__((tls_model("initial-exec"))) = nullptr;

namespace {

constinit thread_local uint32_t t_last_error __attribute__((tls_model("initial-exec"))) = 0;
pthread_key_t g_exit_key;
void (*g_on_exit)(void*) noexcept = nullptr;

constinit thread_local bool t_ended __attribute__((tls_model("initial-exec"))) = false;

void OnThreadExit(void*) noexcept {
    t_ended = true;
    // Not the key's own value: it stays when the slot is cleared.
    if (g_on_exit != nullptr && t_slot != nullptr) g_on_exit(t_slot);
}

}  // namespace

static_assert(sizeof(SystemSlot) == sizeof(pthread_key_t));
SystemSlot AllocateSystemSlot() noexcept {
    pthread_key_t key;
    return pthread_key_create(&key, OnThreadExit) == 0 ? key : kNoSystemSlot;
}

void FreeSystemSlot(SystemSlot slot) noexcept { pthread_key_delete(slot); }

void UseThreadSlot(SystemSlot slot, void (*on_exit)(void* value) noexcept) noexcept {
    g_exit_key = slot;
    g_on_exit = on_exit;
}

void SetThreadSlot(void* value) noexcept {
    t_slot = value;
    // Destructors of other keys may still free blocks after ours ran; the slot then holds the
    // marker of a detached thread, which asks for no further call: a key set by a destructor would
    // bring one.
    if (value != nullptr && !t_ended) pthread_setspecific(g_exit_key, value);
}

bool SetThreadSlotAtEnd(void* value) noexcept {
    t_slot = value;
    return true;
}

bool WaitOnWord(std::atomic<uint32_t>& word, uint32_t value) noexcept {
    const int saved = errno;
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
    errno = saved;
    return true;
}

void RequireHolder(uint32_t) noexcept {}

void WakeOneOnWord(std::atomic<uint32_t>& word) noexcept {
    const int saved = errno;
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    errno = saved;
}

void SpinPause() noexcept { __builtin_ia32_pause(); }

uint64_t Milliseconds() noexcept {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

uint64_t RandomBits() noexcept {
    uint64_t bits = 0;
    const int saved = errno;
    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != sizeof bits) {
        timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        bits = static_cast<uint64_t>(now.tv_nsec) * 0x9E3779B97F4A7C15u;
    }
    errno = saved;
    return bits;
}

void WriteStandardError(const char* text, size_t length) noexcept {
    const int saved = errno;
    while (length > 0) {
        const ssize_t written = write(STDERR_FILENO, text, length);
        if (written <= 0) break;
        text += written;
        length -= static_cast<size_t>(written);
    }
    errno = saved;
}

bool GetOption(const char* name, char* buffer, size_t capacity) noexcept {
    const char* value = getenv(name);
    if (value == nullptr) return false;
    const size_t length = strlen(value);
    if (length >= capacity) return false;
    for (size_t i = 0; i < length; ++i) {
        if (static_cast<unsigned char>(value[i]) > 126) return false;
    }
    memcpy(buffer, value, length + 1);
    return true;
}

bool HasOption(const char* name) noexcept {
    const char* const value = getenv(name);
    return value != nullptr && value[0] != 0;
}

void ForEachOption(const char* prefix, void (*visit)(const char* name, void* context) noexcept,
                   void* context) noexcept {
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
        if (strncmp(*variable, prefix, strlen(prefix)) != 0) continue;
        char name[64];
        const size_t length = strcspn(*variable, "=");
        if (length >= sizeof name) continue;
        memcpy(name, *variable, length);
        name[length] = 0;
        visit(name, context);
    }
}

void FailFast() noexcept {
    struct sigaction action = {};
    action.sa_handler = SIG_DFL;
    sigaction(SIGABRT, &action, nullptr);
    raise(SIGABRT);
    _exit(134);
}

void SetOutOfMemoryError() noexcept {
    errno = ENOMEM;
    t_last_error = 8;
}
void SetInvalidArgumentError() noexcept {
    errno = EINVAL;
    t_last_error = 87;
}
uint32_t GetLastErrorCode() noexcept { return t_last_error; }
void SetLastErrorCode(uint32_t code) noexcept { t_last_error = code; }

void RaiseNoMemory(size_t bytes) { FatalOutOfMemory(bytes); }
void RaiseAccessViolation(const void* handle) { FatalInvalidHeap(handle); }

uint32_t ProcessId() noexcept { return static_cast<uint32_t>(getpid()); }

}  // namespace strata::os
