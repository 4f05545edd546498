// malloc and its kin for programs that replace them when they are linked: api/link_malloc.h.
//
// Rules: the pages of Microsoft's C runtime reference on malloc, calloc, realloc, _recalloc,
// _expand, _msize, _aligned_malloc and _aligned_offset_malloc and their like.
#include "api/link_malloc.h"

#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include <errno.h>
#include <malloc.h>
#include <new.h>
#include <string.h>

#include <algorithm>

#include "api/link_runtime.h"
#include "base/bits.h"
#include "heap/fast_path.h"
#include "heap/heap.h"

extern "C" int __cdecl _callnewh(size_t bytes);

namespace {

namespace heap = strata::heap;
using strata::AddressOf;
using strata::api::FromRuntime;
using strata::api::RuntimeFunction;

constexpr size_t kMinAlignment = 16;

// Stands below a block whose address is not the start of one of ours, because of its offset.
struct OffsetHeader {
    void* block;
    size_t bytes;  // asked for
};

void* Fail(int error) noexcept {
    errno = error;
    return nullptr;
}

bool NewModeIsSet() noexcept {
#if defined(_MSC_VER)
    return _query_new_mode() != 0;
#else
    // The import library of msvcrt.dll lacks it.
    using Query = int(__cdecl*)();
    const auto query = FromRuntime<Query>(RuntimeFunction::kQueryNewMode);
    return query != nullptr && query() != 0;
#endif
}

// Tries again as long as the new handler finds memory, if malloc is to ask it at all.
template <typename Attempt>
void* OrNewHandler(size_t bytes, Attempt attempt) {
    for (;;) {
        if (void* const block = attempt()) return block;
        if (!NewModeIsSet() || _callnewh(bytes) == 0) return Fail(ENOMEM);
    }
}

template <bool kZero>
STRATA_COLD void* AllocateSlow(size_t bytes) {
    const DWORD last_error = GetLastError();
    void* const block = OrNewHandler(bytes, [&] { return heap::AllocateFast<kZero>(bytes); });
    if (block != nullptr) SetLastError(last_error);
    return block;
}

template <bool kZero>
STRATA_INLINE void* Allocate(size_t bytes) {
    void* const block = heap::AllocateFast<kZero>(bytes);
    return STRATA_LIKELY(block != nullptr) ? block : AllocateSlow<kZero>(bytes);
}

// ---- the runtime's own blocks -------------------------------------------------------------------

HANDLE RuntimeHeap() noexcept { return reinterpret_cast<HANDLE>(_get_heap_handle()); }

STRATA_COLD void ReleaseForeign(void* block) noexcept {
    using Function = void(__cdecl*)(void*);
    if (const auto function = FromRuntime<Function>(RuntimeFunction::kFree)) {
        function(block);
    } else {
        HeapFree(RuntimeHeap(), 0, block);
    }
}

STRATA_COLD size_t SizeOfForeign(void* block) noexcept {
    using Function = size_t(__cdecl*)(void*);
    const auto function = FromRuntime<Function>(RuntimeFunction::kMsize);
    return function != nullptr ? function(block) : HeapSize(RuntimeHeap(), 0, block);
}

STRATA_COLD void* ResizeForeign(RuntimeFunction kind, DWORD flags, void* block, size_t bytes) {
    using Function = void*(__cdecl*)(void*, size_t);
    if (const auto function = FromRuntime<Function>(kind)) return function(block, bytes);
    void* const resized = HeapReAlloc(RuntimeHeap(), flags, block, bytes);
    return resized != nullptr ? resized : Fail(ENOMEM);
}

void* Resize(void* block, size_t bytes, bool zero) {
    if (block == nullptr) return zero ? Allocate<true>(bytes) : Allocate<false>(bytes);
    if (bytes == 0) {
        StrataLinkFree(block);
        return nullptr;
    }
    if (STRATA_UNLIKELY(!heap::Owns(block))) {
        const size_t old_bytes = zero ? SizeOfForeign(block) : 0;
        void* const resized = ResizeForeign(RuntimeFunction::kRealloc, 0, block, bytes);
        if (zero && resized != nullptr && bytes > old_bytes) {
            memset(static_cast<char*>(resized) + old_bytes, 0, bytes - old_bytes);
        }
        return resized;
    }
    const heap::ResizeOptions options{.zero = zero, .keep_usable = !zero};
    return OrNewHandler(bytes, [&] { return heap::Resize(nullptr, block, bytes, options); });
}

// ---- aligned blocks -----------------------------------------------------------------------------

// An aligned block of ours, as its parts.
struct AlignedBlock {
    void* block = nullptr;  // what heap::Free takes; null: it is none of ours
    size_t bytes = 0;
};

AlignedBlock FindAligned(void* block) noexcept {
    if (!heap::Owns(block)) return {};
    if (heap::HeapOfLiveBlock(block) != nullptr) return {block, heap::RequestedSize(block)};
    const heap::BlockInfo info = heap::Describe(block);
    if (info.status == heap::BlockStatus::kInterior) {
        const OffsetHeader header = static_cast<const OffsetHeader*>(block)[-1];
        if (header.block == info.block) return {header.block, header.bytes};
    }
    return {block, 0};  // freed, or never one: heap::Free says what is wrong with it
}

bool AreGood(size_t bytes, size_t alignment, size_t offset) noexcept {
    return strata::IsPowerOfTwo(alignment) && (offset == 0 || offset < bytes);
}

void* AllocateWithOffset(size_t bytes, size_t alignment, size_t offset, bool zero) {
    alignment = std::max(alignment, kMinAlignment);
    const size_t room = sizeof(OffsetHeader) + alignment;
    if (bytes > SIZE_MAX - room || offset > SIZE_MAX - room) return Fail(ENOMEM);
    void* const block = zero ? Allocate<true>(bytes + room) : Allocate<false>(bytes + room);
    if (block == nullptr) return nullptr;
    const uintptr_t lowest = AddressOf(block) + sizeof(OffsetHeader);
    const uintptr_t address = ((lowest + offset + alignment - 1) & ~(alignment - 1)) - offset;
    // Inside the block, and with room below it; but perhaps not at a multiple of anything.
    const OffsetHeader header{block, bytes};
    void* const result = reinterpret_cast<void*>(address);
    memcpy(static_cast<char*>(result) - sizeof header, &header, sizeof header);
    return result;
}

void* AllocateAligned(size_t bytes, size_t alignment, size_t offset, bool zero) {
    if (!AreGood(bytes, alignment, offset)) return Fail(EINVAL);
    if (offset % alignment != 0) return AllocateWithOffset(bytes, alignment, offset, zero);
    if (alignment <= kMinAlignment) return zero ? Allocate<true>(bytes) : Allocate<false>(bytes);
    return OrNewHandler(bytes, [&]() -> void* {
        heap::Heap* const process = heap::ProcessHeap();
        return process == nullptr ? nullptr
                                  : heap::AllocateAligned(*process, alignment, bytes, zero);
    });
}

STRATA_COLD void* ResizeForeignAligned(void* block, size_t bytes, size_t alignment,
                                       size_t offset) noexcept {
    using Function = void*(__cdecl*)(void*, size_t, size_t, size_t);
    const auto function = FromRuntime<Function>(RuntimeFunction::kAlignedOffsetRealloc);
    return function != nullptr ? function(block, bytes, alignment, offset) : Fail(EINVAL);
}

void* ResizeAligned(void* block, size_t bytes, size_t alignment, size_t offset, bool zero) {
    if (block == nullptr) return AllocateAligned(bytes, alignment, offset, zero);
    if (bytes == 0) {
        StrataLinkAlignedFree(block);
        return nullptr;
    }
    if (!AreGood(bytes, alignment, offset)) return Fail(EINVAL);
    const AlignedBlock old = FindAligned(block);
    if (old.block == nullptr) {
        const size_t old_bytes = zero ? StrataLinkAlignedMsize(block, alignment, offset) : 0;
        void* const resized = ResizeForeignAligned(block, bytes, alignment, offset);
        if (zero && resized != nullptr && bytes > old_bytes) {
            memset(static_cast<char*>(resized) + old_bytes, 0, bytes - old_bytes);
        }
        return resized;
    }
    if (old.block == block && offset % alignment == 0) {
        const heap::ResizeOptions options{
            .zero = zero, .keep_usable = !zero, .alignment = std::max(alignment, kMinAlignment)};
        return OrNewHandler(bytes, [&] { return heap::Resize(nullptr, block, bytes, options); });
    }
    void* const moved = AllocateAligned(bytes, alignment, offset, zero);
    if (moved == nullptr) return nullptr;
    memcpy(moved, block, std::min(bytes, old.bytes));
    heap::Free(nullptr, old.block);
    return moved;
}

}  // namespace

extern "C" {

void* StrataLinkMalloc(size_t bytes) { return Allocate<false>(bytes); }

void* StrataLinkCalloc(size_t count, size_t size) {
    size_t bytes;
    return strata::MultiplySizes(count, size, bytes) ? Allocate<true>(bytes) : Fail(ENOMEM);
}

void* StrataLinkRealloc(void* block, size_t bytes) { return Resize(block, bytes, false); }

void* StrataLinkRecalloc(void* block, size_t count, size_t size) {
    size_t bytes;
    return strata::MultiplySizes(count, size, bytes) ? Resize(block, bytes, true) : Fail(ENOMEM);
}

void* StrataLinkExpand(void* block, size_t bytes) noexcept {
    if (block == nullptr) return Fail(EINVAL);
    if (!heap::Owns(block)) {
        return ResizeForeign(RuntimeFunction::kExpand, HEAP_REALLOC_IN_PLACE_ONLY, block, bytes);
    }
    const DWORD last_error = GetLastError();
    void* const resized = heap::Resize(nullptr, block, bytes, {.in_place = true});
    if (resized == nullptr) return Fail(ENOMEM);
    SetLastError(last_error);
    return resized;
}

void StrataLinkFree(void* block) noexcept {
    if (STRATA_LIKELY(heap::FreeIfFast(block))) return;
    if (block == nullptr) return;
    if (heap::Owns(block)) return heap::FreeFast(block);
    ReleaseForeign(block);
}

size_t StrataLinkMsize(void* block) noexcept {
    if (block == nullptr) {
        errno = EINVAL;
        return SIZE_MAX;
    }
    return heap::Owns(block) ? heap::RequestedSize(block) : SizeOfForeign(block);
}

void* StrataLinkAlignedMalloc(size_t bytes, size_t alignment, size_t offset) {
    return AllocateAligned(bytes, alignment, offset, false);
}

void* StrataLinkAlignedRealloc(void* block, size_t bytes, size_t alignment, size_t offset) {
    return ResizeAligned(block, bytes, alignment, offset, false);
}

void* StrataLinkAlignedRecalloc(void* block, size_t count, size_t size, size_t alignment,
                                size_t offset) {
    size_t bytes;
    if (!strata::MultiplySizes(count, size, bytes)) return Fail(ENOMEM);
    return ResizeAligned(block, bytes, alignment, offset, true);
}

void StrataLinkAlignedFree(void* block) noexcept {
    if (block == nullptr) return;
    const AlignedBlock found = FindAligned(block);
    if (found.block != nullptr) return heap::Free(nullptr, found.block);
    using Function = void(__cdecl*)(void*);
    // Without the runtime's own function there is none that made such a block.
    if (const auto function = FromRuntime<Function>(RuntimeFunction::kAlignedFree)) function(block);
}

size_t StrataLinkAlignedMsize(void* block, size_t alignment, size_t offset) noexcept {
    if (block == nullptr) {
        errno = EINVAL;
        return SIZE_MAX;
    }
    const AlignedBlock found = FindAligned(block);
    if (found.block == block) return heap::RequestedSize(block);
    if (found.block != nullptr) return found.bytes;
    using Function = size_t(__cdecl*)(void*, size_t, size_t);
    if (const auto function = FromRuntime<Function>(RuntimeFunction::kAlignedMsize)) {
        return function(block, alignment, offset);
    }
    errno = EINVAL;
    return SIZE_MAX;
}

char* StrataLinkStrdup(const char* text) {
    if (text == nullptr) return nullptr;
    const size_t bytes = strlen(text) + 1;
    void* const copy = Allocate<false>(bytes);
    return copy == nullptr ? nullptr : static_cast<char*>(memcpy(copy, text, bytes));
}

wchar_t* StrataLinkWcsdup(const wchar_t* text) {
    if (text == nullptr) return nullptr;
    const size_t bytes = (wcslen(text) + 1) * sizeof *text;
    void* const copy = Allocate<false>(bytes);
    return copy == nullptr ? nullptr : static_cast<wchar_t*>(memcpy(copy, text, bytes));
}

}  // extern "C"
