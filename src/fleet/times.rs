//! What the last cold and warm builds of a repository took, from a record whose labels are
//! `NAME/SURFACE cold` and `NAME/SURFACE warm`, or `NAME cold` and `NAME warm`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::base::escape::Escaped;
use crate::fleet::{Cell, CellState};
use crate::measure::runs::Run;
use crate::measure::units::Seconds;
use crate::snapshot::Tree;

/// The ends of labels.
const COLD: &str = " cold";
const WARM: &str = " warm";

/// The time in seconds that a warm build must be under (gate C2).
const FAST: f64 = 30.0;

/// The cells about the builds of a repository.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Times {
    pub cold: Cell,
    pub warm: Cell,
    /// Gate C2: every warm build ran steps, and was fast.
    pub fast: Cell,
    /// Gate C3, as far as a record tells: the last builds left the work tree unchanged.
    pub unchanged: Cell,
    /// Gate C6: each surface has both times.
    pub filled: Cell,
}

/// The last successful builds of a surface.
#[derive(Debug, Default)]
struct Last<'r> {
    cold: Option<&'r Run>,
    warm: Option<&'r Run>,
}

/// The times of a repository with this name. `surfaces`: the directories of its Dockerfiles, `.`
/// for the top. `without`: those that no build is recorded for.
pub(crate) fn of(
    name: &str,
    runs: &[Run],
    surfaces: &BTreeSet<String>,
    without: impl Fn(&str) -> bool,
    now: Timestamp,
) -> Times {
    let named = surfaces.iter().map(|surface| if surface == "." { "" } else { surface });
    let mut last: BTreeMap<&str, Last<'_>> =
        named.map(|surface| (surface, Last::default())).collect();
    for run in runs.iter().filter(|run| run.is_successful()) {
        let cold = run.label.strip_suffix(COLD);
        let Some(label) = cold.or_else(|| run.label.strip_suffix(WARM)) else { continue };
        let Some(surface) = surface_of(name, label) else { continue };
        let known = last.entry(surface).or_default();
        *(if cold.is_some() { &mut known.cold } else { &mut known.warm }) = Some(run);
    }
    last.retain(|surface, _| !without(if surface.is_empty() { "." } else { surface }));
    let slowest = |is_warm: bool| {
        let runs = last.iter().filter_map(|(surface, last)| {
            Some((*surface, if is_warm { last.warm? } else { last.cold? }))
        });
        let slowest = runs.max_by(|one, other| one.1.seconds.total_cmp(&other.1.seconds));
        slowest.map_or_else(Cell::open, |one| time(one, is_warm, now))
    };
    let (cold, warm) = (slowest(false), slowest(true));
    Times { cold, warm, fast: fast(&last), unchanged: unchanged(&last), filled: filled(&last) }
}

/// The surface that a label without its end names; empty for the whole repository.
fn surface_of<'l>(name: &str, label: &'l str) -> Option<&'l str> {
    let rest = label.strip_prefix(name)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// "web 12.30 s, 4/5, 3 d": the time, the cached `RUN` steps, the age.
fn time((surface, run): (&str, &Run), is_warm: bool, now: Timestamp) -> Cell {
    let mut text = Seconds(run.seconds).to_string();
    if !surface.is_empty() {
        text = format!("{} {text}", shown(surface));
    }
    if let Some((cached, all)) = run.cached_steps().filter(|_| is_warm) {
        text += &format!(", {cached}/{all}");
    }
    text += &format!(", {}", age(run.started, now));
    Cell::good(text)
}

/// "3 d": how long ago a build started.
fn age(started: Timestamp, now: Timestamp) -> String {
    let minutes = now.duration_since(started).as_secs().max(0) / 60;
    match minutes {
        ..60 => format!("{minutes} min"),
        60..2880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1440),
    }
}

fn fast(last: &BTreeMap<&str, Last<'_>>) -> Cell {
    let mut doubt = last.is_empty().then(|| "no surface is known".to_owned());
    for (surface, Last { warm, .. }) in last {
        let of = of_surface(surface);
        match warm {
            Some(run) if run.seconds >= FAST => {
                let detail = format!(
                    "a warm build{of} took {}, not under {}",
                    Seconds(run.seconds),
                    Seconds(FAST)
                );
                return Cell::new(CellState::Bad, "no").detail(detail);
            }
            Some(run) if run.cached_steps().is_some_and(|(cached, all)| cached < all) => {}
            Some(_) => doubt = Some(format!("no RUN step of the warm build{of} is known to run")),
            None => doubt = Some(format!("no warm build{of} is recorded")),
        }
    }
    doubt.map_or_else(|| Cell::good("yes"), |doubt| Cell::open().detail(doubt))
}

fn unchanged(last: &BTreeMap<&str, Last<'_>>) -> Cell {
    let mut is_recorded = false;
    for (surface, Last { cold, warm }) in last {
        for run in [cold, warm].into_iter().flatten() {
            if run.tree == Tree::Changed {
                let detail = format!("the last build{} changed the work tree", of_surface(surface));
                return Cell::new(CellState::Bad, "no").detail(detail);
            }
            is_recorded |= run.tree == Tree::Unchanged;
        }
    }
    if is_recorded { Cell::good("yes") } else { Cell::open().detail("no build is recorded") }
}

fn filled(last: &BTreeMap<&str, Last<'_>>) -> Cell {
    let lacks = |last: &Last<'_>| last.cold.is_none() || last.warm.is_none();
    match last.iter().find(|(_, last)| lacks(last)) {
        Some((surface, _)) => {
            Cell::open().detail(format!("a time{} is missing", of_surface(surface)))
        }
        None if last.is_empty() => Cell::open().detail("no surface is known"),
        None => Cell::good("yes"),
    }
}

fn of_surface(surface: &str) -> String {
    if surface.is_empty() { String::new() } else { format!(" of {}", shown(surface)) }
}

fn shown(surface: &str) -> String {
    Escaped(surface.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::builds::tests::build;
    use crate::measure::runs::tests::run;

    fn warm(label: &str, seconds: f64, is_cached: bool) -> Run {
        let web = build("web", &[("[1/2] RUN x", true), ("[2/2] RUN y", is_cached)]);
        Run { builds: Some(Ok(vec![web])), ..run(label, seconds, 0) }
    }

    fn times(runs: &[Run], surfaces: &[&str]) -> Times {
        let now = "2026-05-05T11:11:12Z".parse().unwrap();
        let surfaces = surfaces.iter().map(|surface| (*surface).to_owned()).collect();
        of("shop", runs, &surfaces, |surface| surface == "docs", now)
    }

    #[test]
    fn the_last_builds_of_the_slowest_surface() {
        let runs = [
            run("shop/web cold", 90.0, 0),
            run("shop/web cold", 50.0, 0),
            run("shop/web cold", 99.0, 1),
            run("shop/backend cold", 40.0, 0),
            run("shop/docs cold", 400.0, 0),
            run("shopping cold", 500.0, 0),
            warm("shop/web warm", 6.0, false),
            warm("shop/backend warm", 12.5, false),
        ];
        let times = times(&runs, &["web", "backend", "docs"]);
        assert_eq!(times.cold, Cell::good("web 50.00 s, 3 d"));
        assert_eq!(times.warm, Cell::good("backend 12.50 s, 1/2, 3 d"));
        assert_eq!((times.fast, times.filled), (Cell::good("yes"), Cell::good("yes")));
    }

    #[test]
    fn a_gate_is_open_until_all_is_known() {
        let open = |detail: &str| Cell::open().detail(detail);
        for (runs, surfaces, fast, filled) in [
            (vec![], &[][..], open("no surface is known"), open("no surface is known")),
            (
                vec![],
                &["web"],
                open("no warm build of web is recorded"),
                open("a time of web is missing"),
            ),
            (
                vec![warm("shop warm", 5.0, false)],
                &["."],
                Cell::good("yes"),
                open("a time is missing"),
            ),
            (
                vec![run("shop cold", 50.0, 0), warm("shop warm", 5.0, true)],
                &["."],
                open("no RUN step of the warm build is known to run"),
                Cell::good("yes"),
            ),
            (
                vec![run("shop/web cold", 50.0, 0), run("shop/web warm", 30.0, 0)],
                &[],
                Cell::new(CellState::Bad, "no")
                    .detail("a warm build of web took 30.00 s, not under 30.00 s"),
                Cell::good("yes"),
            ),
        ] {
            let times = times(&runs, surfaces);
            assert_eq!((times.fast, times.filled), (fast, filled), "{runs:?}");
        }
    }

    #[test]
    fn a_tree_is_clean_after_a_build_that_is_recorded() {
        let changed = Run { tree: Tree::Changed, ..run("shop/web warm", 5.0, 0) };
        let unknown = Run { tree: Tree::Unknown, ..run("shop cold", 5.0, 0) };
        let detail = "the last build of web changed the work tree";
        for (runs, expected) in [
            (vec![], Cell::open().detail("no build is recorded")),
            (vec![unknown], Cell::open().detail("no build is recorded")),
            (vec![run("shop cold", 5.0, 0)], Cell::good("yes")),
            (
                vec![run("shop/web cold", 5.0, 0), changed],
                Cell::new(CellState::Bad, "no").detail(detail),
            ),
        ] {
            assert_eq!(times(&runs, &[]).unchanged, expected, "{runs:?}");
        }
    }

    #[test]
    fn an_age_in_one_unit() {
        let now: Timestamp = "2026-05-05T00:00:00Z".parse().unwrap();
        for (started, text) in [
            ("2026-05-04T23:59:30Z", "0 min"),
            ("2026-05-06T00:00:00Z", "0 min"),
            ("2026-05-04T22:10:00Z", "1 h"),
            ("2026-05-03T00:00:00Z", "2 d"),
        ] {
            assert_eq!(age(started.parse().unwrap(), now), text);
        }
    }
}
