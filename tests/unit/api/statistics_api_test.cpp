// Statistics as a structure, whatever version of it the caller was compiled with, and as JSON.
#include <strata/version.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <strata/strata.h>

#if __has_include(<nlohmann/json.hpp>)
#include <nlohmann/json.hpp>
#endif

namespace {

strata_statistics Now() {
    strata_statistics statistics;
    statistics.struct_size = sizeof statistics;
    EXPECT_EQ(strata_get_statistics(&statistics), 1);
    return statistics;
}

std::string Json() {
    std::string text;
    strata_write_statistics_json(
        [](void* context, const char* piece, size_t length) {
            EXPECT_GT(length, 0u);
            static_cast<std::string*>(context)->append(piece, length);
        },
        &text);
    return text;
}

TEST(StatisticsApi, CountsBlocks) {
    strata_free(strata_malloc(1));  // so that there is a process heap
    const strata_statistics before = Now();
    void* const one = strata_malloc(100);
    void* const two = strata_malloc(100000);
    strata_heap* const heap = strata_heap_create();
    strata_heap_malloc(heap, 7);
    const strata_statistics held = Now();
    EXPECT_EQ(held.live_blocks, before.live_blocks + 3);
    EXPECT_EQ(held.live_bytes, before.live_bytes + 100107);
    EXPECT_EQ(held.heaps, before.heaps + 1);
    EXPECT_GE(held.reserved, held.committed);
    EXPECT_GE(held.peak_committed, held.committed);
    EXPECT_GE(held.arenas, 1u);
    EXPECT_GT(held.reserve_calls, 0u);
    EXPECT_GT(held.commit_calls, 0u);
    EXPECT_LT(held.metadata, held.committed);
    strata_free(one);
    strata_free(two);
    strata_heap_destroy(heap);
    const strata_statistics after = Now();
    EXPECT_EQ(after.live_blocks, before.live_blocks);
    EXPECT_EQ(after.live_bytes, before.live_bytes);
    EXPECT_EQ(after.heaps, before.heaps);
}

TEST(StatisticsApi, FillsAsMuchAsTheCallerKnows) {
    // Of every size an older or newer caller may have.
    for (size_t size = 0; size <= sizeof(strata_statistics) + 64; ++size) {
        std::vector<unsigned char> memory(sizeof(strata_statistics) + 128, 0xA5);
        std::memcpy(memory.data(), &size, sizeof size);
        const int result =
            strata_get_statistics(reinterpret_cast<strata_statistics*>(memory.data()));
        EXPECT_EQ(result, size >= 2 * sizeof(size_t) ? 1 : 0) << size;
        size_t kept;
        std::memcpy(&kept, memory.data(), sizeof kept);
        EXPECT_EQ(kept, size) << "struct_size is the caller's";
        const size_t end = result == 0 ? sizeof(size_t) : std::min(size, sizeof(strata_statistics));
        for (size_t i = end; i < memory.size(); ++i) {
            ASSERT_EQ(memory[i], 0xA5) << "written at " << i << " of " << size;
        }
        if (result == 1) {
            size_t reserved;
            std::memcpy(&reserved, memory.data() + offsetof(strata_statistics, reserved),
                        sizeof reserved);
            EXPECT_NE(reserved, 0xA5A5A5A5A5A5A5A5u);
        }
    }
}

TEST(StatisticsApi, PurgeShows) {
    for (int i = 0; i < 20; ++i) strata_free(strata_malloc(1 << 20));
    const strata_statistics before = Now();
    strata_purge();
    const strata_statistics after = Now();
    EXPECT_LE(after.committed, before.committed - (1 << 20));
    EXPECT_GT(after.decommit_calls, before.decommit_calls);
}

// A minimal check where there is no parser: brackets match outside of strings, one value, one line
// end.
TEST(StatisticsApi, JsonIsBalanced) {
    const std::string text = Json();
    ASSERT_FALSE(text.empty());
    EXPECT_EQ(text.front(), '{');
    EXPECT_EQ(text.substr(text.size() - 2), "}\n");
    std::string open;
    bool in_string = false;
    for (const char c : text) {
        if (c == '"') in_string = !in_string;
        if (in_string) continue;
        if (c == '{' || c == '[') open.push_back(c);
        if (c == '}' || c == ']') {
            ASSERT_FALSE(open.empty());
            EXPECT_EQ(open.back(), c == '}' ? '{' : '[');
            open.pop_back();
        }
    }
    EXPECT_TRUE(open.empty());
    EXPECT_FALSE(in_string);
    EXPECT_EQ(text.find(",,"), std::string::npos);
    EXPECT_EQ(text.find("{,"), std::string::npos);
    EXPECT_EQ(text.find(",}"), std::string::npos);
}

#ifdef NLOHMANN_JSON_VERSION_MAJOR
TEST(StatisticsApi, JsonSaysTheSame) {
    strata_heap* const heap = strata_heap_create();
    for (int i = 0; i < 5; ++i) strata_heap_malloc(heap, 100);
    strata_heap_malloc(heap, 200000);
    const strata_statistics figures = Now();
    const nlohmann::json json = nlohmann::json::parse(Json());
    EXPECT_EQ(json.at("version"), STRATA_VERSION_STRING);
    EXPECT_EQ(json.at("live_blocks"), figures.live_blocks);
    EXPECT_EQ(json.at("live_bytes"), figures.live_bytes);
    EXPECT_EQ(json.at("heap_count"), figures.heaps);
    EXPECT_EQ(json.at("reserved"), figures.reserved);
    EXPECT_EQ(json.at("arenas"), figures.arenas);
    ASSERT_EQ(json.at("heaps").size(), figures.heaps);
    size_t blocks = 0;
    for (const nlohmann::json& each : json.at("heaps")) {
        for (const nlohmann::json& part : each.at("classes")) {
            blocks += part.at("live_blocks").get<size_t>();
        }
        blocks += each.at("large").at("live_blocks").get<size_t>();
    }
    EXPECT_EQ(blocks, figures.live_blocks);
    const nlohmann::json& last = json.at("heaps").back();
    EXPECT_EQ(last.at("handle").get<uintptr_t>(), reinterpret_cast<uintptr_t>(heap));
    EXPECT_EQ(last.at("process_heap"), 0);
    ASSERT_EQ(last.at("classes").size(), 1u);
    EXPECT_EQ(last.at("classes")[0].at("block_bytes"), 112);
    EXPECT_EQ(last.at("classes")[0].at("live_bytes"), 500);
    EXPECT_EQ(last.at("large").at("runs"), 1);
    EXPECT_EQ(last.at("large").at("live_bytes"), 200000);
    strata_heap_destroy(heap);
}
#endif

TEST(StatisticsApi, WriterMayUseTheHeaps) {
    size_t pieces = 0;
    strata_write_statistics_json(
        [](void* context, const char*, size_t) {
            ++*static_cast<size_t*>(context);
            strata_heap* const heap = strata_heap_create();
            strata_heap_malloc(heap, 100);
            strata_free(strata_malloc(100000));
            strata_purge();
            strata_heap_destroy(heap);
        },
        &pieces);
    EXPECT_GT(pieces, 0u);
}

TEST(StatisticsApi, ManyHeaps) {
    std::vector<strata_heap*> heaps;
    for (int i = 0; i < 400; ++i) {
        heaps.push_back(strata_heap_create());
        strata_heap_malloc(heaps.back(), 100);
    }
    const std::string text = Json();
#ifdef NLOHMANN_JSON_VERSION_MAJOR
    const nlohmann::json json = nlohmann::json::parse(text);
    EXPECT_EQ(json.at("format"), 1);
    EXPECT_GE(json.at("heap_count"), 400);
    EXPECT_EQ(json.at("heaps").size(), json.at("heap_count").get<size_t>()) << "every one";
    for (const nlohmann::json& each : json.at("heaps")) EXPECT_EQ(each.at("ended"), 0);
#endif
    EXPECT_GT(text.size(), 400u * 20);
    for (strata_heap* heap : heaps) strata_heap_destroy(heap);
}

// Heaps may come and go meanwhile, and the writer itself may end those it is told of.
TEST(StatisticsApi, HeapsEndMeanwhile) {
    std::atomic<bool> stop{false};
    std::thread other([&] {
        while (!stop) {
            strata_heap* const heap = strata_heap_create();
            strata_heap_malloc(heap, 100);
            strata_heap_malloc(heap, 100000);
            strata_heap_destroy(heap);
        }
    });
    for (int round = 0; round < 20; ++round) {
        std::vector<strata_heap*> heaps;
        for (int i = 0; i < 60; ++i) {
            heaps.push_back(strata_heap_create());
            for (size_t bytes = 16; bytes < 3000; bytes += 100) {
                strata_heap_malloc(heaps.back(), bytes);
            }
        }
        struct Context {
            std::string text;
            std::vector<strata_heap*>* heaps;
        } context{{}, &heaps};
        strata_write_statistics_json(
            [](void* opaque, const char* piece, size_t length) {
                auto& to = *static_cast<Context*>(opaque);
                to.text.append(piece, length);
                for (int i = 0; i < 3 && !to.heaps->empty(); ++i) {
                    strata_heap_destroy(to.heaps->back());
                    to.heaps->pop_back();
                }
            },
            &context);
#ifdef NLOHMANN_JSON_VERSION_MAJOR
        EXPECT_NO_THROW(static_cast<void>(nlohmann::json::parse(context.text)));
#endif
        for (strata_heap* const heap : heaps) strata_heap_destroy(heap);
    }
    stop = true;
    other.join();
}

}  // namespace
