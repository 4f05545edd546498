#include "runner.h"

#include <cstdio>
#include <cstring>

namespace conformance {

namespace {

constexpr DWORD kTimeLimit = 40000;  // milliseconds for one rule

struct Job {
    const Rule* rule;
    const HeapApi* api;
    Observed observed;
};

HANDLE crash_event;
volatile DWORD crash_code;

// Called when no handler of any frame wanted the exception, so that those which heap functions
// handle for themselves stay theirs. The thread is not unwound: it stops where it is.
LONG WINAPI OnCrash(EXCEPTION_POINTERS* pointers) {
    crash_code = pointers->ExceptionRecord->ExceptionCode;
    SetEvent(crash_event);
    Sleep(INFINITE);
    return EXCEPTION_CONTINUE_SEARCH;
}

DWORD WINAPI RunJob(void* argument) {
    auto* job = static_cast<Job*>(argument);
    job->observed = job->rule->run(*job->api);
    return 0;
}

bool IsApplicable(const Rule& rule, const HeapApi& api) {
    return rule.scope == Scope::kEverywhere || (rule.scope == Scope::kStrataOnly) == api.is_strata;
}

}  // namespace

Verdict Judge(const Result& result) {
    if (result.observed == kNotApplicable) return Verdict::kSkipped;
    return result.observed == result.rule->expected ? Verdict::kOk : Verdict::kDiffers;
}

std::vector<Entry> Select(const char* filter) {
    std::vector<Entry> entries;
    for (size_t i = 0; i < kTopicCount; ++i) {
        const Topic& topic = *kTopics[i];
        for (size_t j = 0; j < topic.count; ++j) {
            const Rule& rule = topic.rules[j];
            if (std::strstr(rule.id, filter) != nullptr ||
                std::strstr(topic.name, filter) != nullptr) {
                entries.push_back({&topic, &rule});
            }
        }
    }
    return entries;
}

Result RunHere(const Entry& entry, const HeapApi& api, bool& damaged) {
    Result result = {entry.topic, entry.rule, kNotApplicable};
    if (!IsApplicable(*entry.rule, api)) return result;
    if (crash_event == nullptr) {
        crash_event = CreateEventW(nullptr, FALSE, FALSE, nullptr);
        SetUnhandledExceptionFilter(OnCrash);
    }
    auto* job = new Job{entry.rule, &api, Observed()};
    HANDLE thread = CreateThread(nullptr, 0, RunJob, job, 0, nullptr);
    HANDLE either[] = {crash_event, thread};
    switch (thread == nullptr ? WAIT_FAILED
                              : WaitForMultipleObjects(2, either, FALSE, kTimeLimit)) {
        case WAIT_OBJECT_0: {
            char text[32];
            std::snprintf(text, sizeof text, "crashed: 0x%08lX",
                          static_cast<unsigned long>(crash_code));
            result.observed = text;
            break;
        }
        case WAIT_OBJECT_0 + 1:
            result.observed = job->observed.text();
            CloseHandle(thread);
            delete job;
            return result;
        default:
            result.observed = "did not end";
            break;
    }
    damaged = true;  // and the job stays: its thread may still be at it
    return result;
}

bool IsOverridden() { return GetModuleHandleW(L"strata-override.dll") != nullptr; }

}  // namespace conformance
