#include "api/heap_information.h"

#include <cstring>

#include "api/win32_heap.h"
#include "heap/statistics.h"
#include "store/heap_record.h"

namespace strata::api {

namespace {

constexpr uint32_t kStandard = 0;
constexpr uint32_t kLowFragmentation = 2;

bool CanBeLowFragmentation(const heap::Heap& heap) noexcept {
    return heap.is_unchecked && (heap.options & kHeapNoSerialize) == 0;
}

uint32_t CompatibilityOf(heap::Heap& heap) noexcept {
    // So many blocks of one size turn the low-fragmentation heap of Windows on.
    constexpr size_t kEnoughBlocks = 18;
    if (!CanBeLowFragmentation(heap)) return kStandard;
    if (heap.low_fragmentation.load(std::memory_order_relaxed)) return kLowFragmentation;
    for (size_t i = 0; i < kSizeClasses; ++i) {
        if (heap::CollectClass(heap, i).live_blocks < kEnoughBlocks) continue;
        heap.low_fragmentation.store(true, std::memory_order_relaxed);
        return kLowFragmentation;
    }
    return kStandard;
}

InformationError SetCompatibility(heap::Heap& heap, uint32_t mode) noexcept {
    if (mode == CompatibilityOf(heap)) return InformationError::kNone;
    if (mode != kLowFragmentation) return InformationError::kFailed;  // it stays as it is
    if (!CanBeLowFragmentation(heap)) return InformationError::kInvalidParameter;
    heap.low_fragmentation.store(true, std::memory_order_relaxed);
    return InformationError::kNone;
}

struct OptimizeRequest {  // HEAP_OPTIMIZE_RESOURCES_INFORMATION
    uint32_t version;
    uint32_t flags;
};

InformationError OptimizeResources(heap::Heap* heap, const void* information,
                                   size_t bytes) noexcept {
    if (information == nullptr) return InformationError::kInvalidParameter;
    if (bytes < sizeof(OptimizeRequest)) return InformationError::kBufferTooSmall;
    OptimizeRequest request;
    std::memcpy(&request, information, sizeof request);
    if (request.version != 1) return InformationError::kInvalidParameter;
    if (heap == nullptr) {
        heap::PurgeAll();
    } else {
        HeapCompact(*heap, 0);
    }
    return InformationError::kNone;
}

}  // namespace

InformationError QueryHeapInformation(heap::Heap* heap, uint32_t information_class,
                                      void* information, size_t bytes, size_t* needed) noexcept {
    if (information_class != kHeapCompatibilityInformation) {
        return InformationError::kInvalidParameter;
    }
    if (heap == nullptr) return InformationError::kNoAccess;
    if (needed != nullptr) *needed = sizeof(uint32_t);
    if (information == nullptr || bytes < sizeof(uint32_t)) {
        return InformationError::kBufferTooSmall;
    }
    const uint32_t mode = CompatibilityOf(*heap);
    std::memcpy(information, &mode, sizeof mode);
    return InformationError::kNone;
}

InformationError SetHeapInformation(heap::Heap* heap, uint32_t information_class,
                                    const void* information, size_t bytes) noexcept {
    switch (information_class) {
        case kHeapCompatibilityInformation: {
            if (heap == nullptr) return InformationError::kNoAccess;
            if (information == nullptr) return InformationError::kInvalidParameter;
            if (bytes < sizeof(uint32_t)) return InformationError::kBufferTooSmall;
            uint32_t mode;
            std::memcpy(&mode, information, sizeof mode);
            return SetCompatibility(*heap, mode);
        }
        case kHeapEnableTerminationOnCorruption:
            return InformationError::kNone;
        case kHeapOptimizeResources:
            return OptimizeResources(heap, information, bytes);
        default:
            return InformationError::kInvalidParameter;
    }
}

}  // namespace strata::api
