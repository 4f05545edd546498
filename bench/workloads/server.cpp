// A server with two threads: one receives requests and sends answers, the other works on them. A
// request is allocated by the first and freed by the second, its answer the other way round;
// sessions live long, and belong to whichever thread made them. With --latency every single malloc
// and free is timed.
#include <thread>

#include "containers.h"
#include "draw.h"
#include "histogram.h"
#include "ring.h"
#include "workload.h"

namespace bench {

namespace {

constexpr size_t kHeaders = 6;
constexpr size_t kSessions = 20'000;

struct Request {
    uint64_t id;
    uint64_t seed;
    char* headers[kHeaders];
    uint64_t* body;
    size_t body_size;
};

struct Answer {
    uint64_t value;
    char* text;
};

// The calls of one thread, timed when asked for.
class Calls {
public:
    explicit Calls(bool timed) : timed_(timed) {
        // The time that taking the time takes.
        overhead_ = ~uint64_t{0};
        for (int i = 0; timed && i < 1000; ++i) {
            const uint64_t start = Ticks();
            overhead_ = std::min(overhead_, Ticks() - start);
        }
    }

    template <typename T = char>
    T* Allocate(size_t size) {
        if (!timed_) return static_cast<T*>(MallocOrEnd(size));
        const uint64_t start = Ticks();
        void* block = Malloc(size);
        Add(&mallocs, Ticks() - start);
        if (block == nullptr) std::abort();
        return static_cast<T*>(block);
    }
    void Release(void* block) {
        if (!timed_) return Free(block);
        const uint64_t start = Ticks();
        Free(block);
        Add(&frees, Ticks() - start);
    }

    Histogram mallocs;
    Histogram frees;

private:
    void Add(Histogram* histogram, uint64_t ticks) const {
        histogram->Add(ticks > overhead_ ? ticks - overhead_ : 0);
    }

    bool timed_;
    uint64_t overhead_;
};

struct Server {
    explicit Server(const Task& task)
        : requests_in_all(task.Scaled(550'000)), front(task.latency), back(task.latency) {}

    const size_t requests_in_all;
    Ring requests;
    Ring answers;
    Calls front;  // the receiving thread's
    Calls back;   // the working thread's
    uint64_t checksum = 0;
    Vector<char*> sessions = Vector<char*>(kSessions, nullptr);

    Request* Receive(Random& random, uint64_t id) {
        auto* request = front.Allocate<Request>(sizeof(Request));
        request->id = id;
        request->seed = random.Next();
        for (char*& header : request->headers) {
            const size_t size = random.Between(16, 120);
            header = front.Allocate(size);
            header[0] = static_cast<char>(size);
            header[size - 1] = 0;
        }
        request->body_size = random.LogBetween(64, 16'384);
        request->body = front.Allocate<uint64_t>(request->body_size);
        for (size_t i = 0; i < request->body_size / 8; i += 8) request->body[i] = id + i;
        return request;
    }

    Answer* Work(Request* request) {
        Random random(request->seed);
        uint64_t value = request->id;
        for (size_t i = 0; i < request->body_size / 8; i += 8) value = Mix(value, request->body[i]);
        for (char* header : request->headers) {
            value = Mix(value, static_cast<uint64_t>(header[0]));
            back.Release(header);
        }
        back.Release(request->body);
        char*& session = sessions[random.Below(kSessions)];
        if (session == nullptr || random.Below(4) == 0) {
            if (session != nullptr) back.Release(session);
            session = back.Allocate(random.LogBetween(48, 2'000));
            session[0] = 1;
        }
        back.Release(request);
        auto* answer = back.Allocate<Answer>(sizeof(Answer));
        answer->value = value;
        const size_t size = random.LogBetween(200, 8'000);
        answer->text = back.Allocate(size);
        for (size_t i = 0; i < size; i += 64) answer->text[i] = static_cast<char>(value);
        return answer;
    }

    void Finish(Answer* answer) {
        checksum += answer->value + static_cast<uint64_t>(answer->text[0]);
        front.Release(answer->text);
        front.Release(answer);
    }
};

void Print(const char* name, const Histogram& histogram) {
    Report(
        "\"%s\": {\"count\": %llu, \"p50\": %llu, \"p99\": %llu, \"p999\": %llu, "
        "\"p9999\": %llu, \"max\": %llu}",
        name, static_cast<unsigned long long>(histogram.Count()),
        static_cast<unsigned long long>(histogram.Percentile(0.5)),
        static_cast<unsigned long long>(histogram.Percentile(0.99)),
        static_cast<unsigned long long>(histogram.Percentile(0.999)),
        static_cast<unsigned long long>(histogram.Percentile(0.9999)),
        static_cast<unsigned long long>(histogram.most()));
}

}  // namespace

uint64_t RunServer(const Task& task) {
    auto* server = New<Server>(task);
    std::thread worker([server] {
        while (void* request = server->requests.Pop()) {
            server->answers.Push(server->Work(static_cast<Request*>(request)));
        }
    });
    Random random(task.seed);
    size_t sent = 0;
    size_t received = 0;
    Request* ready = nullptr;
    for (int spins = 0; received < server->requests_in_all; ++spins) {
        void* answer = nullptr;
        if (server->answers.TryPop(&answer)) {
            server->Finish(static_cast<Answer*>(answer));
            ++received;
            spins = 0;
        }
        if (ready == nullptr && sent < server->requests_in_all) {
            ready = server->Receive(random, sent++);
        }
        if (ready != nullptr && server->requests.TryPush(ready)) {
            ready = nullptr;
            spins = 0;
        }
        Ring::Pause(spins);
    }
    MarkPeak();
    server->requests.Push(nullptr);
    worker.join();
    for (char* session : server->sessions) Free(session);
    if (task.latency) {
        server->front.mallocs.Add(server->back.mallocs);
        server->front.frees.Add(server->back.frees);
        Print("malloc_ticks", server->front.mallocs);
        Print("free_ticks", server->front.frees);
    }
    const uint64_t checksum = server->checksum;
    Delete(server);
    return checksum;
}

}  // namespace bench
