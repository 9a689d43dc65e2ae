#![doc = include_str!("../../../docs/rules/missing-corepack.md")]

use crate::base::escape::Escaped;
use crate::base::finding::Step;
use crate::pins::{Fault, PinTable};
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "missing-corepack",
    summary: "corepack used in an image that does not contain it",
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
            ("FROM node:24\nRUN corepack enable", &[]),
            ("FROM node:krypton-slim\nRUN corepack enable", &[]),
            ("FROM node:lts\nRUN corepack enable", &[]),
            ("FROM node:bookworm\nRUN corepack enable", &[]),
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
        let old = Fake::default()
            .old("Dockerfile", "FROM node:25\nRUN corepack enable")
            .file("package.json", r#"{"packageManager": "pnpm@10.6.5"}"#);
        assert_eq!(transcript(&RULE, &old), [""; 0]);
    }
}
