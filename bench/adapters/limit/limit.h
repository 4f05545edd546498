// The limit: what the same calls cost when nothing is checked, nothing is ever given back to the
// system, and the program is trusted in everything. A stack of free blocks per thread and size
// class, a byte per 64 KiB that says the class of what lies there, and memory that is only ever
// handed out from the front. Not an allocator that anyone could use.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#ifdef _WIN32
#include <windows.h>
#else
#include <sys/mman.h>
#endif

namespace bench {

namespace limit {

inline constexpr size_t kSpan = 64 * 1024;
inline constexpr size_t kRange = size_t{32} << 30;  // more than any benchmark has in its whole life
inline constexpr size_t kCommitStep = 16 * kSpan * 16;
inline constexpr size_t kSmallest =
    1024;  // multiples of 16 up to here, then four classes a doubling
inline constexpr size_t kClasses = 64 + 4 * 17;

inline size_t ClassOf(size_t size) {
    if (size <= kSmallest) return size == 0 ? 0 : (size - 1) / 16;
    const size_t last = size - 1;
    const size_t octave = static_cast<size_t>(std::bit_width(last)) - 11;  // 0: 1 to 2 KiB
    return 64 + octave * 4 + ((last >> (octave + 8)) & 3);
}

inline size_t SizeOf(size_t index) {
    if (index < 64) return (index + 1) * 16;
    return (5 + (index - 64) % 4) << ((index - 64) / 4 + 8);
}

class SpinLock {
public:
    void lock() {
        while (taken_.exchange(true, std::memory_order_acquire)) {
        }
    }
    void unlock() { taken_.store(false, std::memory_order_release); }

private:
    std::atomic<bool> taken_{false};
};

struct Stack {
    void** top = nullptr;
    void** base = nullptr;
    void** end = nullptr;
    char* fresh = nullptr;
    char* fresh_end = nullptr;
};

struct Thread {
    Stack stacks[kClasses];
    Thread* next = nullptr;
};

inline char* range = nullptr;
inline char* committed = nullptr;
inline char* front = nullptr;
inline SpinLock range_lock;
inline uint8_t classes[kRange / kSpan];
inline SpinLock shared_lock;
inline void*
    shared[kClasses];  // batches: a list of lists, through the first two words of the blocks
inline Thread* idle_threads = nullptr;

inline void Reserve() {
#ifdef _WIN32
    range = static_cast<char*>(VirtualAlloc(nullptr, kRange, MEM_RESERVE, PAGE_READWRITE));
#else
    void* memory = mmap(nullptr, kRange, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    range = memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
#endif
    if (range == nullptr) std::abort();
    front = committed = range;
}

inline char* TakeSpans(size_t bytes, uint8_t index) {
    bytes = (bytes + kSpan - 1) & ~(kSpan - 1);
    range_lock.lock();
    if (range == nullptr) Reserve();
    char* result = front;
    front += bytes;
    if (front > range + kRange) std::abort();
    if (front > committed) {
#ifdef _WIN32
        const size_t more = std::min(
            (static_cast<size_t>(front - committed) + kCommitStep - 1) & ~(kCommitStep - 1),
            static_cast<size_t>(range + kRange - committed));
        if (VirtualAlloc(committed, more, MEM_COMMIT, PAGE_READWRITE) == nullptr) std::abort();
        committed += more;
#else
        committed = front;
#endif
    }
    range_lock.unlock();
    std::memset(classes + (result - range) / kSpan, index, bytes / kSpan);
    return result;
}

// Keeps a thread's stacks for the next thread when it ends.
struct Owner {
    Thread* thread = nullptr;
    ~Owner() {
        if (thread == nullptr) return;
        shared_lock.lock();
        thread->next = idle_threads;
        idle_threads = thread;
        shared_lock.unlock();
    }
};

inline thread_local Thread* this_thread = nullptr;

[[gnu::noinline]] inline Thread* Start() {
    static thread_local Owner owner;
    shared_lock.lock();
    Thread* thread = idle_threads;
    if (thread != nullptr) idle_threads = thread->next;
    shared_lock.unlock();
    if (thread == nullptr) thread = reinterpret_cast<Thread*>(TakeSpans(sizeof(Thread), 0));
    owner.thread = this_thread = thread;
    return thread;
}

// How many blocks move between a thread and the others at once.
inline size_t Batch(size_t index) { return SizeOf(index) <= 4096 ? 512 : 16; }

inline void MakeReady(Stack& stack, size_t index) {
    const size_t slots = 2 * Batch(index);
    stack.base = stack.top = reinterpret_cast<void**>(TakeSpans(slots * sizeof(void*), 0));
    stack.end = stack.base + slots;
}

[[gnu::noinline]] inline void* Refill(Stack& stack, size_t index) {
    if (stack.base == nullptr) MakeReady(stack, index);
    if (shared[index] != nullptr) {
        shared_lock.lock();
        auto** batch = static_cast<void**>(shared[index]);
        if (batch != nullptr) shared[index] = batch[1];
        shared_lock.unlock();
        if (batch != nullptr) {
            for (void** block = batch; block != nullptr; block = static_cast<void**>(*block)) {
                *stack.top++ = block;
            }
            return *--stack.top;
        }
    }
    const size_t size = SizeOf(index);
    if (stack.fresh == nullptr || stack.fresh + size > stack.fresh_end) {
        const size_t bytes = size <= kSpan / 8 ? kSpan : size <= kSpan * 4 ? size * 8 : size;
        stack.fresh = TakeSpans(bytes, static_cast<uint8_t>(index));
        stack.fresh_end = stack.fresh + bytes;
    }
    void* block = stack.fresh;
    stack.fresh += size;
    return block;
}

[[gnu::noinline]] inline void Spill(Stack& stack, size_t index) {
    if (stack.base == nullptr) return MakeReady(stack, index);
    void** batch = nullptr;
    for (size_t i = Batch(index); i > 0; --i) {
        auto** block = static_cast<void**>(*--stack.top);
        *block = batch;
        batch = block;
    }
    shared_lock.lock();
    batch[1] = shared[index];
    shared[index] = batch;
    shared_lock.unlock();
}

[[gnu::noinline]] inline void* Allocate(size_t size) {
    Thread* thread = this_thread;
    if (thread == nullptr) [[unlikely]]
        thread = Start();
    const size_t index = ClassOf(size);
    Stack& stack = thread->stacks[index];
    if (stack.top == stack.base) [[unlikely]]
        return Refill(stack, index);
    return *--stack.top;
}

[[gnu::noinline]] inline void Release(void* block) {
    if (block == nullptr) return;
    Thread* thread = this_thread;
    if (thread == nullptr) [[unlikely]]
        thread = Start();
    const size_t index = classes[(static_cast<char*>(block) - range) / kSpan];
    Stack& stack = thread->stacks[index];
    if (stack.top == stack.end) [[unlikely]]
        Spill(stack, index);
    *stack.top++ = block;
}

inline size_t SizeOfBlock(void* block) {
    return SizeOf(classes[(static_cast<char*>(block) - range) / kSpan]);
}

}  // namespace limit

}  // namespace bench
