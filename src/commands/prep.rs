//! `bakstop prep`: prepares a build without changing the tree, in the ignored leftover directory;
//! with `--in-place`, the manifests change, and are put back.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use semver::Version;

use crate::base::debris::Debris;
use crate::base::edit::Replacement;
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::finding::Verdict;
use crate::base::path::RepoPath;
use crate::commands::judge::{Options, configuration};
use crate::commands::preparing::cache::Cache;
use crate::commands::preparing::directory::LeftoverDirectory;
use crate::commands::preparing::dockerfiles::{self, OverlayVerdict};
use crate::commands::preparing::in_place::{InPlace, must_be_rewritable, must_be_unprepared};
use crate::commands::preparing::pack::{Packing, Tarball};
use crate::commands::preparing::product::{Product, ProductManifest, Reader};
use crate::commands::preparing::repacking::WantedTarballs;
use crate::commands::preparing::request::{DOING, Request};
use crate::commands::preparing::running::PreparedRun;
use crate::commands::preparing::sibling::{Package, Sibling};
use crate::commands::{Context, Outcome, restore, sources};
use crate::config::Config;
use crate::disk::lock::{Busy, DirectoryLock};
use crate::git::worktree::files::OnDisk;
use crate::os::child;
use crate::pins::NewVersion;
use crate::prepare::Packed;
use crate::prepare::closure::{Missing, closure};
use crate::prepare::file::Placement;
use crate::prepare::inner::{depth, renamed};
use crate::prepare::overlay::{self, Top};
use crate::prepare::plan::{Asking, Needed, Prepared, PreparedPackage, TarballSource, stem};
use crate::prepare::record::{self, Record, RecordedPackage};
use crate::prepare::settings::SiblingBuild;
use crate::report::paint::Paint;
use crate::report::{HumanOrJson, error as report_error, prep as report};

#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent of each other")]
#[command(after_help = "\
Exit codes: 0 prepared; 1 a Dockerfile does not take what would be prepared, the build may have \
used something else, or something in a manifest stays; 2 could not prepare; 126 or 127 could not \
start the build; otherwise the exit code of a build that failed.\n\n\
Example: bakstop verify -- bakstop prep -- docker compose build")]
pub(crate) struct Args {
    /// Print what would be packed and written, and why, and change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,

    /// Pack every package again, even if nothing changed; after a preparation in place, take that
    /// back first
    #[arg(short, long)]
    pub(super) force: bool,

    /// Rewrite the manifests instead, for Dockerfiles that must not change: they are put back when
    /// CMD ends, or by `bakstop restore` (default: `prep.way` of bakstop.json)
    #[arg(long)]
    pub(super) in_place: bool,

    /// Do not build the sibling: pack what lies there
    #[arg(long)]
    pub(super) no_build: bool,

    /// Pack only this package and those that it needs (repeatable); others are installed from the
    /// registry
    #[arg(long, value_name = "NAME")]
    pub(super) package: Vec<String>,

    /// The directory of the sibling (default: `prep.from` of bakstop.json)
    #[arg(long, value_name = "DIR")]
    pub(super) from: Option<PathBuf>,

    /// The package manager of the images, such as pnpm@10.6.5, where nothing pins one
    #[arg(long, value_name = "NAME@VERSION")]
    pub(super) package_manager: Option<String>,

    /// Write the lines that bring the overlay to each Dockerfile that lacks them, then prepare
    #[arg(long, conflicts_with = "dry_run")]
    fix_dockerfiles: bool,

    /// With CMD: leave the tree prepared
    #[arg(long, requires = "command")]
    keep: bool,

    /// The same as `bakstop restore`
    #[arg(
        long,
        hide = true,
        conflicts_with_all = [
            "force", "in_place", "no_build", "package", "from", "package_manager",
            "fix_dockerfiles", "command",
        ]
    )]
    restore: bool,

    /// Use this configuration instead of the one of the repository
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(super) format: HumanOrJson,

    /// The build to run while it is prepared; then the preparation is taken out. If the build
    /// fails, bakstop returns its exit code
    #[arg(last = true, value_name = "CMD", conflicts_with = "dry_run")]
    command: Vec<OsString>,
}

impl Args {
    /// Whether files may be changed.
    pub(crate) fn writes(&self) -> bool {
        !self.dry_run
    }
}

/// Packs what changed, and writes the tarballs and the overlay of each manifest: nothing before all
/// is packed.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    if args.restore {
        let (format, config) = (args.format, args.config.clone());
        return restore::run(&restore::Args::of_prep(args.dry_run, format, config), context);
    }
    let started = Instant::now();
    child::catch_sigchld();
    let tree = sources::open(context)?;
    // Nobody else prepares here before the command has ended.
    let lock = (!args.dry_run).then(|| DirectoryLock::wait(tree.top())).transpose();
    let _lock = lock.map_err(|Busy| {
        Error::new(DOING, "another bakstop is preparing one here")
            .help("run this again when it has ended")
    })?;
    let mut notes = must_be_unprepared(&tree, args.force && args.writes())?;
    if !tree.has_git() {
        notes.push(sources::NOTE.to_owned());
    }
    let options = Options { config: args.config.as_deref(), ..Options::default() };
    let files = OnDisk::all(&tree)?;
    let config = configuration(&files, &options, context)?;
    let is_in_place = args.in_place || config.prep().in_place;
    let gathered = Gathered::new(args, (&files, &config, is_in_place), context)?;
    // Before anything is packed: a link there is an error.
    gathered.directory.files()?;
    gathered.directory.must_be_ignored(&tree)?;
    if is_in_place {
        must_be_rewritable(&tree, gathered.product.files(), &gathered.debris)?;
    }
    let (product, into) = (&gathered.product, &gathered.request.into.name);
    let overlays = dockerfiles::overlays(product, into, is_in_place);
    let writes = args.fix_dockerfiles;
    match dockerfiles::judged(&overlays, args.config.as_deref(), writes, context)? {
        OverlayVerdict::Yes(more) => notes.extend(more),
        OverlayVerdict::No(outcome) => return Ok(outcome),
    }
    let rewrites = args.writes() && is_in_place;
    let in_place = rewrites.then(|| InPlace::enter(&tree)).transpose()?;
    let prepare = || {
        let prepared = gathered.carried_out(args, context, in_place.as_ref(), started)?;
        Ok(notes.iter().fold(shown(&prepared, args, context), Outcome::note))
    };
    if args.command.is_empty() && in_place.is_none() {
        return prepare().or_else(|error| unprepared(&notes, error));
    }
    let run = PreparedRun {
        directory: &gathered.directory,
        in_place: in_place.as_ref(),
        debris: &gathered.debris,
        command: &args.command,
        is_document: args.format == HumanOrJson::Json,
        keep: args.keep || args.command.is_empty(),
    };
    run.run(prepare).or_else(|error| unprepared(&notes, error))
}

/// A failure after which there is something to report, such as Dockerfiles that were written.
fn unprepared(notes: &[String], error: Error) -> Result<Outcome, Error> {
    if notes.is_empty() {
        return Err(error);
    }
    let failed = Outcome::new(Verdict::Failed, "");
    let outcome = notes.iter().fold(failed, Outcome::note);
    Ok(Outcome { notes: outcome.notes + &report_error(&error, Paint::PLAIN), ..outcome })
}

/// The report on a preparation.
fn shown(prepared: &Prepared, args: &Args, context: &Context) -> Outcome {
    match args.format {
        // Standard output is that of the command.
        HumanOrJson::Human if !args.command.is_empty() => {
            let notes = report::human(prepared, context.paint);
            Outcome { notes, ..Outcome::new(Verdict::Clean, "") }
        }
        HumanOrJson::Human => Outcome::new(Verdict::Clean, report::human(prepared, context.paint)),
        HumanOrJson::Json => Outcome::new(Verdict::Clean, report::json(prepared)),
    }
}

/// What brings the packed packages into images.
#[derive(Debug, Default)]
struct OverlayFiles {
    tarballs: WantedTarballs,
    /// By their paths in the leftover directory.
    files: BTreeMap<String, Vec<u8>>,
    /// In place: the files of the repository.
    edits: Vec<Replacement>,
    warnings: Vec<String>,
}

/// The packages to prepare.
struct Gathered {
    request: Request,
    sibling: Sibling,
    product: Product,
    needed: Needed,
    keys: BTreeMap<String, String>,
    directory: LeftoverDirectory,
    debris: Debris,
    placement: Placement,
}

impl Gathered {
    fn new(
        args: &Args,
        (files, config, is_in_place): (&OnDisk<'_>, &Config, bool),
        context: &Context,
    ) -> Result<Self, Error> {
        let fallback = args.package_manager.as_deref().map(named).transpose()?;
        let tree = files.tree();
        let from = (args.from.as_deref(), context.directory.as_path());
        let request = Request::new(config, tree.top(), from, args.no_build)?;
        let sibling = Sibling::read(&request)?;
        let reader = Reader {
            files,
            config,
            request: &request,
            scopes: &sibling.scopes,
            fallback: fallback.as_ref(),
            packages: sibling.directories_in(tree.top()),
        };
        let product = reader.read()?;
        let needed = needed(&product, &sibling, &args.package)?;
        let keys = sibling.keys()?;
        let directory = LeftoverDirectory::new(tree.top(), &request.into);
        let placement = if is_in_place { Placement::InPlace } else { Placement::Beside };
        let debris = config.debris().clone();
        Ok(Self { request, sibling, product, needed, keys, directory, debris, placement })
    }

    /// Packs and writes, or only says what would be.
    fn carried_out(
        &self,
        args: &Args,
        context: &Context,
        in_place: Option<&InPlace<'_>>,
        started: Instant,
    ) -> Result<Prepared, Error> {
        let record = self.directory.record();
        let cache = Cache::new(&context.env);
        let packing = Packing {
            request: &self.request,
            sibling: &self.sibling,
            keys: &self.keys,
            cache: &cache,
            env: &context.env,
            directory: &self.directory,
            record: record.as_ref(),
            force: args.force,
            terminal: context.terminal,
        };
        let mut prepared =
            if args.dry_run { self.planned(&packing)? } else { self.prepared(&packing, in_place)? };
        prepared.took = started.elapsed();
        Ok(prepared)
    }

    /// Packs and writes.
    fn prepared(
        &self,
        packing: &Packing<'_>,
        in_place: Option<&InPlace<'_>>,
    ) -> Result<Prepared, Error> {
        // A manifest that cannot be prepared is refused before anything is packed.
        packing.must_have_names(&self.needed.all)?;
        let wanted = self.needed.all.iter().map(|name| self.unpacked(name));
        self.overlay(&wanted.collect::<Result<Vec<_>, Error>>()?)?;
        let tarballs = packing.all(&self.needed.all)?;
        let packed: Vec<Packed> = tarballs.iter().map(packed).collect();
        self.must_be_closed(&packed)?;
        let OverlayFiles { tarballs: wanted, files, edits, warnings } = self.overlay(&packed)?;
        let packages: Vec<PreparedPackage> = tarballs.iter().map(|it| self.package(it)).collect();
        let recorded = tarballs.iter().map(|tarball| RecordedPackage {
            name: tarball.name.clone(),
            version: tarball.version.to_string(),
            key: self.keys[&tarball.name].clone(),
            file: tarball.file.clone(),
        });
        let record = Record {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            from: self.request.recorded_from.clone(),
            builds: self.request.settings.build != SiblingBuild::None,
            packages: recorded.collect(),
            files: Vec::new(),
        };
        let mut wanted = wanted.of(tarballs, &packed, &self.request.into.name)?;
        wanted.extend(files);
        let files = self.directory.write(&wanted, record)?;
        if let Some(in_place) = in_place {
            in_place.rewrite(&edits)?;
        }
        Ok(Prepared { packages, files, edits, warnings, ..self.report() })
    }

    /// What would be packed and written. A tarball that is not packed yet has no name.
    fn planned(&self, packing: &Packing<'_>) -> Result<Prepared, Error> {
        packing.must_have_names(&self.needed.all)?;
        let (mut packages, mut packed, mut tarballs) = (Vec::new(), Vec::new(), Vec::new());
        for (name, known) in packing.known(&self.needed.all) {
            match known {
                Ok(tarball) => {
                    packages.push(self.package(&tarball));
                    packed.push(self::packed(&tarball));
                    tarballs.push(tarball);
                }
                Err(reason) => {
                    let Package { version, .. } = &self.sibling.packages[&name];
                    let key = self.keys[&name].clone();
                    let (version, source) = (version.clone(), TarballSource::Packed(reason));
                    packed.push(self.unpacked(&name)?);
                    packages.push(PreparedPackage { name, version, key, file: None, source });
                }
            }
        }
        let OverlayFiles { tarballs: wanted, files, edits, warnings } = self.overlay(&packed)?;
        let mut wanted = wanted.of(tarballs, &packed, &self.request.into.name)?;
        wanted.extend(files);
        let mut files = self.directory.changes(&wanted)?;
        // The record is written, and the new tarballs are not known by name.
        files.retain(|(path, _)| path.file_name() != record::FILE.as_bytes());
        Ok(Prepared { dry_run: true, packages, files, edits, warnings, ..self.report() })
    }

    /// A package that is not packed yet.
    fn unpacked(&self, name: &str) -> Result<Packed, Error> {
        let Package { version, manifest, .. } = &self.sibling.packages[name];
        let version = Version::parse(version).map_err(|error| Error::new(DOING, error))?;
        let stem = stem(name, &version).unwrap_or_default();
        let file = format!("{stem}-{UNKNOWN}.tgz");
        Ok(Packed { name: name.to_owned(), version, file, manifest: manifest.clone() })
    }

    fn package(&self, tarball: &Tarball) -> PreparedPackage {
        PreparedPackage {
            name: tarball.name.clone(),
            version: tarball.version.to_string(),
            key: self.keys[&tarball.name].clone(),
            file: Some(tarball.file.clone()),
            source: tarball.source,
        }
    }

    fn report(&self) -> Prepared {
        Prepared {
            dry_run: false,
            from: self.request.shown_from.clone(),
            into: self.request.into.name.clone(),
            packages: Vec::new(),
            files: Vec::new(),
            edits: Vec::new(),
            warnings: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// Fails if a manifest asks for more once it is packed than its source does.
    fn must_be_closed(&self, packed: &[Packed]) -> Result<(), Error> {
        let names = packed.iter().map(|package| package.name.clone()).collect();
        let manifest = |name: &str| {
            packed.iter().find(|package| package.name == name).map(|package| &package.manifest)
        };
        closure("the preparation", &names, &self.sibling.scopes, manifest)
            .map(drop)
            .map_err(|missing| unpacked(&missing, &self.sibling))
    }

    /// The overlays of all manifests, and what a person should know of them.
    fn overlay(&self, packed: &[Packed]) -> Result<OverlayFiles, Error> {
        let Product { manifests, top, installs_at_top } = &self.product;
        let mut overlays = OverlayFiles::default();
        let mut edits = BTreeMap::new();
        for (manifest, needs) in manifests.iter().zip(&self.needed.of_manifests) {
            let needs = if *installs_at_top { &self.needed.all } else { needs };
            let needed = |packed: &[Packed]| -> Vec<Packed> {
                packed.iter().filter(|package| needs.contains(&package.name)).cloned().collect()
            };
            let own = needed(packed);
            if own.is_empty() {
                continue;
            }
            let input = overlay::Input {
                directory: &manifest.directory,
                manifest: &manifest.text,
                workspace: manifest.workspace.as_deref(),
                top: Top {
                    manifest: top.0.as_deref(),
                    workspace: top.1.as_deref(),
                    is_installed: *installs_at_top,
                },
                packed: &own,
                manager: manifest.manager,
                version: &manifest.version,
                into: &self.request.into.name,
                placement: self.placement,
            };
            let overlay = if input.needs_paths() {
                let depth = depth(&manifest.directory);
                overlays.tarballs.add(Some(depth), needs);
                let own = needed(&renamed(packed, depth));
                overlay::files(&overlay::Input { packed: &own, ..input })?
            } else {
                overlays.tarballs.add(None, needs);
                overlay::files(&input)?
            };
            for (path, bytes) in overlay.files {
                if self.placement == Placement::InPlace {
                    edits.insert(path, bytes);
                } else {
                    let path = utf8(&path, manifest)?;
                    overlays.files.insert(path, bytes);
                }
            }
            overlays.warnings.extend(overlay.warnings);
        }
        for (path, new) in edits {
            overlays.edits.push(self.product.replacement(path, new)?);
        }
        let left = self.needed.left.iter().map(|name| {
            let name = Escaped(name.as_bytes());
            format!("{name} is not among the packages of --package: the registry is asked for it")
        });
        overlays.warnings.extend(left);
        // Several manifests may give the same one, each after others.
        let mut seen = BTreeSet::new();
        overlays.warnings.retain(|warning| seen.insert(warning.clone()));
        Ok(overlays)
    }
}

/// The path of a file of an overlay as text.
fn utf8(path: &RepoPath, manifest: &ProductManifest) -> Result<String, Error> {
    String::from_utf8(path.as_bytes().to_vec()).map_err(|_| {
        Error::new(format!("prepare {}", manifest.path), "its path is not UTF-8")
            .help("rename its directory")
    })
}

/// Stands for the digest in the name of a tarball that is not packed yet.
const UNKNOWN: &str = "00000000";

fn packed(tarball: &Tarball) -> Packed {
    Packed {
        name: tarball.name.clone(),
        version: tarball.version.clone(),
        file: tarball.file.clone(),
        manifest: tarball.manifest.clone(),
    }
}

/// The packages that the manifests need, or the chosen ones.
fn needed(product: &Product, sibling: &Sibling, chosen: &[String]) -> Result<Needed, Error> {
    let chosen: BTreeSet<String> = chosen.iter().cloned().collect();
    let asking = product.manifests.iter();
    let asking: Vec<Asking<'_>> =
        asking.map(|manifest| Asking { path: &manifest.path, names: &manifest.asks }).collect();
    if asking.is_empty() {
        let scopes = sibling.scopes.iter().cloned().collect::<Vec<_>>().join(", ");
        let cause = format!("no manifest names a package of {}", Escaped(scopes.as_bytes()));
        return Err(Error::new(DOING, cause)
            .help("`prep.manifests` and `prep.scope` of bakstop.json say which are read"));
    }
    Needed::new(&asking, &chosen, &sibling.scopes, |name| sibling.manifest(name))
        .map_err(|missing| unpacked(&missing, sibling))
}

/// The error for a package that the sibling does not have.
fn unpacked(missing: &Missing, sibling: &Sibling) -> Error {
    let name = Escaped(missing.name.as_bytes());
    let cause = format!(
        "{}, which is not among the packages of {}: the build would ask the registry for it",
        missing.chain, sibling.shown
    );
    Error::new(format!("pack {name}"), cause).help(
        "add it there, or leave its scope out: `prep.packages` and `prep.scope` of bakstop.json",
    )
}

fn named(text: &str) -> Result<NewVersion, Error> {
    NewVersion::parse(text).map_err(|reason| {
        let shown = Escaped(text.as_bytes());
        Error::new("use --package-manager", format!("invalid version {shown}: {reason}"))
            .help("for example: bakstop prep --package-manager pnpm@10.6.5")
    })
}
