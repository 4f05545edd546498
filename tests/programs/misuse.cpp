// One misuse of the process heap, named by the argument. Under the override each of them ends the
// process with a message; the last line must not be reached. With "debugger" behind it, prints what
// a debugger is told.
#include <windows.h>

#include <cstring>

#include "check.h"

namespace {

// OutputDebugString's exception, as a debugger would see it (ntstatus.h, DBG_PRINTEXCEPTION_C): the
// length with the terminator, and the text.
LONG CALLBACK ShowDebugOutput(EXCEPTION_POINTERS* pointers) {
    const EXCEPTION_RECORD& record = *pointers->ExceptionRecord;
    if (record.ExceptionCode != 0x40010006 || record.NumberParameters < 2) {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    const auto write = [](const void* text, size_t length) {
        DWORD written;
        WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text, static_cast<DWORD>(length), &written,
                  nullptr);
    };
    write("debugger: ", 10);
    write(reinterpret_cast<const void*>(record.ExceptionInformation[1]),
          record.ExceptionInformation[0] - 1);
    return EXCEPTION_CONTINUE_EXECUTION;
}

void FreeTwice(HANDLE heap, SIZE_T bytes) {
    void* const block = HeapAlloc(heap, 0, bytes);
    HeapFree(heap, 0, block);
    HeapFree(heap, 0, block);
}

}  // namespace

int main(int count, char** arguments) {
    CHECK(count == 2 || count == 3);
    if (count == 3) AddVectoredExceptionHandler(1, ShowDebugOutput);
    const HANDLE heap = GetProcessHeap();
    const auto is = [&](const char* name) { return std::strcmp(arguments[1], name) == 0; };
    std::puts("before");
    std::fflush(stdout);
    if (is("double-free")) {
        FreeTwice(heap, 48);
    } else if (is("double-free-private")) {
        FreeTwice(HeapCreate(0, 0, 0), 48);
    } else if (is("double-free-private-large")) {
        FreeTwice(HeapCreate(0, 0, 0), 300000);
    } else if (is("double-free-elsewhere")) {
        void* const block = HeapAlloc(heap, 0, 48);
        HeapFree(heap, 0, block);
        const HANDLE thread = CreateThread(
            nullptr, 0,
            [](void* argument) -> DWORD { return HeapFree(GetProcessHeap(), 0, argument) != 0; },
            block, 0, nullptr);
        WaitForSingleObject(thread, INFINITE);
    } else if (is("double-free-crt")) {
        void* const block = malloc(48);
        free(block);
        free(block);
    } else if (is("double-free-large")) {
        FreeTwice(heap, 5000000);
    } else if (is("overrun")) {
        char* const block = static_cast<char*>(HeapAlloc(heap, 0, 21));
        block[21] = 0;  // noticed by heaps with tail checks alone
        HeapFree(heap, 0, block);
    } else if (is("overrun-private")) {
        const HANDLE other = HeapCreate(0, 0, 0);
        char* const block = static_cast<char*>(HeapAlloc(other, 0, 5000));
        block[5000] = 0;
        HeapFree(other, 0, block);
    } else if (is("write-after-free")) {
        char* const block = static_cast<char*>(HeapAlloc(heap, 0, 3000));
        HeapAlloc(heap, 0, 3000);
        HeapFree(heap, 0, block);
        block[8] = 0;  // noticed by heaps with free checks alone
        for (int i = 0; i < 100; ++i) HeapAlloc(heap, 0, 3000);
    } else if (is("interior")) {
        HeapFree(heap, 0, static_cast<char*>(HeapAlloc(heap, 0, 1000)) + 16);
    } else if (is("wrong-heap")) {
        HeapFree(HeapCreate(0, 0, 0), 0, HeapAlloc(heap, 0, 100));
    } else if (is("wrong-heap-process")) {
        HeapFree(heap, 0, HeapAlloc(HeapCreate(0, 0, 0), 0, 100));
    } else if (is("wrong-heap-native")) {
        HeapFree(HeapCreate(0, 0, 0x100000), 0, HeapAlloc(heap, 0, 100));
    } else if (is("resize-freed")) {
        void* const block = HeapAlloc(heap, 0, 100);
        HeapFree(heap, 0, block);
        HeapReAlloc(heap, 0, block, 200);
    } else {
        return 5;
    }
    std::puts("after");
    return 0;
}
