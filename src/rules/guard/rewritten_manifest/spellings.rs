//! Random spellings of rewritten and of harmless manifests.

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::base::change::{Content, Mode};
    use crate::engine::tests::{Fake, transcript};
    use crate::rules::guard::rewritten_manifest::RULE;

    const POINTS: &str = "this dependency points into .docker-deps";

    fn judged(path: &str, text: &str) -> Vec<String> {
        transcript(&RULE, &Fake::default().file(path, text))
    }

    /// Writes a manifest with random layout, quotes and escapes.
    struct Writer {
        dice: Vec<u8>,
        rolled: usize,
        loose: bool,
        text: String,
    }

    impl Writer {
        fn roll(&mut self, sides: u8) -> u8 {
            self.rolled += 1;
            self.dice[self.rolled % self.dice.len()] % sides
        }

        fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
            choices[usize::from(self.roll(u8::try_from(choices.len()).unwrap()))]
        }

        fn blank(&mut self) {
            let any = ["", " ", "\n", "\r\n", "\t", "\r", "\n\n  ", "// ü\n", "/* * */"];
            let strict = if self.loose { any.len() } else { 7 };
            let blank = self.one_of(&any[..strict]);
            self.text += blank;
        }

        fn string(&mut self, text: &str) {
            let quote = if self.loose { self.one_of(&["\"", "'"]) } else { "\"" };
            self.text += quote;
            for c in text.chars() {
                let code = u32::from(c);
                match self.roll(8) {
                    0 if c.is_ascii() => self.text += &format!("\\u{code:04x}"),
                    1 if c.is_ascii() => self.text += &format!("\\u{code:04X}"),
                    2 if c.is_ascii() && self.loose => self.text += &format!("\\x{code:02x}"),
                    3 if c == '/' => self.text += "\\/",
                    _ if c == '\\' => self.text += "\\\\",
                    _ => self.text.push(c),
                }
            }
            self.text += quote;
        }

        fn entry(&mut self, key: &str, value: &str) {
            self.key(key);
            self.string(value);
            self.end();
        }

        fn key(&mut self, key: &str) {
            self.blank();
            let bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic());
            if self.loose && bare && self.roll(2) == 0 {
                self.text += key;
                self.text.push(' ');
            } else {
                self.string(key);
            }
            self.blank();
            self.text.push(':');
            self.blank();
        }

        fn end(&mut self) {
            self.blank();
            self.text.push(',');
        }

        /// Closes a map, without a trailing comma unless the dialect allows it.
        fn close(&mut self) {
            if !(self.loose && self.roll(2) == 0) && self.text.ends_with(',') {
                self.text.pop();
            }
            self.blank();
            self.text.push('}');
        }

        /// Writes entries that only look like dependencies.
        fn harmless(&mut self, spec: &str) {
            for choice in 0..5 {
                match (choice, self.roll(3)) {
                    (0, 0) => self.entry("description", spec),
                    (1, 0) => self.entry(spec, "1.0.0"),
                    (2, 0) => {
                        self.key("scripts");
                        self.text.push('{');
                        self.entry("dependencies", spec);
                        self.entry("\u{1f600} \u{e000}é", "\u{1f600}\u{2028}");
                        self.close();
                        self.end();
                    }
                    (3, 0) => {
                        self.key("files");
                        self.text.push('[');
                        self.string(spec);
                        self.text.push(']');
                        self.end();
                    }
                    (4, 0) => {
                        self.key("dependencies");
                        self.text.push('{');
                        self.plain(spec);
                        self.close();
                        self.end();
                    }
                    _ => {}
                }
            }
        }

        /// Writes dependencies that are not rewritten.
        fn plain(&mut self, spec: &str) {
            let dir = ".docker-deps";
            for other in
                ["^1.0.0", "workspace:*", "file:../my.docker-deps/x.tgz", "../.docker-deps-2/x.tgz"]
            {
                if self.roll(3) == 0 {
                    let name = if self.roll(2) == 0 { spec } else { "y" };
                    self.entry(name, other);
                }
            }
            if self.roll(4) == 0 {
                self.entry("z", &format!("file:../{dir}/../vendor/z.tgz"));
            }
        }

        /// Writes a map with the value at this path. Returns the offset of the value.
        fn map(&mut self, path: &[&str], spec: &str, top: bool) -> usize {
            self.text.push('{');
            let fill = |writer: &mut Self| {
                if top { writer.harmless(spec) } else { writer.plain(spec) }
            };
            fill(self);
            if self.roll(3) == 0 {
                self.entry(path[0], "");
            }
            self.key(path[0]);
            let place = match &path[1..] {
                [] => {
                    let place = self.text.len();
                    self.string(spec);
                    place
                }
                rest => self.map(rest, spec, false),
            };
            self.end();
            if self.roll(3) == 0 {
                self.entry(path[0], "1.0.0");
            }
            fill(self);
            self.close();
            place
        }
    }

    const FIELDS: [&[&str]; 20] = [
        &["dependencies", "@s/x"],
        &["devDependencies", "x"],
        &["optionalDependencies", "x"],
        &["peerDependencies", "x"],
        &["overrides", "x"],
        &["overrides", "a@1", "b", "."],
        &["resolutions", "**/x"],
        &["resolutions", "x@npm:1.0.0"],
        &["pnpm", "overrides", "a>x"],
        &["pnpm", "packageExtensions", "a", "peerDependencies", "x"],
        &["pnpm", "patchedDependencies", "x@1"],
        &["patchedDependencies", "x@1"],
        &["catalog", "x"],
        &["catalogs", "next", "x"],
        &["workspaces", "catalog", "x"],
        &["workspaces", "catalogs", "", "x"],
        &["__proto__", "dependencies", "x"],
        &["__proto__", "__proto__", "pnpm", "overrides", "x"],
        &["dependencies", "__proto__", "x"],
        &["dependencies", "dependencies", "version"],
    ];

    const PATHS: [&str; 5] =
        ["package.json", "package.json5", "package.yaml", "pnpm-workspace.yaml", ".yarnrc.yml"];

    fn specs() -> Vec<String> {
        let dir = ".docker-deps";
        vec![
            format!("file:../{dir}/x.tgz"),
            format!("link:../{dir}"),
            format!("..\\{dir}\\x.tgz"),
            format!("{dir}/x.tgz"),
            format!("portal:/srv//./a/../{dir}/x"),
            format!("file:~/{}/x.tar.gz", dir.to_uppercase()),
            format!("a b/{dir}"),
            format!("a@b/{dir}"),
            format!("file:../{dir}/a#../../vendor/x.tgz"),
            format!("file:../{dir}/a?../../vendor/x.tgz"),
            format!("../{dir}/x\\..\\..\\vendor\\x.tgz"),
            format!("file:../${{NAME:-{dir}}}/x.tgz"),
            format!("file:../${{NAME}}{dir}/x.tgz"),
            "file:../.doc${a-}ker%2Ddeps/x.tgz".to_owned(),
            "patch:x@file%253A..%252F%252edocker-deps%252Fx.tgz#~/x.patch".to_owned(),
            "file:../.doc\u{212a}er-dep\u{17f}/x.tgz".to_owned(),
            "file:../.docker\u{200d}-deps/x.tgz".to_owned(),
        ]
    }

    fn dice() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 1..400)
    }

    fn writer(dice: Vec<u8>, loose: bool) -> Writer {
        let mut writer = Writer { dice, rolled: 0, loose, text: String::new() };
        let mark = writer.one_of(&["", "\u{feff}"]);
        writer.text += mark;
        writer
    }

    proptest! {
        #[test]
        fn a_rewritten_spec_is_found_at_its_place_in_any_json(
            field in 0..FIELDS.len(), spec in 0..specs().len(), dice in dice(), loose: bool
        ) {
            let mut writer = writer(dice, loose);
            let place = writer.map(FIELDS[field], &specs()[spec], true);
            let before = writer.text.split_at(place).0.trim_start_matches('\u{feff}');
            let line = 1 + before.matches('\n').count();
            let column = 1 + before.chars().rev().take_while(|&c| c != '\n').count();
            let path = if loose { "web/package.json5" } else { "web/package.json" };
            let expected = format!("{path}:{line}:{column}: {POINTS}");
            prop_assert_eq!(judged(path, &writer.text), [expected], "{}", writer.text);
        }

        #[test]
        fn a_harmless_manifest_passes_in_any_json(
            spec in 0..specs().len(), dice in dice(), loose: bool
        ) {
            let mut writer = writer(dice, loose);
            writer.text.push('{');
            writer.harmless(&specs()[spec]);
            writer.close();
            let path = if loose { "web/package.json5" } else { "web/package.json" };
            prop_assert_eq!(judged(path, &writer.text), [""; 0], "{}", writer.text);
        }

        #[test]
        fn every_text_is_judged(
            text in any::<Vec<u8>>(), path in proptest::sample::select(&PATHS[..])
        ) {
            let text = Content::Bytes(text);
            let _ = transcript(&RULE, &Fake::default().with(path, Mode::File, text, true));
        }

        #[test]
        fn a_rewritten_spec_is_found_in_any_yaml(
            key in prop_oneof![
                Just("overrides:"), Just("'overrides':"), Just("\"over\\x72ides\" :"),
                Just("? overrides\n:"), Just("[overrides]:"), Just("!!str overrides: !!map"),
                Just("&k overrides:"), Just("%YAML 1.2\n---\noverrides: # c"),
                Just("{}\n---\noverrides:"), Just("a: &a\n  b: c\noverrides:\n  <<: *a"),
                Just("x: 1\n__proto__:\n overrides:"),
            ],
            name in prop_oneof![
                Just("x"), Just("'@s/x'"), Just("\"a\\u0062\""), Just("a>b@1"),
                Just("y: {x: 1}\n  z"),
            ],
            style in 0..9_usize,
            spec in 0..8_usize,
            ends in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        ) {
            let spec = &specs()[spec];
            let escaped = |escape: fn(u32) -> String| {
                spec.chars().map(|c| escape(u32::from(c))).collect::<String>()
            };
            let (head, tail) = spec.split_at(spec.len() / 2);
            let doubled = |text: &str| text.replace('\\', "\\\\");
            let written = match style {
                0 => spec.clone(),
                1 => format!("'{spec}'"),
                2 => format!("\"{}\"", escaped(|code| format!("\\x{code:02x}"))),
                3 => format!("\"{}\"", escaped(|code| format!("\\u{code:04X}"))),
                4 => format!("\"{}\"", escaped(|code| format!("\\U{code:08x}"))),
                5 => format!("\"{}\\\n      {}\"", doubled(head), doubled(tail)),
                6 => format!(">-\n    {spec}"),
                7 => format!("!!str &s |\n    {spec}"),
                _ => format!("{spec} # c"),
            };
            let text = format!("{key}\n  {name}: {written}\n").replace('\n', ends);
            let found = judged("pnpm-workspace.yaml", &text);
            prop_assert_eq!(found.len(), 1, "{}", text);
            prop_assert!(found[0].ends_with(POINTS), "{}\n{}", found[0], text);
        }
    }
}
