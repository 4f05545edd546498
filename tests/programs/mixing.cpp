// Runs the mixing matrix (mixing.h) and prints a line per combination:
//
//   cell <tab> runtime <tab> source <tab> partner <tab> before|after <tab> same|other <tab> ok|wrong
//
//   mixing                   everything once ("after": whatever is active is so already)
//   mixing --list            says what there is to do, and does nothing ("listed")
//   mixing <DLL's path>      allocates, loads the DLL, and goes on with the blocks from before ("before");
//                            then everything once more ("after")
//   mixing --wait            allocates, prints its process id, to be attached to, waits for a byte on its
//                            standard input or the end of that, and goes on with the blocks from before
//
// Exit code 0 when all is well.
#include "mixing.h"

#include <string.h>

#include "check.h"

namespace mixing {
namespace {

// The largest is one that every heap gets from the system by itself.
constexpr size_t kSizes[] = {1, 16, 100, 1000, 5000, 70000, 1100000};
constexpr int kSizeCount = sizeof kSizes / sizeof kSizes[0];
// The blocks from before are all there at once.
constexpr size_t kMostBefore = 300000;

Source g_sources[kMostSources];
Partner g_partners[kMostPartners];
int g_source_count = 0;
int g_partner_count = 0;
int g_wrong = 0;

struct Cell {
    const Source* source;
    const Partner* partner;
    bool before;
    bool other_thread;
    void* blocks[kSizeCount];
};

// In memory that no heap has.
Cell* g_cells = nullptr;
int g_cell_count = 0;
constexpr int kMostCells = 2000;

bool HasText(const Cell& cell) {
    return cell.source->kind != Kind::kMoveable && cell.source->kind != Kind::kString;
}

size_t SizeOf(const Cell& cell, int i) {
    return cell.before && kSizes[i] > kMostBefore ? kMostBefore : kSizes[i];
}

void Allocate(Cell& cell) {
    for (int i = 0; i < kSizeCount; ++i) {
        const size_t bytes = SizeOf(cell, i);
        void* const block = cell.source->allocate(*cell.source, bytes);
        CHECK(block != nullptr);
        if (HasText(cell) && cell.source->exact) memset(block, 'm', bytes);
        cell.blocks[i] = block;
    }
}

bool UseOne(const Cell& cell, void* block, size_t bytes) {
    const Source& source = *cell.source;
    const size_t before = bytes;
    const bool right = cell.partner->apply(source, *cell.partner, block, bytes);
    if (cell.partner->use == Use::kFree) return right;
    bool kept = true;
    if (HasText(cell) && source.exact) {
        const auto* const text = static_cast<const char*>(block);
        const size_t both = before < bytes ? before : bytes;
        const size_t step = both > 10000 ? 61 : 1;
        for (size_t i = 0; i < both; i += step) kept = kept && text[i] == 'm';
        kept = kept && (both == 0 || text[both - 1] == 'm');
    }
    Free(source, block);
    return right && kept;
}

DWORD WINAPI UseCell(void* argument) {
    const Cell& cell = *static_cast<const Cell*>(argument);
    bool right = true;
    for (int i = 0; i < kSizeCount; ++i) {
        right = UseOne(cell, cell.blocks[i], SizeOf(cell, i)) && right;
    }
    return right ? 0 : 1;
}

void Print(const Cell& cell, const char* result) {
    const Runtime* const runtime = cell.source->runtime;
    printf("cell\t%s\t%s\t%s\t%s\t%s\t%s\n", runtime == nullptr ? "" : runtime->name,
           cell.source->name, cell.partner->name, cell.before ? "before" : "after",
           cell.other_thread ? "other" : "same", result);
    fflush(stdout);
}

void Use(Cell& cell) {
    DWORD wrong;
    if (cell.other_thread) {
        const HANDLE thread = CreateThread(nullptr, 0, UseCell, &cell, 0, nullptr);
        CHECK(thread != nullptr && WaitForSingleObject(thread, 60000) == WAIT_OBJECT_0);
        CHECK(GetExitCodeThread(thread, &wrong));
        CloseHandle(thread);
    } else {
        wrong = UseCell(&cell);
    }
    Print(cell, wrong == 0 ? "ok" : "wrong");
    if (wrong != 0) ++g_wrong;
}

// All cells of one time.
void MakeCells(bool before) {
    g_cell_count = 0;
    for (int s = 0; s < g_source_count; ++s) {
        for (int p = 0; p < g_partner_count; ++p) {
            const Source& source = g_sources[s];
            const Partner& partner = g_partners[p];
            if (!partner.takes(source, partner)) continue;
            for (int thread = 0; thread < 2; ++thread) {
                CHECK(g_cell_count < kMostCells);
                g_cells[g_cell_count++] = {&source, &partner, before, thread == 1, {}};
            }
        }
    }
}

void MakeTables() {
    g_private_heap = HeapCreate(0, 0, 0);
    CHECK(g_private_heap != nullptr);
    g_source_count = MakeSources(g_sources);
    g_partner_count = MakePartners(g_partners);
}

void List() {
    MakeTables();
    MakeCells(false);
    for (int i = 0; i < g_cell_count; ++i) Print(g_cells[i], "listed");
}

void AllocateBefore() {
    MakeTables();
    MakeCells(true);
    for (int i = 0; i < g_cell_count; ++i) Allocate(g_cells[i]);
}

void UseBefore() {
    for (int i = 0; i < g_cell_count; ++i) Use(g_cells[i]);
    CHECK(HeapDestroy(g_private_heap));
}

void WaitForAttach() {
    printf("process %lu\n", GetCurrentProcessId());
    fflush(stdout);
    char byte;
    DWORD read;
    ReadFile(GetStdHandle(STD_INPUT_HANDLE), &byte, 1, &read, nullptr);
}

void After() {
    MakeTables();
    MakeCells(false);
    for (int i = 0; i < g_cell_count; ++i) {
        Allocate(g_cells[i]);
        Use(g_cells[i]);
    }
    CHECK(HeapDestroy(g_private_heap));
}

}  // namespace
}  // namespace mixing

int main(int count, char** arguments) {
    using namespace mixing;
    g_cells = static_cast<Cell*>(
        VirtualAlloc(nullptr, sizeof(Cell) * kMostCells, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
    CHECK(g_cells != nullptr);
    FindRuntimes();
    if (count == 2 && strcmp(arguments[1], "--list") == 0) {
        List();
        return 0;
    }
    const bool waits = count == 2 && strcmp(arguments[1], "--wait") == 0;
    if (count == 2) AllocateBefore();
    if (waits) {
        WaitForAttach();
    } else if (count == 2) {
        CHECK(LoadLibraryA(arguments[1]) != nullptr);
    }
    for (const Runtime& runtime : g_runtimes) {
        printf("heap\t%s\t%s\n", runtime.name,
               runtime.heap == GetProcessHeap() ? "the process heap" : "its own");
    }
    if (count == 2) UseBefore();
    if (!waits) After();
    CHECK(HeapValidate(GetProcessHeap(), 0, nullptr));
    printf("done\t%d wrong\n", g_wrong);
    return g_wrong == 0 ? 0 : 1;
}
