// The malloc-style interface: include/strata/strata.h.
#include <strata/strata.h>

#include <cstring>

#include "base/bits.h"
#include "heap/fast_path.h"
#include "heap/heap.h"
#include "heap/statistics.h"
#include "os/process.h"

namespace {

namespace heap = strata::heap;
namespace os = strata::os;

heap::Heap* FromPublic(strata_heap* handle) noexcept {
    heap::Heap* result = heap::FromHandle(handle);
    if (result == nullptr) os::FatalInvalidHeap(handle);
    return result;
}
strata_heap* ToPublic(heap::Heap* value) noexcept { return reinterpret_cast<strata_heap*>(value); }

void* OutOfMemory() noexcept {
    os::SetOutOfMemoryError();
    return nullptr;
}

// malloc from `owner` when `block` is NULL, else a resize.
void* Reallocate(heap::Heap* owner, void* block, size_t size,
                 const heap::ResizeOptions& options) noexcept {
    if (block != nullptr) return heap::Resize(owner, block, size, options);
    heap::Heap* target = owner != nullptr ? owner : heap::ProcessHeap();
    if (target == nullptr) return OutOfMemory();
    return heap::AllocateAligned(*target, options.alignment, size, options.zero);
}

template <typename Char>
Char* Duplicate(const Char* text, size_t length) noexcept {
    auto* copy = static_cast<Char*>(strata_malloc((length + 1) * sizeof(Char)));
    if (copy == nullptr) return nullptr;
    std::memcpy(copy, text, length * sizeof(Char));
    copy[length] = 0;
    return copy;
}

template <typename Char>
size_t Length(const Char* text, size_t limit) noexcept {
    size_t length = 0;
    while (length < limit && text[length] != 0) ++length;
    return length;
}

// Who may write all usable bytes keeps them; who resizes by name gets a smaller block where that
// saves enough.
constexpr heap::ResizeOptions kMallocStyle = {.keep_usable = true, .may_move_smaller = true};

bool IsGoodAlignment(size_t alignment) noexcept {
    if (strata::IsPowerOfTwo(alignment)) return true;
    os::SetInvalidArgumentError();
    return false;
}

}  // namespace

extern "C" {

void* strata_malloc(size_t size) noexcept { return heap::AllocateFast(size); }

void strata_free(void* block) noexcept { heap::FreeFast(block); }

void* strata_calloc(size_t count, size_t size) noexcept {
    size_t bytes;
    if (!strata::MultiplySizes(count, size, bytes)) return OutOfMemory();
    return heap::AllocateFast<true>(bytes);
}

void* strata_realloc(void* block, size_t size) noexcept {
    return Reallocate(nullptr, block, size, kMallocStyle);
}

void* strata_reallocarray(void* block, size_t count, size_t size) noexcept {
    size_t bytes;
    if (!strata::MultiplySizes(count, size, bytes)) return OutOfMemory();
    return Reallocate(nullptr, block, bytes, kMallocStyle);
}

void* strata_recalloc(void* block, size_t count, size_t size) noexcept {
    size_t bytes;
    if (!strata::MultiplySizes(count, size, bytes)) return OutOfMemory();
    return Reallocate(nullptr, block, bytes, {.zero = true});
}

void* strata_expand(void* block, size_t size) noexcept {
    if (block == nullptr) return nullptr;
    return heap::Resize(nullptr, block, size, {.in_place = true});
}

void strata_free_sized(void* block, size_t size) noexcept {
    if (STRATA_LIKELY(heap::FreeIfSizedFast(block, size))) return;
    if (block == nullptr) return;
    const size_t requested = heap::RequestedSize(block);
    if (requested != size) {
        os::FatalSizeMismatch(block, heap::Describe(block).heap, requested, size);
    }
    heap::FreeFast(block);
}

void* strata_aligned_alloc(size_t alignment, size_t size) noexcept {
    if (!IsGoodAlignment(alignment)) return nullptr;
    heap::Heap* const target = heap::ProcessHeap();
    return target == nullptr ? OutOfMemory()
                             : heap::AllocateAligned(*target, alignment, size, false);
}

void* strata_aligned_realloc(void* block, size_t alignment, size_t size) noexcept {
    if (!IsGoodAlignment(alignment)) return nullptr;
    heap::ResizeOptions options = kMallocStyle;
    options.alignment = alignment;
    return Reallocate(nullptr, block, size, options);
}

size_t strata_usable_size(const void* block) noexcept {
    return block == nullptr ? 0 : heap::UsableSize(block);
}

size_t strata_requested_size(const void* block) noexcept {
    return block == nullptr ? 0 : heap::RequestedSize(block);
}

size_t strata_good_size(size_t size) noexcept {
    if (size > strata::kMaxRequest - strata::kArenaSize) return 0;
    if (size > strata::kMaxSlabBlock) return strata::RoundUp(size, strata::kPageSize);
    const size_t usable = strata::InfoOf(strata::ClassOf(size)).usable;
    return usable - size > strata::kMaxNearSlack ? usable - strata::kFarSlackBytes : usable;
}

int strata_owns(const void* pointer) noexcept {
    return heap::HeapOfLiveBlock(pointer) != nullptr ? 1 : 0;
}

char* strata_strdup(const char* text) noexcept {
    return text == nullptr ? nullptr : Duplicate(text, Length(text, SIZE_MAX));
}

char* strata_strndup(const char* text, size_t limit) noexcept {
    return text == nullptr ? nullptr : Duplicate(text, Length(text, limit));
}

wchar_t* strata_wcsdup(const wchar_t* text) noexcept {
    return text == nullptr ? nullptr : Duplicate(text, Length(text, SIZE_MAX));
}

strata_heap* strata_heap_create(void) noexcept {
    heap::Heap* created = heap::CreateHeap({});
    if (created == nullptr) os::SetOutOfMemoryError();
    return ToPublic(created);
}

void strata_heap_destroy(strata_heap* handle) noexcept {
    heap::Heap* target = FromPublic(handle);
    if (!target->is_process_heap) heap::DestroyHeap(target);
}

strata_heap* strata_heap_process(void) noexcept { return ToPublic(heap::ProcessHeap()); }

void* strata_heap_malloc(strata_heap* handle, size_t size) noexcept {
    void* const block = heap::AllocateIfPrivateFast<false>(handle, size);
    if (STRATA_LIKELY(block != nullptr)) return block;
    return heap::Allocate(*FromPublic(handle), size, false);
}

void* strata_heap_calloc(strata_heap* handle, size_t count, size_t size) noexcept {
    size_t bytes;
    if (!strata::MultiplySizes(count, size, bytes)) return OutOfMemory();
    void* const block = heap::AllocateIfPrivateFast<true>(handle, bytes);
    if (STRATA_LIKELY(block != nullptr)) return block;
    return heap::Allocate(*FromPublic(handle), bytes, true);
}

void* strata_heap_realloc(strata_heap* handle, void* block, size_t size) noexcept {
    return Reallocate(FromPublic(handle), block, size, kMallocStyle);
}

void* strata_heap_aligned_alloc(strata_heap* handle, size_t alignment, size_t size) noexcept {
    if (!IsGoodAlignment(alignment)) return nullptr;
    return heap::AllocateAligned(*FromPublic(handle), alignment, size, false);
}

void strata_heap_free(strata_heap* handle, void* block) noexcept {
    if (STRATA_LIKELY(heap::FreeIfPrivateFast(handle, block))) return;
    if (block != nullptr) heap::Free(FromPublic(handle), block);
}

strata_heap* strata_heap_of(const void* block) noexcept {
    return ToPublic(heap::HeapOfLiveBlock(block));
}

int strata_heap_validate(strata_heap* handle) noexcept {
    return heap::IsConsistent(*FromPublic(handle)) ? 1 : 0;
}

void strata_purge(void) noexcept { heap::PurgeAll(); }

int strata_version(void) noexcept { return STRATA_VERSION; }

}  // extern "C"
