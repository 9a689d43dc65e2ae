//! Placeholders: texts that people write where a secret belongs. A token that a registry issues is
//! random. A placeholder is marked by brackets, repeats a character, or is made of words for it.

/// Prefixes that registries give to their tokens, in lower case.
const PREFIXES: &str = "npm_ npmtoken. ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- gldt- glcbt- \
                        pypi- bearer basic";

/// Whole texts that are no secrets, in lower case: keywords, forms for a program that writes the
/// file, UUIDs of documentation, and `password` and `username:password` in Base64.
const KEYWORDS: [&str; 12] = [
    "null",
    "~",
    "true",
    "false",
    "undefined",
    "nil",
    "n/a",
    "%s",
    "123e4567-e89b-12d3-a456-426614174000",
    "550e8400-e29b-41d4-a716-446655440000",
    "cgfzc3dvcmq=",
    "dxnlcm5hbwu6cgfzc3dvcmq=",
];

/// Words of placeholders, in lower case: what to do, whose and which secret it is, and that it is
/// not a real one. Also in Portuguese, Spanish, French and German.
const WORDS: &str = "abc abcd abcdef access account actual add an and api artifactory auth \
    authorization authtoken azure bar bearer bot change ci classic code company copied copy \
    credential credentials demo deploy dev devops displayed dummy encoded enter example fake fill \
    fixme foo for from generated gh git github gitlab goes hash her here hidden id in insert \
    invalid is it its jfrog jwt just key local login long masked me missing mock my name nexus \
    none not npm npmrc of only or org organization our package packages pass passwd password \
    paste pat personal placeholder pnpm private proget project publish pwd put read real redacted \
    registry removed replace replaced replaceme repo repository sample scope secret set snip some \
    string tbd test testing that the their this to todo token tokens tooken unset user username \
    valid value verdaccio will with write xyz yarn your aqui seu sua su tu votre jeton ici dein \
    ihr hier";

/// Shorter texts are no tokens of a registry.
const SHORTEST_TOKEN: usize = 8;

/// The kind of a secret, which decides what may be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretKind {
    /// Issued by a registry, so random.
    Token,
    /// May be chosen by a person.
    Password,
}

/// Whether a literal text is empty, or takes the place of a secret.
pub(crate) fn is_placeholder(literal: &str, kind: SecretKind) -> bool {
    let literal = literal.trim_matches(|c: char| c.is_whitespace() || "\"'`".contains(c));
    let lower = literal.to_lowercase();
    let text = without_prefix(&lower);
    let is_token = kind == SecretKind::Token;
    KEYWORDS.contains(&text)
        || is_name(literal)
        || is_marked(text)
        || repeats(text, if is_token { None } else { Some("x*•0") })
        || is_spelled(text, kind)
        || is_token && (literal.len() < SHORTEST_TOKEN || is_shown(text))
}

fn without_prefix(text: &str) -> &str {
    let stripped = PREFIXES.split_ascii_whitespace().find_map(|prefix| text.strip_prefix(prefix));
    stripped.map_or(text, str::trim_start)
}

/// Whether it is the name of a variable: `$NAME1`, or `NAME` without a digit. Every token of a
/// registry has a digit or a lower-case letter.
fn is_name(literal: &str) -> bool {
    let is_upper = |c: char| c.is_ascii_uppercase() || matches!(c, '_' | '-');
    let variable = literal.strip_prefix('$');
    literal.chars().all(is_upper)
        || variable.is_some_and(|name| name.chars().all(|c| is_upper(c) || c.is_ascii_digit()))
}

/// Whether signs around it mark it: `<name>`, `[name]`, `{{ name }}`, `$(command)`, `%NAME%`,
/// `@NAME@`, `__NAME__`, `((name))`, `#{NAME}#`.
fn is_marked(text: &str) -> bool {
    let pairs =
        [("<", ">"), ("[", "]"), ("{", "}"), ("(", ")"), ("$(", ")"), ("%", "%"), ("@", "@")];
    let pairs = pairs.into_iter().chain([("__", "__"), ("#{", "}#")]);
    let mut inside = pairs.map(|(start, end)| text.strip_prefix(start)?.strip_suffix(end));
    inside.any(|inside| inside.is_some())
}

/// Whether it has no character, or one of these again and again, in groups: `xxxxxxxx-xxxx`,
/// `0000`, `****`.
fn repeats(text: &str, which: Option<&str>) -> bool {
    let mut characters = text.chars().filter(|c| !matches!(c, '-' | '_' | '.' | '…' | ' '));
    let Some(first) = characters.next() else { return true };
    which.is_none_or(|which| which.contains(first)) && characters.all(|c| c == first)
}

/// Whether it is made of words, short numbers and `x`. A password with a number may be chosen by
/// a person.
fn is_spelled(text: &str, kind: SecretKind) -> bool {
    let text = text.replace("base64", "").replace("b64", "");
    let mut parts = text.split(|c: char| !c.is_alphanumeric()).flat_map(letters_and_digits);
    let mut has_word = false;
    let is_known = text.len() <= LONGEST_SPELLED
        && parts.all(|part| {
            if part.starts_with(|c: char| c.is_ascii_digit()) {
                return kind == SecretKind::Token && part.len() <= LONGEST_NUMBER;
            }
            let is_word = is_of_words(part);
            has_word |= is_word;
            is_word || part.bytes().all(|byte| byte == b'x')
        });
    is_known && has_word
}

const LONGEST_NUMBER: usize = 4;

/// The longest text that is split into words, in bytes.
const LONGEST_SPELLED: usize = 256;

/// The runs of letters and of digits in a text.
fn letters_and_digits(text: &str) -> Vec<&str> {
    let (mut runs, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        runs.push(run);
        rest = after;
    }
    runs
}

/// Whether a run of letters is one word or several, such as `inserttokenhere`.
fn is_of_words(run: &str) -> bool {
    // Whether words end at each byte.
    let mut ends = vec![false; run.len() + 1];
    ends[0] = true;
    for start in 0..run.len() {
        let Some(rest) = run.get(start..).filter(|_| ends[start]) else { continue };
        for word in WORDS.split_ascii_whitespace().filter(|word| rest.starts_with(word)) {
            ends[start + word.len()] = true;
        }
    }
    ends[run.len()]
}

/// Whether it shows the form of a token: `eyJhbGci...`, `npm_ab***`, `12345678-1234-…`,
/// `abcdefghijklmnop`, or letters that are not ASCII.
fn is_shown(text: &str) -> bool {
    let is_foreign = |c: char| !c.is_ascii() && c.is_alphabetic();
    let is_cut = ["...", "…", "***", "xxxxxxxx"].iter().any(|part| text.contains(part));
    is_cut || !text.contains(' ') && text.contains(is_foreign) || counts(text)
}

/// Whether most letters and digits follow each other in the alphabet: in a random text of this
/// length, one of twelve does.
fn counts(text: &str) -> bool {
    let bytes: Vec<u8> = text.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let steps = bytes.iter().zip(&bytes[1.min(bytes.len())..]);
    let small = steps.filter(|(a, b)| a.abs_diff(**b) <= 1).count();
    bytes.len() >= 12 && small * 4 >= (bytes.len() - 1) * 3
}

#[cfg(test)]
mod tests {
    use super::SecretKind::{Password, Token};
    use super::*;

    #[test]
    fn what_people_write_in_place_of_a_token() {
        for text in [
            "",
            "<token>",
            "<your-personal-access-token>",
            "ghp_<snip>",
            "[TOKEN_VALUE]",
            "[your token here]",
            "[redacted]",
            "{token}",
            "{NPM_TOKEN}",
            "{{ personal access token }}",
            "((npm-token))",
            "$(NpmToken)",
            "$NPM_TOKEN_2",
            "%NPM_TOKEN%",
            "@NPM_TOKEN@",
            "__NPM_TOKEN__",
            "#{NpmToken}#",
            "%s",
            "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx",
            "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "12345678-1234-1234-1234-123456789012",
            "123e4567-e89b-12d3-a456-426614174000",
            "npm_xxxxxxxxxxxx",
            "npm_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
            "npm_xxxx...",
            "npm_abcxxxxxxxxxxxxx",
            "npm_...",
            "npm_…",
            "npm_1234567890abcdef",
            "npm_abcdefghijklmnopqrstuvwxyz0123456789",
            "npm_some-long-hash",
            "npm_your_token_here",
            "npm_Ab***",
            "ghp_xxxxxxxxxxxxxxxxxxxx",
            "ghp_your_github_token_here",
            "glpat-xxxxxxxxxxxx",
            "glpat-YOUR-TOKEN-HERE",
            "glpat-seu-token-aqui",
            "eyJhbGciOiJIUzI1NiJ9...",
            "YYYYYYYYYYYYYYYYYYYYYYYYYYYYYY",
            "your-token",
            "your_npm_token",
            "your_actual_authtoken_here",
            "yourTokenHere",
            "YOUR_GITHUB_PAT",
            "MY-AUTH-TOKEN",
            "MYTOKEN4",
            "my-secret-token",
            "my_npm_token",
            "THE-TOKEN-JUST-GENERATED",
            "THE_ABOVE_TOKEN_GOES_HERE",
            "THEIR_PAT_WITH_READ_PACKAGES",
            "INSERTAUTHTOKENHERE",
            "insert valid github access token here",
            "INSERT_FH_PRIVATE_NPM_TOKEN_HERE",
            "replace_with_your_token",
            "REPLACE_ME",
            "replaceme",
            "CHANGEME",
            "change-me",
            "PASTE_YOUR_TOKEN_HERE",
            "paste-your-token-here",
            "dummy-token",
            "test-token-abc123",
            "test-pat-123",
            "token-123",
            "fake",
            "abc123",
            "example",
            "placeholder",
            "undefined",
            "********",
            "\"<token>\"",
            "Bearer <token>",
            "ваш_токен_сюда",
        ] {
            assert!(is_placeholder(text, Token), "{text}");
        }
        for text in [
            "[your-base64-password]",
            "<BASE64_PASSWORD>",
            "your-base64-encoded-password",
            "YOUR_PASSWORD",
            "token-here",
            "changeme",
            "password",
            "********",
            "…",
            "xxxx",
            "cGFzc3dvcmQ=",
            "dXNlcm5hbWU6cGFzc3dvcmQ=",
        ] {
            assert!(is_placeholder(text, Password), "{text}");
        }
    }

    /// Text of random characters of an alphabet.
    fn random(alphabet: &str, length: usize, seed: &mut u64) -> String {
        let characters: Vec<char> = alphabet.chars().collect();
        let mut next = || {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            characters[usize::try_from(*seed >> 33).unwrap() % characters.len()]
        };
        (0..length).map(|_| next()).collect()
    }

    /// Tokens are assembled here, so that scanners do not report this file. Each is tried with many
    /// random contents.
    #[test]
    fn what_a_registry_issues_is_no_placeholder() {
        const HEX: &str = "0123456789abcdef";
        const LOWER: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
        const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const URL64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut seed = 1;
        for (before, alphabet, length, after) in [
            ("npm_", BASE62, 36, ""),
            ("npm_", BASE62, 20, ""),
            ("ghp_", BASE62, 36, ""),
            ("gho_", BASE62, 36, ""),
            ("ghs_", BASE62, 36, ""),
            ("github_pat_", BASE62, 82, ""),
            ("glpat-", URL64, 20, ""),
            ("glpat-", URL64, 27, ".01.0w0x5m9x"),
            ("gldt-", URL64, 20, ""),
            ("glcbt-1_", URL64, 20, ""),
            ("NpmToken.", HEX, 32, ""),
            ("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ4In0.", URL64, 43, ""),
            ("AKCp", BASE62, 69, ""),
            ("cmVmdGtuOjAxO", BASE62, 51, ""),
            ("", HEX, 32, ""),
            ("", HEX, 40, ""),
            ("", HEX, 64, ""),
            ("", LOWER, 32, ""),
            ("", LOWER, 52, ""),
            ("", BASE32, 52, ""),
            ("", BASE62, 20, ""),
            ("", BASE62, 32, "AAAAAAAAAAAASAZDO1aBc"),
            ("", BASE64, 22, "=="),
            ("", BASE64, 43, "="),
            ("", URL64, 64, ""),
            ("pypi-AgE", URL64, 80, ""),
            ("dckr_pat_", URL64, 27, ""),
            ("Bearer ", BASE62, 40, ""),
        ] {
            for _ in 0..200 {
                let text = format!("{before}{}{after}", random(alphabet, length, &mut seed));
                for kind in [Token, Password] {
                    assert!(!is_placeholder(&text, kind), "{text}");
                }
            }
        }
        for _ in 0..200 {
            let group = |length, seed: &mut u64| random(HEX, length, seed);
            let lengths = [8, 4, 4, 4, 12];
            let groups: Vec<_> = lengths.iter().map(|length| group(*length, &mut seed)).collect();
            assert!(!is_placeholder(&groups.join("-"), Token), "{groups:?}");
        }
        for text in ["hunter2", "p4ssw0rd", "Winter2024!", "correct-horse-battery", "admin"] {
            assert!(!is_placeholder(text, Password), "{text}");
        }
        for text in ["password1", "test1234", "secret123", "12345678", "1111"] {
            assert!(!is_placeholder(text, Password), "{text}");
        }
    }
}
