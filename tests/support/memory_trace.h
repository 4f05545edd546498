// A trace in memory: where a recorder writes, and what a reader reads.
#pragma once

#include <cstring>
#include <vector>

#include "observe/recorder.h"

namespace strata::test {

struct MemoryTrace {
    std::vector<uint8_t> bytes;
    size_t most = SIZE_MAX;  // beyond it writing fails
    int gave_up = 0;
    const char* reason = nullptr;

    observe::TraceOutput Output() {
        return {this,
                [](void* context, uint64_t offset, const void* data, size_t count) noexcept {
                    auto& trace = *static_cast<MemoryTrace*>(context);
                    if (offset + count > trace.most) return false;
                    if (trace.bytes.size() < offset + count) trace.bytes.resize(offset + count);
                    std::memcpy(trace.bytes.data() + offset, data, count);
                    return true;
                },
                [](void* context, const char* why) noexcept {
                    auto& trace = *static_cast<MemoryTrace*>(context);
                    ++trace.gave_up;
                    trace.reason = why;
                }};
    }
};

// A recorder that writes to a MemoryTrace.
struct MemoryRecording {
    MemoryTrace trace;
    os::Memory memory{os::kCallsOf<os::SystemMemory>};
    observe::Recorder recorder{memory};

    bool Start() {
        observe::FileHeader header = {};
        std::strcpy(header.program, "test.exe");
        header.process_id = 42;
        return recorder.Start(trace.Output(), header, ProcessHeap());
    }
    static const void* ProcessHeap() { return reinterpret_cast<const void*>(0x10000); }
    static const void* Address(uintptr_t number) {
        return reinterpret_cast<const void*>(number * 16);
    }
    void Allocate(uintptr_t number, uint64_t bytes, const void* heap = ProcessHeap()) {
        recorder.Allocated(heap, Address(number), bytes, false);
    }
    void Free(uintptr_t number) { recorder.Frees(Address(number), false); }
};

}  // namespace strata::test
