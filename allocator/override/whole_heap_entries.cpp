// Creating, destroying, locking and asking about whole heaps. A heap that Strata serves has two
// parts: ours, and the system's behind the same handle, which holds what was left to it.
#include "api/heap_information.h"
#include "heap/statistics.h"
#include "os/process.h"
#include "override/crt_redirect.h"
#include "override/heap_entries.h"

namespace strata::override {

namespace {

// What RtlCreateHeap may be asked for here: HEAP_NO_SERIALIZE, HEAP_GENERATE_EXCEPTIONS, the
// checking flags, alignment to 16 bytes, executable blocks, a hardened heap, and HEAP_CLASS_1,
// "private heap", which is what HeapCreate asks for. Not: segment heaps asked for by name (0x100),
// other classes, which are shared with other processes or looked into by their owners. A heap in
// memory that the caller brings is the original's as well: its structure stands at the start of
// that memory, where others expect it.
constexpr uint32_t kCreateFlags = 0x712F7;
// Of these, what our part is made with.
constexpr uint32_t kOurFlags = api::kHeapNoSerialize | api::kHeapGenerateExceptions |
                               api::kHeapTailChecking | api::kHeapFreeChecking |
                               api::kHeapCreateEnableExecute | api::kHeapCreateHardened;

// A heap grows when it says so, or when it names no size (HeapCreate with a maximum of 0 comes as
// the one or as the other).
bool Grows(ULONG flags, SIZE_T reserve) noexcept {
    return (flags & api::kHeapGrowable) != 0 || reserve == 0;
}

// A heap of fixed size has an entry of the slice map for every 64 KiB, written at once: 2 MiB of
// them for the largest that we serve.
constexpr SIZE_T kMostReserve = SIZE_T{4} << 30;

bool CanServe(ULONG flags, const void* base, SIZE_T reserve, const void* lock,
              const void* parameters) noexcept {
    return (flags & ~kCreateFlags) == 0 && base == nullptr && lock == nullptr &&
           parameters == nullptr && (Grows(flags, reserve) || reserve <= kMostReserve);
}

heap::Heap* MakeOurs(ULONG flags, SIZE_T reserve, SIZE_T commit) noexcept {
    const ULONG ours = (flags | g_context.check_flags) & kOurFlags;
    return Grows(flags, reserve) ? api::HeapCreate(ours, commit, 0)
                                 : api::HeapCreate(ours, commit, reserve);
}

// The system's part, which holds next to nothing, of the smallest size; whatever was asked for is
// for ours.
void* MakeSystems(ULONG flags, SIZE_T reserve) noexcept {
    const SIZE_T least = Grows(flags, reserve) || reserve < kSliceSize ? reserve : kSliceSize;
    return Original<CreateFunction>(Entry::kCreate)(flags, nullptr, least, 0, nullptr, nullptr);
}

// Both parts behind one handle; nullptr and an error when one cannot be had.
void* MakeBoth(ULONG flags, SIZE_T reserve, SIZE_T commit) noexcept {
    heap::Heap* const heap = MakeOurs(flags, reserve, commit);
    if (heap == nullptr) return nullptr;
    if (void* const handle = MakeSystems(flags, reserve)) {
        if (g_heap_map.Insert(handle, heap)) return handle;
        Original<DestroyFunction>(Entry::kDestroy)(handle);
    }
    heap::DestroyHeap(heap);
    os::SetOutOfMemoryError();
    return nullptr;
}

template <Watch kWatch>
STRATA_NOINLINE void* NTAPI CreateEntry(ULONG flags, void* base, SIZE_T reserve, SIZE_T commit,
                                        void* lock, void* parameters) {
    const bool ntdll = IsInNtdll(STRATA_RETURN_ADDRESS());
    if (!ntdll && CanServe(flags, base, reserve, lock, parameters)) {
        Count<kWatch>(Entry::kCreate, Served::kStrata);
        void* const handle = MakeBoth(flags, reserve, commit);
        RecordCreatedHeap<kWatch>(handle);
        return handle;
    }
    Count<kWatch>(Entry::kCreate, ntdll ? Served::kNtdll : Served::kOriginal);
    void* const handle =
        Original<CreateFunction>(Entry::kCreate)(flags, base, reserve, commit, lock, parameters);
    if (!ntdll) RecordCreatedHeap<kWatch>(handle);
    return handle;
}

template <Watch kWatch>
STRATA_NOINLINE void* NTAPI DestroyEntry(void* handle) {
    RecordDestroysHeap<kWatch>(handle);
    heap::Heap* const heap = g_heap_map.Remove(handle);
    Count<kWatch>(Entry::kDestroy, heap != nullptr ? Served::kStrata : Served::kOriginal);
    if (heap != nullptr) {
        ForgetCrtHeap(heap);
        heap::DestroyHeap(heap);
    }
    return Original<DestroyFunction>(Entry::kDestroy)(handle);
}

template <Watch kWatch>
void CountHeap(Entry entry, const heap::Heap* heap) noexcept {
    Count<kWatch>(entry, heap != nullptr ? Served::kStrata : Served::kOriginal);
}

// Ours first, everywhere, so that two threads that lock both parts cannot wait for each other.
template <Watch kWatch>
STRATA_NOINLINE WideBoolean NTAPI LockEntry(void* handle) {
    heap::Heap* const heap = HeapOf(handle);
    CountHeap<kWatch>(Entry::kLock, heap);
    if (heap != nullptr) api::HeapLock(*heap);
    return Original<LockFunction>(Entry::kLock)(handle);
}

template <Watch kWatch>
STRATA_NOINLINE WideBoolean NTAPI UnlockEntry(void* handle) {
    heap::Heap* const heap = HeapOf(handle);
    CountHeap<kWatch>(Entry::kUnlock, heap);
    const WideBoolean result = Original<LockFunction>(Entry::kUnlock)(handle);
    if (heap != nullptr) api::HeapUnlock(*heap);
    return result;
}

template <Watch kWatch>
STRATA_NOINLINE SIZE_T NTAPI CompactEntry(void* handle, ULONG flags) {
    heap::Heap* const heap = HeapOf(handle);
    CountHeap<kWatch>(Entry::kCompact, heap);
    const SIZE_T original = Original<CompactFunction>(Entry::kCompact)(handle, flags);
    if (heap == nullptr) return original;
    const SIZE_T ours = api::HeapCompact(*heap, flags);
    const SIZE_T largest = ours > original ? ours : original;
    if (largest == 0) os::SetLastErrorCode(0);  // NO_ERROR tells "none" from a failure
    return largest;
}

LONG StatusOf(api::InformationError error) noexcept {
    switch (error) {
        case api::InformationError::kNone:
            return 0;
        case api::InformationError::kInvalidParameter:
            return static_cast<LONG>(0xC000000D);  // STATUS_INVALID_PARAMETER
        case api::InformationError::kBufferTooSmall:
            return static_cast<LONG>(0xC0000023);  // STATUS_BUFFER_TOO_SMALL
        case api::InformationError::kFailed:
            return static_cast<LONG>(0xC0000001);  // STATUS_UNSUCCESSFUL
        case api::InformationError::kNoAccess:
            return static_cast<LONG>(0xC0000005);  // STATUS_ACCESS_VIOLATION
    }
    return static_cast<LONG>(0xC0000001);
}

// The classes of heapapi.h are answered for the heaps we serve; others exist, and are the system's.
template <Watch kWatch>
STRATA_NOINLINE LONG NTAPI QueryInformationEntry(void* handle, ULONG information_class,
                                                 void* information, SIZE_T bytes,
                                                 SIZE_T* returned) {
    heap::Heap* const heap = HeapOf(handle);
    const bool ours = information_class == api::kHeapCompatibilityInformation &&
                      (heap != nullptr || handle == nullptr);
    Count<kWatch>(Entry::kQueryInformation, ours ? Served::kStrata : Served::kOriginal);
    if (ours) {
        return StatusOf(
            api::QueryHeapInformation(heap, information_class, information, bytes, returned));
    }
    return Original<InformationFunction>(Entry::kQueryInformation)(handle, information_class,
                                                                   information, bytes, returned);
}

template <Watch kWatch>
STRATA_NOINLINE LONG NTAPI SetInformationEntry(void* handle, ULONG information_class,
                                               void* information, SIZE_T bytes) {
    heap::Heap* const heap = HeapOf(handle);
    const bool known = information_class == api::kHeapCompatibilityInformation ||
                       information_class == api::kHeapEnableTerminationOnCorruption ||
                       information_class == api::kHeapOptimizeResources;
    const bool ours = known && (heap != nullptr || handle == nullptr);
    Count<kWatch>(Entry::kSetInformation, ours ? Served::kStrata : Served::kOriginal);
    const auto original = Original<SetInformationFunction>(Entry::kSetInformation);
    if (!ours) return original(handle, information_class, information, bytes);
    const api::InformationError error =
        api::SetHeapInformation(heap, information_class, information, bytes);
    // The system's part is told as well; what it says does not change what ours did.
    if (error == api::InformationError::kNone) {
        original(handle, information_class, information, bytes);
    }
    return StatusOf(error);
}

template <Watch kWatch>
STRATA_NOINLINE WideBoolean NTAPI ValidateProcessHeapsEntry() {
    Count<kWatch>(Entry::kValidateProcessHeaps, Served::kStrata);
    bool valid = true;
    heap::ForEachHeap(
        [](void* context, heap::Heap& heap) {
            auto& all = *static_cast<bool*>(context);
            all = all && api::HeapIsValid(heap, 0, nullptr);
        },
        &valid);
    if (!valid) return FALSE;
    return Original<ValidateAllFunction>(Entry::kValidateProcessHeaps)();
}

template <Watch kWatch>
const void* Find(Entry entry) noexcept {
    switch (entry) {
        case Entry::kCreate:
            return reinterpret_cast<const void*>(&CreateEntry<kWatch>);
        case Entry::kDestroy:
            return reinterpret_cast<const void*>(&DestroyEntry<kWatch>);
        case Entry::kLock:
            return reinterpret_cast<const void*>(&LockEntry<kWatch>);
        case Entry::kUnlock:
            return reinterpret_cast<const void*>(&UnlockEntry<kWatch>);
        case Entry::kCompact:
            return reinterpret_cast<const void*>(&CompactEntry<kWatch>);
        case Entry::kQueryInformation:
            return reinterpret_cast<const void*>(&QueryInformationEntry<kWatch>);
        case Entry::kSetInformation:
            return reinterpret_cast<const void*>(&SetInformationEntry<kWatch>);
        case Entry::kValidateProcessHeaps:
            return reinterpret_cast<const void*>(&ValidateProcessHeapsEntry<kWatch>);
        default:
            return nullptr;
    }
}

}  // namespace

const void* HeapReplacement(Entry entry, Watch watch) noexcept {
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
