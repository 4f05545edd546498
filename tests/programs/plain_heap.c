/* A program without any C runtime, as a statically linked one looks to the system: it has HeapAlloc
   and nothing else. */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#define BLOCKS 500

static void Write(const char* text) {
    DWORD length = 0;
    DWORD written;
    while (text[length] != 0) ++length;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text, length, &written, NULL);
}

static void Require(BOOL condition, const char* what) {
    if (condition) return;
    Write("failed: ");
    Write(what);
    Write("\n");
    ExitProcess(3);
}

static void Operations(HANDLE heap) {
    static unsigned char* blocks[BLOCKS];
    SIZE_T i;
    int round;
    for (round = 0; round < 20; ++round) {
        for (i = 0; i < BLOCKS; ++i) {
            const SIZE_T size = (i * 37 + (SIZE_T)round * 11) % 3000;
            blocks[i] = HeapAlloc(heap, HEAP_ZERO_MEMORY, size);
            Require(blocks[i] != NULL, "HeapAlloc");
            Require(size == 0 || (blocks[i][0] == 0 && blocks[i][size - 1] == 0), "zero");
            Require(HeapSize(heap, 0, blocks[i]) == size, "HeapSize");
        }
        for (i = 0; i < BLOCKS; i += 2) {
            const SIZE_T size = HeapSize(heap, 0, blocks[i]);
            blocks[i] = HeapReAlloc(heap, HEAP_ZERO_MEMORY, blocks[i], size + 777);
            Require(blocks[i] != NULL, "HeapReAlloc");
            Require(blocks[i][size] == 0 && blocks[i][size + 776] == 0, "zero behind the old size");
        }
        for (i = 0; i < BLOCKS; ++i) {
            Require(HeapValidate(heap, 0, blocks[i]), "HeapValidate");
            Require(HeapFree(heap, 0, blocks[i]), "HeapFree");
        }
    }
}

void Start(void) {
    HANDLE private_heap;
    Operations(GetProcessHeap());
    Write("process heap: ok\n");
    private_heap = HeapCreate(0, 0, 0);
    Require(private_heap != NULL, "HeapCreate");
    Operations(private_heap);
    Require(HeapDestroy(private_heap), "HeapDestroy");
    Write("private heap: ok\n");
    SetLastError(1234);
    Require(HeapFree(GetProcessHeap(), 0, NULL), "HeapFree of a null pointer");
    Require(HeapValidate(GetProcessHeap(), 0, NULL), "HeapValidate of the whole heap");
    Require(GetLastError() == 1234, "the last error is kept");
    Require(HeapAlloc(GetProcessHeap(), 0, (SIZE_T)1 << 62) == NULL, "too large");
    Require(GetLastError() == ERROR_NOT_ENOUGH_MEMORY, "its error");
    Write("done\n");
    ExitProcess(0);
}
