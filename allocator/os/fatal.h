// Fatal errors: a closed catalogue. One function and one message each; all end in FailFast.
// No locks, no allocation: they can be called from anywhere, also under the loader lock.
//
// The messages, one line each, stand in docs/security.md. What is known of the block follows in
// lines of its own (SetFatalDetails), and then the process ends.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::os {

// What the caller was doing; the verb in the message.
enum class Operation : unsigned char { kFree, kResize, kSize };

// Writes to standard error, in lines of its own, what is known of the pointer that a message was
// about, or nullptr. It may take no lock, as the caller may hold any, and allocate nothing. One for
// the process.
using FatalDetails = void (*)(const void* pointer) noexcept;
void SetFatalDetails(FatalDetails details) noexcept;

// The block is free already. `bytes`: its usable size.
[[noreturn]] void FatalDoubleFree(Operation operation, const void* block, const void* heap,
                                  size_t bytes) noexcept;
// A block was there, which was freed, or whose heap was destroyed; its memory has been given back
// since.
[[noreturn]] void FatalEndedBlock(Operation operation, const void* block) noexcept;
// The pointer lies inside a block, or inside a slab but not at the start of any block.
[[noreturn]] void FatalInteriorPointer(Operation operation, const void* pointer, const void* block,
                                       const void* heap, size_t bytes) noexcept;
// The pointer lies in an arena, where no block is, nor was one last.
[[noreturn]] void FatalUnallocatedPointer(Operation operation, const void* pointer) noexcept;
// The pointer is not from Strata at all.
[[noreturn]] void FatalForeignPointer(Operation operation, const void* pointer) noexcept;
// The block belongs to another heap than the one it is given to.
[[noreturn]] void FatalWrongHeap(Operation operation, const void* block, const void* given_heap,
                                 const void* owner, size_t bytes) noexcept;
// Sized free with another size than the one requested.
[[noreturn]] void FatalSizeMismatch(const void* block, const void* heap, size_t requested,
                                    size_t given) noexcept;
// The slack of a live block is impossible: the last bytes of the block were overwritten.
[[noreturn]] void FatalCorruptBlock(Operation operation, const void* block, const void* heap,
                                    size_t bytes) noexcept;
// The bytes behind a live block are not as they were filled (heaps with tail checks).
[[noreturn]] void FatalTailOverrun(Operation operation, const void* block, const void* heap,
                                   size_t requested) noexcept;
// The same before the block, where it stands alone on its pages (guarded blocks).
[[noreturn]] void FatalUnderrun(Operation operation, const void* block, const void* heap,
                                size_t requested) noexcept;
// The fill pattern of a free block has changed (heaps with free checks).
[[noreturn]] void FatalWriteAfterFree(const void* block, const void* heap, size_t offset) noexcept;
// A heap handle is not a live heap.
[[noreturn]] void FatalInvalidHeap(const void* handle) noexcept;
// A thread was ended by another (TerminateThread) in the middle of a change that a lock guards.
[[noreturn]] void FatalAbandonedLock(uint32_t thread) noexcept;
// HEAP_GENERATE_EXCEPTIONS where there are no structured exceptions.
[[noreturn]] void FatalOutOfMemory(size_t bytes) noexcept;

}  // namespace strata::os
