// A compiler's front end: text is cut into tokens, names go to a symbol table, a tree is built from
// the tokens and evaluated. Memory goes in phases: the tokens when the tree stands, the tree when
// it has been evaluated, the symbol table after every eighth unit.
#include <cctype>

#include "containers.h"
#include "draw.h"
#include "workload.h"

namespace bench {

namespace {

enum class Kind : uint8_t { kName, kNumber, kOperator, kOpen, kClose };

struct Symbol {
    String name;
    uint64_t uses = 0;
};

struct Token {
    Kind kind;
    char character;
    uint64_t number;
    Symbol* symbol;
};

struct Node {
    Kind kind = Kind::kNumber;
    char character = 0;
    uint64_t number = 0;
    Symbol* symbol = nullptr;
    Vector<Node*> children = {};
};

using Symbols = HashMap<String, Symbol*, StringHash>;

// "(name + (12 * other_name) …)": `terms` terms, nested now and then.
void Write(Random& random, size_t terms, String* text) {
    size_t depth = 0;
    for (size_t i = 0; i < terms; ++i) {
        if (random.Below(4) == 0 && depth < 20) {
            *text += '(';
            ++depth;
        }
        if (random.Below(3) == 0) {
            *text += std::to_string(random.Below(100'000)).c_str();
        } else {
            *text += "identifier_";
            *text += std::to_string(random.Zipf(3'000)).c_str();
        }
        if (depth > 0 && random.Below(4) == 0) {
            *text += ')';
            --depth;
        }
        *text += ' ';
        *text += "+*-^"[random.Below(4)];
    }
    *text += '0';
    text->append(depth, ')');
}

Symbol* Intern(Symbols* symbols, String name) {
    const auto found = symbols->find(name);
    if (found != symbols->end()) return found->second;
    auto* symbol = New<Symbol>(name);
    symbols->emplace(std::move(name), symbol);
    return symbol;
}

Vector<Token> Tokenize(const String& text, Symbols* symbols) {
    Vector<Token> tokens;
    for (size_t at = 0; at < text.size();) {
        const char c = text[at];
        size_t end = at + 1;
        if (c >= '0' && c <= '9') {
            uint64_t number = 0;
            for (end = at; end < text.size() && text[end] >= '0' && text[end] <= '9'; ++end) {
                number = number * 10 + static_cast<uint64_t>(text[end] - '0');
            }
            tokens.push_back({Kind::kNumber, c, number, nullptr});
        } else if (c >= 'a' && c <= 'z') {
            while (end < text.size() && (text[end] == '_' || std::isalnum(text[end]))) ++end;
            tokens.push_back({Kind::kName, c, 0, Intern(symbols, text.substr(at, end - at))});
        } else if (c != ' ') {
            tokens.push_back({c == '('   ? Kind::kOpen
                              : c == ')' ? Kind::kClose
                                         : Kind::kOperator,
                              c, 0, nullptr});
        }
        at = end;
    }
    return tokens;
}

// A list of operands and operators, up to the closing parenthesis.
Node* Parse(const Vector<Token>& tokens, size_t* at) {
    auto* list = New<Node>(Kind::kOpen);
    while (*at < tokens.size()) {
        const Token& token = tokens[(*at)++];
        if (token.kind == Kind::kClose) break;
        if (token.kind == Kind::kOpen) {
            list->children.push_back(Parse(tokens, at));
        } else {
            list->children.push_back(
                New<Node>(token.kind, token.character, token.number, token.symbol));
        }
    }
    return list;
}

uint64_t Evaluate(const Node* node) {
    if (node->kind == Kind::kNumber) return node->number;
    if (node->kind == Kind::kName) return ++node->symbol->uses + node->symbol->name.size();
    uint64_t value = 1;
    char operation = '+';
    for (const Node* child : node->children) {
        if (child->kind == Kind::kOperator) {
            operation = child->character;
            continue;
        }
        const uint64_t operand = Evaluate(child);
        value = operation == '+'   ? value + operand
                : operation == '*' ? value * (operand | 1)
                : operation == '-' ? value - operand
                                   : value ^ operand;
    }
    return value;
}

void Destroy(Node* node) {
    for (Node* child : node->children) Destroy(child);
    Delete(node);
}

void Clear(Symbols* symbols) {
    for (const auto& entry : *symbols) Delete(entry.second);
    symbols->clear();
}

}  // namespace

uint64_t RunTokens(const Task& task) {
    Random random(task.seed);
    constexpr size_t kTexts = 4;
    Vector<String> texts(kTexts);
    for (String& text : texts) Write(random, 20'000, &text);

    Symbols symbols;
    uint64_t checksum = 0;
    for (size_t unit = 0; unit < task.Scaled(160); ++unit) {
        Node* tree = nullptr;
        {
            const Vector<Token> tokens = Tokenize(texts[unit % kTexts], &symbols);
            size_t at = 0;
            tree = Parse(tokens, &at);
            MarkPeak();
        }
        checksum = Mix(checksum, Evaluate(tree));
        Destroy(tree);
        if (unit % 8 == 7) Clear(&symbols);
    }
    Clear(&symbols);
    return checksum;
}

}  // namespace bench
