//! How credentials are recognized: by the setting that contains them, by a word near them, or by
//! their shape.

use std::sync::LazyLock;

use regex::bytes::Regex;

/// The settings of npm and yarn that contain a token, in lower case.
pub(crate) const TOKEN_SETTINGS: [&str; 3] = ["_authtoken", "authtoken", "npmauthtoken"];
/// The settings of npm and yarn that contain a password, alone or after a user's name.
pub(crate) const PASSWORD_SETTINGS: [&str; 3] = ["_auth", "_password", "npmauthident"];

/// Parts of lines that often contain credentials, in lower case.
const HINTS: &str = "_auth|_password|npmauth|token=|password=|pass=|pwd=|pat=|key=|secret\
                     |credential|bearer ";

/// Tokens of a known shape.
const TOKEN: &str = concat!(
    // A variable such as NPM_CONFIG_REGISTRY is not a token.
    r"\b(?:npm_[a-z0-9]{10,}",
    r"|(?:gh[a-z]_|github_pat_|glpat-|xox[a-z]-|sk-|sk_live_|rk_live_|AKIA|ASIA|AIza|eyJ",
    r"|pypi-|hf_|dckr_pat_)[\w.-]{10,})"
);

static TOKEN_REGEX: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!("(?i-u){TOKEN}")).ok());

/// A value after a name such as `api_key`, a token, or a line of a key in PEM. Without Unicode: the
/// regex library is built without its tables.
static SECRET_REGEX: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let name = concat!(
        "(?:token|secret|passw|passphrase|_pass|api[_-]?key|access[_-]?key|private[_-]?key",
        "|encryption[_-]?key|authorization)"
    );
    let named = format!(r#"{name}[\w-]*["']?\s*[:=]\s*["']?[^\s"'^~<>*:$({{]{{6,}}(?:["'\s,;]|$)"#);
    // `ENV NPM_TOKEN …`, and options of commands.
    let spaced = concat!(
        r"^.?\s*(?:env|label)\s+[\w.-]*(?:token|key|auth|pass|pwd)[\w.-]*\s+[^\s$]",
        r#"|--(?:password|token)\s+["']?[^\s"'$<-]"#,
        r#"|\bcurl\s.*\s(?:-u|--user)[\s=]*["']?[\w.@-]+:[^\s"'$<]"#,
        r#"|\blogin\s.*\s-p\s*["']?[^\s"'$<-]"#,
    );
    let pem = r"PRIVATE KEY(?: BLOCK)?-----|^.?\s*[A-Za-z0-9+/]{60,}={0,2}\s*$";
    Regex::new(&format!("(?i-u){named}|{TOKEN}|{spaced}|{pem}")).ok()
});

/// Names of secrets: a mount of a Dockerfile, a list of a compose file, and a setting whose value
/// is `${VARIABLE}`.
static NAME_REGEX: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let mount = r"\btype=secret(?:,[a-z]+(?:=[\w./-]+)?)*";
    let list = r"\bsecrets:\s*(?:\[[\w, -]*\]\s*)?$";
    let reference = r#"[\w.-]+\s*[:=]\s*["']?\$\{\w+\}["']?\s*$"#;
    Regex::new(&format!("(?i-u){mount}|{list}|{reference}")).ok()
});

/// Parts of lines, in lower case, of which [`SECRET_REGEX`] needs one, but for a line of a key.
const PARTS: &str = "token|secret|pass|key|auth|pwd|curl|login|npm_|gh|glpat-|xox|sk-|k_live_\
                     |akia|asia|aiza|eyj|pypi-|hf_|_pat_";

/// The number of letters, digits, `+` and `/` in a row that may be a line of a key.
const KEY_LINE: usize = 60;

/// Whether a line may contain a secret. The search with a regular expression takes longer, and most
/// lines have none of its parts.
fn may_hold_secret(line: &[u8]) -> bool {
    let lower = line.to_ascii_lowercase();
    let is_of_key = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    PARTS.split('|').any(|part| memchr::memmem::find(&lower, part.as_bytes()).is_some())
        || line.split(|byte| !is_of_key(byte)).any(|run| run.len() >= KEY_LINE)
}

/// Whether a line may contain credentials: `_authToken=…`, `TOKEN=…`, `https://user:password@host`.
pub(crate) fn holds_credentials(line: &[u8]) -> bool {
    let lower = line.to_ascii_lowercase();
    let holds = |hint: &str| memchr::memmem::find(&lower, hint.as_bytes()).is_some();
    let mut urls = memchr::memmem::find_iter(line, b"://").map(|at| &line[at + 3..]);
    urls.any(|url| {
        let authority = url.split(|byte| b"/ \t\"'".contains(byte)).next();
        authority.is_some_and(|authority| authority.contains(&b'@'))
    }) || HINTS.split('|').any(holds)
}

/// Whether a line of a file seems to contain a secret. This only decides what a report masks.
pub(crate) fn holds_secret(line: &[u8]) -> bool {
    if !may_hold_secret(line) {
        return holds_credentials(line);
    }
    let line = match NAME_REGEX.as_ref() {
        Some(regex) => regex.replace_all(line, &b""[..]),
        None => line.into(),
    };
    let line = line.as_ref();
    is_match(SECRET_REGEX.as_ref(), line) || holds_credentials(line)
}

/// Whether a line contains a token of a known shape.
pub(crate) fn holds_token(line: &[u8]) -> bool {
    is_match(TOKEN_REGEX.as_ref(), line)
}

/// A pattern that does not compile matches everything: then everything is masked.
fn is_match(regex: Option<&Regex>, line: &[u8]) -> bool {
    regex.is_none_or(|regex| regex.is_match(line))
}

#[cfg(test)]
mod tests {
    use super::{SECRET_REGEX, holds_secret, is_match, may_hold_secret};

    #[test]
    fn a_line_that_the_expression_matches_has_one_of_its_parts() {
        let key = "A+/9".repeat(15);
        let of_names = "token secret passw passphrase a_pass api_key access-key privatekey \
                        encryption_key authorization";
        let of_tokens = "npm_ gha_ ghp_ github_pat_ glpat- xoxb- sk- sk_live_ rk_live_ AKIA ASIA \
                         AIza eyJ pypi- hf_ dckr_pat_";
        let named = of_names.split_whitespace().map(|name| format!("{name}: 'abcdef'"));
        let tokens = of_tokens.split_whitespace().map(|start| format!("{start}0123456789"));
        let others = [
            "-----BEGIN PRIVATE KEY-----",
            "PRIVATE KEY BLOCK-----",
            &key,
            "+  ENV A_TOKEN x",
            "label the-key x",
            "ENV AUTH x",
            "ENV A_PASS x",
            "ENV PWD_OF x",
            "a --password x",
            "a --token 'x",
            "curl -fsSL -u a:b",
            "curl -X POST --user=a:b",
            "docker login -u a -p b",
        ];
        for line in named.chain(tokens).chain(others.map(str::to_owned)) {
            for line in [line.to_ascii_uppercase(), line.to_ascii_lowercase(), line] {
                let line = line.as_bytes();
                assert!(is_match(SECRET_REGEX.as_ref(), line), "{}", line.escape_ascii());
                assert!(may_hold_secret(line), "{}", line.escape_ascii());
            }
        }
        assert!(!may_hold_secret(b"RUN --mount=type=cache,target=/root/.npm npm ci"));
        assert!(!holds_secret(&key.as_bytes()[1..]) && holds_secret(b"https://a:b@c.example"));
    }
}
