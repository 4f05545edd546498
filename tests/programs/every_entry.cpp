// Calls every function of ntdll's heap family: kCalls times with a heap that Strata serves, and
// kCalls times with one that stays the system's, because it lies in the program's own memory. With
// an argument also RtlValidateProcessHeaps, which ends the process under Wine (it has the name
// only).
#include <windows.h>
#include <winternl.h>

#include <initializer_list>

#include "check.h"

namespace {

constexpr int kCalls = 5;
constexpr int kTagged = 100;  // with each tag

template <typename Function>
Function* Find(const char* name) {
    const FARPROC function = GetProcAddress(GetModuleHandleW(L"ntdll.dll"), name);
    CHECK(function != nullptr);
    return reinterpret_cast<Function*>(reinterpret_cast<void*>(function));
}

bool Has(const char* name) {
    return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), name) != nullptr;
}

struct WalkEntry {
    void* address;
    SIZE_T bytes;
    BYTE overhead;
    BYTE segment;
    WORD flags;
    void* rest[4];
};

// With tags in the flags (HEAP_MAKE_TAG_FLAGS), which mean nothing as long as tagging is off.
void Tagged(void* heap) {
    for (const ULONG tag : {1u, 5u, 32u, 0xFFFu}) {
        const ULONG flags = HEAP_ZERO_MEMORY | tag << 18;
        for (int i = 0; i < kTagged; ++i) {
            auto* const block = static_cast<char*>(
                Find<void * NTAPI(void*, ULONG, SIZE_T)>("RtlAllocateHeap")(heap, flags, 100));
            CHECK(block != nullptr && block[0] == 0 && block[99] == 0);
            CHECK(Find<SIZE_T NTAPI(void*, ULONG, void*)>("RtlSizeHeap")(heap, flags, block) ==
                  100);
            CHECK(Find<BOOLEAN NTAPI(void*, ULONG, void*)>("RtlFreeHeap")(heap, flags, block));
        }
    }
}

void Blocks(void* heap) {
    for (int i = 0; i < kCalls; ++i) {
        void* block = Find<void * NTAPI(void*, ULONG, SIZE_T)>("RtlAllocateHeap")(heap, 0x100, 100);
        CHECK(block != nullptr);
        CHECK(Find<SIZE_T NTAPI(void*, ULONG, void*)>("RtlSizeHeap")(heap, 0, block) == 100);
        CHECK(Find<BOOLEAN NTAPI(void*, ULONG, void*)>("RtlValidateHeap")(heap, 0, block));
        CHECK(Find<BOOLEAN NTAPI(void*, ULONG, void*, void*)>("RtlSetUserValueHeap")(heap, 0, block,
                                                                                     heap));
        void* value = nullptr;
        ULONG flags = 0;
        CHECK(Find<BOOLEAN NTAPI(void*, ULONG, void*, void**, ULONG*)>("RtlGetUserInfoHeap")(
            heap, 0, block, &value, &flags));
        CHECK(value == heap);
        Find<BOOLEAN NTAPI(void*, ULONG, void*, ULONG, ULONG)>("RtlSetUserFlagsHeap")(
            heap, 0, block, 0, 0x200);
        block = Find<void * NTAPI(void*, ULONG, void*, SIZE_T)>("RtlReAllocateHeap")(heap, 0, block,
                                                                                     200);
        CHECK(block != nullptr);
        CHECK(Find<BOOLEAN NTAPI(void*, ULONG, void*)>("RtlFreeHeap")(heap, 0, block));
    }
}

void WholeHeap(void* heap) {
    for (int i = 0; i < kCalls; ++i) {
        CHECK(Find<BOOLEAN NTAPI(void*)>("RtlLockHeap")(heap));
        WalkEntry entry = {};
        Find<LONG NTAPI(void*, WalkEntry*)>("RtlWalkHeap")(heap, &entry);
        CHECK(Find<BOOLEAN NTAPI(void*)>("RtlUnlockHeap")(heap));
        Find<SIZE_T NTAPI(void*, ULONG)>("RtlCompactHeap")(heap, 0);
        ULONG kind = 0;
        Find<LONG NTAPI(void*, ULONG, void*, SIZE_T, SIZE_T*)>("RtlQueryHeapInformation")(
            heap, 0, &kind, sizeof kind, nullptr);
        Find<LONG NTAPI(void*, ULONG, void*, SIZE_T)>("RtlSetHeapInformation")(heap, 0, &kind,
                                                                               sizeof kind);
    }
}

// Where there are any (not under Wine).
void Several(void* heap) {
    using AllocateSeveral = ULONG NTAPI(void*, ULONG, SIZE_T, ULONG, void**);
    using FreeSeveral = ULONG NTAPI(void*, ULONG, ULONG, void**);
    const HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    const auto allocate = reinterpret_cast<AllocateSeveral*>(
        reinterpret_cast<void*>(GetProcAddress(ntdll, "RtlMultipleAllocateHeap")));
    const auto release = reinterpret_cast<FreeSeveral*>(
        reinterpret_cast<void*>(GetProcAddress(ntdll, "RtlMultipleFreeHeap")));
    if (allocate == nullptr || release == nullptr) return;
    for (int i = 0; i < kCalls; ++i) {
        void* blocks[4] = {};
        CHECK(allocate(heap, 0, 100, 4, blocks) == 4);
        CHECK(release(heap, 0, 4, blocks) == 4);
    }
}

}  // namespace

int main(int count, char**) {
    using Create = void* NTAPI(ULONG, void*, SIZE_T, SIZE_T, void*, void*);
    using Destroy = void* NTAPI(void*);
    constexpr SIZE_T kBytes = 0x100000;
    for (int i = 0; i < kCalls; ++i) {
        void* const heap =
            Find<Create>("RtlCreateHeap")(HEAP_GROWABLE, nullptr, 0, 0, nullptr, nullptr);
        CHECK(heap != nullptr);
        CHECK(Find<Destroy>("RtlDestroyHeap")(heap) == nullptr);
    }
    Blocks(GetProcessHeap());
    WholeHeap(GetProcessHeap());
    Several(GetProcessHeap());
    for (int i = 0; i < kCalls; ++i) {
        if (count > 1) Find<BOOLEAN NTAPI()>("RtlValidateProcessHeaps")();
        for (const char* const name : {"RtlFreeUnicodeString", "RtlFreeAnsiString",
                                       "RtlFreeOemString", "RtlFreeUTF8String"}) {
            if (!Has(name)) continue;  // RtlFreeUTF8String is Windows 10's
            UNICODE_STRING text = {2, 100,
                                   static_cast<wchar_t*>(HeapAlloc(GetProcessHeap(), 0, 100))};
            Find<void NTAPI(UNICODE_STRING*)>(name)(&text);
        }
    }
    Tagged(GetProcessHeap());
    for (int i = 0; i < kCalls; ++i) {
        void* const memory =
            VirtualAlloc(nullptr, kBytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
        void* const heap =
            Find<Create>("RtlCreateHeap")(0, memory, kBytes, kBytes, nullptr, nullptr);
        CHECK(heap != nullptr);
        if (i == 0) {
            Blocks(heap);
            WholeHeap(heap);
            Several(heap);
        }
        CHECK(Find<Destroy>("RtlDestroyHeap")(heap) == nullptr);
        VirtualFree(memory, 0, MEM_RELEASE);
    }
    std::puts("done");
    return 0;
}
