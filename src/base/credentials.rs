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

/// Whether a line may contain credentials: `_authToken=…`, `TOKEN=…`, `https://user:password@host`.
pub(crate) fn holds_credentials(line: &[u8]) -> bool {
    let holds = |hint: &str| {
        line.windows(hint.len()).any(|window| window.eq_ignore_ascii_case(hint.as_bytes()))
    };
    let mut urls = memchr::memmem::find_iter(line, b"://").map(|at| &line[at + 3..]);
    urls.any(|url| {
        let authority = url.split(|byte| b"/ \t\"'".contains(byte)).next();
        authority.is_some_and(|authority| authority.contains(&b'@'))
    }) || HINTS.split('|').any(holds)
}

/// Whether a line of a file seems to contain a secret. This only decides what a report masks.
pub(crate) fn holds_secret(line: &[u8]) -> bool {
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
