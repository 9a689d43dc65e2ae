#!/usr/bin/env python3
"""Prints the figures of the source that docs/architecture.md promises: python3 tests/house.py [-v] [ROOT]

ROOT is a checkout, this one by default; with -v the places that make a figure are listed. The laws that a
figure stands for are tests in src/tidy.rs; this script compares two checkouts. It reads text, not syntax
trees, so look at the places before you believe a figure.
"""

import collections
import os
import re
import signal
import statistics
import sys

# How often ripgrep's comments use a word, per 10,000 words, rounded up.
WORDS = {
    "what is": 0.4,
    "told": 0.1,
    "stands": 0.1,
    "whatever": 0.6,
    "whoever": 0.1,
    "behind": 0.4,
    "beside": 0.1,
    "tells": 0.1,
    "nobody": 0.1,
    "is no ": 0.5,
}
TESTS = re.compile(r"#\[cfg\(test\)\]\n(?:pub(?:\([a-z]+\))? )?mod tests \{")
NAMES = re.compile(
    r'"(?:package\.json|pnpm-lock\.yaml|pnpm-workspace\.yaml|\.npmrc|\.yarnrc\.yml|compose|dockerfile|yarn\.lock)"',
    re.I,
)
WRITES = re.compile(r"\.persist(?:_noclobber)?\(|fs::rename\(|persist_temp")


def sources(root):
    """The text of each Rust file below src, by its path; and the same without its unit tests."""
    whole, code = {}, {}
    for directory, _, names in os.walk(os.path.join(root, "src")):
        for name in sorted(names):
            path = os.path.join(directory, name)
            relative = os.path.relpath(path, os.path.join(root, "src"))
            if name.endswith(".rs"):
                with open(path, encoding="utf-8") as file:
                    whole[relative] = file.read()
                if relative.split("/")[0].split(".")[0] not in ("tidy", "fuzz") and "fuzz.rs" not in name:
                    code[relative] = TESTS.split(whole[relative])[0]
    return whole, code


def functions(path, text):
    """The length in lines of each function, with its place."""
    for match in re.finditer(r"^( *)(?:pub(?:\([a-z]+\))? )?(?:const )?fn (\w+)", text, re.M):
        end = text.find(f"\n{match.group(1)}}}", match.end())
        brace = text.find("{", match.end())
        if end > 0 and ";" not in text[match.end() : brace + 1]:
            line = text.count("\n", 0, match.start()) + 1
            yield text.count("\n", match.start(), end) + 1, f"{path}:{line} {match.group(2)}"


def types(whole):
    """The files that define a type of each name. Each verb has its own `Args`."""
    found = collections.defaultdict(set)
    pattern = r"^\s*(?:pub(?:\([a-z]+\))?\s+)?(?:struct|enum|type|trait)\s+([A-Z]\w+)"
    for path, text in whole.items():
        for match in re.finditer(pattern, re.sub(r"//.*", "", text), re.M):
            found[match.group(1)].add(path)
    found.pop("Args", None)
    return found


def expand(tree, prefix, found):
    """The paths of a `use` tree: `a::{b, c::d}` gives `a::b` and `a::c::d`."""
    start = re.match(r"[A-Za-z0-9_:]*", tree)
    path, rest = prefix + start.group(0), tree[start.end() :]
    if not rest.startswith("{"):
        found.append(path.rstrip(":"))
        return
    depth, begun = 0, 1
    for at, sign in enumerate(rest[1:], 1):
        if sign == "{":
            depth += 1
        elif sign in ",}" and depth == 0:
            expand(rest[begun:at].strip(), path, found)
            begun = at + 1
            if sign == "}":
                return
        elif sign == "}":
            depth -= 1


def circles(code):
    """The groups of files that import each other. A file and the modules inside of it are one room."""
    modules = {path[:-3].replace("/", "::") for path in code}
    uses = collections.defaultdict(set)
    for path, text in code.items():
        module = path[:-3].replace("/", "::")
        named = []
        for rest in text.split("crate::")[1:]:
            expand(rest, "", named)
        for name in named:
            while name and name not in modules:
                name = name.rpartition("::")[0]
            inside = name.startswith(module + "::") or module.startswith(name + "::")
            if name and name != module and not inside:
                uses[module].add(name)
    reach = {}
    for module in modules:
        seen, open_ones = set(), [module]
        while open_ones:
            for name in uses[open_ones.pop()] - seen:
                seen.add(name)
                open_ones.append(name)
        reach[module] = seen
    groups = {frozenset(b for b in reach[a] if a in reach[b]) for a in modules if a in reach[a]}
    return sorted(sorted(group) for group in groups)


def main():
    """Prints the table."""
    # A reader such as `head` may close the pipe.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    verbose = "-v" in sys.argv
    root = next((word for word in sys.argv[1:] if not word.startswith("-")), os.path.dirname(os.path.dirname(__file__)) or ".")
    whole, code = sources(root)
    lengths = sorted((length, place) for path, text in code.items() for length, place in functions(path, text))
    shared = {name: paths for name, paths in types(code).items() if len(paths) > 1}
    lines = {path: text.count("\n") for path, text in code.items()}
    wide = [f"{path}:{n}" for path, text in whole.items() for n, line in enumerate(text.split("\n"), 1) if len(line) > 100]
    comments = [m.group(1) for text in whole.values() for m in re.finditer(r"^\s*//[/!]?\s?(.*)$", text, re.M)]
    prose = " ".join(comments).lower()
    count = max(1, len(re.findall(r"[a-z']+", prose)))
    groups = circles(code)
    names = sorted(path for path, text in code.items() if NAMES.search(text))
    writers = sorted(path for path, text in code.items() if WRITES.search(text))
    rows = [
        ("production code, lines", sum(lines.values()), []),
        ("function length, 99th percentile", lengths and lengths[len(lengths) * 99 // 100][0], []),
        ("function length, longest", lengths and lengths[-1][0], [f"{n} {place}" for n, place in lengths[-10:]]),
        ("function length, median", statistics.median(n for n, _ in lengths), []),
        ("longest file without its tests", max(lines.values()), [max(lines, key=lines.get)]),
        ("groups of files that import each other", len(groups), [", ".join(group) for group in groups]),
        ("type names with more than one meaning", f"{len(shared)} of {len(types(code))}", [f"{n}: {', '.join(sorted(p))}" for n, p in sorted(shared.items())]),
        ("files that know the names of files", len(names), names),
        ("files that put a file in place of another", len(writers), writers),
        ("lines over 100 columns", len(wide), wide[:10]),
    ]
    for name, figure, places in rows:
        print(f"{name:45} {figure}")
        for place in places if verbose else []:
            print(f"    {place}")
    for word, other in WORDS.items():
        figure = 10000 * len(re.findall(r"(?<![a-z])" + re.escape(word), prose)) / count
        print(f"{'«' + word.strip() + '» per 10,000 words of comments':45} {figure:.1f} (ripgrep {other})")


main()
