// The functions that ntdll's heap entry points lead to. One decision is common to all of them:
//
//   creating  a request goes to Strata when its heap has a companion here, its flags are ones that
//             Strata honours, and the caller is not ntdll itself: ntdll looks into the headers of its
//             own blocks and frees some of them without coming through an entry point;
//   the rest  a block is Strata's when it lies in one of Strata's arenas, whoever asks; every other
//             block is the original's. This makes any mix of old and new blocks right.
//
// Signatures: winternl.h and the "NTAPI Undocumented Functions" pages name them; those of the Win32
// functions of the same meaning, which pass their arguments through, are Microsoft's (heapapi.h).
#pragma once

#include "api/win32_heap.h"
#include "override/counters.h"
#include "override/entry_table.h"
#include "override/heap_context.h"
#include "override/recording.h"
#include "override/windows_api.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define STRATA_RETURN_ADDRESS() _ReturnAddress()
#else
#define STRATA_RETURN_ADDRESS() __builtin_return_address(0)
#endif

namespace strata::override {

// RTL functions that return BOOLEAN are used by callers that test all of eax.
using WideBoolean = ULONG_PTR;

using AllocateFunction = void*(NTAPI*)(void* heap, ULONG flags, SIZE_T bytes);
using FreeFunction = WideBoolean(NTAPI*)(void* heap, ULONG flags, void* block);
using ReAllocateFunction = void*(NTAPI*)(void* heap, ULONG flags, void* block, SIZE_T bytes);
using SizeFunction = SIZE_T(NTAPI*)(void* heap, ULONG flags, const void* block);
using ValidateFunction = WideBoolean(NTAPI*)(void* heap, ULONG flags, const void* block);
using CreateFunction = void*(NTAPI*)(ULONG flags, void* base, SIZE_T reserve, SIZE_T commit,
                                     void* lock, void* parameters);
using DestroyFunction = void*(NTAPI*)(void* heap);
using WalkFunction = LONG(NTAPI*)(void* heap, void* entry);
using LockFunction = WideBoolean(NTAPI*)(void* heap);
using GetUserInfoFunction = WideBoolean(NTAPI*)(void* heap, ULONG flags, void* block, void** value,
                                                ULONG* user_flags);
using SetUserValueFunction = WideBoolean(NTAPI*)(void* heap, ULONG flags, void* block, void* value);
using SetUserFlagsFunction = WideBoolean(NTAPI*)(void* heap, ULONG flags, void* block, ULONG reset,
                                                 ULONG set);
using CompactFunction = SIZE_T(NTAPI*)(void* heap, ULONG flags);
using InformationFunction = LONG(NTAPI*)(void* heap, ULONG information_class, void* information,
                                         SIZE_T bytes, SIZE_T* returned);
using SetInformationFunction = LONG(NTAPI*)(void* heap, ULONG information_class, void* information,
                                            SIZE_T bytes);
using ValidateAllFunction = WideBoolean(NTAPI*)();
using MultipleAllocateFunction = ULONG(NTAPI*)(void* heap, ULONG flags, SIZE_T bytes, ULONG count,
                                               void** blocks);
// UNICODE_STRING, ANSI_STRING and OEM_STRING, which have the same fields.
struct CountedString {
    USHORT length;
    USHORT capacity;
    void* buffer;
};
using FreeStringFunction = void(NTAPI*)(CountedString* string);
using MultipleFreeFunction = ULONG(NTAPI*)(void* heap, ULONG flags, ULONG count, void** blocks);

// The original behind an entry. REQUIRES: the entry is redirected.
template <typename Function>
Function Original(Entry entry) noexcept {
    return reinterpret_cast<Function>(g_originals[Index(entry)]);
}

template <Watch kWatch>
void Count([[maybe_unused]] Entry entry, [[maybe_unused]] Served served) noexcept {
    if constexpr (kWatch != Watch::kNone) g_counters.Add(Row(entry), served);
    if constexpr (kWatch == Watch::kRecorded) {
        if (served != Served::kNtdll) RecordOther(entry);
    }
}

// A block operation that the original serves: because ntdll asks, or because the block is foreign.
template <Watch kWatch>
void CountForeign(Entry entry, const void* caller) noexcept {
    Count<kWatch>(entry, IsInNtdll(caller) ? Served::kNtdll : Served::kForeign);
}

// A block of ours is given to `handle`: our heap behind it. Fatal when there is none, because then
// the block cannot belong to it.
heap::Heap& HeapForOurBlock(const void* handle, const void* block,
                            os::Operation operation) noexcept;
// The end of the process: a block of ours, and a handle without a heap of ours.
[[noreturn]] void ReportBlockOfNoHeap(const void* handle, const void* block,
                                      os::Operation operation) noexcept;

// What an entry leads to, by file: blocks, whole heaps, walking.
const void* BlockReplacement(Entry entry, Watch watch) noexcept;
const void* HeapReplacement(Entry entry, Watch watch) noexcept;
const void* WalkReplacement(Watch watch) noexcept;

}  // namespace strata::override
