//! The descendants of the command, from proc(5). Without /proc, none are known.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, getpid, waitpid};

/// How many times to look for running processes, some of which may be exiting, and the pause
/// between.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone)]
pub(super) struct Process {
    pub id: Pid,
    pub group: Option<Pid>,
    name: String,
    parent: Option<Pid>,
    ended: bool,
}

/// Makes us the parent of orphaned descendants, so that they are still known as ours.
pub(super) fn adopt_orphans() {
    // Without /proc, orphans go to init: we could not find and reap them.
    #[cfg(target_os = "linux")]
    if !all().is_empty() {
        let _ = rustix::process::set_child_subreaper(Some(getpid()));
    }
}

/// The ids of our children.
pub(super) fn children() -> Vec<Pid> {
    all()
        .into_iter()
        .filter(|process| process.parent == Some(getpid()))
        .map(|process| process.id)
        .collect()
}

/// Our descendants, except these children and those below them.
pub(super) fn descendants(existing_children: &[Pid]) -> Vec<Process> {
    below(getpid(), existing_children, &all()).into_iter().cloned().collect()
}

/// Reaps exited orphans, but not the command, which is waited for elsewhere.
pub(super) fn reap_orphans(command: Option<Pid>) {
    let ours = |process: &&Process| {
        process.parent == Some(getpid()) && process.ended && Some(process.id) != command
    };
    for process in all().iter().filter(ours) {
        let _ = waitpid(Some(process.id), WaitOptions::NOHANG);
    }
}

/// The names of the descendants that still run after the command.
pub(super) fn left_running(existing_children: &[Pid]) -> Vec<String> {
    let mut attempts = 0;
    loop {
        reap_orphans(None);
        let processes = all();
        let running = below(getpid(), existing_children, &processes)
            .into_iter()
            .filter(|process| !process.ended);
        let names: Vec<String> = running.map(|process| process.name.clone()).collect();
        attempts += 1;
        if names.is_empty() || attempts == ATTEMPTS {
            return names;
        }
        std::thread::sleep(PAUSE);
    }
}

fn below<'p>(ancestor: Pid, without: &[Pid], processes: &'p [Process]) -> Vec<&'p Process> {
    let mut found: Vec<&Process> = Vec::new();
    let mut parents = vec![ancestor];
    // Ids may be reused while /proc is read: visit each at most once.
    while let Some(parent) = parents.pop() {
        let children = processes.iter().filter(|process| process.parent == Some(parent));
        for child in children {
            if child.id != ancestor
                && !without.contains(&child.id)
                && !found.iter().any(|known| known.id == child.id)
            {
                found.push(child);
                parents.push(child.id);
            }
        }
    }
    found
}

fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let stat = |entry: fs::DirEntry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        parse(&fs::read(entry.path().join("stat")).ok()?)
    };
    entries.filter_map(Result::ok).filter_map(stat).collect()
}

/// Parses `<pid> (<name>) <state> <parent> <group> …`; the name may contain anything.
fn parse(stat: &[u8]) -> Option<Process> {
    let stat = String::from_utf8_lossy(stat);
    let (id, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let (state, parent, group) = (fields.next()?, fields.next()?, fields.next()?);
    // A process that just exited has parent 0 and group -1.
    let pid = |text: &str| text.parse().ok().filter(|id| *id > 0).and_then(Pid::from_raw);
    Some(Process {
        id: pid(id)?,
        name: name.to_owned(),
        parent: pid(parent),
        group: pid(group),
        ended: matches!(state, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_contain_anything() {
        let process = parse(b"17 (a) (b) Z 4 17 17 0 -1").unwrap();
        assert_eq!((process.id.as_raw_nonzero().get(), &*process.name), (17, "a) (b"));
        assert_eq!(
            (process.parent.map(|id| id.as_raw_nonzero().get()), process.ended),
            (Some(4), true)
        );
        assert!(parse(b"17 a S 4").is_none() && parse(b"").is_none());
        assert!(parse(b"1 (init) S 0 1").unwrap().parent.is_none());
        let gone = parse(b"9 (sh) X 0 -1 -1").unwrap();
        assert!(gone.parent.is_none() && gone.group.is_none() && parse(b"-1 (sh) S 1 1").is_none());
    }

    #[test]
    fn descendants_are_found_at_any_depth() {
        let id = |number| Pid::from_raw(number).unwrap();
        let process = |number, parent| Process {
            id: id(number),
            name: String::new(),
            parent: Pid::from_raw(parent),
            group: None,
            ended: false,
        };
        // A loop cannot happen, and must not matter.
        let processes = [
            process(2, 1),
            process(3, 2),
            process(4, 3),
            process(5, 1),
            process(6, 7),
            process(7, 6),
        ];
        let without = [id(5)];
        let found = |ancestor| -> Vec<i32> {
            let mut found: Vec<i32> = below(id(ancestor), &without, &processes)
                .iter()
                .map(|p| p.id.as_raw_nonzero().get())
                .collect();
            found.sort_unstable();
            found
        };
        assert_eq!(found(2), [3, 4]);
        assert_eq!(found(1), [2, 3, 4], "not through those that are left out");
        assert_eq!(found(6), [7]);
    }
}
