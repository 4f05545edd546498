// Allocating, freeing and asking about blocks.
#include "heap/fast_path.h"
#include "os/process.h"
#include "override/heap_entries.h"

namespace strata::override {

namespace {

template <Watch kWatch>
STRATA_NOINLINE void* AllocateElsewhere(void* handle, ULONG flags, SIZE_T bytes,
                                        const void* caller) {
    heap::Heap* const heap = HeapOf(handle);
    const bool ntdll = IsInNtdll(caller);
    if (heap == nullptr || ntdll || (flags & g_context.original_flags) != 0) {
        Count<kWatch>(Entry::kAllocate, ntdll ? Served::kNtdll : Served::kOriginal);
        void* const block = Original<AllocateFunction>(Entry::kAllocate)(handle, flags, bytes);
        if (!ntdll) RecordAllocated<kWatch>(handle, flags, block, bytes);
        return block;
    }
    Count<kWatch>(Entry::kAllocate, Served::kStrata);
    void* const block = api::HeapAllocate(*heap, flags, bytes);
    RecordAllocated<kWatch>(handle, flags, block, bytes);
    return block;
}

// From the process heap, with any flags that Strata honours. Takes its arguments as the entry does.
template <Watch kWatch>
STRATA_NOINLINE void* NTAPI AllocateFromProcess(void* handle, ULONG flags, SIZE_T bytes) {
    void* const block = api::HeapAllocate(*g_context.process_heap, flags, bytes);
    RecordAllocated<kWatch>(handle, flags, block, bytes);
    return block;
}

// What the thread's magazine of a small class has not got.
template <Watch kWatch>
STRATA_NOINLINE void* NTAPI AllocateMissed(void* handle, ULONG flags, SIZE_T bytes) {
    void* const block = bytes > kLinearLimit ? heap::AllocateMedium(bytes)
                                             : heap::AllocateSlow(bytes, /*zero=*/false);
    if (STRATA_UNLIKELY(block == nullptr)) return AllocateFromProcess<kWatch>(handle, flags, bytes);
    RecordAllocated<kWatch>(handle, flags, block, bytes);
    return block;
}

// Everything but the plain case is a tail call, so that this needs no frame. `kHotpatched`: ntdll's
// code lies in several images.
template <Watch kWatch, bool kHotpatched>
STRATA_NOINLINE void* NTAPI AllocateEntry(void* handle, ULONG flags, SIZE_T bytes) {
    const void* const caller = STRATA_RETURN_ADDRESS();
    const bool ntdll = kHotpatched ? IsInNtdll(caller) : IsInNtdllImage(caller);
    if (STRATA_UNLIKELY(handle != g_context.process_handle ||
                        (flags & g_context.original_flags) != 0 || ntdll)) {
        return AllocateElsewhere<kWatch>(handle, flags, bytes, caller);
    }
    Count<kWatch>(Entry::kAllocate, Served::kStrata);
    constexpr ULONG kSlowFlags = api::kHeapZeroMemory | api::kHeapNoSerialize | api::kHeapUserBits;
    if (STRATA_UNLIKELY((flags & kSlowFlags) != 0)) {
        return AllocateFromProcess<kWatch>(handle, flags, bytes);
    }
    void* const block = heap::AllocateIfFast<false>(bytes);
    if (STRATA_UNLIKELY(block == nullptr)) return AllocateMissed<kWatch>(handle, flags, bytes);
    RecordAllocated<kWatch>(handle, flags, block, bytes);
    return block;
}

template <Watch kWatch>
STRATA_NOINLINE WideBoolean FreeElsewhere(void* handle, ULONG flags, void* block,
                                          const void* caller) noexcept {
    heap::Heap* const heap = HeapOf(handle);
    if (heap != nullptr && heap::FreeIfPrivateFast(heap, block)) {
        Count<kWatch>(Entry::kFree, Served::kStrata);
        return TRUE;
    }
    const heap::Place place = heap::Place::Of(block);
    if (place.IsOwn()) {
        Count<kWatch>(Entry::kFree, Served::kStrata);
        if (heap == nullptr) ReportBlockOfNoHeap(handle, block, os::Operation::kFree);
        api::HeapReleaseAt(place, *heap, flags, block);
        return TRUE;
    }
    if (block == nullptr) return TRUE;  // allowed, nothing to do, and no call worth counting
    CountForeign<kWatch>(Entry::kFree, caller);
    return Original<FreeFunction>(Entry::kFree)(handle, flags, block);
}

template <Watch kWatch>
STRATA_NOINLINE WideBoolean NTAPI FreeEntry(void* handle, ULONG flags, void* block) {
    // Who calls is of interest only for the counts.
    const void* const caller = kWatch == Watch::kNone ? nullptr : STRATA_RETURN_ADDRESS();
    RecordFree<kWatch>(block, caller);
    if (STRATA_UNLIKELY(handle != g_context.process_handle)) {
        return FreeElsewhere<kWatch>(handle, flags, block, caller);
    }
    // The handle is read again where it is needed, instead of being kept in a register that would
    // have to be saved.
    if (STRATA_UNLIKELY(!heap::FreeIfFast(block))) {
        return FreeElsewhere<kWatch>(const_cast<void*>(g_context.process_handle), flags, block,
                                     caller);
    }
    Count<kWatch>(Entry::kFree, Served::kStrata);
    return TRUE;
}

// A foreign block stays with the system's heap: it alone can grow it in place, knows its user
// value, and keeps the promise of HEAP_REALLOC_IN_PLACE_ONLY. Moving it here would be right, too,
// and win nothing: such blocks are few and mostly from before the start.
template <Watch kWatch>
STRATA_NOINLINE void* NTAPI ReAllocateEntry(void* handle, ULONG flags, void* block, SIZE_T bytes) {
    if (block == nullptr) {  // NULL, and no error
        os::SetLastErrorCode(0);
        return nullptr;
    }
    const observe::Named named = RecordResizeBegin<kWatch>(block);
    void* resized;
    if (!heap::Owns(block)) {
        CountForeign<kWatch>(Entry::kReAllocate, STRATA_RETURN_ADDRESS());
        resized = Original<ReAllocateFunction>(Entry::kReAllocate)(handle, flags, block, bytes);
    } else {
        Count<kWatch>(Entry::kReAllocate, Served::kStrata);
        heap::Heap& heap = HeapForOurBlock(handle, block, os::Operation::kResize);
        resized = api::HeapReallocate(heap, flags, block, bytes);
    }
    RecordResizeEnd<kWatch>(named, block, resized, bytes, flags, STRATA_RETURN_ADDRESS());
    return resized;
}

template <Watch kWatch>
STRATA_NOINLINE SIZE_T NTAPI SizeEntry(void* handle, ULONG flags, const void* block) {
    RecordSizeQuery<kWatch>(block, STRATA_RETURN_ADDRESS());
    if (!heap::Owns(block)) {
        CountForeign<kWatch>(Entry::kSize, STRATA_RETURN_ADDRESS());
        return Original<SizeFunction>(Entry::kSize)(handle, flags, block);
    }
    Count<kWatch>(Entry::kSize, Served::kStrata);
    heap::Heap* const heap = HeapOf(handle);
    return heap == nullptr ? SIZE_MAX : api::HeapBlockSize(*heap, flags, block);
}

template <Watch kWatch>
STRATA_NOINLINE WideBoolean NTAPI ValidateEntry(void* handle, ULONG flags, const void* block) {
    heap::Heap* const heap = HeapOf(handle);
    if (block == nullptr) {  // the whole heap: both parts of it
        Count<kWatch>(Entry::kValidate, heap != nullptr ? Served::kStrata : Served::kOriginal);
        if (heap != nullptr && !api::HeapIsValid(*heap, flags, nullptr)) return FALSE;
        return Original<ValidateFunction>(Entry::kValidate)(handle, flags, nullptr);
    }
    if (!heap::Owns(block)) {
        CountForeign<kWatch>(Entry::kValidate, STRATA_RETURN_ADDRESS());
        return Original<ValidateFunction>(Entry::kValidate)(handle, flags, block);
    }
    Count<kWatch>(Entry::kValidate, Served::kStrata);
    return heap != nullptr && api::HeapIsValid(*heap, flags, block);
}

// A block that is none of the heap's: FALSE and, as every caller of these wants to know, the
// reason.
WideBoolean Answer(bool good) noexcept {
    if (!good) os::SetInvalidArgumentError();
    return good;
}

template <Watch kWatch>
STRATA_NOINLINE WideBoolean NTAPI GetUserInfoEntry(void* handle, ULONG flags, void* block,
                                                   void** value, ULONG* user_flags) {
    if (!heap::Owns(block)) {
        CountForeign<kWatch>(Entry::kGetUserInfo, STRATA_RETURN_ADDRESS());
        return Original<GetUserInfoFunction>(Entry::kGetUserInfo)(handle, flags, block, value,
                                                                  user_flags);
    }
    Count<kWatch>(Entry::kGetUserInfo, Served::kStrata);
    heap::Heap* const heap = HeapOf(handle);
    uint32_t found = 0;
    if (heap == nullptr || !api::HeapGetUserInfo(*heap, flags, block, value, &found))
        return Answer(false);
    if (user_flags != nullptr) *user_flags = found;
    return TRUE;
}

template <Watch kWatch>
STRATA_NOINLINE WideBoolean NTAPI SetUserValueEntry(void* handle, ULONG flags, void* block,
                                                    void* value) {
    if (!heap::Owns(block)) {
        CountForeign<kWatch>(Entry::kSetUserValue, STRATA_RETURN_ADDRESS());
        return Original<SetUserValueFunction>(Entry::kSetUserValue)(handle, flags, block, value);
    }
    Count<kWatch>(Entry::kSetUserValue, Served::kStrata);
    heap::Heap* const heap = HeapOf(handle);
    return Answer(heap != nullptr && api::HeapSetUserValue(*heap, flags, block, value));
}

template <Watch kWatch>
STRATA_NOINLINE WideBoolean NTAPI SetUserFlagsEntry(void* handle, ULONG flags, void* block,
                                                    ULONG reset, ULONG set) {
    if (!heap::Owns(block)) {
        CountForeign<kWatch>(Entry::kSetUserFlags, STRATA_RETURN_ADDRESS());
        return Original<SetUserFlagsFunction>(Entry::kSetUserFlags)(handle, flags, block, reset,
                                                                    set);
    }
    Count<kWatch>(Entry::kSetUserFlags, Served::kStrata);
    heap::Heap* const heap = HeapOf(handle);
    return Answer(heap != nullptr && api::HeapSetUserFlags(*heap, flags, block, reset, set));
}

// Fills blocks[0 … count) and returns how many it could make.
template <Watch kWatch>
STRATA_NOINLINE ULONG NTAPI MultipleAllocateEntry(void* handle, ULONG flags, SIZE_T bytes,
                                                  ULONG count, void** blocks) {
    const bool ntdll = IsInNtdll(STRATA_RETURN_ADDRESS());
    heap::Heap* const heap = HeapOf(handle);
    if (heap == nullptr || ntdll || (flags & g_context.original_flags) != 0) {
        Count<kWatch>(Entry::kMultipleAllocate, ntdll ? Served::kNtdll : Served::kOriginal);
        const ULONG made = Original<MultipleAllocateFunction>(Entry::kMultipleAllocate)(
            handle, flags, bytes, count, blocks);
        for (ULONG i = 0; i < made && !ntdll; ++i) {
            RecordAllocated<kWatch>(handle, flags, blocks[i], bytes);
        }
        return made;
    }
    Count<kWatch>(Entry::kMultipleAllocate, Served::kStrata);
    ULONG made = 0;
    for (; made < count; ++made) {
        blocks[made] = api::HeapAllocate(*heap, flags, bytes);
        RecordAllocated<kWatch>(handle, flags, blocks[made], bytes);
        if (blocks[made] == nullptr) break;
    }
    return made;
}

// Frees blocks until one cannot be freed; returns how many it freed. The array may mix our blocks
// with the original's.
template <Watch kWatch>
STRATA_NOINLINE ULONG NTAPI MultipleFreeEntry(void* handle, ULONG flags, ULONG count,
                                              void** blocks) {
    ULONG freed = 0;
    bool any_ours = false;
    for (; freed < count; ++freed) {
        void* const block = blocks[freed];
        RecordFree<kWatch>(block, STRATA_RETURN_ADDRESS());
        const bool ours = heap::Owns(block);
        any_ours |= ours;
        const bool done =
            ours ? api::HeapRelease(HeapForOurBlock(handle, block, os::Operation::kFree), flags,
                                    block)
                 : static_cast<uint8_t>(
                       Original<FreeFunction>(Entry::kFree)(handle, flags, block)) != 0;
        if (!done) break;
    }
    if (any_ours) {
        Count<kWatch>(Entry::kMultipleFree, Served::kStrata);
    } else {
        CountForeign<kWatch>(Entry::kMultipleFree, STRATA_RETURN_ADDRESS());
    }
    return freed;
}

// Their buffers lie on the process heap. ntdll need not free them through its exported function, so
// those of ours are freed here, and the fields set as documented (winternl.h,
// RtlFreeUnicodeString).
template <Watch kWatch, Entry kEntry>
STRATA_NOINLINE void NTAPI FreeStringEntry(CountedString* string) {
    if (!heap::Owns(string->buffer)) {
        // Not counted: what the original frees, it frees through RtlFreeHeap, as far as that is
        // known.
        return Original<FreeStringFunction>(kEntry)(string);
    }
    Count<kWatch>(kEntry, Served::kStrata);
    RecordFree<kWatch>(string->buffer, STRATA_RETURN_ADDRESS());
    api::HeapRelease(*g_context.process_heap, 0, string->buffer);
    *string = {};
}

template <Watch kWatch>
const void* Find(Entry entry) noexcept {
    switch (entry) {
        case Entry::kAllocate:
            return g_context.hotpatch_count != 0
                       ? reinterpret_cast<const void*>(&AllocateEntry<kWatch, true>)
                       : reinterpret_cast<const void*>(&AllocateEntry<kWatch, false>);
        case Entry::kFree:
            return reinterpret_cast<const void*>(&FreeEntry<kWatch>);
        case Entry::kReAllocate:
            return reinterpret_cast<const void*>(&ReAllocateEntry<kWatch>);
        case Entry::kSize:
            return reinterpret_cast<const void*>(&SizeEntry<kWatch>);
        case Entry::kValidate:
            return reinterpret_cast<const void*>(&ValidateEntry<kWatch>);
        case Entry::kGetUserInfo:
            return reinterpret_cast<const void*>(&GetUserInfoEntry<kWatch>);
        case Entry::kSetUserValue:
            return reinterpret_cast<const void*>(&SetUserValueEntry<kWatch>);
        case Entry::kSetUserFlags:
            return reinterpret_cast<const void*>(&SetUserFlagsEntry<kWatch>);
        case Entry::kMultipleAllocate:
            return reinterpret_cast<const void*>(&MultipleAllocateEntry<kWatch>);
        case Entry::kMultipleFree:
            return reinterpret_cast<const void*>(&MultipleFreeEntry<kWatch>);
        case Entry::kFreeUnicodeString:
            return reinterpret_cast<const void*>(
                &FreeStringEntry<kWatch, Entry::kFreeUnicodeString>);
        case Entry::kFreeAnsiString:
            return reinterpret_cast<const void*>(&FreeStringEntry<kWatch, Entry::kFreeAnsiString>);
        case Entry::kFreeOemString:
            return reinterpret_cast<const void*>(&FreeStringEntry<kWatch, Entry::kFreeOemString>);
        case Entry::kFreeUtf8String:
            return reinterpret_cast<const void*>(&FreeStringEntry<kWatch, Entry::kFreeUtf8String>);
        default:
            return nullptr;
    }
}

}  // namespace

const void* BlockReplacement(Entry entry, Watch watch) noexcept {
    switch (watch) {
        case Watch::kNone:
            return Find<Watch::kNone>(entry);
        case Watch::kCounted:
            return Find<Watch::kCounted>(entry);
        case Watch::kRecorded:
            return Find<Watch::kRecorded>(entry);
    }
    return nullptr;
}

}  // namespace strata::override
