// A heap per document, as plug-ins and parsers have: a document is a heap with a few thousand small
// nodes, which are never freed one by one; it goes with its heap. A dozen documents are open at a
// time.
//
// heap_memory, beside it: what a heap with a single block costs.
#include "containers.h"
#include "draw.h"
#include "process_memory.h"
#include "workload.h"

namespace bench {

namespace {

struct Node {
    Node* next;
    uint64_t value;
};

struct Document {
    Heap heap;
    Node* first;
};

constexpr size_t kOpen = 12;

Document Load(Random& random, size_t number) {
    Document document = {CreateHeap(), nullptr};
    if (document.heap == nullptr) std::abort();
    const size_t nodes = random.LogBetween(50, 8'000);
    for (size_t i = 0; i < nodes; ++i) {
        const size_t size = random.LogBetween(sizeof(Node), 300);
        auto* node = static_cast<Node*>(HeapMalloc(document.heap, size));
        if (node == nullptr) std::abort();
        *node = {document.first, number * size + i};
        document.first = node;
    }
    return document;
}

uint64_t Close(const Document& document) {
    uint64_t sum = 0;
    for (const Node* node = document.first; node != nullptr; node = node->next) sum += node->value;
    if (document.heap != nullptr) DestroyHeap(document.heap);
    return sum;
}

}  // namespace

uint64_t RunDocuments(const Task& task) {
    Random random(task.seed);
    Document open[kOpen] = {};
    uint64_t checksum = 0;
    const size_t documents = task.Scaled(4'500);
    for (size_t i = 0; i < documents; ++i) {
        Document& place = open[random.Below(kOpen)];
        checksum = Mix(checksum, Close(place));
        place = Load(random, i);
        if (i % 1'000 == 999) MarkPeak();
    }
    for (const Document& document : open) checksum = Mix(checksum, Close(document));
    return checksum;
}

uint64_t RunHeapMemory(const Task&) {
    constexpr size_t kHeaps = 1'000;
    // The first heap may come with things that are for all of them.
    Heap first = CreateHeap();
    *static_cast<uint64_t*>(HeapMalloc(first, 64)) = 1;
    static Heap heaps[kHeaps];
    const size_t commit = PrivateCommit();
    const size_t working_set = WorkingSet();
    for (Heap& heap : heaps) {
        heap = CreateHeap();
        if (heap == nullptr) std::abort();
        *static_cast<uint64_t*>(HeapMalloc(heap, 64)) = 1;
    }
    const auto grown = [](size_t before, size_t after) {
        return after > before ? after - before : 0;
    };
    Report("\"commit_per_heap\": %zu, \"working_set_per_heap\": %zu",
           grown(commit, PrivateCommit()) / kHeaps, grown(working_set, WorkingSet()) / kHeaps);
    for (Heap heap : heaps) DestroyHeap(heap);
    DestroyHeap(first);
    return kHeaps;
}

}  // namespace bench
