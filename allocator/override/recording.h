// strata-run --record, STRATA_RECORD: what the redirected entries tell the recorder. Calls that
// ntdll makes for itself are not the program's and are left out, but where they end a block of the
// program's.
//
// The functions with a Watch do nothing, and take no instruction, unless it is kRecorded.
#pragma once

#include "api/win32_heap.h"
#include "observe/recorder.h"
#include "override/entry_table.h"
#include "override/heap_context.h"
#include "override/settings.h"

namespace strata::override {

extern constinit observe::Recorder g_recorder;

// Opens the file that STRATA_RECORD names. False, which has been said, when nothing will be
// recorded.
bool StartRecording(const Settings& settings) noexcept;

// The process ends, or goes on without the override: the rest is written. Does nothing when nothing
// is recorded.
void FinishRecording() noexcept;

// A call that is counted and that nothing below records.
void RecordOther(Entry entry) noexcept;

template <Watch kWatch>
void RecordAllocated([[maybe_unused]] const void* handle, [[maybe_unused]] ULONG flags,
                     [[maybe_unused]] const void* block, [[maybe_unused]] SIZE_T bytes) noexcept {
    if constexpr (kWatch == Watch::kRecorded) {
        g_recorder.Allocated(handle, block, bytes, (flags & api::kHeapZeroMemory) != 0);
    }
}

template <Watch kWatch>
void RecordFree([[maybe_unused]] const void* block, [[maybe_unused]] const void* caller) noexcept {
    if constexpr (kWatch == Watch::kRecorded) g_recorder.Frees(block, IsInNtdll(caller));
}

template <Watch kWatch>
void RecordSizeQuery([[maybe_unused]] const void* block,
                     [[maybe_unused]] const void* caller) noexcept {
    if constexpr (kWatch == Watch::kRecorded) g_recorder.QueriesSize(block, IsInNtdll(caller));
}

template <Watch kWatch>
observe::Named RecordResizeBegin([[maybe_unused]] const void* block) noexcept {
    if constexpr (kWatch == Watch::kRecorded) return g_recorder.BeginResize(block);
    return {};
}

template <Watch kWatch>
void RecordResizeEnd([[maybe_unused]] observe::Named named, [[maybe_unused]] const void* block,
                     [[maybe_unused]] const void* resized, [[maybe_unused]] SIZE_T bytes,
                     [[maybe_unused]] ULONG flags, [[maybe_unused]] const void* caller) noexcept {
    if constexpr (kWatch == Watch::kRecorded) {
        uint8_t how = 0;
        if ((flags & api::kHeapZeroMemory) != 0) how |= observe::kZeroed;
        if ((flags & api::kHeapReallocInPlaceOnly) != 0) how |= observe::kInPlace;
        g_recorder.EndResize(named, block, resized, bytes, how, IsInNtdll(caller));
    }
}

template <Watch kWatch>
void RecordCreatedHeap([[maybe_unused]] const void* handle) noexcept {
    if constexpr (kWatch == Watch::kRecorded) g_recorder.CreatedHeap(handle);
}

template <Watch kWatch>
void RecordDestroysHeap([[maybe_unused]] const void* handle) noexcept {
    if constexpr (kWatch == Watch::kRecorded) g_recorder.DestroysHeap(handle);
}

}  // namespace strata::override
