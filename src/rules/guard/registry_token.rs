#![doc = include_str!("../../../docs/rules/registry-token.md")]

use crate::base::credentials::{PASSWORD_SETTINGS, TOKEN_SETTINGS};
use crate::base::debris::Debris;
use crate::base::finding::{Span, Step, line_around};
use crate::base::path::RepoPath;
use crate::base::placeholders::{SecretKind, is_placeholder};
use crate::formats::npmrc::{Setting, SettingsDialect, settings, url_passwords, without_variables};
use crate::project::SourceFile;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup, Subject};

pub(crate) const RULE: Rule = Rule {
    id: "registry-token",
    summary: "a literal token or password in .npmrc or a similar file",
    subject: Subject::Secret,
    manual: include_str!("../../../docs/rules/registry-token.md"),
    check: Check::File { wants: |path| dialect(path).is_some(), judge },
    ..Rule::base(RuleGroup::Guard)
};

const HELP: &str = "use ${NPM_TOKEN} instead, and revoke this secret if it was ever pushed";

/// The syntax of a file of settings, or of a copy such as `.npmrc.docker`.
fn dialect(path: &RepoPath) -> Option<SettingsDialect> {
    FileKind::of(path, |kind| kind.credentials().is_some())?.credentials()
}

fn judge(known: &SourceFile, _: &Debris, findings: &mut Findings) {
    let file = &known.file;
    let Some(dialect) = dialect(&file.path) else { return };
    let text = &file.text;
    let mut secrets: Vec<_> =
        settings(dialect, text).iter().filter_map(|setting| find_secret(setting, text)).collect();
    secrets.sort_unstable_by_key(|(span, _)| span.start);
    // A line is reported once, masked from its first secret to its end: the rest of it may be
    // secret too.
    let mut line_end = None;
    let mut secret_end = 0;
    for (span, message) in secrets {
        if line_end.is_none_or(|end| span.start > end) {
            let line = line_around(text, span.start);
            // Mask the end of the previous secret too, if it is in this line.
            let start = if secret_end > line.start { line.start } else { span.start };
            findings.secret(file, &(start..line.end), message).help(HELP, &[Step::Stage]);
            line_end = Some(line.end);
        }
        secret_end = secret_end.max(span.end);
    }
}

/// The place of a setting's secret, and the message, which never quotes the file.
fn find_secret(setting: &Setting, text: &[u8]) -> Option<(Span, &'static str)> {
    const URL: &str = "the password of a URL is written out here";
    let key = without_variables(&String::from_utf8_lossy(&text[setting.key.clone()]));
    let is_password = |literal: &str| !is_placeholder(literal, SecretKind::Password);
    if url_passwords(&key).any(is_password) {
        return Some((setting.key.start..setting.value.end, URL));
    }
    let literal = without_variables(&setting.text);
    let message = match setting.name.to_ascii_lowercase().as_str() {
        name if TOKEN_SETTINGS.contains(&name) && !is_placeholder(&literal, SecretKind::Token) => {
            "a registry token is written out here"
        }
        name if PASSWORD_SETTINGS.contains(&name) && is_password(password(&literal)) => {
            "a registry password is written out here"
        }
        _ if literal.contains("PRIVATE KEY-----") => "a private key is written out here",
        _ if url_passwords(&literal).any(is_password) => URL,
        _ => return None,
    };
    Some((setting.value.clone(), message))
}

/// The password of `user:password`, or the whole, which may be both in Base64.
fn password(ident: &str) -> &str {
    ident.split_once(':').map_or(ident, |(_, password)| password)
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, transcript};

    /// Built at run time, so that scanners do not report this file.
    fn secret() -> String {
        ["npm", "s3cr3t".repeat(3).as_str()].join("_")
    }

    fn judged(path: &str, text: &str) -> Vec<String> {
        transcript(&RULE, &Fake::default().file(path, &text.replace("SECRET", &secret())))
    }

    const TOKEN: &str = "a registry token is written out here";
    const PASSWORD: &str = "a registry password is written out here";
    const URL: &str = "the password of a URL is written out here";
    const KEY: &str = "a private key is written out here";

    #[test]
    fn every_spelling_of_a_literal_in_an_npmrc() {
        for (line, message) in [
            ("//npm.example.org/:_authToken=SECRET", TOKEN),
            ("//npm.example.org/:_authToken = \"SECRET\" ; c", TOKEN),
            ("\"//npm.example.org/:_authToken\" = 'SECRET'", TOKEN),
            ("//npm.example.org/:_authToken[]=SECRET", TOKEN),
            ("//npm.example.org/_authtoken=SECRET", TOKEN),
            ("${HOST}:_authToken=SECRET", TOKEN),
            ("_authToken=${NPM_TOKEN:-SECRET}", TOKEN),
            ("_authToken=${A:-${NPM_TOKEN-SECRET}}", TOKEN),
            ("_authToken=${PREFIX}SECRET", TOKEN),
            ("_authToken=${SECRET", TOKEN),
            ("_authToken\u{a0}=\u{a0}SECRET", TOKEN),
            ("_auth=SECRET==", PASSWORD),
            ("_auth=user:SECRET", PASSWORD),
            ("//npm.example.org/:_password=SECRET", PASSWORD),
            ("registry=https://user:SECRET@npm.example.org/", URL),
            ("@s:registry = \"https://${USER}:SECRET@npm.example.org/\"", URL),
            ("https-proxy=http://user:${PASS-SECRET}@npm.example.org", URL),
            ("//npm.example.org/:key=\"-----BEGIN PRIVATE KEY-----\\nSECRET\"", KEY),
            ("_key=-----BEGIN EC PRIVATE KEY-----", KEY),
        ] {
            let value = line.split_once('=').unwrap().1.trim_start();
            let column = line.strip_suffix(value).unwrap().chars().count() + 1;
            assert_eq!(
                judged(".npmrc.docker", line),
                [format!(".npmrc.docker:1:{column}: {message}")],
                "{line}"
            );
        }
    }

    #[test]
    fn a_secret_in_a_key_is_found() {
        assert_eq!(
            judged(".npmrc", "//u:SECRET@npm.example.org/:_authToken=${T}"),
            [format!(".npmrc:1:1: {URL}")]
        );
    }

    #[test]
    fn yarn_1_and_berry() {
        for (path, text, place, message) in [
            (".yarnrc", "\"//npm.example.org/:_authToken\" \"SECRET\"", "1:1", TOKEN),
            (".yarnrc", "registry \"https://u:SECRET@npm.example.org\"", "1:1", URL),
            (".yarnrc.yml", "npmAuthToken: SECRET", "1:15", TOKEN),
            (
                ".yarnrc.yml",
                "npmScopes:\n  s:\n    npmAuthIdent: \"user:SECRET\"",
                "3:19",
                PASSWORD,
            ),
            (
                ".yarnrc.yaml",
                "npmRegistries: {\"//npm.example.org\": {npmAuthToken: \"SECRET\"}}",
                "1:53",
                TOKEN,
            ),
            (".yarnrc.yml", "httpsProxy: http://user:SECRET@npm.example.org", "1:13", URL),
            (".yarnrc.yml", "x: &t SECRET\nnpmAuthToken: *t", "1:7", TOKEN),
            (
                ".yarnrc.yml",
                "npmRegistries:\n  //u:SECRET@npm.example.org: {npmAlwaysAuth: 'true'}",
                "2:3",
                URL,
            ),
            (".yarnrc.yml", "a: [\nnpmAuthToken: SECRET", "2:1", TOKEN),
            (".yarnrc.yml", "npmAuthToken=SECRET", "1:1", TOKEN),
        ] {
            assert_eq!(judged(path, text), [format!("{path}:{place}: {message}")], "{text}");
        }
    }

    #[test]
    fn variables_placeholders_and_comments_pass() {
        for line in [
            "//npm.example.org/:_authToken=${NPM_TOKEN}",
            "\"//npm.example.org/:_authToken\" = \"${NPM_TOKEN}\" ; or else",
            "_authToken=${NPM_TOKEN-}",
            "_authToken=${NPM_TOKEN:-}",
            "_authToken=${NPM_TOKEN?}",
            "_authToken=",
            "_authToken=\"\"",
            "_authToken= # set in CI",
            "_authToken",
            "_authToken=<token>",
            "_authToken=xxxxxxxx",
            "_authToken=********",
            "_auth={{ npm_auth }}",
            "_authToken=${{ secrets.NPM_TOKEN }}",
            "_authToken=$NPM_TOKEN",
            "_authToken=$(cat /run/secrets/npm)",
            "_authToken=%NPM_TOKEN%",
            "_authToken=@NPM_TOKEN@",
            "_authToken=__NPM_TOKEN__",
            "_authToken=YOUR_TOKEN_HERE",
            "_authToken=changeme",
            "_authToken=${NPM_TOKEN:?set it in CI}",
            "proxy=http://user:password@proxy.example.org:3128/",
            "_auth=${USER}:${PASS}",
            "_auth=user:${PASS}",
            "; _authToken=SECRET",
            "  # _authToken=SECRET",
            "registry=https://npm.example.org:8080/",
            "registry=https://user@npm.example.org/",
            "registry=https://${USER}:${PASS}@npm.example.org/",
            "//npm.example.org/:username=user",
            "//npm.example.org/:keyfile=/run/secrets/key.pem",
            "email=a:b@example.org",
            "always-auth=true",
        ] {
            assert_eq!(judged(".npmrc", line), [""; 0], "{line}");
        }
        for text in [
            "npmAuthToken: ${NPM_TOKEN:-}",
            "npmAuthIdent: 'u:${P}'",
            "npmAuthToken: null",
            "# npmAuthToken: SECRET",
        ] {
            assert_eq!(judged(".yarnrc.yml", text), [""; 0], "{text}");
            assert_eq!(
                judged(".yarnrc.yml", &format!("a: [\n{text} # c")),
                [""; 0],
                "broken: {text}"
            );
        }
    }

    #[test]
    fn the_names_of_the_files() {
        let line = "_authToken=SECRET";
        for path in [
            ".npmrc",
            "a/.npmrc.docker",
            ".npmrc-ci",
            "docker/npmrc",
            "ci.npmrc",
            ".NPMRC",
            ".yarnrc",
            ".yarnrc.yml.tmpl",
        ] {
            assert_eq!(judged(path, line).len(), 1, "{path}");
        }
        for path in [
            "npmrc.rs/x",
            "npmrc_auth.rs",
            "docs/npmrcs",
            ".npmrcx",
            ".npmrc/x",
            "yarnrc.yml",
            "README.md",
        ] {
            assert_eq!(judged(path, line), [""; 0], "{path}");
        }
    }

    #[test]
    fn no_secret_is_in_a_finding() {
        for (path, text) in [
            (".npmrc", "//u:SECRET@npm.example.org/:_authToken=SECRET"),
            (".npmrc", "_authToken=SECRET # SECRET"),
            (".npmrc", "_authToken=SECRET\r_password=SECRET\rx=SECRET"),
            (".npmrc", "_authToken=${A:-SECRET}${B:-SECRET}"),
            (
                ".npmrc",
                "registry=https://u:SECRET@npm.example.org/ https://u:SECRET@npm.example.org/",
            ),
            (".npmrc", "key=-----BEGIN PRIVATE KEY-----\nSECRET"),
            (".yarnrc", "\"//u:SECRET@npm.example.org/:_authToken\" \"SECRET\""),
            (".yarnrc", "_auth ${A} _password SECRET"),
            (".yarnrc.yml", "{npmAuthIdent: 'u:SECRET', npmAuthToken: SECRET}"),
            (
                ".yarnrc.yml",
                "{x: {npmAuthIdent: SECRET}, \"//u:SECRET@h\": 1, npmAuthToken: SECRET}",
            ),
            (".yarnrc.yml", "npmAuthToken: >-\n  SECRET\n  SECRET\n"),
            (".yarnrc.yml", "npmAuthToken: \"SECRET\n  SECRET\"\n"),
            (".yarnrc.yml", "npmAuthToken: !!str &a SECRET\nx: *a"),
            (".yarnrc.yml", "{npmAuthToken: \"SECRET\n  SECRET\", npmAuthIdent: SECRET}\n"),
            (
                ".yarnrc.yml",
                "{npmAuthToken: \"SECRET\n  SECRET\n  SECRET\", \
             npmAuthIdent: SECRET, npmAuthToken: SECRET}\n",
            ),
            (".yarnrc.yml", "{npmAuthToken: \"SECRET\n  SECRET\", npmAuthIdent: SECRET\n"),
            (".yarnrc.yml", "? npmAuthToken\n: SECRET # SECRET"),
            (".yarnrc.yml", "[npmAuthToken: SECRET, npmAuthIdent: SECRET"),
        ] {
            let found =
                judged_by(&RULE, &Fake::default().file(path, &text.replace("SECRET", &secret())));
            assert!(!found.is_empty(), "{text}");
            assert!(!format!("{found:?}").contains("s3cr3t"), "{text}");
        }
    }

    #[test]
    fn a_hostile_file_is_judged_completely() {
        let long = "${".repeat(100_000);
        for text in [
            format!("_authToken={long}SECRET"),
            format!("registry={}u:SECRET@h", "//".repeat(100_000)),
            "_authToken=a\r".repeat(50_000),
            "\\".repeat(100_000) + "=;",
        ] {
            assert!(judged(".npmrc", &text).len() <= 1);
            assert!(judged(".yarnrc", &text).len() <= 1);
        }
        assert_eq!(judged(".npmrc", &"_auth=a\n".repeat(200)).len(), 101);
    }
}
