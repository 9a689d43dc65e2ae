//! Overlays with the real package managers, while the registry of the packed packages is dead.

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output, Stdio};

    use serde_json::{Value as Json, json};

    use crate::base::path::RepoPath;
    use crate::pins::pin::Manager;
    use crate::prepare::file::Placement;
    use crate::prepare::overlay::{self, Input, Top};
    use crate::prepare::{Packed, PackedManifest};

    const DIR: &str = ".docker-deps";
    /// Nothing answers there.
    const DEAD: &str = "http://127.0.0.1:9/";

    /// A package manager, and the package that it is installed from.
    const MANAGERS: [(&str, &str); 9] = [
        ("pnpm@9.15.9", "pnpm"),
        ("pnpm@10.4.1", "pnpm"),
        ("pnpm@10.6.5", "pnpm"),
        ("pnpm@10.34.9", "pnpm"),
        ("pnpm@11.28.11", "pnpm"),
        ("pnpm@12.21.0", "pnpm"),
        ("npm@11.21.2", "npm"),
        ("yarn@4.18.1", "@yarnpkg/cli-dist"),
        ("yarn@1.22.22", "yarn"),
    ];

    /// The packages: name, and manifest. Each answers with its name and what it requires.
    fn packages() -> Vec<(&'static str, Json)> {
        vec![
            ("log", json!({"dependencies": {"ms": "^2.1.3"}})),
            ("config", json!({"dependencies": {"@acme/log": "1.0.0"}})),
            ("http", json!({"dependencies": {"@acme/config": "^1.0.0", "@acme/log": "~1.0.0"}})),
            ("react", json!({"peerDependencies": {"@acme/log": "^1.0.0"}})),
            (
                "cli",
                json!({"bin": {"acme": "index.js"}, "dependencies": {"@acme/http": "1.0.0"},
                "optionalDependencies": {"@acme/opt": "1.0.0"}}),
            ),
            ("opt", json!({})),
        ]
    }

    /// A product.
    struct MatrixCase {
        name: &'static str,
        manifest: Json,
        /// The overrides of its own, written where the package manager reads them.
        overrides: Json,
        /// The `pnpm-workspace.yaml` of its directory.
        workspace: Option<&'static str>,
        /// That of the top.
        top: Option<&'static str>,
        is_at_top: bool,
        is_production: bool,
        needs: &'static [&'static str],
        /// What it can require, and what it must not find.
        has: &'static [&'static str],
        lacks: &'static [&'static str],
        /// The names of package managers that it is for.
        only: &'static str,
    }

    impl MatrixCase {
        fn new(
            name: &'static str,
            manifest: Json,
            needs: &'static [&'static str],
            has: &'static [&'static str],
        ) -> Self {
            Self {
                name,
                manifest,
                overrides: Json::Null,
                workspace: None,
                top: None,
                is_at_top: false,
                is_production: false,
                needs,
                has,
                lacks: &[],
                only: "",
            }
        }
    }

    const HTTP: &[&str] = &["http", "config", "log"];

    /// Products that differ in what they ask for.
    fn cases() -> Vec<MatrixCase> {
        let react = json!({"dependencies": {"@acme/react": "^1.0.0"}});
        let own_peer = || json!({"peerDependencies": {"@acme/log": "^1.0.0"}});
        vec![
            MatrixCase::new(
                "direct",
                json!({"dependencies": {"@acme/http": "^1.0.0"}}),
                HTTP,
                &["@acme/http"],
            ),
            MatrixCase::new(
                "workspace",
                json!({"dependencies": {"@acme/http": "workspace:^", "@acme/log": "workspace:*"}}),
                HTTP,
                &["@acme/http", "@acme/log"],
            ),
            MatrixCase {
                top: Some("packages: [backend]\ncatalog: {ms: 2.1.2, '@acme/log': ^1.0.0}\n"),
                only: "pnpm",
                ..MatrixCase::new(
                    "catalog",
                    json!({"dependencies": {"@acme/log": "catalog:", "ms": "catalog:"}}),
                    &["log"],
                    &["@acme/log", "ms=2.1.2"],
                )
            },
            // Yarn does not install peers.
            MatrixCase {
                only: "pnpm npm",
                ..MatrixCase::new("peer", react.clone(), &["react", "log"], &["@acme/react"])
            },
            MatrixCase {
                only: "pnpm npm",
                workspace: Some("autoInstallPeers: false\n"),
                ..MatrixCase::new("peer, not automatic", react, &["react", "log"], &["@acme/react"])
            },
            MatrixCase {
                only: "pnpm npm",
                ..MatrixCase::new("own peer", own_peer(), &["log"], &["@acme/log"])
            },
            MatrixCase {
                only: "pnpm npm",
                is_production: true,
                ..MatrixCase::new("own peer, production", own_peer(), &["log"], &["@acme/log"])
            },
            MatrixCase::new(
                "alias",
                json!({"dependencies": {"logger": "npm:@acme/log@*"}}),
                &["log"],
                &["logger"],
            ),
            MatrixCase::new(
                "optional",
                json!({"optionalDependencies": {"@acme/opt": "*"}}),
                &["opt"],
                &["@acme/opt"],
            ),
        ]
    }

    /// Products that install in another way.
    fn other_cases() -> Vec<MatrixCase> {
        let both = || {
            json!({"dependencies": {"@acme/http": "*"},
            "devDependencies": {"@acme/cli": "workspace:*"}})
        };
        let cli: &[&str] = &["cli", "http", "config", "log", "opt"];
        vec![
            MatrixCase::new("development", both(), cli, &["@acme/http", "@acme/cli"]),
            MatrixCase {
                is_production: true,
                lacks: &["@acme/cli"],
                ..MatrixCase::new("production", both(), cli, &["@acme/http"])
            },
            MatrixCase::new(
                "local",
                json!({"dependencies": {"@acme/http": "file:./h.tgz", "@acme/log": "link:../log"}}),
                HTTP,
                &["@acme/http", "@acme/log"],
            ),
            MatrixCase {
                overrides: json!({"@acme/log": "^1.0.0", "ms": "2.1.2"}),
                ..MatrixCase::new(
                    "own overrides",
                    json!({"dependencies": {"@acme/log": "^1.0.0", "@acme/config": "*"}}),
                    &["config", "log"],
                    &["@acme/log", "@acme/config", "@acme/log>ms=2.1.2"],
                )
            },
            MatrixCase::new(
                "out of range",
                json!({"dependencies": {"@acme/log": "^2.0.0"}}),
                &["log"],
                &["@acme/log"],
            ),
            MatrixCase {
                top: Some("packages: [backend]\n"),
                is_at_top: true,
                is_production: true,
                lacks: &["@acme/cli"],
                ..MatrixCase::new("at the top, production", both(), cli, &["@acme/http"])
            },
            MatrixCase {
                top: Some("packages: [backend]\n"),
                is_at_top: true,
                ..MatrixCase::new(
                    "at the top",
                    json!({"dependencies": {"@acme/http": "*", "logger": "npm:@acme/log@*"}}),
                    HTTP,
                    &["@acme/http", "logger"],
                )
            },
        ]
    }

    fn tools() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tmp/tools")
    }

    fn ran(command: &mut Command) -> Output {
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn must(command: &mut Command) {
        let output = ran(command);
        assert!(output.status.success(), "{command:?}: {output:?}");
    }

    /// The programs of a package, installed once.
    fn programs(package: &str) -> PathBuf {
        let directory = tools().join(package.replace(['@', '/'], "-"));
        let programs = directory.join("node_modules/.bin");
        if !programs.exists() {
            fs::create_dir_all(&directory).unwrap();
            let line = ["install", "--no-audit", "--no-fund", "--prefix"];
            must(Command::new("npm").args(line).arg(&directory).arg(package));
        }
        programs
    }

    /// Packs all packages into a directory.
    fn pack(into: &Path) -> Vec<Packed> {
        let packed = |(name, mut manifest): (&str, Json)| {
            let source = into.join("source").join(name);
            fs::create_dir_all(&source).unwrap();
            let map = |key: &str| serde_json::from_value(manifest[key].clone()).unwrap_or_default();
            let read = PackedManifest {
                dependencies: map("dependencies"),
                optional: map("optionalDependencies"),
                peers: map("peerDependencies"),
                ..PackedManifest::default()
            };
            let required = read.dependencies.keys().chain(read.peers.keys());
            let required: Vec<String> = required.map(|name| format!("require({name:?})")).collect();
            let index = format!(
                "#!/usr/bin/env node\n{};\nmodule.exports = {name:?};\n",
                required.join(";")
            );
            fs::write(source.join("index.js"), index).unwrap();
            manifest["name"] = json!(format!("@acme/{name}"));
            manifest["version"] = json!("1.0.0");
            fs::write(source.join("package.json"), manifest.to_string()).unwrap();
            must(
                Command::new("npm")
                    .args(["pack", "--ignore-scripts", "--pack-destination"])
                    .arg(into)
                    .current_dir(&source),
            );
            Packed {
                name: format!("@acme/{name}"),
                version: semver::Version::new(1, 0, 0),
                file: format!("acme-{name}-1.0.0.tgz"),
                manifest: read,
            }
        };
        packages().into_iter().map(packed).collect()
    }

    /// A package manager at work.
    struct Trial<'t> {
        manager: &'t str,
        version: semver::Version,
        programs: PathBuf,
        node: PathBuf,
        tarballs: &'t Path,
        packed: &'t [Packed],
    }

    impl Trial<'_> {
        fn name(&self) -> &str {
            self.manager.split('@').next().unwrap()
        }

        /// The manifest with the overrides of the product.
        fn manifest(&self, case: &MatrixCase) -> Json {
            let mut manifest = case.manifest.clone();
            manifest["name"] = json!("backend");
            manifest["version"] = json!("1.0.0");
            if !case.overrides.is_null() {
                match self.name() {
                    "pnpm" => manifest["pnpm"] = json!({"overrides": case.overrides}),
                    "npm" => manifest["overrides"] = case.overrides.clone(),
                    _ => manifest["resolutions"] = case.overrides.clone(),
                }
            }
            manifest
        }

        fn workspace(&self, case: &MatrixCase) -> Option<String> {
            let since = (self.version.major, self.version.minor);
            let is_pnpm = self.name() == "pnpm" && since >= (10, 5);
            if self.version.major > 10 && !case.overrides.is_null() && is_pnpm {
                return Some(json!({"overrides": case.overrides}).to_string());
            }
            case.workspace.filter(|_| is_pnpm).map(str::to_owned)
        }

        /// Installs a product in an image, as it were; the reason if that fails.
        fn run(&self, case: &MatrixCase) -> Result<(), String> {
            let image = tempfile::tempdir().unwrap();
            let (top, backend) = (image.path(), image.path().join("backend"));
            fs::create_dir_all(&backend).unwrap();
            let manifest = format!("{:#}\n", self.manifest(case));
            let own = self.workspace(case);
            let of_top = json!({"private": true, "workspaces": ["backend"]}).to_string();
            fs::write(backend.join("package.json"), &manifest).unwrap();
            if let Some(text) = &own {
                fs::write(backend.join("pnpm-workspace.yaml"), text).unwrap();
            }
            if case.is_at_top {
                fs::write(top.join("package.json"), &of_top).unwrap();
                fs::write(top.join("pnpm-workspace.yaml"), case.top.unwrap()).unwrap();
            }
            fs::create_dir(top.join(DIR)).unwrap();
            let packed: Vec<Packed> = (self.packed.iter())
                .filter(|one| case.needs.iter().any(|name| one.name == format!("@acme/{name}")))
                .cloned()
                .collect();
            for Packed { file, .. } in &packed {
                fs::copy(self.tarballs.join(file), top.join(DIR).join(file)).unwrap();
            }
            let made = overlay::files(&Input {
                directory: &"backend".into(),
                manifest: manifest.as_bytes(),
                workspace: own.as_deref().map(str::as_bytes),
                top: Top {
                    manifest: case.is_at_top.then_some(of_top.as_bytes()),
                    workspace: case.top.map(str::as_bytes),
                    is_installed: case.is_at_top,
                },
                packed: &packed,
                manager: Manager::from_name(self.name()).unwrap(),
                version: &self.version,
                into: DIR,
                placement: Placement::Beside,
            });
            let made = made.map_err(|error| error.cause().to_owned())?;
            for (path, text) in &made.files {
                copy_over(top, path, text);
            }
            assert_eq!(case.name == "out of range", !made.warnings.is_empty(), "{}", case.name);
            self.install(case, if case.is_at_top { top } else { &backend })?;
            self.look(case, &backend)
        }

        /// A command that finds these programs first.
        fn command(&self, program: &str) -> Command {
            let mut programs = self.programs.clone().into_os_string();
            programs.push(":");
            programs.push(&self.node);
            let mut command = Command::new("sh");
            command.args(["-c", "PATH=\"$0:$PATH\"; export PATH; exec \"$@\""]);
            command.arg(programs).arg(program).env("CI", "1");
            command
        }

        fn install(&self, case: &MatrixCase, directory: &Path) -> Result<(), String> {
            let settings = format!("@acme:registry={DEAD}\nfetch-retries=0\n");
            fs::write(directory.join(".npmrc"), settings).unwrap();
            let mut line = match (self.name(), self.version.major) {
                ("pnpm", _) => "install --ignore-scripts --lockfile=false",
                ("npm", _) => "install --ignore-scripts --no-package-lock --no-audit --no-fund",
                (_, 1) => "install --ignore-scripts --no-lockfile --non-interactive",
                (_, _) if case.is_production => "workspaces focus --all --production",
                _ => "install --no-immutable",
            }
            .to_owned();
            match (self.name(), self.version.major) {
                ("pnpm", _) if case.is_production => line += " --prod",
                ("npm", _) if case.is_production => line += " --omit=dev",
                ("yarn", 1) if case.is_production => line += " --production",
                _ => {}
            }
            if self.name() == "yarn" && self.version.major > 1 {
                let settings = format!(
                    "npmScopes: {{acme: {{npmRegistryServer: '{DEAD}'}}}}\nhttpRetry: 0\n\
                     unsafeHttpWhitelist: [127.0.0.1]\nnodeLinker: node-modules\n\
                     enableTelemetry: false\n"
                );
                fs::write(directory.join(".yarnrc.yml"), settings).unwrap();
                fs::write(directory.join("yarn.lock"), "").unwrap();
            }
            let mut command = self.command(self.name());
            let output = ran(command.args(line.split(' ')).current_dir(directory));
            if output.status.success() {
                return Ok(());
            }
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            let is_cause = |line: &&str| {
                ["ERR", "rror", "YN00"].iter().any(|word| line.contains(word))
                    && !line.contains("YN0000")
            };
            let causes: Vec<&str> = text.lines().filter(is_cause).take(3).collect();
            Err(if causes.is_empty() { text.into_owned() } else { causes.join(" | ") })
        }

        /// Whether the product has what it must.
        fn look(&self, case: &MatrixCase, backend: &Path) -> Result<(), String> {
            for wanted in case.has {
                let (path, version) = wanted.split_once('=').unwrap_or((wanted, ""));
                let script = "const [path, version] = process.argv.slice(1);\n\
                    let from = process.cwd() + '/x';\n\
                    for (const name of path.split('>')) {\n\
                      const require = module.constructor.createRequire(from);\n\
                      require(name); from = require.resolve(name);\n\
                    }\n\
                    const found = require(from.replace('index.js', 'package.json')).version;\n\
                    if (version && found !== version) throw Error('error: found ' + found);";
                let mut command = self.command("node");
                let output = ran(command.args(["-e", script, path, version]).current_dir(backend));
                if !output.status.success() {
                    let text = String::from_utf8_lossy(&output.stderr).into_owned();
                    let line = text.lines().find(|line| line.contains("rror")).unwrap_or_default();
                    return Err(format!("{wanted}: {line}"));
                }
            }
            for absent in case.lacks {
                if backend.join("node_modules").join(absent).exists() {
                    return Err(format!("it has {absent}"));
                }
            }
            Ok(())
        }
    }

    /// What `COPY .docker-deps/tree .` does.
    fn copy_over(top: &Path, path: &RepoPath, text: &[u8]) {
        let path = path.to_string();
        let target = top.join(path.strip_prefix("tree/").unwrap());
        fs::write(target, text).unwrap();
    }

    #[test]
    #[ignore = "installs package managers and packages: `cargo test -- --ignored real_overlays`"]
    fn real_overlays_install_while_the_registry_is_dead() {
        let tarballs = tempfile::tempdir().unwrap();
        let packed = pack(tarballs.path());
        // pnpm 11 needs Node 22.
        let node = programs("node@22");
        let trial = |(manager, package): (&'static str, &'static str)| {
            let (_, version) = manager.split_once('@').unwrap();
            let trial = Trial {
                manager,
                version: semver::Version::parse(version).unwrap(),
                programs: programs(&format!("{package}@{version}")),
                node: node.clone(),
                tarballs: tarballs.path(),
                packed: &packed,
            };
            let cases = cases().into_iter().chain(other_cases());
            let rows = cases.filter(|case| {
                case.only.is_empty() || case.only.split(' ').any(|name| name == trial.name())
            });
            rows.map(|case| {
                let result = trial.run(&case);
                let shown = result.as_ref().err().map_or("ok", |cause| cause);
                println!("{manager:15} {:24} {shown}", case.name);
                (manager, case.name, result)
            })
            .collect::<Vec<_>>()
        };
        let rows: Vec<_> = std::thread::scope(|scope| {
            let parts = [&MANAGERS[..3], &MANAGERS[3..6], &MANAGERS[6..]];
            let run = |part: &'static [(&str, &str)]| {
                scope.spawn(move || part.iter().map(|one| trial(*one)).collect::<Vec<_>>())
            };
            let threads = parts.map(run);
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).flatten().collect()
        });
        let failed: Vec<_> = rows.iter().filter(|(.., result)| result.is_err()).collect();
        assert!(failed.is_empty() && rows.len() >= 120, "{} rows\n{failed:#?}", rows.len());
    }
}
