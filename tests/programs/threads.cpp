// Threads that come and go, and blocks that are freed by others than those who allocated them.
#include <windows.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

namespace {

std::atomic<unsigned long long> g_bytes{0};

// Producers fill blocks and pass them on; consumers check and free them.
void HandOver() {
    std::mutex mutex;
    std::vector<std::string*> shared;
    std::atomic<int> producers{3};
    std::vector<std::thread> threads;
    for (int p = 0; p < 3; ++p) {
        threads.emplace_back([&, p] {
            for (int i = 0; i < 20000; ++i) {
                auto* const text = new std::string(static_cast<size_t>(i % 300), char('a' + p));
                const std::lock_guard guard(mutex);
                shared.push_back(text);
            }
            --producers;
        });
    }
    for (int c = 0; c < 2; ++c) {
        threads.emplace_back([&] {
            for (;;) {
                std::vector<std::string*> mine;
                const bool last = producers == 0;
                {
                    const std::lock_guard guard(mutex);
                    mine.swap(shared);
                }
                if (mine.empty() && last) return;
                for (std::string* const text : mine) {
                    for (const char letter : *text) CHECK(letter == text->front());
                    g_bytes += text->size();
                    delete text;
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    std::printf("handed over: %llu bytes\n", g_bytes.load());
}

DWORD WINAPI ShortLife(void* argument) {
    auto** const slot = static_cast<void**>(argument);
    HeapFree(GetProcessHeap(), 0, *slot);
    for (SIZE_T size = 8; size < 40000; size *= 3) {
        void* const block = HeapAlloc(GetProcessHeap(), 0, size);
        std::memset(block, 1, size);
        HeapFree(GetProcessHeap(), 0, block);
    }
    *slot = HeapAlloc(GetProcessHeap(), 0, 333);
    return 0;
}

// Each thread frees what an earlier one left and leaves something itself.
void ComeAndGo() {
    void* slots[8] = {};
    for (int round = 0; round < 60; ++round) {
        HANDLE threads[8];
        for (int i = 0; i < 8; ++i) {
            threads[i] = CreateThread(nullptr, 0, ShortLife, &slots[i], 0, nullptr);
            CHECK(threads[i] != nullptr);
        }
        WaitForMultipleObjects(8, threads, TRUE, INFINITE);
        for (const HANDLE thread : threads) CloseHandle(thread);
    }
    for (void* const block : slots) {
        CHECK(HeapSize(GetProcessHeap(), 0, block) == 333);
        CHECK(HeapFree(GetProcessHeap(), 0, block));
    }
    std::puts("came and went: ok");
}

// Blocks kept in thread-local and fiber-local storage are freed when the thread is nearly gone.
void NTAPI FreeLate(void* block) { HeapFree(GetProcessHeap(), 0, block); }

void LateFrees() {
    const DWORD index = FlsAlloc(FreeLate);
    CHECK(index != FLS_OUT_OF_INDEXES);
    for (int i = 0; i < 100; ++i) {
        std::thread([&] {
            static thread_local std::string kept(500, 'x');
            kept += "y";
            FlsSetValue(index, HeapAlloc(GetProcessHeap(), 0, 200));
        }).join();
    }
    FlsFree(index);
    std::puts("late frees: ok");
}

}  // namespace

int main() {
    HandOver();
    ComeAndGo();
    LateFrees();
    CHECK(HeapValidate(GetProcessHeap(), 0, nullptr));
    std::puts("done");
    return 0;
}
