#include "os/message.h"

#include <atomic>

#include "os/process.h"

namespace strata::os {

namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

constinit std::atomic<MessageHandler> g_handler{nullptr};
constinit std::atomic<void*> g_handler_context{nullptr};

constinit AppendFile g_log;
constinit std::atomic<bool> g_log_asked{false};
constinit std::atomic<bool> g_log_open{false};

// What the debugger is told at the end. Only the thread that ends the process writes to it.
constinit std::atomic<bool> g_last_words{false};
constinit char g_kept[4096] = {};
constinit size_t g_kept_length = 0;

void Keep(const char* text, size_t length) noexcept {
    for (size_t i = 0; i < length && g_kept_length + 1 < sizeof g_kept; ++i) {
        g_kept[g_kept_length++] = text[i];
    }
}

}  // namespace

void SetMessageHandler(MessageHandler handler, void* context) noexcept {
    g_handler.store(nullptr, kRelaxed);
    g_handler_context.store(context, kRelaxed);
    // Who loads this handler, with acquire, has its context.
    g_handler.store(handler, std::memory_order_release);
}

AppendFile::Result OpenLog(uint32_t& error) noexcept {
    if (g_log_asked.exchange(true, kRelaxed)) return AppendFile::Result::kNotNamed;
    const AppendFile::Result result = g_log.Open("STRATA_LOG", error);
    // The same for g_log: WriteMessage looks at it when this is true.
    g_log_open.store(g_log.IsOpen(), std::memory_order_release);
    return result;
}

void WriteMessage(const char* text, size_t length) noexcept {
    WriteStandardError(text, length);
    if (g_log_open.load(std::memory_order_acquire)) g_log.Write(text, length);
    if (const MessageHandler handler = g_handler.load(std::memory_order_acquire)) {
        handler(g_handler_context.load(kRelaxed), text, length);
    }
    if (g_last_words.load(kRelaxed)) {
        Keep(text, length);
    } else {
        WriteToDebugger(text);
    }
}

void BeginLastWords() noexcept { g_last_words.store(true, kRelaxed); }
void EndLastWords() noexcept { WriteToDebugger(g_kept); }

}  // namespace strata::os
