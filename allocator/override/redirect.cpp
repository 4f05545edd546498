#include "override/redirect.h"

#include <atomic>
#include <cstring>

#include "override/near_memory.h"
#include "override/originals.h"
#include "override/other_threads.h"
#include "override/unwind.h"

namespace strata::override {

namespace {

// What one request takes of the block: the stub, the trampoline, and its unwind data.
constexpr size_t kStubBytes = 16;
constexpr size_t kUnwindAt = kStubBytes + kMaxTrampolineBytes;
constexpr size_t kSlotBytes = 128;
static_assert(kStubBytes >= kFarJumpBytes && kSlotBytes >= kUnwindAt + kMaxUnwindBytes);
static_assert(kUnwindAt % 4 == 0);

constexpr uint64_t kMaxSpread = uint64_t{1} << 30;

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

// Relocates an entry for `address`, and describes the trampoline in `info`.
Refusal Relocate(const void* entry, FirstJump first, uint64_t address, RelocatedEntry& relocated,
                 uint8_t* info, Unwinding& unwinding) noexcept {
    const size_t readable = ReadableCode(entry);
    if (readable < kNearJumpBytes) return Refusal::kNotCode;
    const auto* const code = static_cast<const uint8_t*>(entry);
    const Refusal refusal =
        RelocateEntry(code, readable, kNearJumpBytes, address, relocated, first);
    if (refusal != Refusal::kNone) return refusal;
    if (HasBranchIntoEntry(code, readable, kNearJumpBytes)) return Refusal::kBranchIntoEntry;
    unwinding = DescribeTrampoline(entry, relocated, info);
    // What is called returns into the trampoline, and an exception may have to pass.
    const bool passable = unwinding == Unwinding::kDescribed || !relocated.has_call;
    return passable ? Refusal::kNone : Refusal::kCallInEntry;
}

bool Overlaps(const RedirectRequest* requests, size_t index) noexcept {
    for (size_t i = 0; i < index; ++i) {
        const uint64_t a = AddressOf(requests[i].entry);
        const uint64_t b = AddressOf(requests[index].entry);
        if ((a > b ? a - b : b - a) < kNearJumpBytes) return true;
    }
    return false;
}

class Transaction {
public:
    Transaction(const RedirectRequest* requests, size_t count,
                const RedirectOptions& options) noexcept
        : requests_(requests), count_(count), options_(options) {}

    RedirectResult Prepare() noexcept;
    RedirectResult Write() noexcept;
    void* memory() const noexcept { return block_; }
    void* table() const noexcept { return table_added_ ? table_ : nullptr; }

private:
    uint8_t* Slot(size_t i) const noexcept { return block_ + i * kSlotBytes; }
    RedirectResult Allocate() noexcept;
    RedirectResult PrepareOne(size_t i) noexcept;
    bool AddFunctionTable() noexcept;
    void FreeBlock() noexcept;
    RedirectResult Unprotect() noexcept;
    void Protect(size_t count) noexcept;
    RedirectResult HoldThreads(OtherThreads& threads) const noexcept;
    RedirectResult WriteAll() noexcept;
    void Publish(bool trampolines) const noexcept;

    const RedirectRequest* requests_;
    size_t count_;
    const RedirectOptions& options_;
    Originals originals_;
    uint8_t* block_ = nullptr;
    size_t block_bytes_ = 0;
    RUNTIME_FUNCTION* table_ = nullptr;  // in the block, behind the slots
    size_t table_count_ = 0;
    bool table_added_ = false;
    size_t written_ = 0;
    CodePatch patches_[kMaxRedirects];
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
    block_bytes_ = count_ * (kSlotBytes + sizeof(RUNTIME_FUNCTION));
    block_ = static_cast<uint8_t*>(AllocateNear(ReachOf(begin, end), begin, end, block_bytes_));
    if (block_ == nullptr) {
        return Refused(Refusal::kNoMemoryNear, requests_[0].name, "VirtualAlloc", GetLastError());
    }
    table_ = reinterpret_cast<RUNTIME_FUNCTION*>(Slot(count_));
    return {};
}

RedirectResult Transaction::PrepareOne(size_t i) noexcept {
    const RedirectRequest& request = requests_[i];
    uint8_t* const slot = Slot(i);
    uint8_t* const trampoline = slot + kStubBytes;
    RelocatedEntry relocated;
    memset(slot, 0xcc, kSlotBytes);
    if (Overlaps(requests_, i)) return Refused(Refusal::kOverlap, request.name);
    Unwinding unwinding = Unwinding::kLeaf;
    const Refusal refusal = Relocate(request.entry, request.first, AddressOf(trampoline), relocated,
                                     slot + kUnwindAt, unwinding);
    if (refusal != Refusal::kNone) return Refused(refusal, request.name);
    memcpy(trampoline, relocated.code, relocated.code_bytes);
    EmitFarJump(slot, AddressOf(request.replacement));
    if (unwinding == Unwinding::kDescribed) {
        const auto begin = static_cast<DWORD>(trampoline - block_);
        RUNTIME_FUNCTION& described = table_[table_count_++];
        described.BeginAddress = begin;
        described.EndAddress = begin + static_cast<DWORD>(relocated.code_bytes);
        described.UnwindData = static_cast<DWORD>(slot + kUnwindAt - block_);
    }

    CodePatch& patch = patches_[i];
    patch.Begin(request.entry);
    if (EmitJump(patch.after(), AddressOf(request.entry), AddressOf(slot)) != kNearJumpBytes) {
        return Refused(Refusal::kOutOfReach, request.name);
    }
    return {};
}

RedirectResult Transaction::Prepare() noexcept {
    originals_ =
        options_.originals != nullptr ? *options_.originals : ProveOriginals(requests_, count_);
    for (size_t i = 0; i < count_; ++i) {
        if ((originals_.unproven >> i & 1) != 0) {
            return Refused(Refusal::kLeadsBack, requests_[i].name);
        }
    }
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
    if (result.Done() && !AddFunctionTable()) {
        result = Refused(Refusal::kNoMemoryNear, requests_[0].name, "RtlAddFunctionTable",
                         ERROR_NOT_ENOUGH_MEMORY);
    }
    if (!result.Done()) FreeBlock();
    return result;
}

// Sorted by address, as the slots are.
bool Transaction::AddFunctionTable() noexcept {
    if (table_count_ == 0) return true;
    table_added_ = RtlAddFunctionTable(table_, static_cast<DWORD>(table_count_), AddressOf(block_));
    return table_added_;
}

void Transaction::FreeBlock() noexcept {
    if (table_added_) RtlDeleteFunctionTable(table_);
    FreeNear(block_);
}

// The functions as they were: the trampolines, or the entries themselves.
void Transaction::Publish(bool trampolines) const noexcept {
    for (size_t i = 0; i < count_; ++i) {
        if (requests_[i].original == nullptr || (originals_.published >> i & 1) == 0) continue;
        // Before the entry leads to who reads it, by a locked instruction (CodePatch::Write).
        std::atomic_ref<void*>(*requests_[i].original)
            .store(trampolines ? Slot(i) + kStubBytes : requests_[i].entry,
                   std::memory_order_release);
    }
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

RedirectResult Transaction::Unprotect() noexcept {
    for (size_t i = 0; i < count_; ++i) {
        if (patches_[i].Unprotect(options_.protect)) continue;
        const uint32_t error = GetLastError();
        Protect(i);
        return Refused(Refusal::kProtect, requests_[i].name, "VirtualProtect", error);
    }
    return {};
}

void Transaction::Protect(size_t count) noexcept {
    for (size_t i = count; i-- > 0;) patches_[i].Protect(options_.protect);
}

// While threads are held: calls nothing.
RedirectResult Transaction::WriteAll() noexcept {
    Publish(/*trampolines=*/true);
    for (; written_ < count_; ++written_) {
        const bool fails = written_ + 1 == options_.fail_at_write;
        if (!fails && patches_[written_].Write()) continue;
        for (size_t i = written_; i-- > 0;) patches_[i].Undo();
        Publish(/*trampolines=*/false);
        return Refused(fails ? Refusal::kInjectedFault : Refusal::kWrite, requests_[written_].name);
    }
    return {};
}

RedirectResult Transaction::Write() noexcept {
    RedirectResult result = Unprotect();
    if (result.Done()) {
        OtherThreads threads;
        if (options_.hold_threads) result = HoldThreads(threads);
        if (result.Done()) result = WriteAll();
        threads.Release();
        Protect(count_);
    }
    // Once an entry led to the block, a thread may be in it: then it stays, unused.
    if (!result.Done() && written_ == 0) FreeBlock();
    return result;
}

}  // namespace

RedirectResult RedirectAll(const RedirectRequest* requests, size_t count,
                           const RedirectOptions& options) noexcept {
    if (count == 0) return {};
    if (count > kMaxRedirects) return Refused(Refusal::kNoMemoryNear, requests[kMaxRedirects].name);
    Transaction transaction(requests, count, options);
    RedirectResult result = transaction.Prepare();
    if (result.Done()) result = transaction.Write();
    if (result.Done()) {
        result.memory = transaction.memory();
        result.unwind_data = transaction.table();
    }
    return result;
}

void PutRefusal(os::TextSink& text, const RedirectResult& result) noexcept {
    text.Put(result.name).Put(" cannot be redirected: ").Put(RefusalText(result.refusal));
    if (result.call == nullptr) return;
    text.Put(": ").Put(result.call).Put(" failed (error ").PutDecimal(result.system_error).Put(")");
}

Refusal CheckEntry(const void* entry, FirstJump first) noexcept {
    // Relocated to where it stands, so that everything is in reach.
    RelocatedEntry relocated;
    alignas(4) uint8_t info[kMaxUnwindBytes];
    Unwinding unwinding;
    return Relocate(entry, first, AddressOf(entry), relocated, info, unwinding);
}

void ForgetRedirects(const RedirectResult& result) noexcept {
    if (result.unwind_data != nullptr) {
        RtlDeleteFunctionTable(static_cast<RUNTIME_FUNCTION*>(result.unwind_data));
    }
    FreeNear(result.memory);
}

}  // namespace strata::override
