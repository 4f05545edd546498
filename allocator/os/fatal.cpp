#include "os/fatal.h"

#include <atomic>

#include "os/message.h"
#include "os/process.h"
#include "os/text.h"

namespace strata::os {

namespace {

using Message = TextBuffer<256>;

const char* Verb(Operation operation) noexcept {
    switch (operation) {
        case Operation::kFree:
            return "free";
        case Operation::kResize:
            return "realloc";
        case Operation::kSize:
            return "size query";
    }
    return "use";
}

constinit std::atomic<FatalDetails> g_details{nullptr};
constinit std::atomic<bool> g_dying{false};

// `pointer`: what the message is about, or nullptr.
[[noreturn]] void Die(Message& message, const void* pointer) noexcept {
    message.Put("\n");
    BeginLastWords();
    WriteMessage(message.text(), message.length());
    // Once: not again for another thread's error, nor for one in the details.
    const FatalDetails details = g_details.load(std::memory_order_relaxed);
    if (details != nullptr && !g_dying.exchange(true, std::memory_order_relaxed)) details(pointer);
    EndLastWords();
    FailFast();
}

void Begin(Message& message) noexcept { message.Put("strata: fatal: "); }

}  // namespace

void SetFatalDetails(FatalDetails details) noexcept {
    g_details.store(details, std::memory_order_relaxed);
}

namespace {

void BeginFreed(Message& message, Operation operation) noexcept {
    Begin(message);
    if (operation == Operation::kFree) {
        message.Put("double free of block ");
    } else {
        message.Put(Verb(operation)).Put(" of freed block ");
    }
}

}  // namespace

void FatalEndedBlock(Operation operation, const void* block) noexcept {
    Message message;
    BeginFreed(message, operation);
    message.PutAddress(block).Put(": it was freed before, or its heap destroyed");
    Die(message, block);
}

void FatalDoubleFree(Operation operation, const void* block, const void* heap,
                     size_t bytes) noexcept {
    Message message;
    BeginFreed(message, operation);
    message.PutAddress(block).Put(" (").PutDecimal(bytes).Put(" usable bytes) in heap ");
    message.PutAddress(heap);
    Die(message, block);
}

void FatalInteriorPointer(Operation operation, const void* pointer, const void* block,
                          const void* heap, size_t bytes) noexcept {
    Message message;
    Begin(message);
    message.Put(Verb(operation)).Put(" of interior pointer ").PutAddress(pointer);
    message.Put(" into block ").PutAddress(block).Put(" (").PutDecimal(bytes);
    message.Put(" usable bytes) of heap ").PutAddress(heap);
    Die(message, pointer);
}

void FatalUnallocatedPointer(Operation operation, const void* pointer) noexcept {
    Message message;
    Begin(message);
    message.Put(Verb(operation)).Put(" of invalid pointer ").PutAddress(pointer);
    message.Put(": no block is there now (freed before, or never allocated)");
    Die(message, pointer);
}

void FatalForeignPointer(Operation operation, const void* pointer) noexcept {
    Message message;
    Begin(message);
    message.Put(Verb(operation)).Put(" of foreign pointer ").PutAddress(pointer);
    message.Put(": not allocated by Strata");
    Die(message, pointer);
}

void FatalWrongHeap(Operation operation, const void* block, const void* given_heap,
                    const void* owner, size_t bytes) noexcept {
    Message message;
    Begin(message);
    message.Put(Verb(operation)).Put(" to the wrong heap: block ").PutAddress(block);
    message.Put(" (").PutDecimal(bytes).Put(" bytes) belongs to heap ").PutAddress(owner);
    message.Put(", not to ").PutAddress(given_heap);
    Die(message, block);
}

void FatalSizeMismatch(const void* block, const void* heap, size_t requested,
                       size_t given) noexcept {
    Message message;
    Begin(message);
    message.Put("sized free of block ").PutAddress(block).Put(" in heap ").PutAddress(heap);
    message.Put(" with ").PutDecimal(given).Put(" bytes, requested were ").PutDecimal(requested);
    Die(message, block);
}

void FatalCorruptBlock(Operation operation, const void* block, const void* heap,
                       size_t bytes) noexcept {
    Message message;
    Begin(message);
    message.Put(Verb(operation)).Put(" of overrun block ").PutAddress(block).Put(" (");
    message.PutDecimal(bytes).Put(" usable bytes) in heap ").PutAddress(heap);
    message.Put(": its last bytes were overwritten");
    Die(message, block);
}

namespace {

[[noreturn]] void DieOfOverwritten(Operation operation, const char* what, const void* block,
                                   const void* heap, size_t requested, const char* where) noexcept {
    Message message;
    Begin(message);
    message.Put(Verb(operation)).Put(what).PutAddress(block).Put(" (");
    message.PutDecimal(requested).Put(" bytes requested) in heap ").PutAddress(heap);
    message.Put(where);
    Die(message, block);
}

}  // namespace

void FatalTailOverrun(Operation operation, const void* block, const void* heap,
                      size_t requested) noexcept {
    DieOfOverwritten(operation, " of overrun block ", block, heap, requested,
                     ": the bytes behind it were overwritten");
}

void FatalUnderrun(Operation operation, const void* block, const void* heap,
                   size_t requested) noexcept {
    DieOfOverwritten(operation, " of underrun block ", block, heap, requested,
                     ": the bytes before it were overwritten");
}

void FatalWriteAfterFree(const void* block, const void* heap, size_t offset) noexcept {
    Message message;
    Begin(message);
    message.Put("free block ").PutAddress(block).Put(" of heap ").PutAddress(heap);
    message.Put(" was written to at offset ").PutDecimal(offset).Put(" after it was freed");
    Die(message, block);
}

void FatalInvalidHeap(const void* handle) noexcept {
    Message message;
    Begin(message);
    message.Put("use of invalid heap handle ").PutAddress(handle);
    message.Put(": destroyed before, or never a heap");
    Die(message, nullptr);
}

void FatalAbandonedLock(uint32_t thread) noexcept {
    Message message;
    Begin(message);
    message.Put("thread ").PutDecimal(thread);
    message.Put(
        " was ended (TerminateThread) while it changed a heap, which cannot be used any more");
    Die(message, nullptr);
}

void FatalOutOfMemory(size_t bytes) noexcept {
    Message message;
    Begin(message);
    message.Put("out of memory: ")
        .PutDecimal(bytes)
        .Put(" bytes requested with exceptions enabled");
    Die(message, nullptr);
}

}  // namespace strata::os
