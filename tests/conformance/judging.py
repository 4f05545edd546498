"""Holds results against what is expected, and what is explained (deviations.json)."""

WAYS = ("system", "strata", "override")
MODE_WAYS = ("strata", "override")
NOT_APPLICABLE = "not applicable"
SOMETIMES = "sometimes: "  # before an observation that does not occur in every run


class Explanations:
    """deviations.json: for each way, rule by rule, what is observed instead, and why."""

    def __init__(self, data):
        self.versions = data["wine"]["versions"]
        self.own = {way: {} for way in WAYS}  # what is so on Windows, too
        self.wine = {version: {way: {} for way in WAYS} for version in self.versions}
        for entry in data["deviations"]:
            if not entry.get("source"):
                raise SystemExit("deviations.json: a deviation without `source`, the document that decides it")
            self._add(self.own, entry["ways"], entry)
        for entry in data["wine"]["differences"]:
            for version in entry.get("versions", self.versions):
                self._add(self.wine[version], entry.get("ways", ["system"]), entry)
        self.modes = data.get("modes", {})
        self.in_mode = {mode: {way: {} for way in WAYS} for mode in self.modes}
        for mode, what in self.modes.items():
            for entry in what["deviations"]:
                self._add(self.in_mode[mode], entry.get("ways", MODE_WAYS), entry)
        for version in self.versions:
            for way in WAYS:
                for rule in self.own[way].keys() & self.wine[version][way].keys():
                    raise SystemExit(f"deviations.json explains {rule} twice ({way}, Wine {version})")

    @staticmethod
    def _add(of, ways, entry):
        for way in ways:
            for rule, observed in entry["rules"].items():
                if rule in of[way]:
                    raise SystemExit(f"deviations.json explains {rule} twice ({way})")
                of[way][rule] = {"observed": observed, "reason": entry["reason"],
                                 "source": entry.get("source", "")}

    def of(self, way, rule, wine, mode=None):
        """What is said of a rule where the plain system is that Wine (None: Windows), or None."""
        if mode is not None and rule in self.in_mode[mode][way]:
            return self.in_mode[mode][way][rule]
        found = self.wine[wine][way].get(rule) if wine in self.wine else None
        return found or self.own[way].get(rule)

    def rules(self):
        everywhere = (self.own, *self.wine.values(), *self.in_mode.values())
        return {(way, rule) for of in everywhere for way in WAYS for rule in of[way]}


def judge(way, rule, listed):
    """None when a rule's observation is as it should be or explained, or what is wrong."""
    observed, expected = rule["observed"], rule["expected"]
    if listed is None:
        if observed in (expected, NOT_APPLICABLE):
            return None
        return f"{way}: {rule['id']}: {observed} (expected: {expected}), and nothing explains it"
    sometimes = listed["observed"].startswith(SOMETIMES)
    wanted = listed["observed"].removeprefix(SOMETIMES)
    if observed == wanted or sometimes and observed in (expected, *wanted.split(" or ")):
        return None
    if observed in (expected, NOT_APPLICABLE):
        return f"{way}: {rule['id']}: is listed in deviations.json, and does not differ any more"
    return f"{way}: {rule['id']}: {observed}, and not, as deviations.json says: {wanted}"


def compare(results, explanations, wine):
    """All that is wrong with three results. `wine`: the version of the plain system, None for Windows."""
    errors = []
    rules = [(rule["id"], rule["expected"]) for rule in results["system"]["rules"]]
    known = {rule for rule, _ in rules}
    errors += [f"{way}: deviations.json explains {rule}, which is no rule"
               for way, rule in sorted(explanations.rules()) if rule not in known]
    for way in WAYS:
        if [(rule["id"], rule["expected"]) for rule in results[way]["rules"]] != rules:
            errors.append(f"{way}: another set of rules than the system's")
        if results[way]["overridden"] != (way == "override"):
            errors.append(f"{way}: ran {'with' if results[way]['overridden'] else 'without'} the override")
    unknown_wine = wine is not None and wine not in explanations.versions
    for way in WAYS:
        if way == "system" and unknown_wine:
            continue
        for rule in results[way]["rules"]:
            wrong = judge(way, rule, explanations.of(way, rule["id"], wine))
            if wrong and not (unknown_wine and way == "override" and inherited(results, rule)):
                errors.append(wrong)
    return errors


def compare_mode(mode, results, explanations, wine):
    """All that is wrong with Strata's results in one mode."""
    errors = []
    for way, result in results.items():
        if result["overridden"] != (way == "override"):
            errors.append(f"{mode}, {way}: ran {'with' if result['overridden'] else 'without'} the override")
        known = {rule["id"] for rule in result["rules"]}
        errors += [f"{mode}, {way}: deviations.json explains {rule}, which is no rule"
                   for rule in explanations.in_mode[mode][way] if rule not in known]
        for rule in result["rules"]:
            if wrong := judge(way, rule, explanations.of(way, rule["id"], wine, mode)):
                errors.append(f"{mode}, {wrong}")
    return errors


def inherited(results, rule):
    """Does the plain system show the same? Then, under the override, it is the system that answers."""
    return any(other["id"] == rule["id"] and other["observed"] == rule["observed"]
               for other in results["system"]["rules"])
