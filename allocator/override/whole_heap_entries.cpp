// Creating, destroying, locking and asking about whole heaps. A heap that Strata serves has two
// parts: ours, and the system's behind the same handle, which holds what was left to it.
#include "override/heap_entries.h"

namespace strata::override {

namespace {

// What RtlCreateHeap may be asked for here: HEAP_NO_SERIALIZE, HEAP_GENERATE_EXCEPTIONS, the checking
// flags and alignment to 16 bytes, and HEAP_CLASS_1, "private heap", which is what HeapCreate asks
// for. Not: executable heaps (0x40000), segment heaps asked for by name (0x100), other classes, which
// are shared with other processes or looked into by their owners.
constexpr uint32_t kCreateFlags = 0x310F7;

// A heap grows when it says so, or when it names no size (HeapCreate with a maximum of 0 comes as
// the one or as the other).
bool CanServe(ULONG flags, const void* base, SIZE_T reserve, const void* lock,
              const void* parameters) noexcept {
    const bool grows = (flags & api::kHeapGrowable) != 0 || reserve == 0;
    return grows && (flags & ~kCreateFlags) == 0 && base == nullptr && lock == nullptr &&
           parameters == nullptr;
}

template <bool kCounting>
STRATA_NOINLINE void* NTAPI CreateEntry(ULONG flags, void* base, SIZE_T reserve, SIZE_T commit,
                                        void* lock, void* parameters) {
    const bool ntdll = IsInNtdll(STRATA_RETURN_ADDRESS());
    void* const handle =
        Original<CreateFunction>(Entry::kCreate)(flags, base, reserve, commit, lock, parameters);
    if (handle == nullptr || ntdll || !CanServe(flags, base, reserve, lock, parameters)) {
        Count<kCounting>(Entry::kCreate, ntdll ? Served::kNtdll : Served::kOriginal);
        return handle;
    }
    heap::Heap* const heap =
        heap::CreateHeap(flags & (api::kHeapNoSerialize | api::kHeapGenerateExceptions));
    if (heap != nullptr && g_heap_map.Insert(handle, heap)) {
        Count<kCounting>(Entry::kCreate, Served::kStrata);
        return handle;
    }
    // No memory for a companion: the system's heap serves alone.
    if (heap != nullptr) heap::DestroyHeap(heap);
    Count<kCounting>(Entry::kCreate, Served::kOriginal);
    return handle;
}

template <bool kCounting>
STRATA_NOINLINE void* NTAPI DestroyEntry(void* handle) {
    heap::Heap* const heap = g_heap_map.Remove(handle);
    Count<kCounting>(Entry::kDestroy, heap != nullptr ? Served::kStrata : Served::kOriginal);
    if (heap != nullptr) heap::DestroyHeap(heap);
    return Original<DestroyFunction>(Entry::kDestroy)(handle);
}

template <bool kCounting>
void CountHeap(Entry entry, const heap::Heap* heap) noexcept {
    Count<kCounting>(entry, heap != nullptr ? Served::kStrata : Served::kOriginal);
}

// Ours first, everywhere, so that two threads that lock both parts cannot wait for each other.
template <bool kCounting>
STRATA_NOINLINE WideBoolean NTAPI LockEntry(void* handle) {
    heap::Heap* const heap = HeapOf(handle);
    CountHeap<kCounting>(Entry::kLock, heap);
    if (heap != nullptr) api::HeapLock(*heap);
    return Original<LockFunction>(Entry::kLock)(handle);
}

template <bool kCounting>
STRATA_NOINLINE WideBoolean NTAPI UnlockEntry(void* handle) {
    heap::Heap* const heap = HeapOf(handle);
    CountHeap<kCounting>(Entry::kUnlock, heap);
    const WideBoolean result = Original<LockFunction>(Entry::kUnlock)(handle);
    if (heap != nullptr) api::HeapUnlock(*heap);
    return result;
}

template <bool kCounting>
STRATA_NOINLINE SIZE_T NTAPI CompactEntry(void* handle, ULONG flags) {
    heap::Heap* const heap = HeapOf(handle);
    CountHeap<kCounting>(Entry::kCompact, heap);
    const SIZE_T original = Original<CompactFunction>(Entry::kCompact)(handle, flags);
    if (heap == nullptr) return original;
    const SIZE_T ours = api::HeapCompact(*heap, flags);
    return ours > original ? ours : original;
}

// The system's part of a heap remembers what it was told and answers as it always does: programs see
// the low-fragmentation heap on or off exactly as without Strata.
template <bool kCounting>
STRATA_NOINLINE LONG NTAPI QueryInformationEntry(void* handle, ULONG information_class,
                                                 void* information, SIZE_T bytes,
                                                 SIZE_T* returned) {
    Count<kCounting>(Entry::kQueryInformation, Served::kOriginal);
    return Original<InformationFunction>(Entry::kQueryInformation)(handle, information_class,
                                                                   information, bytes, returned);
}

constexpr ULONG kOptimizeResources = 3;  // HeapOptimizeResources, winnt.h

template <bool kCounting>
STRATA_NOINLINE LONG NTAPI SetInformationEntry(void* handle, ULONG information_class,
                                               void* information, SIZE_T bytes) {
    Count<kCounting>(Entry::kSetInformation, Served::kOriginal);
    if (information_class == kOptimizeResources) {
        // "Decommit cached memory", for one heap, or for all of them when the handle is null.
        if (heap::Heap* const heap = HeapOf(handle)) {
            api::HeapCompact(*heap, 0);
        } else if (handle == nullptr) {
            heap::PurgeAll();
        }
    }
    return Original<SetInformationFunction>(Entry::kSetInformation)(handle, information_class,
                                                                    information, bytes);
}

template <bool kCounting>
STRATA_NOINLINE WideBoolean NTAPI ValidateProcessHeapsEntry() {
    Count<kCounting>(Entry::kValidateProcessHeaps, Served::kStrata);
    if (!api::HeapIsValid(*g_context.process_heap, 0, nullptr)) return FALSE;
    if (!g_heap_map.ForEach(
            [](heap::Heap& heap) noexcept { return api::HeapIsValid(heap, 0, nullptr); })) {
        return FALSE;
    }
    return Original<ValidateAllFunction>(Entry::kValidateProcessHeaps)();
}

template <bool kCounting>
const void* Find(Entry entry) noexcept {
    switch (entry) {
        case Entry::kCreate:
            return reinterpret_cast<const void*>(&CreateEntry<kCounting>);
        case Entry::kDestroy:
            return reinterpret_cast<const void*>(&DestroyEntry<kCounting>);
        case Entry::kLock:
            return reinterpret_cast<const void*>(&LockEntry<kCounting>);
        case Entry::kUnlock:
            return reinterpret_cast<const void*>(&UnlockEntry<kCounting>);
        case Entry::kCompact:
            return reinterpret_cast<const void*>(&CompactEntry<kCounting>);
        case Entry::kQueryInformation:
            return reinterpret_cast<const void*>(&QueryInformationEntry<kCounting>);
        case Entry::kSetInformation:
            return reinterpret_cast<const void*>(&SetInformationEntry<kCounting>);
        case Entry::kValidateProcessHeaps:
            return reinterpret_cast<const void*>(&ValidateProcessHeapsEntry<kCounting>);
        default:
            return nullptr;
    }
}

}  // namespace

const void* HeapReplacement(Entry entry, bool counting) noexcept {
    return counting ? Find<true>(entry) : Find<false>(entry);
}

}  // namespace strata::override
