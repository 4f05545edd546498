// A document of JSON values: built, edited in random places, written out as text into a buffer that
// grows, several times; then dropped for the next.
#include "containers.h"
#include "draw.h"
#include "workload.h"

namespace bench {

namespace {

enum class Type : uint8_t { kNumber, kString, kArray, kObject };

struct Value {
    struct Member {
        String name;
        Value* value;
    };

    Type type = Type::kNumber;
    uint64_t number = 0;
    String text = {};
    Vector<Value*> items = {};
    Vector<Member> members = {};
};

String RandomText(Random& random, size_t least, size_t most) {
    String text(random.LogBetween(least, most), ' ');
    for (char& c : text) c = static_cast<char>('a' + random.Below(26));
    return text;
}

Value* Build(Random& random, size_t depth) {
    auto* value = New<Value>();
    const size_t choice = depth == 0 ? random.Below(2) : 2 + random.Below(2);
    value->type = static_cast<Type>(choice);
    if (value->type == Type::kNumber) value->number = random.Next();
    if (value->type == Type::kString) value->text = RandomText(random, 4, 200);
    const size_t count = depth == 0 ? 0 : random.Between(4, 12);
    for (size_t i = 0; i < count; ++i) {
        const size_t below = random.Below(3) == 0 ? 0 : depth - 1;
        if (value->type == Type::kArray) value->items.push_back(Build(random, below));
        if (value->type == Type::kObject) {
            value->members.push_back({RandomText(random, 4, 40), Build(random, below)});
        }
    }
    return value;
}

void Destroy(Value* value) {
    for (Value* item : value->items) Destroy(item);
    for (const Value::Member& member : value->members) Destroy(member.value);
    Delete(value);
}

// A random way down from the top.
void Edit(Random& random, Value* value) {
    for (;;) {
        if (value->type == Type::kString) {
            value->text += RandomText(random, 4, 60);
            return;
        }
        if (value->type == Type::kNumber) {
            ++value->number;
            return;
        }
        Value** place = nullptr;
        if (value->type == Type::kArray) {
            if (random.Below(8) == 0) value->items.push_back(Build(random, 0));
            place = &value->items[random.Below(value->items.size())];
        } else {
            if (random.Below(8) == 0) {
                value->members.push_back({RandomText(random, 4, 40), Build(random, 0)});
            }
            place = &value->members[random.Below(value->members.size())].value;
        }
        if (random.Below(10) == 0) {
            Destroy(*place);
            *place = Build(random, random.Below(2));
            return;
        }
        value = *place;
    }
}

void Write(const Value* value, Buffer* out) {
    const auto write_text = [out](const String& text) {
        out->Append("\"", 1);
        out->Append(text.data(), text.size());
        out->Append("\"", 1);
    };
    switch (value->type) {
        case Type::kNumber: {
            char digits[24];
            char* at = digits + sizeof(digits);
            uint64_t rest = value->number;
            do *--at = static_cast<char>('0' + rest % 10);
            while ((rest /= 10) != 0);
            out->Append(at, static_cast<size_t>(digits + sizeof(digits) - at));
            return;
        }
        case Type::kString:
            return write_text(value->text);
        case Type::kArray:
            out->Append("[", 1);
            for (const Value* item : value->items) {
                Write(item, out);
                out->Append(",", 1);
            }
            return out->Append("]", 1);
        case Type::kObject:
            out->Append("{", 1);
            for (const Value::Member& member : value->members) {
                write_text(member.name);
                out->Append(":", 1);
                Write(member.value, out);
                out->Append(",", 1);
            }
            return out->Append("}", 1);
    }
}

uint64_t Sum(const Buffer& text) {
    uint64_t sum = text.size();
    for (size_t i = 0; i + 8 <= text.size(); i += 64) {
        uint64_t word = 0;
        __builtin_memcpy(&word, text.bytes() + i, sizeof(word));
        sum = Mix(sum, word);
    }
    return sum;
}

}  // namespace

uint64_t RunJson(const Task& task) {
    Random random(task.seed);
    uint64_t checksum = 0;
    for (size_t document = 0; document < task.Scaled(40); ++document) {
        Value* top = New<Value>(Type::kArray);
        for (size_t i = 0; i < 24; ++i) top->items.push_back(Build(random, 4));
        for (size_t version = 0; version < 3; ++version) {
            for (size_t i = 0; i < 6'000; ++i) Edit(random, top);
            Buffer text;
            Write(top, &text);
            MarkPeak();
            checksum = Mix(checksum, Sum(text));
        }
        Destroy(top);
    }
    return checksum;
}

}  // namespace bench
