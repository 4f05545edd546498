// Writes down every heap call of a process, as trace_format.h has it. Nothing here allocates from
// any heap; memory comes from os::Memory, and each thread has a buffer of its own that is written
// when it is full, when the thread ends, and at the end of the process.
//
// The order of calls of different threads is that of their stamps, which one counter gives out: an
// allocation's is drawn when the block is there and before the program has it, a free's before the
// block is given back. So a block's free always has a later stamp than its allocation, and an
// earlier one than whatever is allocated at its place next.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/thread_safety.h"
#include "observe/block_ids.h"
#include "observe/trace_format.h"
#include "os/lock.h"
#include "os/memory.h"

namespace strata::observe {

// Where a trace goes.
struct TraceOutput {
    void* context = nullptr;
    // Writes all of it at `offset`, or returns false. Never called by two threads at once.
    bool (*write)(void* context, uint64_t offset, const void* data,
                  size_t bytes) noexcept = nullptr;
    // The recording has ended early; what is in the file is good. Called once.
    void (*gave_up)(void* context, const char* why) noexcept = nullptr;
};

class Recorder {
public:
    explicit constexpr Recorder(os::Memory& memory) noexcept
        : memory_(&memory), blocks_(memory), heaps_(memory) {}
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    // `process_heap`: the handle of heap 0. Of `header` the caller fills what describes the
    // process. False, with nothing recorded, when there is no thread slot or nothing can be
    // written. Once.
    bool Start(const TraceOutput& output, FileHeader header, const void* process_heap) noexcept;

    // The functions below do nothing when nothing is recorded. Any thread, any time, also without a
    // thread's attach and after its detach. They keep the last error.

    // `block` is there, and the program does not have it yet. nullptr: there was no memory.
    void Allocated(const void* heap, const void* block, uint64_t bytes, bool zeroed) noexcept;

    // `block` is about to be freed, or asked for its size. `known_only`: nothing is recorded when
    // it is from before the recording.
    void Frees(const void* block, bool known_only) noexcept;
    void QueriesSize(const void* block, bool known_only) noexcept;

    // Around a call that resizes: what BeginResize said goes to EndResize. `result`: where the
    // block is now, nullptr when the call failed. `flags`: kZeroed, kInPlace.
    Named BeginResize(const void* block) noexcept;
    void EndResize(Named named, const void* block, const void* result, uint64_t bytes,
                   uint8_t flags, bool known_only) noexcept;

    void CreatedHeap(const void* handle) noexcept STRATA_EXCLUDES(heaps_lock_);
    void DestroysHeap(const void* handle) noexcept STRATA_EXCLUDES(heaps_lock_);
    void Calls(OtherCall call) noexcept;

    // The calling thread ends. What it still calls is written at once.
    void ThreadEnds() noexcept;

    // Writes what is left, of all threads, and the end. Nothing is recorded after it. REQUIRES: no
    // other thread is inside a call, unless the system has ended it there.
    void Finish() noexcept STRATA_EXCLUDES(file_lock_);

private:
    enum class State : uint8_t { kOff, kOn, kDone };

    struct Thread {
        Recorder* owner;
        Thread* next;
        uint8_t* buffer;  // a chunk: its header, then events; nullptr: none at present
        uint64_t last_stamp;
        std::atomic<uint64_t> filled;  // events << 32 | bytes of them; written after the bytes
        uint32_t number;
        uint32_t chunks;
        bool ended;
    };

    struct Event {
        uint8_t first;  // kind and flags
        uint64_t stamp;
        uint64_t numbers[2] = {};
        size_t count = 0;

        void Add(uint64_t number) noexcept { numbers[count++] = number; }
    };

    bool IsOn() const noexcept { return state_.load(std::memory_order_acquire) == State::kOn; }
    uint64_t Stamp() noexcept { return next_stamp_.fetch_add(1, std::memory_order_relaxed); }
    uint32_t HeapNumber(const void* handle) noexcept STRATA_EXCLUDES(heaps_lock_);
    static void AddBlock(Event& event, Named named) noexcept;
    void Append(const Event& event) noexcept;
    void Flush(Thread& thread) noexcept STRATA_EXCLUDES(file_lock_);
    Thread* CurrentThread() noexcept;
    Thread* NewThread() noexcept STRATA_EXCLUDES(memory_lock_);
    uint8_t* TakeBuffer() noexcept STRATA_EXCLUDES(memory_lock_);
    void ReturnBuffer(Thread& thread) noexcept STRATA_EXCLUDES(memory_lock_);
    void* NewSlice() noexcept;
    bool Write(const void* data, size_t bytes) noexcept STRATA_REQUIRES(file_lock_);
    void GiveUp(const char* why) noexcept;
    uint32_t Elapsed() const noexcept;

    os::Memory* memory_;
    TraceOutput output_;
    std::atomic<State> state_{State::kOff};
    std::atomic<uint64_t> next_stamp_{1};
    const void* process_heap_ = nullptr;
    uint64_t started_ = 0;  // os::Milliseconds
    BlockIds blocks_;
    BlockIds heaps_;

    os::Lock heaps_lock_{os::LockRank::kRecordedHeaps};
    os::Lock memory_lock_{os::LockRank::kRecorderMemory};
    os::Lock file_lock_{os::LockRank::kTraceFile};            // of what is written, too
    uint32_t heap_count_ STRATA_GUARDED_BY(heaps_lock_) = 0;  // beside the process heap
    uint32_t thread_count_ STRATA_GUARDED_BY(memory_lock_) = 0;
    Thread* threads_ STRATA_GUARDED_BY(memory_lock_) = nullptr;
    // A list, through their first words.
    uint8_t* spare_buffers_ STRATA_GUARDED_BY(memory_lock_) = nullptr;
    // Where the next threads' records go.
    uint8_t* thread_room_ STRATA_GUARDED_BY(memory_lock_) = nullptr;
    size_t thread_room_bytes_ STRATA_GUARDED_BY(memory_lock_) = 0;
    uint64_t file_bytes_ STRATA_GUARDED_BY(file_lock_) = 0;
};

}  // namespace strata::observe
