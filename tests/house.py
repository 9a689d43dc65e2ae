#!/usr/bin/env python3
"""Prints the figures of the source: python3 tests/house.py [-v] [ROOT]

ROOT is a checkout, this one by default; -v lists the places that make up a figure. The laws behind
the figures are tests in src/tidy.rs; this script compares two checkouts. It reads text, not syntax
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
COLUMNS = 100
LONGEST = 60
VISIBLE = r"(?:pub(?:\([a-z]+\))? )?"
TESTS = re.compile(r"#\[cfg\(test\)\]\n" + VISIBLE + r"mod tests \{")
TEST_FILES = re.compile(r"#\[cfg\(test\)\]\nmod (\w+);")
NAMES = re.compile(
    r'"(?:package\.json|pnpm-lock\.yaml|pnpm-workspace\.yaml|\.npmrc|\.yarnrc\.yml|compose'
    r'|dockerfile|yarn\.lock)"',
    re.I,
)
WRITES = re.compile(r"\.persist(?:_noclobber)?\(|fs::rename\(|persist_temp")


def read(root, directory, *endings):
    """The text of each file with one of these endings, by its path below root."""
    found = {}
    for base, _, names in os.walk(os.path.join(root, directory)):
        for path in (os.path.join(base, name) for name in names if name.endswith(endings)):
            with open(path, encoding="utf-8") as file:
                found[os.path.relpath(path, root)] = file.read()
    return dict(sorted(found.items()))


def production(whole):
    """The files below src without their unit tests, in modules and in files of their own."""
    tests = set()
    for path, text in whole.items():
        tests |= {f"{path[:-3]}/{name}.rs" for name in TEST_FILES.findall(text)}
    code = {}
    for path in sorted(whole.keys() - tests):
        text, path = whole[path], path.removeprefix("src/")
        if re.split(r"[/.]", path)[0] not in ("tidy", "fuzz") and "fuzz.rs" not in path:
            code[path] = TESTS.split(text)[0]
    return code


def functions(path, text):
    """The length in lines of each function, with its place."""
    for match in re.finditer(r"^( *)" + VISIBLE + r"(?:const )?fn (\w+)", text, re.M):
        end = text.find(f"\n{match.group(1)}}}", match.end())
        brace = text.find("{", match.end())
        if end > 0 and ";" not in text[match.end() : brace + 1]:
            line = text.count("\n", 0, match.start()) + 1
            yield text.count("\n", match.start(), end) + 1, f"{path}:{line} {match.group(2)}"


def long(lengths):
    """The functions with more lines than allowed."""
    return [f"{length} {place}" for length, place in lengths if length > LONGEST]


def wide(files):
    """The places of lines with more columns than allowed."""
    return [
        f"{path}:{number}"
        for path, text in files.items()
        for number, line in enumerate(text.split("\n"), 1)
        if len(line) > COLUMNS
    ]


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
    """The groups of files that import each other; a file and the modules in it count as one."""
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


def figures(root):
    """The rows of the table: a name, a figure and the places that make it up."""
    whole = read(root, "src", ".rs")
    code = production(whole)
    tests = read(root, "tests", ".rs", ".sh", ".py")
    lengths = sorted(found for path, text in code.items() for found in functions(path, text))
    of_tests = sorted(found for path, text in tests.items() for found in functions(path, text))
    ordered = [length for length, _ in lengths]
    longest = [f"{length} {place}" for length, place in lengths[-10:]]
    lines = {path: text.count("\n") for path, text in code.items()}
    largest = max(lines, key=lines.get)
    lines_of_tests = {path: text.count("\n") for path, text in tests.items()}
    largest_test = max(lines_of_tests, key=lines_of_tests.get)
    groups = circles(code)
    meanings = types(code)
    shared = {name: paths for name, paths in sorted(meanings.items()) if len(paths) > 1}
    ambiguous = [f"{name}: {', '.join(sorted(paths))}" for name, paths in shared.items()]
    names = sorted(path for path, text in code.items() if NAMES.search(text))
    writers = sorted(path for path, text in code.items() if WRITES.search(text))
    wide_source = wide(whole)
    wide_tests = wide(tests | read(root, "fuzz", "run.sh", "target.rs"))
    return whole, [
        ("production code, lines", sum(lines.values()), []),
        ("function length, 99th percentile", ordered[len(ordered) * 99 // 100], []),
        ("function length, longest", ordered[-1], longest),
        ("function length, median", statistics.median(ordered), []),
        (f"functions over {LONGEST} lines, src", len(long(lengths)), long(lengths)),
        (f"functions over {LONGEST} lines, tests", len(long(of_tests)), long(of_tests)),
        ("longest file without its tests, src", lines[largest], [largest]),
        ("longest file, tests", lines_of_tests[largest_test], [largest_test]),
        ("groups of files that import each other", len(groups), map(", ".join, groups)),
        (
            "type names with more than one meaning",
            f"{len(shared)} of {len(meanings)}",
            ambiguous,
        ),
        ("files that know the names of files", len(names), names),
        ("files that put a file in place of another", len(writers), writers),
        (f"lines over {COLUMNS} columns, src", len(wide_source), wide_source),
        (f"lines over {COLUMNS} columns, tests and fuzz", len(wide_tests), wide_tests),
    ]


def main():
    """Prints the table."""
    # A reader such as `head` may close the pipe.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    roots = [word for word in sys.argv[1:] if not word.startswith("-")]
    root = roots[0] if roots else os.path.join(os.path.dirname(__file__), "..")
    whole, rows = figures(root)
    for name, figure, places in rows:
        print(f"{name:45} {figure}")
        for place in places if "-v" in sys.argv else []:
            print(f"    {place}")
    comments = re.findall(r"^\s*//[/!]?\s?(.*)$", "\n".join(whole.values()), re.M)
    prose = " ".join(comments).lower()
    count = max(1, len(re.findall(r"[a-z']+", prose)))
    for word, other in WORDS.items():
        figure = 10000 * len(re.findall(r"(?<![a-z])" + re.escape(word), prose)) / count
        label = f"«{word.strip()}» per 10,000 words of comments"
        print(f"{label:45} {figure:.1f} (ripgrep {other})")


main()
