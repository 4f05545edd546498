#include "observe/recorder.h"

#include <cstring>
#include <new>

#include "base/constants.h"
#include "os/process.h"
#include "os/thread.h"

namespace strata::observe {

namespace {

constexpr size_t kBufferBytes = kSliceSize;
constexpr size_t kRoomForEvents = kBufferBytes - sizeof(ChunkHeader);

constexpr uint8_t First(EventKind kind, uint8_t flags = 0) noexcept {
    return static_cast<uint8_t>(static_cast<uint8_t>(kind) | flags);
}

constexpr uint8_t If(bool condition, uint8_t flag) noexcept {
    return condition ? flag : uint8_t{0};
}

}  // namespace

// ---- what is recorded ---------------------------------------------------------------------------

bool Recorder::Start(const TraceOutput& output, FileHeader header,
                     const void* process_heap) noexcept {
    if (!os::CreateObserverSlot()) return false;
    os::SetObserverSlot(nullptr);  // another recorder's, in tests
    output_ = output;
    process_heap_ = process_heap;
    started_ = os::Milliseconds();
    memcpy(header.magic, kFileMagic, sizeof kFileMagic);
    header.version = kTraceVersion;
    header.bytes = sizeof header;
    header.unused = 0;
    header.checksum = ChecksumOf(header);
    const os::LockGuard guard(file_lock_);
    if (!output_.write(output_.context, 0, &header, sizeof header)) return false;
    file_bytes_ = sizeof header;
    // Pairs with IsOn: who records sees all of the above.
    state_.store(State::kOn, std::memory_order_release);
    return true;
}

void Recorder::AddBlock(Event& event, Named named) noexcept {
    if (named.id == 0) {
        event.first |= kForeign;
    } else {
        event.Add(event.stamp - named.id);
    }
}

void Recorder::Allocated(const void* heap, const void* block, uint64_t bytes,
                         bool zeroed) noexcept {
    if (!IsOn()) return;
    const uint32_t number = HeapNumber(heap);
    Event event = {First(EventKind::kAllocate, If(zeroed, kZeroed) | If(block == nullptr, kFailed) |
                                                   If(number != 0, kInHeap)),
                   Stamp()};
    if (number != 0) event.Add(number);
    event.Add(bytes);
    if (block != nullptr && !blocks_.Set(block, {event.stamp, number})) {
        return GiveUp("no memory for the blocks' names");
    }
    Append(event);
}

void Recorder::Frees(const void* block, bool known_only) noexcept {
    if (!IsOn() || block == nullptr) return;
    const Named named = blocks_.Remove(block);
    if (named.id == 0 && known_only) return;
    Event event = {First(EventKind::kFree), Stamp()};
    AddBlock(event, named);
    Append(event);
}

void Recorder::QueriesSize(const void* block, bool known_only) noexcept {
    if (!IsOn()) return;
    const Named named = blocks_.Find(block);
    if (named.id == 0 && known_only) return;
    Event event = {First(EventKind::kQuerySize), Stamp()};
    AddBlock(event, named);
    Append(event);
}

// The block has no name while it may move: its old place may be another's before the call returns.
Named Recorder::BeginResize(const void* block) noexcept {
    return IsOn() ? blocks_.Remove(block) : Named{};
}

void Recorder::EndResize(Named named, const void* block, const void* result, uint64_t bytes,
                         uint8_t flags, bool known_only) noexcept {
    if (!IsOn() || (named.id == 0 && known_only)) return;
    if (named.id != 0 && !blocks_.Set(result != nullptr ? result : block, named)) {
        return GiveUp("no memory for the blocks' names");
    }
    Event event = {First(EventKind::kResize, flags | If(result == nullptr, kFailed)), Stamp()};
    AddBlock(event, named);
    event.Add(bytes);
    Append(event);
}

// 0 for the process heap. One that is seen for the first time is from before the recording.
uint32_t Recorder::HeapNumber(const void* handle) noexcept {
    if (handle == process_heap_) return 0;
    if (const Named known = heaps_.Find(handle); known.id != 0)
        return static_cast<uint32_t>(known.id);
    const os::LockGuard guard(heaps_lock_);
    if (const Named known = heaps_.Find(handle); known.id != 0)
        return static_cast<uint32_t>(known.id);
    if (!heaps_.Set(handle, {++heap_count_, 0})) GiveUp("no memory for the heaps' numbers");
    Event event = {First(EventKind::kCreateHeap, kForeign), Stamp()};
    event.Add(heap_count_);
    Append(event);
    return heap_count_;
}

void Recorder::CreatedHeap(const void* handle) noexcept {
    if (!IsOn() || handle == nullptr) return;
    const os::LockGuard guard(heaps_lock_);
    if (!heaps_.Set(handle, {++heap_count_, 0})) return GiveUp("no memory for the heaps' numbers");
    Event event = {First(EventKind::kCreateHeap), Stamp()};
    event.Add(heap_count_);
    Append(event);
}

// The names of its blocks stay until others take their places: a reader knows that they ended.
void Recorder::DestroysHeap(const void* handle) noexcept {
    if (!IsOn() || handle == process_heap_) return;
    const uint32_t number = HeapNumber(handle);
    heaps_.Remove(handle);
    Event event = {First(EventKind::kDestroyHeap), Stamp()};
    event.Add(number);
    Append(event);
}

void Recorder::Calls(OtherCall call) noexcept {
    if (!IsOn()) return;
    Event event = {First(EventKind::kOther), Stamp()};
    event.Add(static_cast<uint64_t>(call));
    Append(event);
}

// ---- buffers ------------------------------------------------------------------------------------

// What others may see of a buffer, should the system end this thread at any moment: `filled` bytes,
// whole events all of them.
void Recorder::Append(const Event& event) noexcept {
    Thread* const thread = CurrentThread();
    if (thread == nullptr) return GiveUp("no memory for a thread");
    uint64_t filled = thread->filled.load(std::memory_order_relaxed);
    if (static_cast<uint32_t>(filled) + kMaxEventBytes > kRoomForEvents) {
        Flush(*thread);
        filled = 0;
    }
    if (thread->buffer == nullptr && (thread->buffer = TakeBuffer()) == nullptr) {
        return GiveUp("no memory for a buffer");
    }
    if (filled == 0) {
        auto* const header = reinterpret_cast<ChunkHeader*>(thread->buffer);
        header->first_stamp = thread->last_stamp = event.stamp;
    }
    uint8_t* const begin = thread->buffer + sizeof(ChunkHeader) + static_cast<uint32_t>(filled);
    uint8_t* at = begin;
    *at++ = event.first;
    at = PutNumber(at, event.stamp - thread->last_stamp);
    for (size_t i = 0; i < event.count; ++i) at = PutNumber(at, event.numbers[i]);
    thread->last_stamp = event.stamp;
    filled += (uint64_t{1} << 32) + static_cast<uint64_t>(at - begin);
    // Pairs with Flush, which another thread calls at the end of the process.
    thread->filled.store(filled, std::memory_order_release);
    if (thread->ended) {
        Flush(*thread);
        ReturnBuffer(*thread);
    }
}

void Recorder::Flush(Thread& thread) noexcept {
    const uint64_t filled = thread.filled.load(std::memory_order_acquire);
    if (filled == 0) return;
    const os::LockGuard guard(file_lock_);
    auto* const header = reinterpret_cast<ChunkHeader*>(thread.buffer);
    header->magic = kChunkMagic;
    header->bytes = static_cast<uint32_t>(filled);
    header->thread = thread.number;
    header->number = thread.chunks;
    header->events = static_cast<uint32_t>(filled >> 32);
    header->milliseconds = Elapsed();
    header->unused = 0;
    header->checksum = Crc32(ChecksumOf(*header), header + 1, header->bytes);
    if (!Write(header, sizeof *header + header->bytes)) return GiveUp("it could not be written");
    // In this order: when the system ends the thread between two of these, the chunk is written
    // twice, with the same number, and a reader passes over the second. The other way it could be
    // lost.
    file_bytes_ += sizeof *header + header->bytes;
    thread.filled.store(0, std::memory_order_relaxed);
    ++thread.chunks;
}

bool Recorder::Write(const void* data, size_t bytes) noexcept {
    return IsOn() && output_.write(output_.context, file_bytes_, data, bytes);
}

void Recorder::GiveUp(const char* why) noexcept {
    State expected = State::kOn;
    if (state_.compare_exchange_strong(expected, State::kDone)) {
        output_.gave_up(output_.context, why);
    }
}

uint32_t Recorder::Elapsed() const noexcept {
    return static_cast<uint32_t>(os::Milliseconds() - started_);
}

void* Recorder::NewSlice() noexcept {
    os::ReserveRequest request;
    request.bytes = kSliceSize;
    void* const slice = memory_->Reserve(request);
    if (slice == nullptr) return nullptr;
    if (memory_->Commit(slice, kSliceSize, kSliceSize)) return slice;
    memory_->Release(slice, kSliceSize, 0);
    return nullptr;
}

uint8_t* Recorder::TakeBuffer() noexcept {
    const os::LockGuard guard(memory_lock_);
    uint8_t* const spare = spare_buffers_;
    if (spare == nullptr) return static_cast<uint8_t*>(NewSlice());
    memcpy(&spare_buffers_, spare, sizeof spare_buffers_);
    return spare;
}

void Recorder::ReturnBuffer(Thread& thread) noexcept {
    if (thread.buffer == nullptr) return;
    const os::LockGuard guard(memory_lock_);
    memcpy(thread.buffer, &spare_buffers_, sizeof spare_buffers_);
    spare_buffers_ = thread.buffer;
    thread.buffer = nullptr;
}

// ---- threads ------------------------------------------------------------------------------------

Recorder::Thread* Recorder::CurrentThread() noexcept {
    auto* const thread = static_cast<Thread*>(os::GetObserverSlot());
    return thread != nullptr && thread->owner == this ? thread : NewThread();
}

// Never given back: a thread calls the heap after its detach, too, and nobody knows for how long.
Recorder::Thread* Recorder::NewThread() noexcept {
    const os::LockGuard guard(memory_lock_);
    constexpr size_t kBytes = (sizeof(Thread) + 63) / 64 * 64;
    if (thread_room_bytes_ < kBytes) {
        thread_room_ = static_cast<uint8_t*>(NewSlice());
        if (thread_room_ == nullptr) {
            thread_room_bytes_ = 0;
            return nullptr;
        }
        thread_room_bytes_ = kSliceSize;
    }
    auto* const thread = new (thread_room_) Thread{};
    thread_room_ += kBytes;
    thread_room_bytes_ -= kBytes;
    thread->owner = this;
    thread->number = thread_count_++;
    thread->next = threads_;
    threads_ = thread;
    os::SetObserverSlot(thread);
    return thread;
}

void Recorder::ThreadEnds() noexcept {
    if (!IsOn()) return;
    auto* const thread = static_cast<Thread*>(os::GetObserverSlot());
    if (thread == nullptr || thread->owner != this) return;
    thread->ended = true;
    Flush(*thread);
    ReturnBuffer(*thread);
}

// Without the locks that guard all this: a thread that the system has ended may have them.
void Recorder::Finish() noexcept STRATA_NO_THREAD_SAFETY_ANALYSIS {
    if (!IsOn()) return;
    for (Thread* thread = threads_; thread != nullptr; thread = thread->next) Flush(*thread);
    EndRecord end = {};
    end.magic = kEndMagic;
    end.threads = thread_count_;
    end.stamps = next_stamp_.load(std::memory_order_relaxed) - 1;
    end.milliseconds = Elapsed();
    end.checksum = ChecksumOf(end);
    if (!Write(&end, sizeof end)) return GiveUp("it could not be written");
    state_.store(State::kDone, std::memory_order_release);
}

}  // namespace strata::observe
