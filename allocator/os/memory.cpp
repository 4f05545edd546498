#include "os/memory.h"

#include "base/bits.h"
#include "base/constants.h"

namespace strata::os {

namespace {

void Count(std::atomic<size_t>& counter, size_t amount = 1) noexcept {
    counter.fetch_add(amount, std::memory_order_relaxed);
}

}  // namespace

void* AllocatePages(size_t bytes) noexcept {
    ReserveRequest request;
    request.bytes = RoundUp(bytes, kSliceSize);
    void* const pages = SystemMemory::Reserve(request);
    if (pages == nullptr) return nullptr;
    if (SystemMemory::Commit(pages, RoundUp(bytes, kPageSize))) return pages;
    SystemMemory::Release(pages, request.bytes);
    return nullptr;
}

void FreePages(void* pages, size_t bytes) noexcept {
    SystemMemory::Release(pages, RoundUp(bytes, kSliceSize));
}

void* Memory::Reserve(const ReserveRequest& request) noexcept {
    Count(reserve_calls_);
    void* address = calls_->reserve(request);
    if (address == nullptr) {
        // An address that somebody else has is not refused for want of anything.
        if (request.address == nullptr) Count(refusals_);
        return nullptr;
    }
    Count(reserved_, request.bytes);
    return address;
}

bool Memory::Commit(void* address, size_t bytes, size_t fresh_bytes, Access access) noexcept {
    Count(commit_calls_);
    if (!calls_->commit(address, bytes, access)) {
        Count(refusals_);
        return false;
    }
    const size_t now = committed_.fetch_add(fresh_bytes, std::memory_order_relaxed) + fresh_bytes;
    size_t peak = peak_committed_.load(std::memory_order_relaxed);
    while (now > peak &&
           !peak_committed_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
    }
    return true;
}

bool Memory::Decommit(void* address, size_t bytes, size_t committed_bytes) noexcept {
    Count(decommit_calls_);
    if (!calls_->decommit(address, bytes)) return false;
    committed_.fetch_sub(committed_bytes, std::memory_order_relaxed);
    return true;
}

bool Memory::Release(void* address, size_t bytes, size_t committed_bytes) noexcept {
    Count(release_calls_);
    if (!calls_->release(address, bytes)) return false;
    reserved_.fetch_sub(bytes, std::memory_order_relaxed);
    committed_.fetch_sub(committed_bytes, std::memory_order_relaxed);
    return true;
}

MemoryCounters Memory::Counters() const noexcept {
    const auto load = [](const std::atomic<size_t>& counter) {
        return counter.load(std::memory_order_relaxed);
    };
    return {load(reserved_),     load(committed_),      load(peak_committed_), load(reserve_calls_),
            load(commit_calls_), load(decommit_calls_), load(release_calls_)};
}

}  // namespace strata::os
