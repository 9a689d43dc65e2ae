//! The table of file names: the only place that derives the kind of a file from its name.

use fast_glob::glob_match;

use crate::base::path::{RepoPath, folded};
use crate::formats::Syntax;
use crate::formats::npmrc::SettingsDialect;

/// The kind of a file to the tools that read it; [`TABLE`] has the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Manifest,
    /// `package.json5`, which pnpm reads.
    ManifestJson5,
    /// `package.yaml`, which pnpm reads.
    ManifestYaml,
    PnpmWorkspace,
    PnpmLock,
    /// `pnpm-lock.<branch>.yaml`, which pnpm writes with `gitBranchLockfile`.
    PnpmBranchLock,
    NpmLock,
    YarnLock,
    /// Yarn's Plug'n'Play data: `.pnp.cjs` and `.pnp.data.json`.
    YarnPnp,
    BunLock,
    BunBinaryLock,
    CargoLock,
    /// The settings of npm; pnpm and Yarn 1 read them too.
    Npmrc,
    /// A file to copy over those, such as `.npmrc.docker`.
    NpmrcCopy,
    /// The settings of Yarn 2 and later.
    YarnrcYml,
    /// A file to copy over those, such as `.yarnrc.ci.yml`.
    YarnrcYmlCopy,
    /// The settings of Yarn 1.
    Yarnrc,
    /// A file to copy over those.
    YarnrcCopy,
    /// The variables that Yarn 2 and later reads into its settings.
    YarnEnvironment,
    /// The settings of bun.
    Bunfig,
    /// The environment variables that bun reads, also before it installs.
    BunEnvironment,
    /// Code that a package manager runs when it installs: hooks of pnpm, plugins of Yarn.
    InstallCode,
    /// A change of a package that pnpm applies.
    Patch,
    ToolVersions,
    Mise,
    Prototools,
    /// A workflow of GitHub, Gitea or Forgejo, or an action.
    Workflow,
    GitlabPipeline,
    Compose,
    Devcontainer,
    Dockerfile,
    /// A bake file in the syntax of HCL.
    BakeHcl,
    /// A bake file in JSON.
    BakeJson,
    /// `.dockerignore` and `.containerignore`, also those of one Dockerfile.
    Dockerignore,
    Gitignore,
    Markdown,
    /// A page, a template or code that is named after a Dockerfile.
    NoDockerfile,
    /// What a `.env` may contain, for a person to copy.
    EnvironmentExample,
    /// A file of secrets, such as an environment or a private key.
    Secret,
    /// Settings of Railway, which builds Dockerfiles, and refuses cache mounts without an id of its
    /// own.
    Railway,
    /// The script that prepares a Docker build.
    PrepScript,
}

use FileKind::{
    BakeHcl, BakeJson, BunBinaryLock, BunEnvironment, BunLock, Bunfig, CargoLock, Compose,
    Devcontainer, Dockerfile, Dockerignore, EnvironmentExample, Gitignore, GitlabPipeline,
    InstallCode, Manifest, ManifestJson5, ManifestYaml, Markdown, Mise, NoDockerfile, NpmLock,
    Npmrc, NpmrcCopy, Patch, PnpmBranchLock, PnpmLock, PnpmWorkspace, PrepScript, Prototools,
    Railway, Secret, ToolVersions, Workflow, YarnEnvironment, YarnLock, YarnPnp, Yarnrc,
    YarnrcCopy, YarnrcYml, YarnrcYmlCopy,
};

/// The directories in which a name has its meaning, case-sensitive; `None` for all.
type Home = Option<fn(&RepoPath) -> bool>;

const WORKFLOWS: Home = Some(|path| {
    matches!(path.parent(), b".github/workflows" | b".gitea/workflows" | b".forgejo/workflows")
});
const OF_MISE: Home =
    Some(|path| matches!(path.components().nth_back(1), Some(b"mise" | b".mise")));
const OF_YARN: Home = Some(|path| {
    let mut parts = path.components().skip_while(|part| *part != b".yarn");
    parts.nth(1) == Some(b"plugins")
});

/// The names of code about Dockerfiles; `Dockerfile.go` is the Dockerfile of a service in Go.
const OF_CODE: Home = Some(|path| path.file_name().starts_with(b"d"));

/// The glob of pages, templates and copies that are named after a Dockerfile. What a template makes
/// of it is unknown.
macro_rules! no_dockerfile {
    ($stem:literal) => {
        concat!(
            $stem,
            ".{,*.}{mdx,rst,html,adoc,j2,jinja,jinja2,tmpl,tpl,template,erb,hbs,mustache,ejs,in,\
             json,yaml,yml,bak,orig}"
        )
    };
}

/// Globs of names in lower case, and their kinds. A name may match several rows; the first one
/// whose kind is asked for counts.
static TABLE: [(&str, Home, FileKind); 63] = [
    ("package.json", None, Manifest),
    ("package.json5", None, ManifestJson5),
    ("package.yaml", None, ManifestYaml),
    ("pnpm-workspace.yaml", None, PnpmWorkspace),
    ("pnpm-lock.yaml", None, PnpmLock),
    ("pnpm-lock.*.yaml", None, PnpmBranchLock),
    ("package-lock.json", None, NpmLock),
    ("npm-shrinkwrap.json", None, NpmLock),
    ("yarn.lock", None, YarnLock),
    (".pnp.cjs", None, YarnPnp),
    (".pnp.data.json", None, YarnPnp),
    ("bun.lock", None, BunLock),
    ("bun.lockb", None, BunBinaryLock),
    ("cargo.lock", None, CargoLock),
    (".npmrc", None, Npmrc),
    (".npmrc[-._]*", None, NpmrcCopy),
    ("npmrc", None, NpmrcCopy),
    ("*.npmrc", None, NpmrcCopy),
    (".yarnrc.yml", None, YarnrcYml),
    (".yarnrc{,[-._]*}.{yml,yaml}*", None, YarnrcYmlCopy),
    (".yarnrc", None, Yarnrc),
    (".yarnrc[-._]*", None, YarnrcCopy),
    (".env.yarn", None, YarnEnvironment),
    (".env{,.local,.{development,production,test}{,.local}}", None, BunEnvironment),
    ("bunfig.toml", None, Bunfig),
    (".pnpmfile.cjs", None, InstallCode),
    (".pnpmfile.mjs", None, InstallCode),
    ("plugin-*.cjs", OF_YARN, InstallCode),
    ("*.patch", None, Patch),
    (".tool-versions", None, ToolVersions),
    ("mise.toml", None, Mise),
    (".mise.toml", None, Mise),
    ("config.toml", OF_MISE, Mise),
    (".prototools", None, Prototools),
    (".gitlab-ci.yml", None, GitlabPipeline),
    ("devcontainer.json", None, Devcontainer),
    (".devcontainer.json", None, Devcontainer),
    ("docker-compose*.y{,a}ml", None, Compose),
    ("compose*.y{,a}ml", None, Compose),
    ("action.y{,a}ml", None, Workflow),
    ("?*.y{,a}ml", WORKFLOWS, Workflow),
    ("docker-prep.sh", None, PrepScript),
    (".env[-._]{example,sample,template,dist}", None, EnvironmentExample),
    (".env*", None, Secret),
    (".netrc*", None, Secret),
    ("id_{rsa,ed25519}*", None, Secret),
    ("*.pem", None, Secret),
    ("*.key", None, Secret),
    ("*.p12", None, Secret),
    ("*.pfx", None, Secret),
    ("*.{docker,container}ignore", None, Dockerignore),
    (".gitignore", None, Gitignore),
    ("*.md", None, Markdown),
    (no_dockerfile!("dockerfile"), None, NoDockerfile),
    (no_dockerfile!("containerfile"), None, NoDockerfile),
    ("dockerfile.{ts,tsx,js,jsx,mjs,cjs,py,go,rs,rb,php,java,kt,sh}", OF_CODE, NoDockerfile),
    ("docker-bake{,.*}.hcl", None, BakeHcl),
    ("docker-bake{,.*}.json", None, BakeJson),
    ("*.mdx", None, Markdown),
    ("railway.{json,toml}", None, Railway),
    ("dockerfile{,.*}", None, Dockerfile),
    ("containerfile{,.*}", None, Dockerfile),
    ("*.{docker,container}file", None, Dockerfile),
];

/// The rows of the table whose globs are names, as bits.
static NAMES: u64 = {
    let (mut names, mut row) = (0, 0);
    while row < TABLE.len() {
        let glob = TABLE[row].0.as_bytes();
        let mut at = 0;
        while at < glob.len() && !matches!(glob[at], b'*' | b'?' | b'[' | b'{' | b'\\') {
            at += 1;
        }
        if at == glob.len() {
            names |= 1 << row;
        }
        row += 1;
    }
    names
};

/// For each byte, the rows whose names can begin or end with it, as bits.
type Rows = [u64; 128];
const EVERY: u64 = (1 << TABLE.len()) - 1;
static BY_FIRST: Rows = rows(false);
static BY_LAST: Rows = rows(true);

const fn rows(by_last: bool) -> Rows {
    let mut found = [0; 128];
    let mut row = 0;
    while row < TABLE.len() {
        let glob = TABLE[row].0.as_bytes();
        let byte = glob[if by_last { glob.len() - 1 } else { 0 }];
        let is_open = matches!(byte, b'*' | b'?' | b'[' | b'{' | b'}');
        let mut value = 0;
        while value < found.len() {
            if is_open || value == byte as usize {
                found[value] |= 1 << row;
            }
            value += 1;
        }
        row += 1;
    }
    found
}

/// The rows that a name may match, as bits; most names of a tree match none.
fn candidates(name: &[u8]) -> u64 {
    let rows = |table: &Rows, byte: u8| {
        if byte.is_ascii() { table[usize::from(byte.to_ascii_lowercase())] } else { EVERY }
    };
    name.first()
        .zip(name.last())
        .map_or(0, |(first, last)| rows(&BY_FIRST, *first) & rows(&BY_LAST, *last))
}

impl FileKind {
    /// The part that the names of settings of npm have in common.
    pub(crate) const NPM_SETTINGS: &str = "npmrc";

    /// Whether a Docker build, or what it installs, may depend on such a file.
    pub(crate) fn may_build(self) -> bool {
        self.describes_builds()
            || matches!(
                self,
                Gitignore
                    | EnvironmentExample
                    | Npmrc
                    | NpmrcCopy
                    | Manifest
                    | PnpmWorkspace
                    | PnpmLock
                    | NpmLock
                    | YarnLock
                    | BunLock
                    | Yarnrc
                    | YarnrcYml
                    | Bunfig
            )
            || self.may_lock()
    }

    /// Whether a path has the part that all names of Dockerfiles have. This is faster than
    /// [`FileKind::matches`].
    pub(crate) fn may_be_dockerfile(path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path).as_bytes();
        let is_part =
            |at: usize| name.get(at..at + 4).is_some_and(|part| part.eq_ignore_ascii_case(b"file"));
        memchr::memchr2_iter(b'f', b'F', name).any(is_part)
    }

    /// Whether such a file says that there are Docker builds, or which files they get.
    pub(crate) fn describes_builds(self) -> bool {
        matches!(
            self,
            Dockerfile | Dockerignore | BakeHcl | BakeJson | Compose | Workflow | GitlabPipeline
        )
    }

    /// The first kind of a path that `is_asked` accepts.
    ///
    /// Names are compared with case folded: on macOS and Windows, a tool that opens `package.json`
    /// may read `Package.json`.
    pub(crate) fn of(path: &RepoPath, is_asked: impl Fn(Self) -> bool) -> Option<Self> {
        let name = path.file_name();
        let mut candidates = candidates(name);
        let mut asked = 0_u64;
        let mut rest = candidates;
        while rest != 0 {
            let row = rest.trailing_zeros();
            asked |= u64::from(is_asked(TABLE[row as usize].2)) << row;
            rest &= rest - 1;
        }
        // Most names are not folded: no row of theirs is asked for, and others only matter before
        // one that is.
        let mut in_lower_case = None;
        while asked != 0 {
            let row = candidates.trailing_zeros() as usize;
            let (glob, home, kind) = TABLE[row];
            let is_asked = asked >> row & 1 == 1;
            // `Dockerfile.md` is not a Dockerfile.
            let is_final = matches!(kind, Dockerignore | Markdown | NoDockerfile);
            let mut matches = || {
                // Most rows are names, and need no glob.
                if NAMES >> row & 1 == 1 && name.is_ascii() {
                    return name.eq_ignore_ascii_case(glob.as_bytes());
                }
                glob_match(glob, &**in_lower_case.get_or_insert_with(|| folded(name)))
            };
            if (is_asked || is_final) && home.is_none_or(|home| home(path)) && matches() {
                return is_asked.then_some(kind);
            }
            candidates &= candidates - 1;
            asked &= candidates;
        }
        None
    }

    /// The directory that a file of this kind configures.
    pub(crate) fn home(self, path: &RepoPath) -> &[u8] {
        let directory = path.parent();
        match self {
            // Steps start at the top of the repository.
            Workflow => b"",
            Mise => [&b".config/mise"[..], b".mise", b"mise", b".config"]
                .iter()
                .find_map(|inner| {
                    directory
                        .strip_suffix(*inner)
                        .filter(|rest| rest.is_empty() || rest.ends_with(b"/"))
                })
                .map_or(directory, |outer| outer.strip_suffix(b"/").unwrap_or(outer)),
            Devcontainer => {
                let parts = directory
                    .split(|&byte| byte == b'/')
                    .take_while(|part| *part != b".devcontainer");
                let length: usize = parts.map(|part| part.len() + 1).sum();
                &directory[..length.saturating_sub(1)]
            }
            _ => directory,
        }
    }

    /// Whether a path has this kind.
    pub(crate) fn matches(self, path: &RepoPath) -> bool {
        Self::of(path, |kind| kind == self).is_some()
    }

    /// Whether a file may pin a package manager.
    pub(crate) fn may_pin(self) -> bool {
        self.may_move_a_pin() || self == PnpmLock
    }

    /// Whether a new file may change a pin. Not a lockfile: it is large, and follows the manifest.
    pub(crate) fn may_move_a_pin(self) -> bool {
        matches!(
            self,
            Manifest
                | PnpmWorkspace
                | Dockerfile
                | Workflow
                | GitlabPipeline
                | Compose
                | Devcontainer
                | ToolVersions
                | Mise
                | Prototools
                | YarnrcYml
                | Yarnrc
        )
    }

    /// The syntax of a file with the dependencies of a package or workspace, or with settings for
    /// them; `None` for other files.
    pub(crate) fn dependencies(self) -> Option<Syntax> {
        match self {
            Manifest => Some(Syntax::Json),
            ManifestJson5 => Some(Syntax::Json5),
            ManifestYaml | PnpmWorkspace | YarnrcYml => Some(Syntax::Yaml),
            Bunfig => Some(Syntax::Toml),
            _ => None,
        }
    }

    /// The dialect of settings that a package manager reads when it installs; `None` for other
    /// files, and for settings in a syntax of [`FileKind::dependencies`].
    pub(crate) fn settings(self) -> Option<SettingsDialect> {
        match self {
            Npmrc | Yarnrc => self.credentials(),
            YarnEnvironment | BunEnvironment => Some(SettingsDialect::Dotenv),
            _ => None,
        }
    }

    /// Whether it is a lockfile of a package manager for JavaScript.
    pub(crate) fn is_lockfile(self) -> bool {
        matches!(
            self,
            PnpmLock | PnpmBranchLock | NpmLock | YarnLock | YarnPnp | BunLock | BunBinaryLock
        )
    }

    /// The commands that install the dependencies of a project.
    pub(crate) const INSTALL_COMMANDS: [&str; 4] =
        ["bun install", "npm install", "pnpm install", "yarn install"];

    /// The one of the package manager that wrote this lockfile; `None` for other files.
    pub(crate) fn install_command(self) -> Option<&'static str> {
        let [bun, npm, pnpm, yarn] = Self::INSTALL_COMMANDS;
        match self {
            PnpmLock | PnpmBranchLock => Some(pnpm),
            NpmLock => Some(npm),
            YarnLock | YarnPnp => Some(yarn),
            BunLock | BunBinaryLock => Some(bun),
            _ => None,
        }
    }

    /// The dialect of settings that may contain credentials of a registry; `None` for other files.
    pub(crate) fn credentials(self) -> Option<SettingsDialect> {
        match self {
            Npmrc | NpmrcCopy => Some(SettingsDialect::Npmrc),
            YarnrcYml | YarnrcYmlCopy => Some(SettingsDialect::Berry),
            Yarnrc | YarnrcCopy => Some(SettingsDialect::Yarnrc),
            _ => None,
        }
    }

    /// Whether a path is the configuration of a tool that builds a web application or a server.
    /// Without it, such a tool builds something else, and does not fail.
    pub(crate) fn is_build_config(path: &RepoPath) -> bool {
        const GLOBS: [&str; 3] = [
            "{postcss,tailwind,next,vite,svelte,astro,nuxt,babel,webpack,rollup}.config.\
             {js,cjs,mjs,ts,cts,mts,json}",
            ".{postcss,babel}rc{,.js,.cjs,.mjs,.ts,.json,.yaml,.yml}",
            "{.swcrc,nest-cli.json}",
        ];
        GLOBS.iter().any(|glob| glob_match(glob, path.file_name()))
    }

    /// Whether no step of a build reads the variables that such a file names: it describes builds,
    /// is a document, or has only names and versions of packages.
    pub(crate) fn names_no_variable(self) -> bool {
        matches!(
            self,
            Dockerfile | Compose | Workflow | GitlabPipeline | Markdown | Dockerignore | Gitignore
        ) || self.is_lockfile()
    }

    /// The file of variables that many tools load.
    pub(crate) const ENVIRONMENT: &str = ".env";

    /// For a configuration of Babel or SWC, the packages that read it when they build; `None` for
    /// the others. Vite does not read it, and often only the tests need it.
    pub(crate) fn readers_of_config(path: &RepoPath) -> Option<&'static [&'static str]> {
        let name = path.file_name();
        if glob_match("{babel.config.*,.babelrc*}", name) {
            Some(&["babel-loader", "@babel/cli", "@rollup/plugin-babel", "next", "gatsby"])
        } else if glob_match(".swcrc", name) {
            Some(&["swc-loader", "@swc/cli", "@nestjs/cli"])
        } else {
            None
        }
    }

    /// Whether it consists of names and versions of packages, which may look like tokens.
    pub(crate) fn is_made_of_names(self) -> bool {
        matches!(
            self,
            Manifest | NpmLock | PnpmLock | PnpmWorkspace | YarnLock | BunLock | CargoLock
        )
    }
}

/// The literal names.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.into_iter().map(|(glob, ..)| glob).filter(|glob| !glob.contains(['*', '{', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The results of all queries.
    fn answers(path: &RepoPath) -> String {
        let kind = |is_asked: fn(FileKind) -> bool| FileKind::of(path, is_asked);
        let shown = [
            kind(FileKind::may_pin).map(|kind| format!("pins {kind:?}")),
            kind(|kind| kind.dependencies().is_some()).map(|kind| format!("depends {kind:?}")),
            kind(|kind| kind.settings().is_some()).map(|kind| format!("sets {kind:?}")),
            kind(FileKind::is_lockfile).map(|kind| format!("locks {kind:?}")),
            kind(|kind| kind.credentials().is_some())
                .map(|kind| format!("credentials {:?}", kind.credentials())),
            kind(FileKind::is_made_of_names).map(|_| "names".to_owned()),
            kind(|kind| kind == InstallCode).map(|_| "code".to_owned()),
            kind(|kind| kind == Secret).map(|_| "secret".to_owned()),
        ];
        shown
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ")
            .replace("credentials Some", "credentials ")
    }

    #[test]
    fn configurations_of_build_tools_are_known_by_name() {
        assert!(FileKind::Gitignore.matches(&"a/.gitignore".into()));
        for (path, expected) in [
            ("web/postcss.config.mjs", true),
            ("next.config.ts", true),
            (".babelrc", true),
            ("a/.postcssrc.json", true),
            ("nest-cli.json", true),
            ("next.config.js.bak", false),
            ("jest.config.js", false),
            ("next.config.md", false),
            ("tsconfig.json", false),
        ] {
            assert_eq!(FileKind::is_build_config(&path.into()), expected, "{path}");
        }
    }

    #[test]
    fn files_that_read_no_variable_are_known_by_name() {
        let passive = |path: &str| FileKind::of(&path.into(), FileKind::names_no_variable);
        for path in ["a/Dockerfile", "compose.yaml", ".github/workflows/a.yml", "a.md"] {
            assert!(passive(path).is_some(), "{path}");
        }
        for path in ["a.js", ".npmrc", "package.json", ".env.example", "docker-prep.sh"] {
            assert!(passive(path).is_none(), "{path}");
        }
        for (path, expected) in
            [(".babelrc.js", true), ("babel.config.cjs", true), (".swcrc", true), ("a.ts", false)]
        {
            let readers = FileKind::readers_of_config(&path.into());
            assert_eq!(readers.is_some(), expected, "{path}");
        }
        for (path, expected) in [
            (".env.example", true),
            ("a/.env-sample", true),
            (".env.local.example", false),
            (".env", false),
        ] {
            assert_eq!(FileKind::EnvironmentExample.matches(&path.into()), expected, "{path}");
        }
    }

    #[test]
    fn every_name_has_the_kinds_that_tools_see() {
        for (paths, expected) in [
            (
                "package.json a/Package.JSON pac\u{212a}age.j\u{17f}on",
                "pins Manifest, depends Manifest, names",
            ),
            ("package.json5", "depends ManifestJson5"),
            ("package.yaml .github/x/package.yaml", "depends ManifestYaml"),
            ("pnpm-workspace.yaml", "pins PnpmWorkspace, depends PnpmWorkspace, names"),
            ("pnpm-lock.yaml PNPM-LOC\u{212a}.yaml", "pins PnpmLock, locks PnpmLock, names"),
            ("pnpm-lock.feat!a.yaml pnpm-lock..yaml", "locks PnpmBranchLock"),
            ("package-lock.json npm-shrinkwrap.json", "locks NpmLock, names"),
            ("a/yarn.lock", "locks YarnLock, names"),
            (".pnp.cjs .pnp.data.json", "locks YarnPnp"),
            ("bun.lock", "locks BunLock, names"),
            ("bun.lockb", "locks BunBinaryLock"),
            ("Cargo.lock", "names"),
            ("patches/a@1.0.0.patch a.diff", ""),
            (".npmrc a/.NPMRC", "sets Npmrc, credentials (Npmrc)"),
            (".npmrc.docker .npmrc-ci .npmrc_x npmrc a.npmrc .npmrc.md", "credentials (Npmrc)"),
            (".yarnrc.yml", "pins YarnrcYml, depends YarnrcYml, credentials (Berry)"),
            (".yarnrc.yaml .yarnrc.ci.yml .yarnrc-ci.yml.x", "credentials (Berry)"),
            (".yarnrc", "pins Yarnrc, sets Yarnrc, credentials (Yarnrc)"),
            (".yarnrc.docker .yarnrc-yml", "credentials (Yarnrc)"),
            (".env.yarn", "sets YarnEnvironment, secret"),
            (".env a/.env.local .ENV.production.local", "sets BunEnvironment, secret"),
            ("bunfig.toml", "depends Bunfig"),
            (
                ".pnpmfile.cjs a/.pnpmfile.mjs .yarn/plugins/@s/plugin-x.cjs \
                 a/.yarn/plugins/plugin-x.cjs",
                "code",
            ),
            (".tool-versions", "pins ToolVersions"),
            (
                "mise.toml .mise.toml mise/config.toml a/.mise/config.toml \
                 .config/mise/config.toml",
                "pins Mise",
            ),
            (".prototools", "pins Prototools"),
            (".gitlab-ci.yml", "pins GitlabPipeline"),
            (
                "devcontainer.json .devcontainer.json .devcontainer/devcontainer.json",
                "pins Devcontainer",
            ),
            (
                "compose.yml docker-compose.prod.yaml Compose.yaml compose\u{200d}.yml",
                "pins Compose",
            ),
            (
                "action.yml a/action.yaml .github/workflows/a.yml .gitea/workflows/\u{e4}.YAML",
                "pins Workflow",
            ),
            (".github/workflows/package.yaml", "pins Workflow, depends ManifestYaml"),
            (
                "Dockerfile containerfile Dockerfile.prod web.dockerfile .Dockerfile \
                 Doc\u{212a}erfile Dockerfile.go Dockerfile.ts.prod tmpl.Dockerfile",
                "pins Dockerfile",
            ),
            (
                "Dockerfile.md Dockerfile.mdx Dockerfile.tmpl Dockerfile.web.j2 \
                 containerfile.template dockerfile.ts dockerfile.go dockerfile.test.json \
                 Dockerfile.dockerignore Containerfile.containerignore",
                "",
            ),
            ("Dockerfile.npmrc", "pins Dockerfile, credentials (Npmrc)"),
            (
                ".env.docker .env-x id_rsa id_ed25519.pub .netrc a.pem a.key a.p12 a.PFX .env.md",
                "secret",
            ),
            ("Dockerfile.key", "pins Dockerfile, secret"),
            (".npmrc.pem", "credentials (Npmrc), secret"),
            (
                "package.jsonc my-package.json packages.json package.js\u{f6}n pnpm-lock-x.yaml \
                 yarn.lock.md bun.lockbox",
                "",
            ),
            (
                ".yarnrcs npmrc.bak mise/config.toml.x config.toml docker-composeyml .yml a.yml \
                 .github/a.yml",
                "",
            ),
            (".github/workflows/.yml .GitHub/workflows/a.yml Dockerfiles", ""),
            (".dockerignore NotADockerfile README.md docker-prep.sh", ""),
            ("pnpmfile.js plugins/plugin-x.cjs .yarn/releases/plugin-x.cjs .env.yarn.md/x", ""),
        ] {
            for path in paths.split(' ') {
                assert_eq!(answers(&path.into()), expected, "{path}");
            }
        }
        assert_eq!(answers(&RepoPath::new(*b"\xff.npmrc")), "credentials (Npmrc)");
        assert_eq!(answers(&RepoPath::new(*b".github/workflows/\xff.yml")), "pins Workflow");
        for path in ["", "/", "\u{200d}", "*", "{", "a/"] {
            assert_eq!(answers(&path.into()), "", "{path:?}");
        }
        assert!(FileKind::Dockerignore.matches(&"api/Dockerfile.dockerignore".into()));
        for (path, is_railway) in [("api/railway.toml", true), ("my-railway.json", false)] {
            assert_eq!(FileKind::Railway.matches(&path.into()), is_railway);
        }
    }

    #[test]
    fn the_table_finds_a_row_by_the_first_and_the_last_byte() {
        for (row, (glob, ..)) in TABLE.into_iter().enumerate() {
            assert!(
                fast_glob::validate(glob).is_ok() && glob.to_ascii_lowercase() == glob,
                "{glob}"
            );
            let name: Vec<u8> = glob.bytes().filter(|byte| !b"*?[]{}".contains(byte)).collect();
            assert_ne!(candidates(&name) & (1 << row), 0, "{glob}");
        }
        assert_eq!(
            ["util.ts", "main.rs", "a.js"].map(|name| candidates(name.as_bytes())),
            [0, 0, 0]
        );
    }
}
