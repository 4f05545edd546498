// What blocks are given to.
#include <objbase.h>
#include <oleauto.h>

#include "check.h"
#include "mixing.h"

namespace mixing {

namespace {

// ---- who may have what ----

// A runtime's functions take the blocks of its heap, whoever allocated them.
bool OfRuntimesHeap(const Source& s, const Partner& p) {
    if (s.kind == Kind::kNew || s.kind == Kind::kCrt) return s.heap == p.runtime->heap;
    return s.kind == Kind::kHeap && s.heap == p.runtime->heap;
}
bool OfHeap(const Source& s, const Partner& p) { return s.heap != nullptr && s.heap == p.heap; }
bool OfNew(const Source& s, const Partner& p) {
    return s.kind == Kind::kNew && s.runtime == p.runtime;
}
bool OfAligned(const Source& s, const Partner& p) {
    return s.kind == Kind::kAligned && s.runtime == p.runtime;
}
template <Kind kKind>
bool OfKind(const Source& s, const Partner&) {
    return s.kind == kKind;
}

// ---- frees ----

bool UsualFree(const Source& s, const Partner&, void*& block, size_t&) {
    Free(s, block);
    return true;
}
bool CrtFree(const Source&, const Partner& p, void*& block, size_t&) {
    p.runtime->free(block);
    return true;
}
bool CrtFreeBase(const Source&, const Partner& p, void*& block, size_t&) {
    p.runtime->free_base(block);
    return true;
}
bool ReallocToNothing(const Source&, const Partner& p, void*& block, size_t&) {
    return p.runtime->realloc(block, 0) == nullptr;
}
bool FreeOnHeap(const Source&, const Partner& p, void*& block, size_t&) {
    return HeapFree(p.heap, 0, block) != 0;
}
bool FreeLocal(const Source&, const Partner&, void*& block, size_t&) {
    return LocalFree(block) == nullptr;
}
bool FreeGlobal(const Source&, const Partner&, void*& block, size_t&) {
    return GlobalFree(block) == nullptr;
}

// ---- resizes: first to something larger, then, where that is its meaning, in place ----

bool Resized(void* resized, void*& block, size_t& bytes, size_t wanted) {
    if (resized == nullptr) return false;
    block = resized;
    bytes = wanted;
    return true;
}
bool CrtRealloc(const Source&, const Partner& p, void*& block, size_t& bytes) {
    return Resized(p.runtime->realloc(block, bytes * 3), block, bytes, bytes * 3);
}
bool CrtReallocBase(const Source&, const Partner& p, void*& block, size_t& bytes) {
    return Resized(p.runtime->realloc_base(block, bytes * 3), block, bytes, bytes * 3);
}
bool CrtRecalloc(const Source& s, const Partner& p, void*& block, size_t& bytes) {
    const size_t old_bytes = bytes;
    if (!Resized(p.runtime->recalloc(block, bytes * 2, 2), block, bytes, bytes * 4)) return false;
    const auto* const text = static_cast<const char*>(block);
    for (size_t i = old_bytes; s.exact && i < bytes; ++i) {
        if (text[i] != 0) return false;
    }
    return true;
}
// _expand may always refuse, and leaves the block as it is then.
bool CrtExpand(const Source& s, const Partner& p, void*& block, size_t& bytes) {
    if (!s.exact) return true;  // a size that is not known may be too large for it
    const size_t wanted = bytes / 2 + 1;
    const void* const expanded = p.runtime->expand(block, wanted);
    if (expanded == block) bytes = wanted;
    return (expanded == nullptr || expanded == block) && p.runtime->msize(block) == bytes;
}
bool ResizeOnHeap(const Source&, const Partner& p, void*& block, size_t& bytes) {
    return Resized(HeapReAlloc(p.heap, 0, block, bytes * 3), block, bytes, bytes * 3);
}
bool ResizeLocal(const Source&, const Partner&, void*& block, size_t& bytes) {
    return Resized(LocalReAlloc(block, bytes * 3, LMEM_MOVEABLE), block, bytes, bytes * 3);
}
bool ResizeGlobal(const Source&, const Partner&, void*& block, size_t& bytes) {
    return Resized(GlobalReAlloc(block, bytes * 3, GMEM_MOVEABLE), block, bytes, bytes * 3);
}
bool ResizeTask(const Source&, const Partner&, void*& block, size_t& bytes) {
    return Resized(CoTaskMemRealloc(block, bytes * 3), block, bytes, bytes * 3);
}
bool ResizeAligned(const Source&, const Partner& p, void*& block, size_t& bytes) {
    return Resized(p.runtime->aligned_realloc(block, bytes * 3, 64), block, bytes, bytes * 3) &&
           reinterpret_cast<uintptr_t>(block) % 64 == 0;
}
bool RecallocAligned(const Source&, const Partner& p, void*& block, size_t& bytes) {
    return Resized(p.runtime->aligned_recalloc(block, bytes, 3, 64), block, bytes, bytes * 3) &&
           reinterpret_cast<uintptr_t>(block) % 64 == 0;
}
bool ResizeString(const Source&, const Partner&, void*& block, size_t& bytes) {
    BSTR text = static_cast<BSTR>(block);
    if (!SysReAllocStringLen(&text, nullptr, static_cast<UINT>(bytes))) return false;
    block = text;
    return SysStringLen(text) == bytes;
}

// ---- sizes ----

bool IsSize(const Source& s, size_t found, size_t bytes) {
    return s.exact ? found == bytes : found != 0 && found != SIZE_MAX;
}
bool CrtMsize(const Source& s, const Partner& p, void*& block, size_t& bytes) {
    return IsSize(s, p.runtime->msize(block), bytes);
}
bool SizeOnHeap(const Source& s, const Partner& p, void*& block, size_t& bytes) {
    return IsSize(s, HeapSize(p.heap, 0, block), bytes) && HeapValidate(p.heap, 0, block) != 0;
}
bool SizeLocal(const Source& s, const Partner&, void*& block, size_t& bytes) {
    return IsSize(s, LocalSize(block), bytes);
}
bool SizeGlobal(const Source& s, const Partner&, void*& block, size_t& bytes) {
    const SIZE_T found = GlobalSize(block);
    return s.exact ? found >= bytes : found != 0;  // of a moveable one: rounded up
}
bool SizeAligned(const Source&, const Partner& p, void*& block, size_t& bytes) {
    return p.runtime->aligned_msize(block, 64, 0) >= bytes;
}
bool SizeTask(const Source&, const Partner&, void*& block, size_t& bytes) {
    IMalloc* allocator = nullptr;
    if (CoGetMalloc(1, &allocator) != S_OK) return false;
    const size_t found = allocator->GetSize(block);
    allocator->Release();
    return found >= bytes && found != SIZE_MAX;
}
bool SizeString(const Source&, const Partner&, void*& block, size_t& bytes) {
    return SysStringLen(static_cast<BSTR>(block)) == bytes / 2;
}

class List {
public:
    explicit List(Partner* partners) : partners_(partners) {}
    int count() const { return count_; }
    void Add(const Partner& partner) {
        CHECK(count_ < kMostPartners);
        partners_[count_++] = partner;
    }
    template <typename Function>
    void AddOf(Function exported, const Partner& partner) {
        if (exported != nullptr) Add(partner);
    }

private:
    Partner* partners_;
    int count_ = 0;
};

void AddRuntime(List& list, const Runtime& r) {
    list.Add({"free", &r, Use::kFree, nullptr, OfRuntimesHeap, CrtFree});
    list.AddOf(r.free_base, {"_free_base", &r, Use::kFree, nullptr, OfRuntimesHeap, CrtFreeBase});
    list.Add({"realloc to 0", &r, Use::kFree, nullptr, OfRuntimesHeap, ReallocToNothing});
    list.AddOf(r.operator_delete,
               {"exported operator delete", &r, Use::kFree, nullptr, OfNew, UsualFree});
    list.AddOf(r.aligned_free, {"_aligned_free", &r, Use::kFree, nullptr, OfAligned, UsualFree});
    list.Add({"realloc", &r, Use::kResize, nullptr, OfRuntimesHeap, CrtRealloc});
    list.AddOf(r.realloc_base,
               {"_realloc_base", &r, Use::kResize, nullptr, OfRuntimesHeap, CrtReallocBase});
    list.AddOf(r.recalloc, {"_recalloc", &r, Use::kResize, nullptr, OfRuntimesHeap, CrtRecalloc});
    list.AddOf(r.expand, {"_expand", &r, Use::kResize, nullptr, OfRuntimesHeap, CrtExpand});
    list.AddOf(r.aligned_realloc,
               {"_aligned_realloc", &r, Use::kResize, nullptr, OfAligned, ResizeAligned});
    list.AddOf(r.aligned_recalloc,
               {"_aligned_recalloc", &r, Use::kResize, nullptr, OfAligned, RecallocAligned});
    list.Add({"_msize", &r, Use::kSize, nullptr, OfRuntimesHeap, CrtMsize});
    list.AddOf(r.aligned_msize,
               {"_aligned_msize", &r, Use::kSize, nullptr, OfAligned, SizeAligned});
}

void AddHeap(List& list, HANDLE heap) {
    if (heap == nullptr) return;
    list.Add({"HeapFree", nullptr, Use::kFree, heap, OfHeap, FreeOnHeap});
    list.Add({"HeapReAlloc", nullptr, Use::kResize, heap, OfHeap, ResizeOnHeap});
    list.Add({"HeapSize", nullptr, Use::kSize, heap, OfHeap, SizeOnHeap});
}

}  // namespace

int MakePartners(Partner* partners) {
    List list(partners);
    const HANDLE process = GetProcessHeap();
    for (const Runtime& runtime : g_runtimes) {
        AddRuntime(list, runtime);
        if (runtime.heap != process) AddHeap(list, runtime.heap);
    }
    AddHeap(list, process);
    AddHeap(list, g_private_heap);
    list.Add({"operator delete in the program", nullptr, Use::kFree, nullptr, OfKind<Kind::kOwnNew>,
              UsualFree});
    list.Add({"LocalFree", nullptr, Use::kFree, process, OfHeap, FreeLocal});
    list.Add({"GlobalFree", nullptr, Use::kFree, process, OfHeap, FreeGlobal});
    list.Add({"GlobalFree", nullptr, Use::kFree, nullptr, OfKind<Kind::kMoveable>, FreeGlobal});
    list.Add({"CoTaskMemFree", nullptr, Use::kFree, nullptr, OfKind<Kind::kTask>, UsualFree});
    list.Add({"SysFreeString", nullptr, Use::kFree, nullptr, OfKind<Kind::kString>, UsualFree});
    list.Add({"LocalReAlloc", nullptr, Use::kResize, process, OfHeap, ResizeLocal});
    list.Add({"GlobalReAlloc", nullptr, Use::kResize, process, OfHeap, ResizeGlobal});
    list.Add(
        {"GlobalReAlloc", nullptr, Use::kResize, nullptr, OfKind<Kind::kMoveable>, ResizeGlobal});
    list.Add({"CoTaskMemRealloc", nullptr, Use::kResize, nullptr, OfKind<Kind::kTask>, ResizeTask});
    list.Add(
        {"SysReAllocString", nullptr, Use::kResize, nullptr, OfKind<Kind::kString>, ResizeString});
    list.Add({"LocalSize", nullptr, Use::kSize, process, OfHeap, SizeLocal});
    list.Add({"GlobalSize", nullptr, Use::kSize, process, OfHeap, SizeGlobal});
    list.Add({"GlobalSize", nullptr, Use::kSize, nullptr, OfKind<Kind::kMoveable>, SizeGlobal});
    list.Add({"IMalloc::GetSize", nullptr, Use::kSize, nullptr, OfKind<Kind::kTask>, SizeTask});
    list.Add({"SysStringLen", nullptr, Use::kSize, nullptr, OfKind<Kind::kString>, SizeString});
    return list.count();
}

}  // namespace mixing
