//! The descendants of the command, from proc(5), or from ps(1) where /proc is missing, as on macOS.

use std::fs;

use rustix::process::{Pid, WaitOptions, getpgrp, getpid, waitpid};

/// The path of ps(1), and the arguments with which it prints what [`parse_ps`] reads: each column
/// has a `-o` of its own, because BSD takes all after the first `=` for a heading.
pub(super) const PS: (&str, [&str; 11]) =
    ("/bin/ps", ["-A", "-o", "pid=", "-o", "ppid=", "-o", "pgid=", "-o", "stat=", "-o", "ucomm="]);
/// The parent of orphans, where nobody else adopts them.
const INIT: Pid = Pid::INIT;

#[derive(Debug, Clone)]
pub(super) struct Process {
    pub id: Pid,
    pub group: Option<Pid>,
    pub name: String,
    parent: Option<Pid>,
    pub ended: bool,
}

/// Makes us the parent of orphaned descendants, so that they are still known as ours; returns
/// whether we are.
pub(super) fn adopt_orphans() -> bool {
    // Without /proc, we could not find and reap them.
    #[cfg(target_os = "linux")]
    if !from_proc().is_empty() {
        return rustix::process::set_child_subreaper(Some(getpid())).is_ok();
    }
    false
}

/// The processes that existed before the command.
#[derive(Debug)]
pub(super) struct Existing {
    /// Our children: a shell that called exec to start us may have had some.
    children: Vec<Pid>,
    /// The processes of our group.
    group: Vec<Pid>,
    /// Whether orphans become our children.
    adopts: bool,
}

impl Existing {
    /// `adopts`: the answer of [`adopt_orphans`].
    pub(super) fn of(processes: &[Process], adopts: bool) -> Self {
        let ids = |is: &dyn Fn(&&Process) -> bool| {
            processes.iter().filter(is).map(|process| process.id).collect()
        };
        Self {
            children: ids(&|process| process.parent == Some(getpid())),
            group: ids(&|process| process.group == Some(getpgrp())),
            adopts,
        }
    }

    /// Our descendants that are newer, and the orphans that the command left to init if we do not
    /// adopt them: they are still in its process group, which may be ours.
    pub(super) fn newer<'p>(&self, command: Pid, processes: &'p [Process]) -> Vec<&'p Process> {
        let mut found = below(getpid(), &self.children, processes);
        let is_orphan = |process: &&Process| {
            let in_group = process.group == Some(command)
                || process.group == Some(getpgrp()) && !self.group.contains(&process.id);
            // As init, we are the parent of all orphans.
            in_group && process.parent == Some(INIT) && ![process.id, INIT].contains(&getpid())
        };
        for orphan in processes.iter().filter(|_| !self.adopts).filter(is_orphan) {
            found.extend(below(orphan.id, &[], processes));
            found.push(orphan);
        }
        found
    }
}

/// Reaps exited orphans, but not the command, which is waited for elsewhere. Without /proc, none
/// are ours.
pub(super) fn reap_orphans(command: Option<Pid>) {
    let ours = |process: &&Process| {
        process.parent == Some(getpid()) && process.ended && Some(process.id) != command
    };
    for process in from_proc().iter().filter(ours) {
        let _ = waitpid(Some(process.id), WaitOptions::NOHANG);
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

/// Every process; none without /proc.
pub(super) fn from_proc() -> Vec<Process> {
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
    Some(Process {
        id: pid(id)?,
        name: name.to_owned(),
        parent: pid(parent),
        group: pid(group),
        ended: matches!(state, "Z" | "X"),
    })
}

/// A process that just exited has parent 0 and group -1.
fn pid(text: &str) -> Option<Pid> {
    text.parse().ok().filter(|id| *id > 0).and_then(Pid::from_raw)
}

/// Parses what ps(1) printed with the arguments of [`PS`], without the process of ps itself.
pub(super) fn parse_ps(printed: &[u8]) -> Vec<Process> {
    let line = |line: &str| {
        let (id, rest) = line.trim_start().split_once(' ')?;
        let (parent, rest) = rest.trim_start().split_once(' ')?;
        let (group, rest) = rest.trim_start().split_once(' ')?;
        let (state, name) = rest.trim_start().split_once(' ')?;
        Some(Process {
            id: pid(id)?,
            name: name.trim().to_owned(),
            parent: pid(parent),
            group: pid(group),
            ended: state.starts_with('Z'),
        })
    };
    let is_ps = |process: &Process| {
        let is_named = process.name == "ps";
        is_named && process.parent == Some(getpid()) && process.group == Some(process.id)
    };
    let printed = String::from_utf8_lossy(printed);
    printed.lines().filter_map(line).filter(|process| !is_ps(process)).collect()
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

    fn id(number: i32) -> Pid {
        Pid::from_raw(number).unwrap()
    }

    fn process(number: i32, parent: i32) -> Process {
        let parent = Pid::from_raw(parent);
        Process { id: id(number), name: String::new(), parent, group: None, ended: false }
    }

    #[test]
    fn ps_is_read_as_proc_is() {
        let printed = b"    1     0     1 Ss   launchd\n  812     1   790 S+   Code Helper (GPU)\n\
                      \x20 813   812   790 Z    <defunct>\n  814   812   790 R    \n x\n";
        let shown = |processes: &[Process]| -> Vec<String> {
            let number = |id: Option<Pid>| id.map_or(0, |id| id.as_raw_nonzero().get());
            let show = |process: &Process| {
                let Process { id, parent, group, name, ended } = process;
                let ids = [Some(*id), *parent, *group].map(number);
                format!("{ids:?} {ended} {name}")
            };
            processes.iter().map(show).collect()
        };
        assert_eq!(
            shown(&parse_ps(printed)),
            [
                "[1, 0, 1] false launchd",
                "[812, 1, 790] false Code Helper (GPU)",
                "[813, 812, 790] true <defunct>",
                "[814, 812, 790] false ",
            ]
        );
        // The real one, where it is installed.
        if let Ok(output) = std::process::Command::new(PS.0).args(PS.1).output() {
            let ours = |processes: Vec<Process>| {
                let ours = |process: &Process| process.id == getpid();
                shown(&processes.into_iter().filter(ours).collect::<Vec<_>>())
            };
            assert_eq!(ours(parse_ps(&output.stdout)), ours(from_proc()));
        }
    }

    #[test]
    fn orphans_are_known_by_their_group() {
        let (command, us, our_group) = (4_000_001, getpid(), getpgrp());
        let in_group = |group, number, parent| Process { group, ..process(number, parent) };
        let ours = us.as_raw_nonzero().get();
        let processes = [
            in_group(Pid::from_raw(command), command, ours),
            in_group(Pid::from_raw(command), 4_000_002, 1),
            in_group(Some(id(4_000_003)), 4_000_003, 4_000_002),
            in_group(Some(our_group), 4_000_004, 1),
            in_group(Some(our_group), 4_000_005, 1),
            in_group(Some(our_group), 4_000_006, 4_000_007),
            in_group(Some(id(4_000_008)), 4_000_008, 1),
            in_group(Some(our_group), ours, 1),
        ];
        let existing =
            |adopts| Existing { children: Vec::new(), group: vec![id(4_000_005)], adopts };
        assert_eq!(existing(true).newer(id(command), &processes).len(), 1, "the command");
        let existing = existing(false);
        let newer = existing.newer(id(command), &processes);
        let mut newer: Vec<i32> =
            newer.iter().map(|process| process.id.as_raw_nonzero().get()).collect();
        newer.sort_unstable();
        assert_eq!(newer, [4_000_001, 4_000_002, 4_000_003, 4_000_004]);
        let existing = Existing::of(&processes, false);
        assert_eq!(existing.children, [id(command)]);
        assert!(existing.newer(id(9), &processes).is_empty());
    }

    #[test]
    fn descendants_are_found_at_any_depth() {
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
