#![doc = include_str!("../../../docs/rules/missing-corepack.md")]

use crate::base::escape::Escaped;
use crate::base::finding::Step;
use crate::pins::{Fault, PinTable};
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "missing-corepack",
    summary: "corepack in an image that does not contain it",
    manual: include_str!("../../../docs/rules/missing-corepack.md"),
    check: Check::Pins(judge),
    ..Rule::base(RuleGroup::Pins)
};

fn judge(table: &PinTable, findings: &mut Findings) {
    for (file, span, fault) in table.new_faults() {
        if let Fault::NoCorepack(image) = fault {
            let image = Escaped(image.as_bytes());
            let message = format!("{image} has no corepack, and no earlier command installs it");
            let help = "install it first (`npm install --global corepack`), or install the package \
                        manager with npm";
            findings.place(file, span, message).help(help, &[Step::Stage]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    #[test]
    fn corepack_where_the_image_has_none() {
        for (dockerfile, expected) in [
            ("FROM node:25-alpine\nRUN corepack enable", &["2:5 node:25-alpine"][..]),
            (
                "FROM node\nRUN a && corepack prepare pnpm@10.6.5 --activate\nRUN corepack enable",
                &["2:10 node:latest"],
            ),
            (
                "FROM docker.io/library/node:26.1.0 AS a\nFROM a\nRUN corepack enable",
                &["3:5 node:26.1.0"],
            ),
            ("ARG N=25\nFROM node:${N}-slim\nRUN <<E\ncorepack enable\nE", &["4:1 node:25-slim"]),
            (
                "FROM node:25 AS a\nRUN corepack enable\nFROM node:25\nRUN corepack enable",
                &["2:5 node:25", "4:5 node:25"],
            ),
            ("FROM node:25\nRUN su node -c 'corepack enable'", &["2:17 node:25"]),
            ("FROM node:25\nRUN sh -c 'a && corepack enable' || npm i -g corepack", &[]),
            ("FROM node:25\nRUN if sh -c 'corepack enable'; then a; fi", &[]),
            ("FROM node:25\nRUN bash -lc 'nvm use 22 && corepack enable'", &[]),
            ("FROM node:24\nRUN corepack enable", &[]),
            ("FROM node:krypton-slim\nRUN corepack enable", &[]),
            ("FROM node:lts\nRUN corepack enable", &[]),
            ("FROM node:bookworm\nRUN corepack enable", &["2:5 node:bookworm"]),
            ("FROM node:trixie-slim\nRUN corepack enable", &["2:5 node:trixie-slim"]),
            ("FROM node:bullseye\nRUN corepack enable", &["2:5 node:bullseye"]),
            ("FROM node:alpine\nRUN corepack enable", &["2:5 node:alpine"]),
            ("FROM node:alpine3.21\nRUN corepack enable", &["2:5 node:alpine3.21"]),
            ("FROM node:alpine3.24\nRUN corepack enable", &["2:5 node:alpine3.24"]),
            ("FROM node:slim\nRUN corepack enable", &["2:5 node:slim"]),
            (
                "FROM node:current-bookworm-slim\nRUN corepack enable",
                &["2:5 node:current-bookworm-slim"],
            ),
            ("FROM node:alpine3.20\nRUN corepack enable", &[]),
            ("FROM node:alpine3\nRUN corepack enable", &[]),
            ("FROM node:buster\nRUN corepack enable", &[]),
            ("FROM node:stretch-slim\nRUN corepack enable", &[]),
            ("FROM node:lts-alpine3.22\nRUN corepack enable", &[]),
            ("FROM node:22-trixie\nRUN corepack enable", &[]),
            ("FROM node:jod-bookworm\nRUN corepack enable", &[]),
            ("FROM node:trixie@sha256:ab\nRUN corepack enable", &[]),
            ("FROM node:25@sha256:ab\nRUN corepack enable", &["2:5 node:25"]),
            ("FROM me/node:25\nRUN corepack enable", &[]),
            ("FROM node:$N\nRUN corepack enable", &[]),
            ("FROM alpine:3.25\nRUN apk add nodejs && corepack enable", &[]),
            ("FROM node:25\nRUN npm i -g corepack@latest && corepack enable", &[]),
            ("FROM node:25 AS a\nRUN npm i -g corepack\nFROM a\nRUN corepack enable", &[]),
            ("FROM node:25\nRUN corepack enable || npm i -g corepack", &[]),
            ("FROM node:25\nRUN if corepack enable; then a; fi", &[]),
            ("FROM node:25\nRUN command -v corepack", &[]),
            (
                "FROM node:25\nCOPY --from=node:24 /usr/local/lib /usr/local/lib\nRUN corepack \
                 enable",
                &[],
            ),
            ("FROM node:25\nRUN n 22 && corepack enable", &[]),
            ("FROM node:25\nRUN npm i -g /t/corepack.tgz && corepack enable", &[]),
            ("FROM node:25\nCOPY rootfs/ /\nRUN corepack enable", &[]),
            ("FROM node:25\nCOPY . /usr/src/app\nRUN corepack enable", &["3:5 node:25"]),
            ("FROM node:25\nRUN echo corepack enable", &[]),
        ] {
            let found = transcript(&RULE, &Fake::default().file("Dockerfile", dockerfile));
            let found: Vec<_> = found
                .iter()
                .map(|line| {
                    line.strip_prefix("Dockerfile:")
                        .unwrap()
                        .split(" has no")
                        .next()
                        .unwrap()
                        .replace(": ", " ")
                })
                .collect();
            assert_eq!(found, expected, "{dockerfile}");
        }
    }

    fn assert_found(path: &str, text: &str, count: usize) {
        let found = transcript(&RULE, &Fake::default().file(path, text));
        assert_eq!(found.len(), count, "{text}: {found:?}");
    }

    #[test]
    fn corepack_in_the_container_of_a_workflow() {
        let checkout = "{uses: actions/checkout@v4}";
        for (steps, from, to, count) in [
            (checkout, "", "", 1),
            ("{uses: actions/cache@v4, with: {path: x}}", "", "", 1),
            ("{run: corepack enable}", "", "", 1),
            ("{run: su node -c 'corepack enable'}", "", "", 1),
            (checkout, "node:25", "node:24", 0),
            (checkout, "node:25", "me/node:25", 0),
            (checkout, "'node:25'", "{image: 'node:trixie'}", 1),
            (checkout, "node:25", "${{ matrix.image }}", 0),
            ("{uses: actions/setup-node@v4}", "", "", 0),
            ("{uses: ./.github/actions/setup}", "", "", 0),
            ("{run: npm i -g corepack}", "", "", 0),
            ("{run: x, shell: pwsh}", "", "", 0),
            (checkout, "run: c", "if: a, run: c", 0),
            (checkout, "run: c", "continue-on-error: true, run: c", 0),
            (checkout, "run: c", "run: which corepack || npm i -g corepack; c", 0),
            (checkout, "container: 'node:25', ", "", 0),
        ] {
            let job = "jobs: {a: {container: 'node:25', steps: [STEPS, {run: corepack enable}]}}";
            let text = job.replace("STEPS", steps);
            let text = if from.is_empty() { text } else { text.replace(from, to) };
            assert_found(".github/workflows/a.yml", &text, count);
        }
    }

    #[test]
    fn corepack_in_the_image_of_a_gitlab_job() {
        let complete = "a: {image: 'node:25', script: corepack enable}";
        for (before, job, count) in [
            ("", complete, 1),
            ("", "a: {image: {name: 'node:bookworm-slim'}, script: corepack enable}", 1),
            ("image: node:25", "a: {script: corepack enable}", 1),
            ("default: {image: 'node:25'}", "a: {script: corepack enable}", 1),
            ("image: node:24\ndefault: {image: 'node:25'}", "a: {script: corepack enable}", 1),
            ("image: node:24", "a: {script: corepack enable}", 0),
            ("image: node:25\nbefore_script: corepack enable", "a: {script: b}\nc: {script: d}", 1),
            (
                "image: node:25\nbefore_script: corepack enable",
                "a: {image: 'node:24', script: b}",
                0,
            ),
            ("before_script: npm i -g corepack", complete, 0),
            ("default: {before_script: [n 22]}", complete, 0),
            ("", ".a: {image: 'node:25', script: corepack enable}", 0),
            ("", "a: {extends: .b, image: 'node:25', script: corepack enable}", 0),
            ("", "a: {inherit: {}, image: 'node:25', script: corepack enable}", 0),
            ("include: x.yml", complete, 0),
            (
                "include: x.yml",
                "a: {image: 'node:25', before_script: [b], script: corepack enable}",
                1,
            ),
            ("", "a: {image: $IMAGE, script: corepack enable}", 0),
            ("variables: {V: 25}", "a: {image: 'node:$V', script: corepack enable}", 1),
        ] {
            assert_found(".gitlab-ci.yml", &format!("{before}\n{job}"), count);
        }
    }

    #[test]
    fn corepack_in_a_service_or_a_dev_container() {
        for (service, count) in [
            ("image: 'node:25', command: sh -c 'corepack enable'", 1),
            ("image: 'node:25', command: [sh, -c, corepack enable]", 1),
            ("image: 'node:25', entrypoint: [corepack, pnpm, dev]", 1),
            ("image: 'node:24', command: corepack enable", 0),
            ("image: 'node:25', build: ., command: corepack enable", 0),
            ("image: 'node:25', entrypoint: x, command: corepack enable", 0),
            ("command: corepack enable", 0),
        ] {
            assert_found("compose.yaml", &format!("services: {{a: {{{service}}}}}"), count);
        }
        for (container, count) in [
            (r#""image": "node:25", "postCreateCommand": "corepack enable""#, 1),
            (r#""image": "node:25", "postCreateCommand": ["corepack", "enable"]"#, 1),
            (r#""image": "node:22", "postCreateCommand": "corepack enable""#, 0),
            (r#""image": "node:25", "initializeCommand": "corepack enable""#, 0),
            (
                r#""image": "node:25", "features": {"x": {}},
                    "postCreateCommand": "corepack enable""#,
                0,
            ),
            (
                r#""image": "node:25", "onCreateCommand": "npm i -g corepack",
                    "postCreateCommand": "corepack enable""#,
                0,
            ),
        ] {
            assert_found(".devcontainer.json", &format!("{{{container}}}"), count);
        }
    }

    #[test]
    fn a_fault_of_an_old_file_does_not_block() {
        let old = Fake::default()
            .old("Dockerfile", "FROM node:25\nRUN corepack enable")
            .file("package.json", r#"{"packageManager": "pnpm@10.6.5"}"#);
        assert_eq!(transcript(&RULE, &old), [""; 0]);
    }
}
