#include "override/redirect.h"

#include <atomic>
#include <cstring>

#include "override/near_memory.h"
#include "override/other_threads.h"

namespace strata::override {

namespace {

// What one request takes of the block: the stub, then the trampoline.
constexpr size_t kStubBytes = 16;
constexpr size_t kSlotBytes = 128;
static_assert(kStubBytes >= kFarJumpBytes && kSlotBytes >= kStubBytes + kMaxTrampolineBytes);

constexpr uint64_t kCacheLine = 64;
constexpr uint64_t kMaxSpread = uint64_t{1} << 30;

struct Saved {
    uint8_t before[kNearJumpBytes];
    uint8_t after[kNearJumpBytes];
};

uint64_t AddressOf(const void* pointer) noexcept { return reinterpret_cast<uintptr_t>(pointer); }

RedirectResult Refused(Refusal refusal, const char* name, const char* call = nullptr,
                       uint32_t error = 0) noexcept {
    RedirectResult result;
    result.refusal = refusal;
    result.name = name;
    result.call = call;
    result.system_error = error;
    return result;
}

// Bytes from `entry` to the end of its committed, executable region; 0 when it is not in one.
size_t ReadableCode(const void* entry) noexcept {
    MEMORY_BASIC_INFORMATION information;
    if (VirtualQuery(entry, &information, sizeof information) == 0) return 0;
    constexpr DWORD kExecutable =
        PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
    if (information.State != MEM_COMMIT || (information.Protect & kExecutable) == 0 ||
        (information.Protect & PAGE_GUARD) != 0) {
        return 0;
    }
    return static_cast<size_t>(AddressOf(information.BaseAddress) + information.RegionSize -
                               AddressOf(entry));
}

Refusal Relocate(const void* entry, uint64_t address, RelocatedEntry& relocated) noexcept {
    const size_t readable = ReadableCode(entry);
    if (readable < kNearJumpBytes) return Refusal::kNotCode;
    const auto* const code = static_cast<const uint8_t*>(entry);
    const Refusal refusal = RelocateEntry(code, readable, kNearJumpBytes, address, relocated);
    if (refusal != Refusal::kNone) return refusal;
    return HasBranchIntoEntry(code, readable, kNearJumpBytes) ? Refusal::kBranchIntoEntry
                                                              : Refusal::kNone;
}

bool Overlaps(const RedirectRequest* requests, size_t index) noexcept {
    for (size_t i = 0; i < index; ++i) {
        const uint64_t a = AddressOf(requests[i].entry);
        const uint64_t b = AddressOf(requests[index].entry);
        if ((a > b ? a - b : b - a) < kNearJumpBytes) return true;
    }
    return false;
}

// The eight bytes that one locked exchange replaces. Within one cache line it is a single store for
// every other processor; where the entry straddles two, the exchange is still atomic, only slow.
uint8_t* WindowAround(uint8_t* at) noexcept {
    const uint64_t in_line = AddressOf(at) % kCacheLine;
    const bool moved = in_line + 8 > kCacheLine && in_line + kNearJumpBytes <= kCacheLine;
    return moved ? at - (in_line + 8 - kCacheLine) : at;
}

// Replaces the five bytes at `at`, which must be `expected`.
bool ReplaceBytes(uint8_t* at, const uint8_t* expected, const uint8_t* bytes) noexcept {
    uint8_t* const window = WindowAround(at);
    const auto offset = static_cast<size_t>(at - window);
    uint64_t old_word;
    memcpy(&old_word, window, sizeof old_word);
    for (;;) {
        uint64_t new_word = old_word;
        if (memcmp(reinterpret_cast<uint8_t*>(&old_word) + offset, expected, kNearJumpBytes) != 0) {
            return false;
        }
        memcpy(reinterpret_cast<uint8_t*>(&new_word) + offset, bytes, kNearJumpBytes);
        const auto seen = static_cast<uint64_t>(InterlockedCompareExchange64(
            reinterpret_cast<volatile LONG64*>(window), static_cast<LONG64>(new_word),
            static_cast<LONG64>(old_word)));
        if (seen == old_word) return true;
        old_word = seen;
    }
}

// Makes the bytes writable for as long as they are written. The page stays executable meanwhile: the
// functions that change protections live in pages like it, perhaps in this one.
Refusal WriteEntry(void* entry, const uint8_t* expected, const uint8_t* bytes,
                   ProtectFunction protect, uint32_t& error) noexcept {
    auto* const at = static_cast<uint8_t*>(entry);
    uint8_t* const window = WindowAround(at);
    DWORD protection = 0;
    if (!protect(window, 8, PAGE_EXECUTE_READWRITE, &protection)) {
        error = GetLastError();
        return Refusal::kProtect;
    }
    const bool replaced = ReplaceBytes(at, expected, bytes);
    DWORD ignored;
    protect(window, 8, protection, &ignored);
    FlushInstructionCache(GetCurrentProcess(), at, kNearJumpBytes);
    return replaced ? Refusal::kNone : Refusal::kWrite;
}

class Transaction {
public:
    Transaction(const RedirectRequest* requests, size_t count,
                const RedirectOptions& options) noexcept
        : requests_(requests), count_(count), options_(options) {}

    RedirectResult Prepare() noexcept;
    RedirectResult Write() noexcept;
    void* memory() const noexcept { return block_; }

private:
    uint8_t* Slot(size_t i) const noexcept { return block_ + i * kSlotBytes; }
    RedirectResult Allocate() noexcept;
    RedirectResult PrepareOne(size_t i) noexcept;
    RedirectResult HoldThreads(OtherThreads& threads) const noexcept;
    RedirectResult WriteAll() noexcept;
    void Publish(bool trampolines) const noexcept;
    void RollBack(size_t written) noexcept;

    const RedirectRequest* requests_;
    size_t count_;
    const RedirectOptions& options_;
    uint8_t* block_ = nullptr;
    size_t block_bytes_ = 0;
    Saved saved_[kMaxRedirects];
};

RedirectResult Transaction::Allocate() noexcept {
    uint64_t begin = UINT64_MAX;
    uint64_t end = 0;
    for (size_t i = 0; i < count_; ++i) {
        const uint64_t address = AddressOf(requests_[i].entry);
        if (address < begin) begin = address;
        if (address + kNearJumpBytes > end) end = address + kNearJumpBytes;
    }
    if (end - begin > kMaxSpread) return Refused(Refusal::kNoMemoryNear, requests_[0].name);
    // RIP-relative operands of the entries lead to places in their module.
    MEMORY_BASIC_INFORMATION information;
    if (VirtualQuery(requests_[0].entry, &information, sizeof information) != 0) {
        const uint64_t base = AddressOf(information.AllocationBase);
        if (base < begin) begin = base;
    }
    block_bytes_ = count_ * kSlotBytes;
    block_ = static_cast<uint8_t*>(AllocateNear(ReachOf(begin, end), begin, end, block_bytes_));
    if (block_ == nullptr) {
        return Refused(Refusal::kNoMemoryNear, requests_[0].name, "VirtualAlloc", GetLastError());
    }
    return {};
}

RedirectResult Transaction::PrepareOne(size_t i) noexcept {
    const RedirectRequest& request = requests_[i];
    uint8_t* const slot = Slot(i);
    uint8_t* const trampoline = slot + kStubBytes;
    RelocatedEntry relocated;
    memset(slot, 0xcc, kSlotBytes);
    if (Overlaps(requests_, i)) return Refused(Refusal::kOverlap, request.name);
    const Refusal refusal = Relocate(request.entry, AddressOf(trampoline), relocated);
    if (refusal != Refusal::kNone) return Refused(refusal, request.name);
    memcpy(trampoline, relocated.code, relocated.code_bytes);
    EmitFarJump(slot, AddressOf(request.replacement));

    Saved& saved = saved_[i];
    memcpy(saved.before, request.entry, kNearJumpBytes);
    if (EmitJump(saved.after, AddressOf(request.entry), AddressOf(slot)) != kNearJumpBytes) {
        return Refused(Refusal::kOutOfReach, request.name);
    }
    return {};
}

RedirectResult Transaction::Prepare() noexcept {
    RedirectResult result = Allocate();
    for (size_t i = 0; result.Done() && i < count_; ++i) result = PrepareOne(i);
    if (result.Done()) {
        DWORD ignored;
        if (!options_.protect(block_, block_bytes_, PAGE_EXECUTE_READ, &ignored)) {
            result =
                Refused(Refusal::kProtect, requests_[0].name, "VirtualProtect", GetLastError());
        }
        FlushInstructionCache(GetCurrentProcess(), block_, block_bytes_);
    }
    if (!result.Done()) FreeNear(block_);
    return result;
}

// The functions as they were: the trampolines, or the entries themselves.
void Transaction::Publish(bool trampolines) const noexcept {
    for (size_t i = 0; i < count_; ++i) {
        if (requests_[i].original == nullptr) continue;
        std::atomic_ref<void*>(*requests_[i].original)
            .store(trampolines ? Slot(i) + kStubBytes : requests_[i].entry,
                   std::memory_order_release);
    }
}

void Transaction::RollBack(size_t written) noexcept {
    for (size_t i = written; i-- > 0;) {
        uint32_t ignored;
        WriteEntry(requests_[i].entry, saved_[i].after, saved_[i].before, options_.protect,
                   ignored);
    }
    Publish(/*trampolines=*/false);
    // Once an entry led to the block, a thread may be in it: then it stays, unused.
    if (written == 0) FreeNear(block_);
}

RedirectResult Transaction::HoldThreads(OtherThreads& threads) const noexcept {
    CodeRange ranges[kMaxRedirects];
    for (size_t i = 0; i < count_; ++i) {
        const uint64_t entry = AddressOf(requests_[i].entry);
        ranges[i] = {entry, entry + kNearJumpBytes};
    }
    const HoldResult held = threads.Hold(ranges, count_, options_.tries);
    switch (held.outcome) {
        case HoldOutcome::kHeld:
            break;
        case HoldOutcome::kInside:
            return Refused(Refusal::kThreadInside, requests_[0].name);
        case HoldOutcome::kFailed:
            return Refused(Refusal::kThreads, requests_[0].name, held.call, held.system_error);
    }
    return {};
}

RedirectResult Transaction::WriteAll() noexcept {
    for (size_t i = 0; i < count_; ++i) {
        uint32_t error = 0;
        const Refusal refusal = i + 1 == options_.fail_at_write
                                    ? Refusal::kInjectedFault
                                    : WriteEntry(requests_[i].entry, saved_[i].before,
                                                 saved_[i].after, options_.protect, error);
        if (refusal == Refusal::kNone) continue;
        RollBack(i);
        return Refused(refusal, requests_[i].name, error != 0 ? "VirtualProtect" : nullptr, error);
    }
    return {};
}

RedirectResult Transaction::Write() noexcept {
    OtherThreads threads;
    if (options_.hold_threads) {
        if (const RedirectResult result = HoldThreads(threads); !result.Done()) {
            FreeNear(block_);
            return result;
        }
    }
    Publish(/*trampolines=*/true);
    return WriteAll();
}

}  // namespace

RedirectResult RedirectAll(const RedirectRequest* requests, size_t count,
                           const RedirectOptions& options) noexcept {
    if (count == 0) return {};
    if (count > kMaxRedirects) return Refused(Refusal::kNoMemoryNear, requests[kMaxRedirects].name);
    Transaction transaction(requests, count, options);
    RedirectResult result = transaction.Prepare();
    if (result.Done()) result = transaction.Write();
    if (result.Done()) result.memory = transaction.memory();
    return result;
}

void PutRefusal(os::TextSink& text, const RedirectResult& result) noexcept {
    text.Put(result.name).Put(" cannot be redirected: ").Put(RefusalText(result.refusal));
    if (result.call == nullptr) return;
    text.Put(": ").Put(result.call).Put(" failed (error ").PutDecimal(result.system_error).Put(")");
}

Refusal CheckEntry(const void* entry, bool calls) noexcept {
    // Relocated to where it stands, so that everything is in reach.
    RelocatedEntry relocated;
    const Refusal refusal = Relocate(entry, AddressOf(entry), relocated);
    return refusal == Refusal::kNone && relocated.has_call && !calls ? Refusal::kCallInEntry
                                                                     : refusal;
}

void ForgetRedirects(const RedirectResult& result) noexcept { FreeNear(result.memory); }

}  // namespace strata::override
