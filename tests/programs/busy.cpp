// A process that is busy with its heaps, to be attached to. Prints its process id, works until it
// can read a byte from its standard input or that ends, checks what it has, and says whether Strata
// is there.
#include <windows.h>
#include <strata/override.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "check.h"

namespace {

std::atomic<bool> g_stop{false};
std::atomic<unsigned long long> g_steps{0};

// A block that says what is in it: all its bytes are its size's low byte.
struct Filled {
    HANDLE heap = nullptr;
    unsigned char* block = nullptr;
    SIZE_T size = 0;

    void Allocate(HANDLE in, SIZE_T bytes) {
        heap = in;
        size = bytes;
        block = static_cast<unsigned char*>(HeapAlloc(heap, 0, size));
        CHECK(block != nullptr);
        std::memset(block, static_cast<int>(size & 0xFF), size);
    }
    void Check() const {
        CHECK(HeapSize(heap, 0, block) == size);
        for (SIZE_T i = 0; i < size; i += 61) CHECK(block[i] == (size & 0xFF));
    }
    void Resize(SIZE_T bytes) {
        Check();
        block = static_cast<unsigned char*>(HeapReAlloc(heap, 0, block, bytes));
        CHECK(block != nullptr);
        const SIZE_T kept = bytes < size ? bytes : size;
        for (SIZE_T i = 0; i < kept; i += 61) CHECK(block[i] == (size & 0xFF));
        size = bytes;
        std::memset(block, static_cast<int>(size & 0xFF), size);
    }
    void Free() {
        Check();
        CHECK(HeapFree(heap, 0, block));
        block = nullptr;
    }
};

// Blocks that change threads.
constexpr size_t kShared = 64;
std::atomic<Filled*> g_shared[kShared];

void Work(unsigned seed, HANDLE private_heap) {
    unsigned random = seed;
    const auto next = [&random](unsigned limit) {
        random = random * 1664525 + 1013904223;
        return (random >> 8) % limit;
    };
    std::vector<Filled> mine(100);
    while (!g_stop) {
        Filled& filled = mine[next(100)];
        const SIZE_T size = next(8) == 0 ? next(200000) : next(2000);
        if (filled.block == nullptr) {
            filled.Allocate(next(4) == 0 ? private_heap : GetProcessHeap(), size);
        } else if (next(3) == 0) {
            filled.Resize(size);
        } else {
            filled.Free();
        }
        if (next(4) == 0) {
            auto* const given = new Filled;
            given->Allocate(GetProcessHeap(), next(500));
            if (Filled* const taken = g_shared[next(kShared)].exchange(given)) {
                taken->Free();
                delete taken;
            }
        }
        char* const text = _strdup("a text of the C runtime");
        CHECK(std::strlen(text) == 23);
        free(text);
        ++g_steps;
    }
    for (Filled& filled : mine) {
        if (filled.block != nullptr) filled.Free();
    }
}

void ComeAndGo() {
    while (!g_stop) {
        std::thread([] {
            Filled filled;
            filled.Allocate(GetProcessHeap(), 77);
            filled.Free();
        }).join();
        ++g_steps;
    }
}

void SayStatus() {
    const HMODULE dll = GetModuleHandleW(L"strata-override.dll");
    if (dll == nullptr) {
        std::puts("absent");
        return;
    }
    const auto status = reinterpret_cast<StrataOverrideStatusFunction*>(
        reinterpret_cast<void*>(GetProcAddress(dll, "StrataOverrideStatus")));
    StrataOverrideInfo info = {};
    info.size = sizeof info;
    if (status(&info) == STRATA_OVERRIDE_ACTIVE) {
        std::puts("active");
    } else {
        std::printf("not active: %s\n", info.reason);
    }
}

}  // namespace

int main() {
    const HANDLE private_heap = HeapCreate(0, 0, 0);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 4; ++i) threads.emplace_back(Work, i, private_heap);
    threads.emplace_back(ComeAndGo);
    while (g_steps < 200) Sleep(1);
    std::printf("process %lu\n", GetCurrentProcessId());
    std::fflush(stdout);
    char byte;
    DWORD read;
    ReadFile(GetStdHandle(STD_INPUT_HANDLE), &byte, 1, &read, nullptr);
    const unsigned long long before = g_steps;
    while (g_steps < before + 200) Sleep(1);  // it has gone on
    g_stop = true;
    for (std::thread& thread : threads) thread.join();
    for (std::atomic<Filled*>& shared : g_shared) {
        if (Filled* const left = shared.exchange(nullptr)) {
            left->Free();
            delete left;
        }
    }
    CHECK(HeapValidate(GetProcessHeap(), 0, nullptr));
    CHECK(HeapValidate(private_heap, 0, nullptr));
    CHECK(HeapDestroy(private_heap));
    SayStatus();
    std::puts("done");
    return 0;
}
