//! What `doctor --live` asks the Docker of this machine. The program is `docker` in an absolute
//! directory of `PATH`, and no argument comes from the repository.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::builds::Builds;
use crate::builds::settings::{is_loopback, registries};
use crate::builds::visits::visits;
use crate::commands::docker::{NO_DOCKER, docker};
use crate::disk::read::{self, FinalLink};
use crate::os::child::{self, Printed};
use crate::os::env::Environment;

/// How long one call of docker may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The host that Docker Desktop resolves in every container.
const GATEWAY: &str = "host.docker.internal";
const HOSTS_FILE: &str = "/etc/hosts";
/// The maximum number of hosts to list.
const MAX_HOSTS: usize = 20;

/// The lines about this machine, and about what was not looked at.
pub(super) fn lines(builds: Option<&Builds>, env: &Environment) -> Vec<String> {
    let found = docker(env).ok_or_else(|| NO_DOCKER.to_owned());
    let lines = found.and_then(|docker| {
        let server = ask(&docker, &["version", "--format", "{{.Server.Version}}"])?;
        match server.trim() {
            "" => Err("`docker version` says nothing".to_owned()),
            server => Ok(answered(&docker, server, builds)),
        }
    });
    let lines = lines.unwrap_or_else(|why| vec![format!("did not look: {why}")]);
    lines.into_iter().map(|line| format!("bakstop: live: {line}")).collect()
}

/// The lines if the daemon answers.
fn answered(docker: &Path, server: &str, builds: Option<&Builds>) -> Vec<String> {
    let mut lines = Vec::new();
    match ask(docker, &["buildx", "version"]) {
        Ok(text) => {
            let version = text.split_whitespace().nth(1).unwrap_or("of an unknown version");
            lines.push(format!("Docker {server}, buildx {version}"));
        }
        Err(why) => lines.push(format!(
            "Docker {server}; {why}: without buildx, a build may have no cache and secret mounts"
        )),
    }
    let format = r#"{"status":{{json .DriverStatus}},"system":{{json .OperatingSystem}}}"#;
    let info = ask(docker, &["info", "--format", format])
        .and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    match ask(docker, &["buildx", "inspect"]) {
        Ok(text) => lines.extend(about_builder(&BuilderState::parse(&text), info.as_ref().ok())),
        Err(why) => lines.push(not_looked_at("the builder", &why)),
    }
    let is_desktop = match &info {
        Ok(info) => info["system"] == "Docker Desktop",
        Err(why) => {
            lines.push(not_looked_at("the store of images", why));
            false
        }
    };
    let known = read::file(Path::new(HOSTS_FILE), FinalLink::Follow, 1 << 20).unwrap_or_default();
    let hosts = asked_hosts(builds).into_iter().take(MAX_HOSTS);
    lines.extend(hosts.map(|host| about_host(&host, is_desktop, &known)));
    lines
}

fn not_looked_at(what: &str, why: &str) -> String {
    format!("not looked at: {what}: {why}")
}

/// What a call prints, or why it does not.
fn ask(docker: &Path, arguments: &[&str]) -> Result<String, String> {
    let words: Vec<&str> =
        arguments.iter().take_while(|word| !word.starts_with('-')).copied().collect();
    let call = format!("docker {}", words.join(" "));
    match child::printed(docker, arguments, LIMIT) {
        None => Err(format!("`{call}` does not answer")),
        Some(Printed { succeeded: true, out, .. }) => {
            Ok(String::from_utf8_lossy(&out).into_owned())
        }
        Some(Printed { errors, .. }) => {
            let errors = String::from_utf8_lossy(&errors);
            let reason = errors.lines().map(str::trim).find(|line| !line.is_empty());
            Err(format!("`{call}` fails: {}", reason.unwrap_or("it says nothing")))
        }
    }
}

/// The builder that `docker build` uses.
#[derive(Debug, Default, PartialEq, Eq)]
struct BuilderState {
    name: String,
    driver: String,
    /// The first rule that removes cache mounts: how long without use, and above which size.
    collection: Option<(String, String)>,
    /// The free space below which any cache is removed.
    free: Option<String>,
}

impl BuilderState {
    /// Parses the answer of `docker buildx inspect`.
    fn parse(text: &str) -> Self {
        let mut builder = Self::default();
        let (mut is_of_mounts, mut age) = (false, None);
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value) = (key.trim(), value.trim());
            match key {
                "Name" if builder.name.is_empty() => value.clone_into(&mut builder.name),
                "Driver" => value.clone_into(&mut builder.driver),
                _ if key.starts_with("GC Policy rule") => (is_of_mounts, age) = (false, None),
                "Filters" => is_of_mounts = value.contains("exec.cachemount"),
                "Keep Duration" => age = Some(value.to_owned()),
                // buildx before 0.18 writes the second.
                "Max Used Space" | "Keep Bytes" if is_of_mounts => {
                    let rule = age.clone().map(|age| (age, value.to_owned()));
                    builder.collection = builder.collection.or(rule);
                }
                "Min Free Space" if builder.free.is_none() => builder.free = Some(value.to_owned()),
                _ => {}
            }
        }
        builder
    }
}

/// The lines about the export of caches and the removal of cache mounts.
fn about_builder(builder: &BuilderState, info: Option<&Value>) -> Vec<String> {
    let (name, driver) = (&builder.name, &builder.driver);
    let shown = format!("the builder {name} (driver {driver})");
    if driver.is_empty() {
        return vec![not_looked_at("the builder", "`docker buildx inspect` names no driver")];
    }
    let mut lines = Vec::new();
    match info {
        _ if driver != "docker" => lines.push(format!("{shown} exports caches")),
        Some(info) if has_containerd_store(info) => {
            lines.push(format!("{shown} exports caches: images are in the containerd store"));
        }
        Some(_) => lines.push(format!(
            "{shown} exports no cache, except inline: images are not in the containerd store"
        )),
        None => {}
    }
    if let Some((age, size)) = &builder.collection {
        lines.push(format!(
            "{shown} removes cache mounts that no build used for {age}, when they and copies of \
             sources exceed {size}"
        ));
    }
    if let Some(free) = &builder.free {
        lines.push(format!("{shown} removes any cache when less than {free} of the disk is free"));
    }
    lines
}

/// Whether images are in the containerd store, which `cache-to` needs with the docker driver.
fn has_containerd_store(info: &Value) -> bool {
    let status = info["status"].as_array().map(Vec::as_slice).unwrap_or_default();
    status.iter().any(|row| row[0] == "driver-type" && row[1] == "io.containerd.snapshotter.v1")
}

/// The hosts of registries that builds ask, and that they do not map themselves.
fn asked_hosts(builds: Option<&Builds>) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    for (builds, build) in builds.into_iter().flat_map(|all| all.list.iter().map(move |b| (all, b)))
    {
        for visit in &visits(builds, build) {
            let asked = registries(builds, build, visit);
            let asked = asked.iter().filter_map(|registry| registry.host());
            let is_name = |host: &&str| {
                let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
                let is_mapped = build.given.hosts.iter().any(|(name, _)| name == host);
                !is_address && !is_mapped && !is_loopback(host)
            };
            hosts.extend(asked.filter(is_name).map(str::to_owned));
        }
    }
    hosts
}

/// The facts about a host that need no build.
fn about_host(host: &str, is_desktop: bool, hosts_file: &[u8]) -> String {
    if host == GATEWAY {
        return if is_desktop {
            format!("{host} resolves in a build: this is Docker Desktop")
        } else {
            format!("{host} does not resolve in a build that does not map it (`extra_hosts`)")
        };
    }
    let text = String::from_utf8_lossy(hosts_file);
    let entries = text.lines().filter_map(|line| line.split('#').next());
    let mut names = entries.flat_map(|line| line.split_whitespace().skip(1));
    if names.any(|name| name.eq_ignore_ascii_case(host)) {
        format!("{HOSTS_FILE} of this machine has {host}, but a build does not read that file")
    } else {
        not_looked_at(&format!("whether {host} resolves in a build"), "only a build knows")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_about_cache_mounts_counts() {
        let builder = BuilderState::parse(
            "Name:   default\nDriver: docker\n\nNodes:\nName: default\nGC Policy rule#0:\n \
             Keep Duration: 1h\n Max Used Space: 1GiB\nGC Policy rule#1:\n Filters: \
             type==exec.cachemount\n Keep Duration: 48h0m0s\n Keep Bytes: 2GiB\nGC Policy \
             rule#2:\n Filters: type==exec.cachemount\n Keep Duration: 9h\n Max Used Space: \
             9GiB\n",
        );
        let collection = Some(("48h0m0s".to_owned(), "2GiB".to_owned()));
        let (name, driver) = ("default".to_owned(), "docker".to_owned());
        assert_eq!(builder, BuilderState { name, driver, collection, free: None });
        assert_eq!(
            BuilderState::parse("Filters: type==exec.cachemount\nnothing"),
            BuilderState::default()
        );
    }

    #[test]
    fn nothing_is_said_about_a_builder_without_a_driver() {
        let lines = |text: &str| about_builder(&BuilderState::parse(text), None);
        assert!(
            lines("Name: a\nMin Free Space: 1GiB")[0].starts_with("not looked at: the builder")
        );
        assert_eq!(lines("").len(), 1);
        assert!(lines("Name: a\nDriver: remote")[0].ends_with("(driver remote) exports caches"));
    }

    #[test]
    fn only_the_names_of_the_hosts_file_count() {
        let hosts = b"127.0.0.1 localhost\n10.0.0.1\tother NPM.acme.example # away.example\n";
        assert!(about_host("npm.acme.example", false, hosts).contains("does not read that file"));
        for host in ["away.example", "acme.example", "10.0.0.1"] {
            assert!(about_host(host, false, hosts).starts_with("not looked at: "), "{host}");
        }
        assert!(about_host(GATEWAY, true, b"").contains(" resolves in a build"));
        assert!(about_host(GATEWAY, false, b"").contains(" does not resolve in a build"));
    }
}
