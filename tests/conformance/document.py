"""The table of all rules in docs/win32-compatibility.md."""

import collections

from judging import NOT_APPLICABLE

BEGIN = "<!-- begin of the table: tests/conformance/compare.py --update writes it -->"
END = "<!-- end of the table -->"


def cell(rule):
    if rule["observed"] == NOT_APPLICABLE:
        return "–"
    return "same" if rule["observed"] == rule["expected"] else "**" + rule["observed"] + "**"


def remarks(rule, explanations):
    """The reasons of a rule's deviations, each once, and what each Wine does."""
    texts = []

    def add(text, listed):
        text += listed["reason"] + (f" ({listed['source']})" if listed["source"] else "")
        if text not in texts:
            texts.append(text)

    for way in ("strata", "override"):
        if listed := explanations.of(way, rule, explanations.versions[0]):
            add("", listed)
    wines = {}  # what is said: of which versions
    for version in explanations.versions:
        if listed := explanations.wine[version]["system"].get(rule):
            wines.setdefault(tuple(listed.items()), []).append(version)
    for listed, versions in wines.items():
        listed = dict(listed)
        add(f"Wine {' and '.join(versions)}: {listed['observed']}. ", listed)
    return " ".join(texts)


def table(results, explanations):
    strata = {rule["id"]: rule for rule in results["strata"]["rules"]}
    override = {rule["id"]: rule for rule in results["override"]["rules"]}
    counts = {way: collections.Counter(
        "none" if rule["observed"] == NOT_APPLICABLE else rule["observed"] == rule["expected"]
        for rule in results[way]["rules"]) for way in ("strata", "override")}
    lines = [f"{len(results['system']['rules'])} rules. Strata agrees in {counts['strata'][True]} of the"
             f" {counts['strata'][True] + counts['strata'][False]} that apply to its own functions, and in"
             f" {counts['override'][True]} of the {counts['override'][True] + counts['override'][False]}"
             " that apply under the override."]
    topic = None
    for rule in results["system"]["rules"]:
        if rule["topic"] != topic:
            topic = rule["topic"]
            lines += ["", f"### {topic[0].upper()}{topic[1:]}", "",
                      "| rule | Windows documents | by | Strata | under override | remarks |",
                      "|---|---|---|---|---|---|"]
        key = rule["id"]
        cells = [f"{rule['title']} `{key}`", rule["expected"], rule["source"], cell(strata[key]),
                 cell(override[key]), remarks(key, explanations)]
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |")
    return "\n".join(lines)


def with_table(document, content):
    """The document with `content` between its marks, or None when it has no such place."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n\n{content}\n\n{end}{after}" if begin and end else None
